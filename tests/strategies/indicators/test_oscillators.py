"""The relative strength index: by hand, slowly, against TA-Lib, and where rounding would show."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import talib

from strategies.errors import IndicatorError
from strategies.indicators import rsi
from tests.strategies.indicators.references import as_array, frozen, million_closes, seeded_closes, slow_rsi

NAN = math.nan


def test_the_index_of_a_few_values_by_hand() -> None:
    # Changes +1 +1 -1 -2 +3. Seed: gain 1, loss 0. Then gain 1/2, loss 1/2; gain 1/4, loss 5/4; gain 13/8, loss 5/8.
    np.testing.assert_allclose(
        rsi(frozen([10, 11, 12, 11, 9, 12]), 2), [NAN, NAN, 100.0, 50.0, 100 / 6, 100 * 13 / 18], rtol=1e-15
    )


def test_wilders_own_smoothing_is_used_not_a_plain_mean() -> None:
    # Changes +3 0 0 -3. Seed: gain 1, loss 0. Then gain 2/3, loss 1: a mean of the last three would give gain 0.
    np.testing.assert_allclose(rsi(frozen([10, 13, 13, 13, 10]), 3)[3:], [100.0, 40.0], rtol=1e-15)


@pytest.mark.parametrize("n", [0, 1, 2, 14])
def test_a_series_without_enough_changes_is_undefined(n: int) -> None:
    strength = rsi(frozen([5.0] * n), 14)
    assert strength.shape == (n,)
    assert np.isnan(strength).all()


@pytest.mark.parametrize("period", [2, 14, 50, 299])
def test_the_first_value_stands_after_as_many_changes_as_the_period(period: int) -> None:
    for close in seeded_closes():
        strength = rsi(close, period)
        assert np.isnan(strength[:period]).all()
        assert np.isfinite(strength[period:]).all()


@pytest.mark.parametrize("period", [2, 3, 14, 50])
def test_the_index_is_the_slow_one(period: int) -> None:
    for close in seeded_closes():
        np.testing.assert_allclose(
            rsi(close, period), as_array(slow_rsi(close.tolist(), period)), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("period", [2, 3, 9, 14, 21, 100])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e7])
def test_the_index_is_that_of_talib(period: int, scale: float) -> None:
    for close in seeded_closes(600):
        np.testing.assert_allclose(rsi(close * scale, period), talib.RSI(close * scale, period), rtol=1e-9, atol=1e-9)


def test_a_series_that_never_moved_is_neither_strong_nor_weak() -> None:
    flat = frozen([100.0] * 60)
    np.testing.assert_array_equal(rsi(flat, 14)[14:], 50.0)
    np.testing.assert_array_equal(talib.RSI(flat, 14)[14:], 0.0)


@pytest.mark.parametrize("period", [2, 14])
def test_a_series_that_stands_still_keeps_its_last_index(period: int) -> None:
    """However long it stands: the averages shrink to nothing, their ratio stays."""
    close = np.concatenate([seeded_closes()[0], np.full(20_000, seeded_closes()[0][-1])])
    strength = rsi(close, period)
    np.testing.assert_allclose(strength[300:], strength[299], rtol=1e-9)


def test_only_rises_give_100_and_only_falls_give_0() -> None:
    np.testing.assert_array_equal(rsi(np.arange(1.0, 100.0), 14)[14:], 100.0)
    np.testing.assert_array_equal(rsi(np.arange(100.0, 1.0, -1.0), 14)[14:], 0.0)


@pytest.mark.parametrize("scale", [1e-8, 1e9])
def test_the_index_does_not_depend_on_the_scale_of_prices(scale: float) -> None:
    for close in seeded_closes():
        np.testing.assert_allclose(rsi(close * scale, 14), rsi(close, 14), rtol=1e-9, atol=1e-9)


def test_a_spike_is_forgotten_as_the_definition_says() -> None:
    close = seeded_closes(1500)[0].copy()
    close[300] = 1e9
    np.testing.assert_allclose(rsi(close, 14), as_array(slow_rsi(close.tolist(), 14)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("period", [2, 14, 100])
def test_rounding_does_not_accumulate_over_a_million_bars(period: int) -> None:
    """A change that is 40 periods old weighs less than rounding does, so that a sample needs no longer history."""
    close = million_closes()
    strength = rsi(close, period)
    reach = 40 * period
    weights = ((period - 1.0) / period) ** np.arange(reach)[::-1] / period
    for t in [*range(reach, len(close), 40_009), len(close) - 1]:
        changes = np.diff(close[t - reach : t + 1])
        gain = math.fsum(weights * np.maximum(changes, 0.0))
        loss = math.fsum(weights * np.maximum(-changes, 0.0))
        assert strength[t] == pytest.approx(100.0 * gain / (gain + loss), rel=1e-11, abs=0)


def test_the_index_stays_between_0_and_100() -> None:
    for close in seeded_closes():
        strength = rsi(close, 2)[2:]
        assert 0.0 <= strength.min() <= strength.max() <= 100.0


def test_the_input_is_left_as_it_was() -> None:
    series = seeded_closes()[0].copy()
    before = series.copy()
    writable = rsi(series, 14)
    np.testing.assert_array_equal(series, before)
    np.testing.assert_array_equal(rsi(frozen(before), 14), writable)


@pytest.mark.parametrize("period", [1, 0, -3, 14.0, 2.5, "14", None, True, NAN])
def test_a_bad_period_is_refused_by_name(period: Any) -> None:
    message = f"rsi: period must be a whole number of at least 2; it is {period!r}"
    with pytest.raises(IndicatorError, match=f"^{re.escape(message)}$"):
        rsi(frozen([1.0, 2.0]), period)


def test_a_table_is_no_series() -> None:
    with pytest.raises(IndicatorError, match=r"^rsi: the series must have one dimension; it has 2$"):
        rsi(np.ones((4, 4)), 2)
