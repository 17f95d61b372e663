"""Ranks of a whole market that is too large to be computed at once.

1. ``passes_of``   which of a program's steps rank symbols, those that need others' ranks behind these
2. ``values_of``   what such a step ranks, of some symbols at a time
3. ``ranked``      the places of all symbols, in the room of the values
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from strategies.bars import FloatArray, IntArray
from strategies.formula.errors import Place
from strategies.formula.evaluate import evaluate
from strategies.formula.flat import Flat
from strategies.formula.operations import RANKINGS
from strategies.formula.program import Part, Program

# So many values are put in order at once.
VALUES_AT_ONCE = 2_000_000
# Times are cut where these few of each symbol say.
_SAMPLED = 64


def passes_of(program: Program) -> list[list[int]]:
    """Return the numbers of the steps that rank symbols: of each list, what it ranks needs only the lists before it."""
    depths: list[int] = []
    passes: list[list[int]] = []
    for number, step in enumerate(program.steps):
        depth = max((depths[each] for each in step.inputs), default=0)
        if step.operation in RANKINGS:
            passes += [[]] * (depth == len(passes))
            passes[depth] = [*passes[depth], number]
            depth += 1
        depths.append(depth)
    return passes


def values_of(
    program: Program, numbers: Sequence[int], flat: Flat, others: Mapping[str, Flat], ranks: Mapping[int, FloatArray]
) -> dict[int, FloatArray]:
    """Return what each of these steps ranks on all bars, by its number; float64, shape (n,), to be written to.

    ``ranks`` has the results of the ranking steps in the passes before, on these bars.
    """
    parts = {number: Part("", program.steps[number].inputs[0], "number", Place(1, 1)) for number in numbers}
    evaluated = evaluate(program, flat, others, parts=parts.values(), ranks=ranks)
    return {number: np.array(evaluated.numbers(part)) for number, part in parts.items()}


def ranked(operation: str, times: Sequence[IntArray], values: Sequence[FloatArray]) -> None:
    """Replace the values of every symbol by their ranks among all symbols at the same time.

    Parameters
    ----------
    operation : str
        ``rank`` or ``percentile``.
    times : sequence of int64, shape (n,) each
        Of each symbol, rising.
    values : sequence of float64, shape (n,) each
        NaN where a symbol takes no part; becomes the rank there, and stays NaN elsewhere.
    """
    if not times:
        return
    for first_s, end_s in pairwise(_cuts(times)):
        spans = [np.searchsorted(time, (first_s, end_s)).tolist() for time in times]
        # Most symbols share their times: each calendar is looked at once.
        calendars = {(id(time), *span): time[slice(*span)] for time, span in zip(times, spans, strict=True)}
        together = np.unique(np.concatenate(list(calendars.values())))
        rows = {key: np.searchsorted(together, calendar) for key, calendar in calendars.items()}
        grid = np.full((len(together), len(times)), np.nan)
        for column, (time, own, span) in enumerate(zip(times, values, spans, strict=True)):
            grid[rows[id(time), *span], column] = own[slice(*span)]
        places = _places(operation, grid)
        for column, (time, own, span) in enumerate(zip(times, values, spans, strict=True)):
            own[slice(*span)] = places[rows[id(time), *span], column]


def _places(operation: str, grid: FloatArray) -> FloatArray:
    """Return the places within each row, of one time each, as the operation of this name counts them."""
    order = np.argsort(grid, axis=1)
    ordered = np.take_along_axis(grid, order, axis=1)
    is_known = ~np.isnan(ordered)
    n_known = is_known.sum(axis=1, keepdims=True)
    begins = np.ones(grid.shape, dtype=np.bool_)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    index = np.arange(grid.shape[1])
    if operation == "rank":
        ends = np.roll(begins, -1, axis=1)
        behind = np.minimum.accumulate(np.where(ends, index + 1, grid.shape[1])[:, ::-1], axis=1)[:, ::-1]
        counted = n_known - behind + 1.0
    else:
        below = np.maximum.accumulate(np.where(begins, index, 0), axis=1)
        with np.errstate(all="ignore"):
            counted = 100.0 * below / (n_known - 1.0)
    places = np.empty(grid.shape)
    np.put_along_axis(places, order, np.where(is_known, counted, np.nan), axis=1)
    return places


def _cuts(times: Sequence[IntArray]) -> list[int]:
    """Return times between which there are about as many values as are put in order at once."""
    sampled = np.sort(np.concatenate([time[::_SAMPLED] for time in times]))
    n_parts = 1 + sum(len(time) for time in times) // VALUES_AT_ONCE
    inner = sampled[[len(sampled) * part // n_parts for part in range(1, n_parts)]].tolist()
    last = max((int(time[-1]) for time in times if len(time)), default=0)
    return sorted({-(2**62), *inner, last + 1})
