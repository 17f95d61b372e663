"""What the tests of faults share: a small market, and a gate at which a run stands still."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtests.models import Universe
from tests.backtests.faults.wholeness import N_SYMBOLS
from tests.builders import make_market, store_universe


@pytest.fixture(autouse=True)
def universe(gated: None) -> Universe:
    # With prices in it, no demo market is loaded.
    return store_universe("Test", make_market(n_symbols=N_SYMBOLS, n_bars=60))


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"
