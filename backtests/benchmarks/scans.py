"""What a scan does with symbols in memory, as one chunk after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from backtests.engine import Rules, evaluate_all
from strategies.bars import Bars, FloatArray
from strategies.base import Strategy

# As many symbols as the largest chunk of a run has.
SYMBOLS_AT_ONCE = 32

Item = TypeVar("Item")


def chunks_of(market_bars: Sequence[Bars]) -> list[Sequence[Bars]]:
    """Return the symbols in chunks."""
    return [market_bars[first : first + SYMBOLS_AT_ONCE] for first in range(0, len(market_bars), SYMBOLS_AT_ONCE)]


def scan(strategy: Strategy, chunks: Iterable[Sequence[Bars]], rules: Rules, bars_per_year: float) -> list[FloatArray]:
    """Return the metrics of every symbol; trades and equity are made, too, and dropped with their chunk."""
    values: list[FloatArray] = []
    for chunk in chunks:
        signals = strategy.signals_all(chunk)
        values += [metrics for _, metrics in evaluate_all(chunk, signals, rules, bars_per_year=bars_per_year)]
    return values


def on_two_threads(helper: ThreadPoolExecutor, work: Callable[[Iterator[Item]], object], items: Iterable[Item]) -> None:
    """Do the work on the calling thread and on one more, each of which takes the next item when it has done one."""
    shared = iter(items)
    beside = helper.submit(work, shared)
    work(shared)
    beside.result()
