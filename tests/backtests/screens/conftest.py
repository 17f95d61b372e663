from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from backtests.models import Universe
from backtests.prices.cache import BARS_CACHE
from backtests.screens.answers import ANSWERS
from backtests.screens.kept import KEPT
from tests.backtests.api.asking import HANDLER
from tests.builders import make_bars, store_universe

N_BARS = 60


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    ANSWERS.forget()
    KEPT.forget()
    BARS_CACHE.clear()
    yield
    ANSWERS.forget()
    KEPT.forget()


@pytest.fixture
def client() -> Client:
    opened = Client()
    opened.handler = HANDLER
    return opened


@pytest.fixture
def universe(db: None) -> Universe:
    """UP rises by one a day from 100, DOWN falls, FLAT stands still, STALE ended long ago, and NONE has no prices."""
    return store_universe(
        "Test",
        {
            "UP": make_bars([100.0 + day for day in range(N_BARS)], volume=[1000.0] * (N_BARS - 1) + [5000.0]),
            "DOWN": make_bars([200.0 - day for day in range(N_BARS)]),
            "FLAT": make_bars([50.0] * N_BARS),
            "STALE": make_bars([10.0 + day for day in range(20)]),
            "NONE": make_bars([]),
        },
    )
