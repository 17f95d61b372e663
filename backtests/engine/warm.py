"""Run everything that is compiled once."""

from __future__ import annotations

import numpy as np

from backtests.engine.metrics import measure
from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from strategies.bars import Bars
from strategies.registry import strategies


def warm() -> None:
    """Import, and thereby compile or load, every kernel, and run each strategy with its simulation once."""
    n = 300
    close = 100.0 + 20.0 * np.sin(np.arange(n) / 7.0)
    bars = Bars.of(
        time=np.arange(n) * 86_400, open=close, high=close + 1.0, low=close - 1.0, close=close, volume=np.ones(n)
    )
    rules = Rules()
    for strategy in strategies().values():
        outcome = simulate(bars, strategy().signals(bars), rules)
        measure(bars, outcome, cash=rules.cash, bars_per_year=252)
