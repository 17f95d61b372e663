"""The simple moving average: by hand, slowly, against TA-Lib, and where rounding would show."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import talib

from strategies.errors import IndicatorError
from strategies.indicators import sma
from tests.strategies.indicators.references import as_array, frozen, million_closes, seeded_closes, slow_sma

NAN = math.nan


def test_the_average_of_a_few_values_by_hand() -> None:
    np.testing.assert_array_equal(sma(frozen([1, 2, 6, 3, 0]), 3), [NAN, NAN, 3.0, 11 / 3, 3.0])


def test_a_window_of_one_is_the_series() -> None:
    np.testing.assert_array_equal(sma(frozen([4, 2, 8]), 1), [4.0, 2.0, 8.0])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_a_series_shorter_than_the_window_is_undefined(n: int) -> None:
    average = sma(frozen([5.0] * n), 5)
    assert average.shape == (n,)
    assert np.isnan(average).all()


@pytest.mark.parametrize("period", [1, 2, 20, 50, 299, 300])
def test_the_first_value_stands_where_the_window_is_full(period: int) -> None:
    for close in seeded_closes():
        average = sma(close, period)
        assert np.isnan(average[: period - 1]).all()
        assert np.isfinite(average[period - 1 :]).all()


@pytest.mark.parametrize("period", [1, 2, 5, 20, 50, 200])
def test_the_average_is_the_slow_one(period: int) -> None:
    for close in seeded_closes():
        np.testing.assert_allclose(sma(close, period), as_array(slow_sma(close.tolist(), period)), rtol=1e-13)


@pytest.mark.parametrize("period", [2, 3, 10, 20, 50, 200])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e7])
def test_the_average_is_that_of_talib(period: int, scale: float) -> None:
    for close in seeded_closes(600):
        np.testing.assert_allclose(sma(close * scale, period), talib.SMA(close * scale, period), rtol=1e-9)


@pytest.mark.parametrize("price", [1e-8, 1.0, 1e9])
def test_a_flat_series_is_its_own_average(price: float) -> None:
    np.testing.assert_allclose(sma(frozen([price] * 2000), 20)[19:], price, rtol=1e-15)


def test_a_spike_leaves_no_residue() -> None:
    series = np.ones(2000)
    series[700] = 1e9
    average = sma(series, 20)
    np.testing.assert_allclose(average[700:720], (1e9 + 19) / 20, rtol=1e-12)
    np.testing.assert_array_equal(average[720:], 1.0)
    np.testing.assert_array_equal(average[19:700], 1.0)


@pytest.mark.parametrize("spike", [1e3, 1e4, 1e5, 1e6, 1e12, 1e15])
def test_a_spike_of_any_size_leaves_no_residue(spike: float) -> None:
    close = seeded_closes(1500)[0].copy()
    close[400] *= spike
    np.testing.assert_allclose(sma(close, 20), as_array(slow_sma(close.tolist(), 20)), rtol=1e-9)


def test_a_crash_to_a_fraction_is_followed() -> None:
    close = np.concatenate([np.full(500, 1e9), 1e-8 * (1.0 + np.arange(500) % 7)])
    np.testing.assert_allclose(sma(close, 50), as_array(slow_sma(close.tolist(), 50)), rtol=1e-9)


@pytest.mark.parametrize("period", [2, 20, 400])
def test_rounding_does_not_accumulate_over_a_million_bars(period: int) -> None:
    close = million_closes()
    average = sma(close, period)
    for t in [*range(period - 1, len(close), 4099), len(close) - 1]:
        assert average[t] == pytest.approx(math.fsum(close[t - period + 1 : t + 1]) / period, rel=1e-13, abs=0)


def test_the_input_is_left_as_it_was() -> None:
    series = seeded_closes()[0].copy()
    before = series.copy()
    writable = sma(series, 20)
    np.testing.assert_array_equal(series, before)
    np.testing.assert_array_equal(sma(frozen(before), 20), writable)


def test_strided_arrays_and_whole_numbers_are_taken() -> None:
    whole = np.arange(20)
    np.testing.assert_array_equal(sma(whole[::2], 2), sma(frozen(whole[::2]), 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("period", [0, -3, 2.0, 2.5, "20", None, True, NAN])
def test_a_bad_period_is_refused_by_name(period: Any) -> None:
    message = f"sma: period must be a whole number of at least 1; it is {period!r}"
    with pytest.raises(IndicatorError, match=f"^{re.escape(message)}$"):
        sma(frozen([1.0, 2.0]), period)


def test_a_table_is_no_series() -> None:
    with pytest.raises(IndicatorError, match=r"^sma: the series must have one dimension; it has 2$"):
        sma(np.ones((4, 4)), 2)


def test_a_period_may_be_a_numpy_number() -> None:
    np.testing.assert_array_equal(sma(frozen([1, 3]), np.int64(2)), [NAN, 2.0])  # type: ignore[arg-type]
