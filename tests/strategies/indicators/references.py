"""The indicators once more, slowly and in plain Python, straight from their definitions; None where undefined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.declaration import Indicator
from tests.builders import Shape, make_market

Values = list[float | None]

MOVING: tuple[Shape, ...] = ("walk", "rising", "falling", "waves", "gaps")


def slow_sma(series: Sequence[float], period: int) -> Values:
    """The mean of each window, summed without rounding."""
    return [math.fsum(series[t - period + 1 : t + 1]) / period if t >= period - 1 else None for t in range(len(series))]


def slow_deviation(series: Sequence[float], period: int) -> Values:
    """The population standard deviation of each window, in two passes."""
    deviations: Values = []
    for t, mean in enumerate(slow_sma(series, period)):
        if mean is None:
            deviations.append(None)
        else:
            window = series[t - period + 1 : t + 1]
            deviations.append(math.sqrt(math.fsum((value - mean) ** 2 for value in window) / period))
    return deviations


def slow_rsi(series: Sequence[float], period: int) -> Values:
    """Wilder's averages of rises and falls, and the share of the rises."""
    rises = [max(new - old, 0.0) for old, new in pairwise(series)]
    falls = [max(old - new, 0.0) for old, new in pairwise(series)]
    values: Values = [None] * min(period, len(series))
    if len(series) <= period:
        return values
    gain, loss = math.fsum(rises[:period]) / period, math.fsum(falls[:period]) / period
    for t in range(period, len(series)):
        if t > period:
            gain = (gain * (period - 1) + rises[t - 1]) / period
            loss = (loss * (period - 1) + falls[t - 1]) / period
        values.append(50.0 if gain + loss == 0 else 100.0 - 100.0 / (1.0 + gain / loss) if loss else 100.0)
    return values


def slow_cross_above(series: Sequence[float | None], other: Sequence[float | None]) -> list[bool]:
    """True where a value is above the other one and was not on the bar before, all four defined."""
    crossed = [False] * len(series)
    for t in range(1, len(series)):
        now, other_now, before, other_before = series[t], other[t], series[t - 1], other[t - 1]
        if now is not None and other_now is not None and before is not None and other_before is not None:
            crossed[t] = now > other_now and before <= other_before
    return crossed


def as_array(values: Values) -> FloatArray:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def seeded_closes(n_bars: int = 300) -> list[FloatArray]:
    """Closes of every shape of market that moves, from a few seeds."""
    return [
        bars.close
        for shape in MOVING
        for seed in (1, 2)
        for bars in make_market(seed, n_symbols=2, n_bars=n_bars, shape=shape).values()
    ]


def frozen(values: Sequence[float] | FloatArray) -> FloatArray:
    """A read-only array of these values."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def million_closes() -> FloatArray:
    """A walk of a million bars that stays in the thousands."""
    random = np.random.default_rng(7)
    return 5_000.0 + 10.0 * np.cumsum(random.random(1_000_000) - 0.5)


def make_inputs(seed: int = 1, n_bars: int = 300, shape: Shape = "walk", price: float = 100.0) -> dict[str, FloatArray]:
    """The inputs of any indicator, by name and read-only: bars with wicks and volume, and two series."""
    market = make_market(seed, n_symbols=2, n_bars=n_bars, shape=shape, price=price)
    bars, other = market.values()
    random = np.random.default_rng(seed)
    inputs = {
        "series": bars.close,
        "other": other.close,
        "open": bars.open,
        "high": bars.high * (1.0 + 0.01 * random.random(n_bars)),
        "low": bars.low * (1.0 - 0.01 * random.random(n_bars)),
        "close": bars.close,
        "volume": np.floor(1e6 * random.random(n_bars)),
    }
    return {name: frozen(values) for name, values in inputs.items()}


def seeded_inputs(n_bars: int = 300) -> list[dict[str, FloatArray]]:
    """Inputs of every shape of market that moves."""
    return [make_inputs(seed, n_bars, shape) for seed, shape in enumerate(MOVING)]


def million_inputs() -> dict[str, FloatArray]:
    """The inputs of any indicator from two walks of a million bars."""
    random = np.random.default_rng(8)
    close, n_bars = million_closes(), 1_000_000
    opens = close + 5.0 * (random.random(n_bars) - 0.5)
    inputs = {
        "series": close,
        "other": 3_000.0 + np.abs(10.0 * np.cumsum(random.random(n_bars) - 0.5)),
        "open": opens,
        "high": np.maximum(opens, close) + 5.0 * random.random(n_bars),
        "low": np.minimum(opens, close) - 5.0 * random.random(n_bars),
        "close": close,
        "volume": 1e6 * random.random(n_bars),
    }
    return {name: frozen(values) for name, values in inputs.items()}


def outputs_of(indicator: Indicator, inputs: Mapping[str, Any], **given: float) -> tuple[FloatArray, ...]:
    """Every output of an indicator as a tuple; parameters that are not given have their defaults."""
    found = indicator.function(*(inputs[name] for name in indicator.inputs), **indicator.values(**given))
    return found if isinstance(found, tuple) else (found,)
