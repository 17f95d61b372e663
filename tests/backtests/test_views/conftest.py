from __future__ import annotations

import pytest

from backtests.models import Universe
from tests.builders import make_bars, make_market, store_universe


@pytest.fixture
def universe(db: None) -> Universe:
    """Seven stocks of sixty daily bars and one without any."""
    return store_universe("Test", {**make_market(n_symbols=7, n_bars=60), "ZZZ": make_bars([])})
