"""A cross needs both sides on two bars, and one bar on which they change places."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from strategies.bars import BoolArray, FloatArray
from strategies.errors import IndicatorError
from strategies.indicators import crossed_above, crossed_below, crosses, sma
from tests.strategies.indicators.references import frozen, seeded_closes, slow_cross_above, slow_sma

NAN = math.nan
BOTH = pytest.mark.parametrize("cross", [crossed_above, crossed_below])


def where(crossed: BoolArray) -> list[int]:
    return np.flatnonzero(crossed).tolist()


def test_crosses_of_a_level_by_hand() -> None:
    series = frozen([1, 3, 2, 2, 1, 2, 3, 3, 1])
    assert where(crossed_above(series, 2.0)) == [1, 6]
    assert where(crossed_below(series, 2.0)) == [4, 8]


def test_crosses_of_a_series_by_hand() -> None:
    series, other = frozen([1, 3, 5, 5, 4, 1]), frozen([2, 2, 5, 4, 4, 2])
    assert where(crossed_above(series, other)) == [1, 3]
    assert where(crossed_below(series, other)) == [5]


def test_both_crosses_at_once_are_those_of_each() -> None:
    market = [
        (frozen([1, 3, 5, 5, 4, 1]), frozen([2, 2, 5, 4, 4, 2])),
        (frozen([]), frozen([])),
        (frozen([1]), frozen([2])),
    ]
    for number, closes in enumerate(seeded_closes()):
        market.append((sma(closes, 3), sma(closes, 1 + number % 7)))
    for series, other in market:
        above, below = crosses(series, other)
        np.testing.assert_array_equal(above, crossed_above(series, other))
        np.testing.assert_array_equal(below, crossed_below(series, other))


def test_both_crosses_at_once_need_two_series_of_one_length() -> None:
    for other in (frozen([1, 2]), np.ones((3, 1))):
        with pytest.raises(IndicatorError, match="two series of one length"):
            crosses(frozen([1, 2, 3]), other)


def test_a_touch_is_no_cross_and_leaving_the_line_is_one() -> None:
    series = frozen([3, 2, 3, 2, 1, 2, 1])
    assert where(crossed_above(series, 2.0)) == [2]
    assert where(crossed_below(series, 2.0)) == [4, 6]


def test_to_stay_on_the_line_is_no_cross() -> None:
    line = frozen([2.0] * 5)
    for other in (2.0, line):
        assert where(crossed_above(line, other)) == []
        assert where(crossed_below(line, other)) == []


@BOTH
def test_the_first_bar_never_crosses(cross: Any) -> None:
    for value in (0.0, 5.0):
        assert not cross(frozen([value]), 2.0)[0]
        assert not cross(frozen([value, value]), frozen([2.0, 2.0])).any()


def test_an_undefined_value_crosses_nothing() -> None:
    jump = frozen([0.0, 4.0, 4.0])
    assert where(crossed_above(jump, frozen([1, 1, 1]))) == [1]
    assert where(crossed_above(jump, frozen([NAN, 1, 1]))) == []
    assert where(crossed_above(jump, frozen([1, NAN, 1]))) == []
    assert where(crossed_above(frozen([NAN, 4, 4]), frozen([1, 1, 1]))) == []
    assert where(crossed_above(frozen([NAN, 4, 4]), 1.0)) == []
    assert where(crossed_below(frozen([4, NAN, 0, 4, 0]), 1.0)) == [4]


def test_crosses_are_those_of_the_slow_definition() -> None:
    for close in seeded_closes():
        average = sma(close, 10)
        values, slow = close.tolist(), slow_sma(close.tolist(), 10)
        assert crossed_above(close, average).tolist() == slow_cross_above(values, slow)
        assert crossed_below(close, average).tolist() == slow_cross_above(slow, values)


def test_crosses_of_whole_numbers_with_ties_are_those_of_the_slow_definition() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        series, other = (random.integers(1, 4, 60).astype(np.float64) for _ in range(2))
        levels = [2.0] * 60
        assert crossed_above(series, other).tolist() == slow_cross_above(series.tolist(), other.tolist())
        assert crossed_above(series, 2.0).tolist() == slow_cross_above(series.tolist(), levels)
        assert crossed_below(series, 2.0).tolist() == slow_cross_above((-series).tolist(), [-2.0] * 60)


def test_a_level_is_a_series_of_that_level() -> None:
    for close in seeded_closes():
        level = float(close[0])
        for cross in (crossed_above, crossed_below):
            np.testing.assert_array_equal(cross(close, level), cross(close, np.full(len(close), level)))


@BOTH
@pytest.mark.parametrize("n", [0, 1, 2])
def test_short_series_have_signals_of_their_length(cross: Any, n: int) -> None:
    for other in (1.0, np.ones(n)):
        crossed = cross(np.ones(n), other)
        assert (crossed.shape, crossed.dtype, crossed.any()) == ((n,), np.bool_, False)


@BOTH
@pytest.mark.parametrize(("low", "high"), [(1e-8, 2e-8), (1e9, 1e9 + 1), (5e-324, 1e308)])
def test_prices_of_any_size_cross(cross: Any, low: float, high: float) -> None:
    series = frozen([low, high, low])
    assert where(cross(series, (low + high) / 2)) == ([1] if cross is crossed_above else [2])


@BOTH
def test_the_inputs_are_left_as_they_were(cross: Any) -> None:
    series, other = seeded_closes()[0].copy(), seeded_closes()[1].copy()
    copies = series.copy(), other.copy()
    writable = cross(series, other)
    np.testing.assert_array_equal(series, copies[0])
    np.testing.assert_array_equal(other, copies[1])
    np.testing.assert_array_equal(cross(frozen(series), frozen(other)), writable)


@BOTH
def test_strided_arrays_are_taken(cross: Any) -> None:
    close: FloatArray = seeded_closes()[0]
    np.testing.assert_array_equal(cross(close[::2], close[1::2]), cross(close[::2].copy(), close[1::2].copy()))


@BOTH
def test_series_of_other_lengths_are_refused(cross: Any) -> None:
    with pytest.raises(IndicatorError, match=r"two series of one length; they have \(3,\) and \(2,\)$"):
        cross(np.ones(3), np.ones(2))


@BOTH
def test_a_table_is_no_series(cross: Any) -> None:
    with pytest.raises(IndicatorError, match=r"one dimension; it has 2$"):
        cross(np.ones((3, 3)), np.ones((3, 3)))
    with pytest.raises(IndicatorError, match=r"one dimension; it has 2$"):
        cross(np.ones((3, 3)), 1.0)


@BOTH
@pytest.mark.parametrize("other", ["2", None, [1.0, 2.0]])
def test_what_is_neither_series_nor_number_is_refused(cross: Any, other: Any) -> None:
    with pytest.raises(IndicatorError, match=r"^a cross needs a series or a number; it got "):
        cross(np.ones(2), other)


@BOTH
@pytest.mark.parametrize("level", [NAN, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_a_level_that_is_no_finite_number_is_refused_by_its_value(cross: Any, level: float) -> None:
    for series in (np.ones(2), np.array([NAN, 1.0]), np.ones(0)):
        with pytest.raises(IndicatorError, match=rf"^a cross needs a level that is finite; it is {float(level)}$"):
            cross(series, level)


def test_values_that_differ_by_rounding_alone_do_not_cross() -> None:
    level = np.array([3.0, 3.0, 3.0])
    assert not crossed_above(np.array([3.0, 3.0 + 4e-15, 3.0]), level).any()
    assert not crossed_below(np.array([3.0, 3.0 - 4e-15, 3.0]), 3.0).any()
    assert crossed_above(np.array([3.0, 3.0 + 1e-10, 3.0]), level).tolist() == [False, True, False]
    assert crossed_below(np.array([3.0 + 4e-15, 3.0 - 1e-10, 3.0]), level).tolist() == [False, True, False]


def test_averages_of_prices_in_cents_cross_where_exact_arithmetic_says() -> None:
    cents = np.random.default_rng(7).integers(1000, 1004, size=4000)
    means = {
        period: [Fraction(int(total), period) for total in np.convolve(cents, np.ones(period, dtype=int), "valid")]
        for period in (4, 10)
    }
    fast, slow = means[4][6:], means[10]
    n_ties = sum(a == b for a, b in zip(fast, slow, strict=True))
    above = [fast[t] > slow[t] and fast[t - 1] <= slow[t - 1] for t in range(1, len(slow))]
    closes = cents / 100
    assert n_ties > 100
    assert crossed_above(sma(closes, 4), sma(closes, 10))[10:].tolist() == above
