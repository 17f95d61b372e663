from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from backtests.models import Run, Universe
from tests.backtests.api.asking import HANDLER
from tests.backtests.api.examples import N_COINS, N_STOCKS
from tests.backtests.processes import Outside, Server
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe


@pytest.fixture
def client() -> Client:
    """A program on this machine, without a login."""
    opened = Client()
    opened.handler = HANDLER
    return opened


@pytest.fixture
def universe(db: None) -> Universe:
    """Seven stocks of sixty daily bars and one without any."""
    return store_universe("Test", {**make_market(n_symbols=7, n_bars=60), "ZZZ": make_bars([])})


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def finished(universe: Universe) -> Run:
    """A complete run of nobody's: seven results and a failure."""
    return execute_run(make_run(universe, parameters={"period": 5}))


@pytest.fixture
def server(outside: Outside) -> Server:
    """A server with the market that the examples of the docs are run on."""
    call_command("load_demo", stocks=N_STOCKS, coins=N_COINS, hourly=1, verbosity=0)
    Run.objects.all().delete()
    return outside.serve()
