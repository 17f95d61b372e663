"""What the steps of a program compute.

A number is an array of float64 with NaN where it is unknown, a condition two arrays: where it is known to be true, and
where it is known to be false. What is unknown stays so: ``not`` of it is unknown, too, and never matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strategies.bars import BoolArray, FloatArray, IntArray
from strategies.formula.flat import Flat
from strategies.formula.indicated import summed
from strategies.indicators import crossed_above, crossed_below


class Condition(NamedTuple):
    """Where a condition is known to be true, and where it is known to be false; bool, shape (n,) each."""

    true: BoolArray
    false: BoolArray


AnyArray = npt.NDArray[Any]
Result = Any  # FloatArray, Condition, a list of texts, or the float or bool of a constant
Operation = Callable[..., Result]


def of_constants(operation: str, values: Sequence[float]) -> float:
    """Return what a computation bar by bar gives for plain numbers; NaN where it is not defined."""
    with np.errstate(all="ignore"):
        return float(_ARITHMETIC[operation](*(np.float64(value) for value in values)))


def _finite(values: Any) -> Any:
    """Return the values with NaN, which is unknown, for those that are infinite."""
    is_infinite = np.isinf(values)
    return np.where(is_infinite, np.nan, values) if is_infinite.any() else values


def _within_range(compute: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs: _finite(compute(*inputs))


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": _within_range(np.add),
    "subtract": _within_range(np.subtract),
    "multiply": _within_range(np.multiply),
    "divide": _within_range(np.true_divide),
    "power": _within_range(np.float_power),
    "negative": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": _within_range(np.log),
    "exp": _within_range(np.exp),
    "sign": np.sign,
    "floor": np.floor,
    # Of an unknown number the smaller one is unknown, too.
    "min": np.minimum,
    "max": np.maximum,
}


def _arithmetic(compute: Callable[..., Any]) -> Operation:
    def operation(_flat: Flat, *inputs: Result) -> Result:
        return compute(*inputs)

    return operation


def _field(flat: Flat, name: str) -> FloatArray:
    return flat.columns[name]


def _constant(flat: Flat, value: float | bool) -> Result:
    if isinstance(value, bool):
        everywhere = np.full(len(flat), fill_value=True)
        return Condition(everywhere, ~everywhere) if value else Condition(~everywhere, everywhere)
    return value


def _fact(flat: Flat, name: str) -> list[str]:
    return [getattr(facts, name) for facts in flat.facts]


def _is_in(flat: Flat, facts: list[str], *texts: str) -> Condition:
    wanted = {text.casefold() for text in texts}
    true = flat.of_symbols(np.array([fact.casefold() in wanted for fact in facts], dtype=np.bool_))
    known = flat.of_symbols(np.array([bool(fact) for fact in facts], dtype=np.bool_))
    return Condition(true & known, ~true & known)


def _is_not_in(flat: Flat, facts: list[str], *texts: str) -> Condition:
    true, false = _is_in(flat, facts, *texts)
    return Condition(false, true)


def _comparison(holds: Callable[..., BoolArray], fails: Callable[..., BoolArray]) -> Operation:
    # With an unknown number both are false.
    def operation(_flat: Flat, one: Result, other: Result) -> Condition:
        return Condition(holds(one, other), fails(one, other))

    return operation


def _equal(_flat: Flat, one: Result, other: Result) -> Condition:
    true = np.equal(one, other)
    return Condition(true, ~true & ~np.isnan(one) & ~np.isnan(other))


def _unequal(flat: Flat, one: Result, other: Result) -> Condition:
    true, false = _equal(flat, one, other)
    return Condition(false, true)


def _and(_flat: Flat, one: Condition, other: Condition) -> Condition:
    return Condition(one.true & other.true, one.false | other.false)


def _or(_flat: Flat, one: Condition, other: Condition) -> Condition:
    return Condition(one.true | other.true, one.false & other.false)


def _not(_flat: Flat, one: Condition) -> Condition:
    return Condition(one.false, one.true)


def _choose(_flat: Flat, condition: Condition, then: Result, otherwise: Result) -> Result:
    if isinstance(then, Condition):
        return Condition(
            (condition.true & then.true) | (condition.false & otherwise.true),
            (condition.true & then.false) | (condition.false & otherwise.false),
        )
    return np.where(condition.true, then, np.where(condition.false, otherwise, np.nan))


def _ago(flat: Flat, value: Result, n_bars: int) -> Result:
    if isinstance(value, Condition):
        return Condition(*(_moved(flat, flags, n_bars, False) for flags in value))
    return _moved(flat, value, n_bars, np.nan)


def _moved(flat: Flat, values: AnyArray, n_bars: int, otherwise: float | bool) -> AnyArray:
    """Return the values of so many bars ago, and the other one where the symbol has no such bar."""
    before = np.empty_like(values)
    before[n_bars:] = values[: max(0, len(flat) - n_bars)]
    for first, end in flat.spans:
        before[first : min(first + n_bars, end)] = otherwise
    return before


def _windowed(flat: Flat, flags: BoolArray, n_bars: int) -> IntArray:
    """Return how many of the last so many bars of each symbol are set, of as many as there are."""
    total = np.zeros(len(flat) + 1, dtype=np.int64)
    np.cumsum(flags, out=total[1:])
    counted: IntArray = total[1:].copy()
    counted[n_bars:] -= total[1 : max(1, len(flat) - n_bars + 1)]
    # At the start of a symbol the window would reach into the one before it.
    for first, end in flat.spans:
        short = min(first + n_bars, end)
        counted[first:short] = total[first + 1 : short + 1] - total[first]
    return counted


def _count(flat: Flat, condition: Condition, n_bars: int) -> FloatArray:
    n_true = _windowed(flat, condition.true, n_bars)
    n_known = n_true + _windowed(flat, condition.false, n_bars)
    return np.where(n_known == n_bars, n_true, np.nan)


def _within(flat: Flat, condition: Condition, n_bars: int) -> Condition:
    return Condition(_windowed(flat, condition.true, n_bars) > 0, _windowed(flat, condition.false, n_bars) == n_bars)


def _throughout(flat: Flat, condition: Condition, n_bars: int) -> Condition:
    return Condition(_windowed(flat, condition.true, n_bars) == n_bars, _windowed(flat, condition.false, n_bars) > 0)


def _last_true(flat: Flat, condition: Condition) -> IntArray:
    """Return the index of the last bar of the symbol on which a condition was true, or one before its first bar."""
    index = np.where(condition.true, np.arange(len(flat)), -1)
    last: IntArray = np.maximum.accumulate(index)
    return last


def _since(flat: Flat, condition: Condition) -> FloatArray:
    bars = np.arange(len(flat)) - _last_true(flat, condition)
    return np.where(bars <= flat.place, bars, np.nan)


def _value_when(flat: Flat, condition: Condition, value: Result) -> FloatArray:
    last = _last_true(flat, condition)
    is_there = np.arange(len(flat)) - last <= flat.place
    # The value may be one number for all bars; without bars there is none to be taken.
    values = np.broadcast_to(np.asarray(value, dtype=np.float64), len(flat))
    return np.where(is_there, values[np.maximum(last, 0)] if len(flat) else values, np.nan)


def _cross(crossed: Callable[..., BoolArray]) -> Operation:
    def operation(flat: Flat, one: Result, other: Result) -> Condition:
        # Of one symbol's first bar nothing can be said; a cross from the last bar of another one is none.
        pair = [np.broadcast_to(np.asarray(each, dtype=np.float64), len(flat)) for each in (one, other)]
        true = crossed(pair[0], other if isinstance(other, float) else pair[1])
        known = ~np.isnan(pair[0]) & ~np.isnan(pair[1])
        known[1:] &= known[:-1].copy()
        for first, _ in flat.spans:
            true[first] = known[first] = False
        return Condition(true, known & ~true)

    return operation


def _rank(time: IntArray, value: FloatArray) -> FloatArray:
    return _among_all(time, value)[0]


def _percentile(time: IntArray, value: FloatArray) -> FloatArray:
    _, n_below, n_all = _among_all(time, value)
    with np.errstate(all="ignore"):
        share: FloatArray = _finite(100.0 * n_below / (n_all - 1.0))
    return share


def _among_all(times: IntArray, value: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the place from above, how many are below, and how many there are, of all symbols at the same time."""
    known = np.flatnonzero(~np.isnan(value))
    order = known[np.lexsort((value[known], times[known]))]
    time, ordered = times[order], value[order]
    n_known = len(order)
    if n_known == 0:
        return (value, value, value)
    index = np.arange(n_known)
    is_time = np.ones(n_known, dtype=np.bool_)
    is_time[1:] = time[1:] != time[:-1]
    is_value = is_time.copy()
    is_value[1:] |= ordered[1:] != ordered[:-1]
    first_of_time = np.maximum.accumulate(np.where(is_time, index, 0))
    first_of_value = np.maximum.accumulate(np.where(is_value, index, 0))
    time_ends, value_ends = _ends(is_time), _ends(is_value)
    found = []
    for counted in (time_ends - value_ends + 1, first_of_value - first_of_time, time_ends - first_of_time):
        whole = np.full(len(value), np.nan)
        whole[order] = counted
        found.append(whole)
    return found[0], found[1], found[2]


def _ends(begins: BoolArray) -> IntArray:
    """Return for each item of groups, which begin where it says, the index behind its group."""
    first = np.flatnonzero(begins)
    ends = np.concatenate((first[1:], [len(begins)]))
    repeated: IntArray = np.repeat(ends, np.diff(np.concatenate((first, [len(begins)]))))
    return repeated


# What compares all symbols takes the times and the values of their bars, in any order.
RANKINGS: dict[str, Callable[[IntArray, FloatArray], FloatArray]] = {"rank": _rank, "percentile": _percentile}


def _ranking(places: Callable[[IntArray, FloatArray], FloatArray]) -> Operation:
    return lambda flat, value: places(flat.time, value)


OPERATIONS: dict[str, Operation] = {
    **{name: _arithmetic(compute) for name, compute in _ARITHMETIC.items()},
    "field": _field,
    "constant": _constant,
    "fact": _fact,
    "is_in": _is_in,
    "is_not_in": _is_not_in,
    "above": _comparison(np.greater, np.less_equal),
    "below": _comparison(np.less, np.greater_equal),
    "at_least": _comparison(np.greater_equal, np.less),
    "at_most": _comparison(np.less_equal, np.greater),
    "equal": _equal,
    "unequal": _unequal,
    "and": _and,
    "or": _or,
    "not": _not,
    "choose": _choose,
    "ago": _ago,
    "count": _count,
    "within": _within,
    "throughout": _throughout,
    "since": _since,
    "value_when": _value_when,
    "crossover": _cross(crossed_above),
    "crossunder": _cross(crossed_below),
    "sum": summed,
    **{name: _ranking(places) for name, places in RANKINGS.items()},
}
