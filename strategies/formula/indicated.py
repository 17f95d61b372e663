"""Indicators on many symbols, one behind the other, with unknown values anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from strategies.bars import BoolArray, FloatArray
from strategies.formula.flat import Flat
from strategies.indicators.arguments import LARGEST_VALUE
from strategies.indicators.table import INDICATORS_BY_KEY
from strategies.indicators.windows import window_sums

# How many of their inputs must be above zero: of others they say nothing.
_ABOVE_ZERO = {"historical_volatility": 1, "beta": 2}


def indicated(
    flat: Flat,
    key: str,
    inputs: Sequence[FloatArray],
    settings: Sequence[int | float],
    *,
    prices: Sequence[bool] = (),
) -> tuple[FloatArray, ...]:
    """Return the outputs of an indicator, each symbol's by itself.

    Behind a bar on which an input is unknown an indicator begins anew.

    Parameters
    ----------
    flat : Flat
        Of n bars.
    key : str
    inputs : sequence of float64, shape (n,) each
    settings : sequence of number
        Its parameters in declared order.
    prices : sequence of bool, optional
        Which inputs are fields of bars other than volume: known on all bars, and above zero. None by default.

    Returns
    -------
    tuple of float64, shape (n,) each
        NaN where the indicator has no value.
    """
    indicator = INDICATORS_BY_KEY[key]
    known = _known(key, inputs, prices or [False] * len(inputs))
    return _on_each_run(flat, known, indicator.function, inputs, settings, n_outputs=len(indicator.outputs))


def summed(flat: Flat, value: FloatArray, n_bars: int) -> FloatArray:
    """Return the sum of the last ``n_bars`` values of each symbol; NaN where one of them is unknown."""
    known = _known("sum", (value,), (False,))
    return _on_each_run(flat, known, window_sums, (value,), (n_bars,), n_outputs=1)[0]


def _on_each_run(
    flat: Flat,
    known: BoolArray | None,
    function: Callable[..., Any],
    inputs: Sequence[FloatArray],
    settings: Sequence[int | float],
    *,
    n_outputs: int,
) -> tuple[FloatArray, ...]:
    """Return what a function gives on each stretch of one symbol without unknown values; NaN elsewhere."""
    if known is None:
        outputs, runs = tuple(np.empty(len(flat)) for _ in range(n_outputs)), flat.spans
    else:
        outputs, runs = tuple(np.full(len(flat), np.nan) for _ in range(n_outputs)), _runs(flat, known)
    for first, end in runs:
        found = function(*[series[first:end] for series in inputs], *settings)
        if n_outputs == 1:
            outputs[0][first:end] = found
            continue
        for output, values in zip(outputs, found, strict=True):
            output[first:end] = values
    return outputs


def _known(key: str, inputs: Sequence[FloatArray], prices: Sequence[bool]) -> BoolArray | None:
    """Return where an indicator knows all that it needs; None for everywhere."""
    known: list[BoolArray] = []
    for place, (series, is_price) in enumerate(zip(inputs, prices, strict=True)):
        if not is_price:
            known.append(np.abs(series) <= LARGEST_VALUE)
            if place < _ABOVE_ZERO.get(key, 0):
                known.append(series > 0)
    together = reduce(np.logical_and, known) if known else None
    return None if together is None or together.all() else together


def _runs(flat: Flat, known: BoolArray) -> list[tuple[int, int]]:
    """Return the first bar and the one behind the last of each stretch of one symbol without unknown values."""
    begins, ends = known.copy(), known.copy()
    begins[1:] &= ~known[:-1]
    ends[:-1] &= ~known[1:]
    for first, end in flat.spans:
        begins[first], ends[end - 1] = known[first], known[end - 1]
    return list(zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True))
