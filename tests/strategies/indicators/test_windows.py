"""The kernels over windows: any numbers, any period, and numbers that cancel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.indicators.table import get_indicator
from strategies.indicators.windows import window_lines, window_moments, window_products, window_sums
from tests.strategies.indicators.references import as_array, frozen, outputs_of
from tests.strategies.indicators.slow import mean, over, products, squares
from tests.strategies.indicators.slow_levels import slow_outputs

NUMBERS = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), max_size=40)
PERIODS = st.integers(1, 12)
WINDOWED = (
    *("sma", "wma", "rolling_deviation", "rolling_min", "rolling_max", "rolling_argmin", "rolling_argmax"),
    *("rolling_median", "rolling_rank", "rolling_quantile", "cutler_rsi", "momentum"),
)


@settings(max_examples=150, deadline=None)
@given(NUMBERS, PERIODS)
def test_a_sum_of_any_numbers_is_the_exact_one(numbers: list[float], period: int) -> None:
    sizes = max(map(abs, numbers), default=0.0) * period
    exact = as_array(over(numbers, period, math.fsum))
    np.testing.assert_allclose(window_sums(frozen(numbers), period), exact, rtol=0, atol=4e-15 * sizes)


@pytest.mark.parametrize("key", WINDOWED)
@settings(max_examples=30, deadline=None)
@given(numbers=NUMBERS, period=st.integers(2, 12))
def test_any_numbers_and_period_give_the_slow_values(key: str, numbers: list[float], period: int) -> None:
    indicator, series = get_indicator(key), frozen(numbers)
    (ours,) = outputs_of(indicator, {"series": series}, period=period)
    (slow,) = slow_outputs(key, [series], **indicator.values(period=period))
    size = 100.0 if key == "cutler_rsi" else max(map(abs, numbers), default=0.0)
    np.testing.assert_allclose(ours, slow, rtol=1e-9, atol=1e-9 * size)


@pytest.mark.parametrize("period", [2, 20, 333])
@pytest.mark.parametrize("level", [1e3, 1e6, 1e9])
def test_small_moves_far_from_zero_keep_their_digits(period: int, level: float) -> None:
    """Sums of squares from zero would lose twice the digits of the level."""
    moves = np.round(1024 * np.random.default_rng(4).random((2, 1500))) / 1024
    series, other = frozen(level + moves[0]), frozen(level - moves[1])
    slope = window_lines(series, period)[1]
    deviations = window_moments(series, period)[1]
    _, _, together = window_products(series, other, period)
    places = [float(place) for place in range(period)]
    for t in (period - 1, 700, 1023, 1499):
        window, others = series[t - period + 1 : t + 1].tolist(), other[t - period + 1 : t + 1].tolist()
        assert slope[t] == pytest.approx(products(places, window) / squares(places), rel=1e-9, abs=1e-12)
        assert deviations[t] == pytest.approx(squares(window), rel=1e-11)
        assert together[t] == pytest.approx(products(window, others), rel=1e-9, abs=1e-12)
        assert window_lines(series, period)[0][t] == pytest.approx(mean(window), rel=1e-15)
