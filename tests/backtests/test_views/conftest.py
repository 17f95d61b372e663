from __future__ import annotations

import pytest
from django.test import Client
from django.test.client import ClientHandler

from backtests.models import Universe
from tests.builders import make_bars, make_market, store_universe

# Every handler searches the static files anew when it is first asked.
HANDLER = ClientHandler(enforce_csrf_checks=False)


@pytest.fixture
def client() -> Client:
    """A client that need not load the middleware first."""
    opened = Client()
    opened.handler = HANDLER
    return opened


@pytest.fixture
def universe(db: None) -> Universe:
    """Seven stocks of sixty daily bars and one without any."""
    return store_universe("Test", {**make_market(n_symbols=7, n_bars=60), "ZZZ": make_bars([])})
