"""A shifted series is the series of some bars before, and nothing of its own bar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategies.errors import IndicatorError
from strategies.indicators import rolling_max, shifted
from tests.strategies.indicators.references import frozen

NAN = np.nan


@pytest.mark.parametrize(
    ("period", "expected"),
    [(0, [1, 2, 3]), (1, [NAN, 1, 2]), (2, [NAN, NAN, 1]), (3, [NAN] * 3), (9, [NAN] * 3)],
)
def test_each_bar_has_the_value_of_so_many_bars_before(period: int, expected: list[float]) -> None:
    np.testing.assert_array_equal(shifted(frozen([1, 2, 3]), period), np.array(expected, dtype=np.float64))


@pytest.mark.parametrize("period", [0, 1, 5])
def test_no_bars_give_no_values(period: int) -> None:
    assert shifted(np.empty(0), period).shape == (0,)


def test_missing_values_move_with_the_others() -> None:
    np.testing.assert_array_equal(shifted(frozen([NAN, 2, NAN, 4]), 1), np.array([NAN, NAN, 2, NAN]))


def test_the_highest_of_the_bars_before_leaves_this_one_out() -> None:
    np.testing.assert_array_equal(shifted(rolling_max(frozen([1, 3, 2, 9]), 2), 1), np.array([NAN, NAN, 3, 3]))


def test_what_it_returns_is_its_own() -> None:
    series = np.array([1.0, 2.0])
    for period in (0, 1):
        shifted(series, period)[:] = 7.0
    assert series.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("period", [-1, 1.5, True, "1", None])
def test_a_period_that_is_no_number_of_bars_is_refused(period: Any) -> None:
    with pytest.raises(IndicatorError, match=r"^shifted: period must be a whole number of at least 0; it is "):
        shifted(np.ones(3), period)


def test_a_series_of_two_dimensions_is_refused() -> None:
    with pytest.raises(IndicatorError, match=r"^shifted: the series must have one dimension; it has 2"):
        shifted(np.ones((2, 2)), 1)
