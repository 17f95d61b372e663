"""Run everything that is compiled once."""

from __future__ import annotations

import numpy as np

from backtests.engine.evaluate import evaluate_all
from backtests.engine.rules import Rules
from strategies.bars import Bars
from strategies.indicators.kernel import forget_old_kernels
from strategies.indicators.table import compile_all
from strategies.registry import strategies


def warm() -> None:
    """Import, and thereby compile or load, every kernel, and run each strategy with its simulation once."""
    compile_all()
    n = 300
    close = 100.0 + 20.0 * np.sin(np.arange(n) / 7.0)
    bars = Bars.of(
        time=np.arange(n) * 86_400, open=close, high=close + 1.0, low=close - 1.0, close=close, volume=np.ones(n)
    )
    rules = Rules()
    for strategy in strategies().values():
        list(evaluate_all([bars], strategy().signals_all([bars]), rules, bars_per_year=252))
    forget_old_kernels()
