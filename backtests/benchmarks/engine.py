"""The engine alone: signals, simulation, trades and all metrics of whole markets in memory.

1. ``markets.py``       the bars
2. here                 one thread and two, days and hours, one parameter set and a hundred
3. ``engine_peers.py``  other backtesters on the same bars, where they are installed
4. ``engine_alone.py``  what needs a process of its own: the first scan, and memory
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from backtests.benchmarks.engine_alone import measure_first_scans, measure_large_market
from backtests.benchmarks.engine_peers import measure_peers
from backtests.benchmarks.figures import Figure
from backtests.benchmarks.markets import Market
from backtests.benchmarks.scans import chunks_of, on_two_threads, scan
from backtests.engine import Rules
from backtests.engine.sweep import EVERY, QUICK, Sweep
from backtests.engine.warm import warm
from strategies.bars import Bars
from strategies.registry import get_strategy

STRATEGIES = ("rsi", "sma-cross", "bollinger")

ONE_THREAD_GOAL_MS = 15.0
TWO_THREADS_GOAL_MS = 9.0
HOURLY_GOAL_MS = 70.0
QUICK_SWEEP_GOAL_MS = 200.0
SWEEP_GOAL_MS = 1000.0

# A hundred moving-average crosses of twenty different averages.
SWEPT_FAST, SWEPT_SLOW = range(5, 55, 5), range(60, 260, 20)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The markets that are measured."""

    daily: Market
    hourly: Market
    large: Market


FULL = Sizes(
    daily=Market(503, 2_520),
    hourly=Market(243, 26_280, is_hourly=True),
    large=Market(10_000, 2_520),
)


def measure_engine(n_runs: int, say: Callable[[str], None], sizes: Sizes = FULL) -> list[Figure]:
    """Return the figures of three strategies on every market, and those of the installed peers on the daily one."""
    warm()
    say(f"Making {sizes.daily} daily bars.")
    bars = sizes.daily.bars()
    figures = _daily_figures(bars, sizes.daily, n_runs)
    figures += _sweep_figures(bars, sizes.daily, n_runs)
    figures += measure_peers(bars, sizes.daily, STRATEGIES, n_runs, say)
    figures += _hourly_figures(sizes.hourly, n_runs, say)
    say(f"Measuring {sizes.large} daily bars and first scans in processes of their own.")
    figures += measure_large_market(sizes.large, STRATEGIES, max(1, n_runs // 4))
    return figures + measure_first_scans(sizes.daily, STRATEGIES, max(1, n_runs // 4))


def timed_ms(work: Callable[[], object], n_runs: int) -> list[float]:
    """Return the milliseconds of every run after a first one, which does not count."""
    work()
    values = []
    for _ in range(n_runs):
        gc.collect()
        began = perf_counter()
        work()
        values.append((perf_counter() - began) * 1000)
    return values


def _daily_figures(market_bars: list[Bars], market: Market, n_runs: int) -> list[Figure]:
    chunks = chunks_of(market_bars)
    figures = []
    with ThreadPoolExecutor(1) as helper:
        for key in STRATEGIES:
            work = partial(scan, get_strategy(key)(), rules=Rules(), bars_per_year=market.bars_per_year)
            one = timed_ms(partial(work, chunks), n_runs)
            two = timed_ms(partial(on_two_threads, helper, work, chunks), n_runs)
            figures.append(Figure(f"{key}, {market} daily, one thread", one, goal=ONE_THREAD_GOAL_MS))
            figures.append(Figure(f"{key}, {market} daily, two threads", two, goal=TWO_THREADS_GOAL_MS))
    return figures


def _sweep_figures(market_bars: list[Bars], market: Market, n_runs: int) -> list[Figure]:
    grid = [get_strategy("sma-cross")(fast=fast, slow=slow) for fast in SWEPT_FAST for slow in SWEPT_SLOW]
    figures = []
    with ThreadPoolExecutor(1) as helper:
        for keys, told, goal in (
            (QUICK, "return, drawdown, Sharpe and trade count", QUICK_SWEEP_GOAL_MS),
            (EVERY, "all metrics", SWEEP_GOAL_MS),
        ):
            work = partial(_sweep_all, Sweep(grid, Rules(), bars_per_year=market.bars_per_year, keys=keys))
            one = timed_ms(partial(work, market_bars), n_runs)
            two = timed_ms(partial(on_two_threads, helper, work, market_bars), n_runs)
            label = f"sma-cross with {len(grid)} parameter sets, {market} daily, {told}"
            figures.append(Figure(f"{label}, one thread", one))
            figures.append(Figure(f"{label}, two threads", two, goal=goal))
    return figures


def _sweep_all(sweep: Sweep, market_bars: Iterable[Bars]) -> None:
    for bars in market_bars:
        sweep.of(bars)


def _hourly_figures(market: Market, n_runs: int, say: Callable[[str], None]) -> list[Figure]:
    say(f"Making {market} hourly bars.")
    chunks = chunks_of(market.bars())
    figures = []
    for key in STRATEGIES:
        work = partial(scan, get_strategy(key)(), chunks, Rules(), market.bars_per_year)
        figures.append(Figure(f"{key}, {market} hourly, one thread", timed_ms(work, n_runs), goal=HOURLY_GOAL_MS))
    return figures
