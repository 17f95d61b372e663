from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backtests import delivery
from backtests.models import NewBars, Universe
from backtests.prices.cache import BARS_CACHE
from backtests.screens.answers import ANSWERS
from tests.backtests.listeners import HOST, Hook, webhook
from tests.builders import make_bars, store_universe

N_BARS = 60


@pytest.fixture(autouse=True)
def _settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is waited for, webhooks may be called here, and nothing is kept of the test before."""
    settings.SETTLE_S = 0.0
    settings.WEBHOOK_HOSTS = [HOST]
    settings.PUBLIC_URL = "https://trawl.example"
    monkeypatch.setattr(delivery, "PAUSE_S", 0.01)
    ANSWERS.forget()
    BARS_CACHE.clear()
    yield
    ANSWERS.forget()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as served:
        yield served


@pytest.fixture
def universe(db: None) -> Universe:
    """UP rises by one a day from 100, DOWN falls from 200, FLAT stands still at 50; what storing them noted is gone."""
    stored = store_universe(
        "Test",
        {
            "UP": make_bars([100.0 + day for day in range(N_BARS)]),
            "DOWN": make_bars([200.0 - day for day in range(N_BARS)]),
            "FLAT": make_bars([50.0] * N_BARS),
        },
    )
    NewBars.objects.all().delete()
    return stored
