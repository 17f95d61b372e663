"""Bollinger bands: by hand, slowly, against TA-Lib, and where rounding would show."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import talib

from strategies.bars import FloatArray
from strategies.errors import IndicatorError
from strategies.indicators import bollinger, sma
from tests.strategies.indicators.references import (
    as_array,
    frozen,
    million_closes,
    seeded_closes,
    slow_deviation,
    slow_sma,
)

NAN = math.nan


def slow_bands(close: FloatArray, period: int, width: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    middle, deviation = as_array(slow_sma(close.tolist(), period)), as_array(slow_deviation(close.tolist(), period))
    return middle + width * deviation, middle, middle - width * deviation


def test_the_bands_of_a_few_values_by_hand() -> None:
    # Windows (1, 3), (3, 9), (9, 9): means 2, 6, 9 and population deviations 1, 3, 0.
    upper, middle, lower = bollinger(frozen([1, 3, 9, 9]), 2, 1.5)
    np.testing.assert_array_equal(upper, [NAN, 3.5, 10.5, 9.0])
    np.testing.assert_array_equal(middle, [NAN, 2.0, 6.0, 9.0])
    np.testing.assert_array_equal(lower, [NAN, 0.5, 1.5, 9.0])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_series_shorter_than_the_window_is_undefined(n: int) -> None:
    for band in bollinger(frozen([5.0] * n), 5, 2.0):
        assert band.shape == (n,)
        assert np.isnan(band).all()


@pytest.mark.parametrize("period", [2, 20, 299, 300])
def test_the_first_value_stands_where_the_window_is_full(period: int) -> None:
    for close in seeded_closes():
        for band in bollinger(close, period, 2.0):
            assert np.isnan(band[: period - 1]).all()
            assert np.isfinite(band[period - 1 :]).all()


@pytest.mark.parametrize("period", [2, 5, 20, 200])
@pytest.mark.parametrize("width", [0.1, 2.0])
def test_the_bands_are_the_slow_ones(period: int, width: float) -> None:
    for close in seeded_closes():
        for band, slow in zip(bollinger(close, period, width), slow_bands(close, period, width), strict=True):
            np.testing.assert_allclose(band, slow, rtol=1e-11)


@pytest.mark.parametrize("period", [5, 10, 20, 50, 200])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e7])
def test_the_bands_are_those_of_talib(period: int, scale: float) -> None:
    for close in seeded_closes(600):
        bands = bollinger(close * scale, period, 2.0)
        for band, theirs in zip(bands, talib.BBANDS(close * scale, period, 2.0, 2.0), strict=True):
            np.testing.assert_allclose(band, theirs, rtol=1e-9)


@pytest.mark.parametrize("price", [1e-8, 1.0, 1e9])
def test_a_flat_series_has_no_width(price: float) -> None:
    for band in bollinger(frozen([price] * 2000), 20, 2.0):
        np.testing.assert_allclose(band[19:], price, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-8, 1e9])
def test_the_bands_scale_with_prices(scale: float) -> None:
    for close in seeded_closes():
        for scaled, band in zip(bollinger(close * scale, 20, 2.0), bollinger(close, 20, 2.0), strict=True):
            np.testing.assert_allclose(scaled / scale, band, rtol=1e-12)


def test_a_spike_leaves_no_residue() -> None:
    series = np.ones(2000)
    series[700] = 1e9
    upper, middle, lower = bollinger(series, 20, 2.0)
    deviation = (1e9 - 1) * math.sqrt(19) / 20
    np.testing.assert_allclose(upper[700:720], (1e9 + 19) / 20 + 2 * deviation, rtol=1e-9)
    for band in (upper, middle, lower):
        np.testing.assert_array_equal(band[19:700], 1.0)
        np.testing.assert_array_equal(band[720:], 1.0)


@pytest.mark.parametrize("spike", [1e1, 1e2, 1e3, 1e6, 1e12])
def test_a_spike_of_any_size_leaves_no_residue(spike: float) -> None:
    close = seeded_closes(1500)[0].copy()
    close[400] *= spike
    for band, slow in zip(bollinger(close, 20, 2.0), slow_bands(close, 20, 2.0), strict=True):
        np.testing.assert_allclose(band, slow, rtol=1e-9, atol=1e-9 * np.nanmin(close))


@pytest.mark.parametrize("period", [2, 20, 400])
def test_rounding_does_not_accumulate_over_a_million_bars(period: int) -> None:
    close = million_closes()
    upper, middle, lower = bollinger(close, period, 2.0)
    for t in [*range(period - 1, len(close), 8209), len(close) - 1]:
        window = close[t - period + 1 : t + 1]
        mean = math.fsum(window) / period
        reach = 2.0 * math.sqrt(math.fsum((window - mean) ** 2) / period)
        assert middle[t] == pytest.approx(mean, rel=1e-13, abs=0)
        assert upper[t] == pytest.approx(mean + reach, rel=1e-12, abs=0)
        assert lower[t] == pytest.approx(mean - reach, rel=1e-12, abs=0)


def test_the_middle_is_the_simple_average() -> None:
    for close in seeded_closes():
        np.testing.assert_allclose(bollinger(close, 20, 2.0)[1], sma(close, 20), rtol=1e-13)


def test_the_input_is_left_as_it_was() -> None:
    series = seeded_closes()[0].copy()
    before = series.copy()
    writable = bollinger(series, 20, 2.0)
    np.testing.assert_array_equal(series, before)
    np.testing.assert_array_equal(bollinger(frozen(before), 20, 2.0), writable)


@pytest.mark.parametrize("period", [1, 0, -3, 20.0, "20", None, True, NAN])
def test_a_bad_period_is_refused_by_name(period: Any) -> None:
    message = f"bollinger: period must be a whole number of at least 2; it is {period!r}"
    with pytest.raises(IndicatorError, match=f"^{re.escape(message)}$"):
        bollinger(frozen([1.0, 2.0]), period, 2.0)


@pytest.mark.parametrize("width", [0.0, -1.0, NAN, math.inf, "2", None, True])
def test_a_bad_width_is_refused_by_name(width: Any) -> None:
    message = f"bollinger: width must be a positive number; it is {width!r}"
    with pytest.raises(IndicatorError, match=f"^{re.escape(message)}$"):
        bollinger(frozen([1.0, 2.0]), 2, width)


def test_a_table_is_no_series() -> None:
    with pytest.raises(IndicatorError, match=r"^bollinger: the series must have one dimension; it has 2$"):
        bollinger(np.ones((4, 4)), 2, 2.0)
