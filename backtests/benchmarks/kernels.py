"""The engine alone: signals, simulation and metrics of a whole market in memory, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from backtests.benchmarks.figures import Figure
from backtests.engine import Rules, evaluate
from backtests.engine.warm import warm
from backtests.prices.demo.cast import stock_cast
from backtests.prices.demo.load import SEED
from backtests.prices.demo.stocks import stock_bars, stock_factors
from strategies.bars import Bars
from strategies.base import Strategy
from strategies.registry import strategies

GOAL_MS = {"rsi": 15.0}


def measure_kernels(n_runs: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the figures of every strategy over the 503 demo stocks."""
    say("Making the bars of 503 demo stocks.")
    factors = stock_factors(SEED)
    market = [stock_bars(member, factors, SEED) for member in stock_cast()]
    n_bars = sum(len(bars) for bars in market)
    warm()
    figures = []
    for key, strategy in strategies().items():
        values = [_scan_ms(strategy(), market) for _ in range(n_runs + 1)][1:]
        label = f"{key}: signals, trades and metrics of {len(market)} symbols, {n_bars:,} bars"
        figures.append(Figure(label, values, goal=GOAL_MS.get(key)))
    return figures


def _scan_ms(strategy: Strategy, market: list[Bars]) -> float:
    rules = Rules()
    began = perf_counter()
    for bars in market:
        evaluate(bars, strategy.signals(bars), rules, bars_per_year=252)
    return (perf_counter() - began) * 1000
