"""Run everything that is compiled once."""

from __future__ import annotations

import numpy as np

from backtests.engine.evaluate import evaluate_all
from backtests.engine.rules import Rules
from backtests.engine.sweep import Sweep
from strategies.bars import Bars
from strategies.indicators.kernel import forget_old_kernels
from strategies.indicators.table import compile_all
from strategies.library.sma_cross import SmaCross
from strategies.registry import strategies


def warm() -> dict[str, Exception]:
    """Import, and thereby compile or load, every kernel, and run each strategy with its simulation once.

    Returns what strategies have raised, by key: one that fails, fails every run, but keeps no other from being warm.
    """
    compile_all()
    n = 300
    close = 100.0 + 20.0 * np.sin(np.arange(n) / 7.0)
    bars = Bars.of(
        time=np.arange(n) * 86_400, open=close, high=close + 1.0, low=close - 1.0, close=close, volume=np.ones(n)
    )
    rules = Rules()
    raised: dict[str, Exception] = {}
    Sweep([SmaCross()], rules, bars_per_year=252).of(bars)
    for key, strategy in strategies().items():
        try:
            list(evaluate_all([bars], strategy().signals_all([bars]), rules, bars_per_year=252))
        except Exception as error:  # noqa: BLE001 - the code of users may raise anything
            raised[key] = error
    forget_old_kernels()
    return raised
