"""The places of symbols among all of a run or of a screen, for formulas that rank them.

The values that are ranked are computed for some symbols at a time, and only they are kept of a whole market. Of a run
they are computed once in each process: whichever chunk comes first does it, and the others wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backtests.models import RunChunk
from backtests.runs.errors import RequestRefused
from strategies.bars import Bars, FloatArray, IntArray
from strategies.base import Strategy
from strategies.formula import Flat
from strategies.formula.program import Program
from strategies.formula.ranked import passes_of, ranked, values_of
from strategies.formula.strategy import FormulaStrategy

# Each takes eight bytes; a market of 10,000 symbols with ten years of days has as many.
MOST_VALUES = 30_000_000
SYMBOLS_AT_ONCE = 64

# Of each step that ranks, by its number in the program, the results on all bars of each symbol, by its id.
Places = Mapping[int, Mapping[int, FloatArray]]
# What tells the bars of those of these symbols that have any, in order.
FlatOf = Callable[[Sequence[int]], tuple[list[int], Flat]]


def refuse_too_many_ranks(strategy: Strategy, n_bars: int) -> None:
    """Raise RequestRefused if a strategy would rank more values of so many bars than fit into memory."""
    if isinstance(strategy, FormulaStrategy):
        refuse_too_many_values("strategy", strategy.program, n_bars)


def refuse_too_many_values(field: str, program: Program, n_bars: int) -> None:
    """Raise RequestRefused if a program ranks more values of so many bars than fit into memory."""
    n_values = n_bars * sum(len(numbers) for numbers in passes_of(program))
    if n_values > MOST_VALUES:
        raise RequestRefused(
            field,
            f"ranks {n_values:,} values of these symbols; the most that fit into memory are {MOST_VALUES:,}: choose "
            "fewer symbols, a longer interval or fewer ranks",
        )


def symbols_of(run_id: str) -> list[int]:
    """Return the ids of all symbols of a run that is being worked on."""
    chunks = RunChunk.objects.filter(run_id=run_id).values_list("symbol_ids", flat=True)
    return sorted({symbol_id for ids in chunks for symbol_id in ids})


class Ranks:
    """The places of all symbols of one run in this process, computed by whoever asks first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: Places | None = None

    def of(self, compute: Callable[[], Places]) -> Places:
        with self._lock:
            if self._places is None:
                self._places = compute()
            return self._places


def ranks_on(places: Places, symbol_ids: Sequence[int], bars: Sequence[Bars]) -> dict[int, FloatArray]:
    """Return the places of some symbols on these bars, one symbol behind the other, as a program takes them.

    Raises RequestRefused if the bars are not those that were ranked.
    """
    for own in places.values():
        if any(len(own.get(symbol_id, ())) != len(each) for symbol_id, each in zip(symbol_ids, bars, strict=True)):
            raise RequestRefused("strategy", "ranks symbols whose prices have changed during this run; start it again")
    return {number: np.concatenate([own[symbol_id] for symbol_id in symbol_ids]) for number, own in places.items()}


def computed_places(
    program: Program, symbol_ids: Sequence[int], flat_of: FlatOf, others: Mapping[str, Flat], *, at_once: int = 0
) -> Places:
    """Return the places of symbols, whose bars are asked for some at a time."""
    at_once = at_once or SYMBOLS_AT_ONCE
    places: dict[int, dict[int, FloatArray]] = {}
    for numbers in passes_of(program):
        times: dict[int, IntArray] = {}
        values: dict[int, dict[int, FloatArray]] = {number: {} for number in numbers}
        # Most symbols trade on the same days: these are kept once.
        calendars: dict[bytes, IntArray] = {}
        for first in range(0, len(symbol_ids), at_once):
            found, flat = flat_of(symbol_ids[first : first + at_once])
            before = {number: np.concatenate([own[each] for each in found]) for number, own in places.items() if found}
            made = values_of(program, numbers, flat, others, before)
            for index, symbol_id in enumerate(found):
                part = slice(flat.edges[index], flat.edges[index + 1])
                time = flat.time[part]
                times[symbol_id] = calendars.setdefault(time.tobytes(), time)
                for number in numbers:
                    values[number][symbol_id] = made[number][part]
        for number, own in values.items():
            ranked(program.steps[number].operation, list(times.values()), list(own.values()))
        places |= values
    return places
