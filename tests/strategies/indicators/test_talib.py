"""TA-Lib's values to 1e-9, for every row that names a function of it; and each difference that a row names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import talib

from strategies.bars import FloatArray
from strategies.indicators.table import INDICATORS, get_indicator
from tests.strategies.indicators.references import frozen, make_inputs, outputs_of, seeded_inputs

Inputs = dict[str, FloatArray]

# The numbers by which TA-Lib knows averages.
SIMPLE: Any = 0
EXPONENTIAL: Any = 1

PERIODS: tuple[dict[str, Any], ...] = ({}, {"period": 2}, {"period": 3}, {"period": 10}, {"period": 55})
SIGNALS: tuple[dict[str, Any], ...] = (
    {},
    {"fast": 3, "slow": 10, "signal": 4},
    {"fast": 20, "slow": 50, "signal": 30},
)


@dataclass(frozen=True)
class Twin:
    """A call of TA-Lib that gives the outputs of an indicator, None for one that it lacks, and what to call it with.

    ``settled`` is the bar from which the two agree, where that is later than TA-Lib's first value.
    """

    call: Callable[..., Any]
    choices: tuple[dict[str, Any], ...] = PERIODS
    settled: int = 0


def of_series(function: Callable[..., Any]) -> Twin:
    return Twin(lambda i, period: function(i["series"], period))


def of_bars(function: Callable[..., Any]) -> Twin:
    return Twin(lambda i, period: function(i["high"], i["low"], i["close"], period))


def of_flow(function: Callable[..., Any]) -> Twin:
    return Twin(lambda i, period: function(i["high"], i["low"], i["close"], i["volume"], period))


def typical(i: Inputs) -> FloatArray:
    price: FloatArray = talib.TYPPRICE(i["high"], i["low"], i["close"])
    return price


def age(index: Any, period: int) -> FloatArray:
    ages: FloatArray = np.arange(len(index)) - index.astype(np.float64)
    ages[: period - 1] = np.nan
    return ages


def directions(i: Inputs, period: int) -> tuple[FloatArray, ...]:
    return tuple(f(i["high"], i["low"], i["close"], period) for f in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI))


def aroon(i: Inputs, period: int) -> tuple[FloatArray, ...]:
    down, up = talib.AROON(i["high"], i["low"], period)
    return up, down, talib.AROONOSC(i["high"], i["low"], period)


def supertrend(i: Inputs, period: int, width: float) -> tuple[FloatArray, ...]:
    line, direction = talib.SUPERTREND(i["high"], i["low"], i["close"], period, width)
    return line, np.where(np.isnan(line), np.nan, direction)


def lines(i: Inputs, period: int) -> tuple[FloatArray, ...]:
    functions = (talib.LINEARREG, talib.LINEARREG_SLOPE, talib.LINEARREG_INTERCEPT)
    return tuple(function(i["series"], period) for function in functions)


def score(i: Inputs, period: int) -> FloatArray:
    return (i["series"] - talib.SMA(i["series"], period)) / talib.STDDEV(i["series"], period)


TWINS: dict[str, Twin] = {
    **{key: of_series(getattr(talib, key.upper())) for key in ("sma", "ema", "rma", "wma", "dema", "tema", "hma")},
    **{key: of_series(getattr(talib, key.upper())) for key in ("rsi", "roc", "trix")},
    **{key: of_bars(getattr(talib, key.upper())) for key in ("cci", "atr", "natr")},
    **{key: of_flow(getattr(talib, key.upper())) for key in ("cmf", "mfi")},
    "kama": Twin(
        lambda i, period, fast, slow: talib.KAMA(i["series"], period), ({"period": 2}, {"period": 10}, {"period": 30})
    ),
    "vwma": Twin(lambda i, period: talib.VWMA(i["series"], i["volume"], period)),
    "rolling_vwap": Twin(lambda i, period: talib.VWMA(typical(i), i["volume"], period)),
    "stochastic": Twin(
        lambda i, period, smooth, signal: talib.STOCH(
            i["high"], i["low"], i["close"], period, smooth, SIMPLE, signal, SIMPLE
        ),
        ({}, {"period": 5, "smooth": 1}, {"period": 30, "smooth": 6, "signal": 9}),
    ),
    "stochastic_rsi": Twin(
        lambda i, period, window, signal: talib.STOCHRSI(i["series"], period, window, signal, SIMPLE),
        ({}, {"period": 5, "window": 9}, {"period": 30, "window": 6, "signal": 9}),
    ),
    "williams_r": of_bars(talib.WILLR),
    "ultimate": Twin(
        lambda i, fast, medium, slow: talib.ULTOSC(i["high"], i["low"], i["close"], fast, medium, slow),
        ({}, {"fast": 2, "medium": 3, "slow": 5}, {"fast": 20, "medium": 21, "slow": 60}),
    ),
    "momentum": of_series(talib.MOM),
    "macd": Twin(lambda i, fast, slow, signal: talib.MACD(i["series"], fast, slow, signal), SIGNALS, settled=800),
    "ppo": Twin(lambda i, fast, slow, signal: (talib.PPO(i["series"], fast, slow, EXPONENTIAL), None, None), SIGNALS),
    "adx": Twin(directions),
    "aroon": Twin(aroon),
    "supertrend": Twin(supertrend, ({}, {"period": 2}, {"period": 30, "width": 0.3}, {"width": 1.5})),
    "parabolic_sar": Twin(
        lambda i, step, maximum: talib.SAR(i["high"], i["low"], step, maximum),
        ({}, {"step": 0.5}, {"step": 0.01, "maximum": 1.0}),
    ),
    "true_range": Twin(lambda i: talib.TRANGE(i["high"], i["low"], i["close"]), ({},)),
    "bollinger": Twin(
        lambda i, period, width: talib.BBANDS(i["series"], period, width, width), (*PERIODS, {"width": 0.5})
    ),
    "keltner": Twin(
        lambda i, period, atr_period, width: talib.KC(i["high"], i["low"], i["close"], period, atr_period, width),
        ({}, {"period": 5, "width": 1.5}, {"period": 10, "atr_period": 20}),
        settled=600,
    ),
    "donchian": Twin(lambda i, period: talib.DONCHIAN(i["high"], i["low"], period)),
    "rolling_deviation": of_series(talib.STDDEV),
    "obv": Twin(lambda i: talib.OBV(i["series"], i["volume"]), ({},)),
    "accumulation_distribution": Twin(lambda i: talib.AD(i["high"], i["low"], i["close"], i["volume"]), ({},)),
    "force_index": Twin(lambda i, period: talib.EFI(i["series"], i["volume"], period)),
    "rolling_min": of_series(talib.MIN),
    "rolling_max": of_series(talib.MAX),
    "rolling_argmin": Twin(lambda i, period: age(talib.MININDEX(i["series"], period), period)),
    "rolling_argmax": Twin(lambda i, period: age(talib.MAXINDEX(i["series"], period), period)),
    "rolling_median": Twin(
        lambda i, period: talib.PERCENTILE(i["series"], period, 50.0), ({"period": 3}, {"period": 21}, {"period": 99})
    ),
    "rolling_quantile": Twin(
        lambda i, period, fraction: talib.PERCENTILE(i["series"], period, 100.0 * fraction),
        ({"period": 21, "fraction": 0.75}, {"period": 5, "fraction": 0.25}, {"fraction": 1.0}),
    ),
    "rolling_rank": of_series(talib.PERCENTRANK),
    "correlation": Twin(
        lambda i, period: talib.CORREL(i["series"], i["other"], period), ({}, {"period": 5}, {"period": 55})
    ),
    "beta": Twin(lambda i, period: talib.BETA(i["other"], i["series"], period), ({}, {"period": 5}, {"period": 55})),
    "linear_regression": Twin(lines),
    "zscore": Twin(score),
    "heikin_ashi": Twin(lambda i: talib.HA(i["open"], i["high"], i["low"], i["close"]), ({},)),
}


def as_tuple(theirs: Any) -> tuple[Any, ...]:
    return tuple(theirs) if isinstance(theirs, tuple | list) else (theirs,)


def compare(key: str, inputs: Inputs, given: dict[str, Any]) -> None:
    indicator, twin = get_indicator(key), TWINS[key]
    theirs = twin.call(inputs, **indicator.values(**given))
    ours = outputs_of(indicator, inputs, **given)
    for our, their in zip(ours, as_tuple(theirs), strict=True):
        if their is None:
            continue
        is_settled = np.isfinite(their) & (np.arange(len(their)) >= twin.settled)
        assert is_settled[-1]
        size = np.nanmax(np.abs(their))
        np.testing.assert_allclose(our[is_settled], their[is_settled], rtol=1e-9, atol=1e-9 * size, err_msg=str(given))


def test_every_row_that_names_a_function_is_compared_and_no_other() -> None:
    assert set(TWINS) == {indicator.key for indicator in INDICATORS if indicator.talib}
    for indicator in INDICATORS:
        for name in re.findall(r"\b[A-Z_]{2,}\b", indicator.talib.replace("SMA) ÷", "").replace("NaN", "")):
            assert hasattr(talib, name), f"{indicator.key} names {name}"


@pytest.mark.parametrize("key", TWINS)
def test_the_values_are_those_of_talib(key: str) -> None:
    n_bars = 1200 if TWINS[key].settled else 400
    for given in TWINS[key].choices:
        for inputs in seeded_inputs(n_bars):
            compare(key, inputs, given)


@pytest.mark.parametrize("price", [1e-4, 1e7])
@pytest.mark.parametrize("key", sorted(TWINS.keys() - {"correlation", "beta"}))
def test_so_they_are_for_prices_of_any_size(key: str, price: float) -> None:
    compare(key, make_inputs(11, 1200 if TWINS[key].settled else 400, price=price), TWINS[key].choices[-1])


@pytest.mark.parametrize("key", sorted(key for key in TWINS if not TWINS[key].settled))
def test_where_talib_has_a_value_there_is_one(key: str) -> None:
    indicator, inputs = get_indicator(key), make_inputs(12, 400)
    for given in TWINS[key].choices:
        theirs = TWINS[key].call(inputs, **indicator.values(**given))
        for our, their in zip(outputs_of(indicator, inputs, **given), as_tuple(theirs), strict=True):
            if their is None:
                continue
            assert np.isfinite(our[np.isfinite(their)]).all()
            first = int(np.argmax(np.isfinite(their)))
            assert key.startswith("stochastic") or not np.isfinite(our[:first]).any()


@pytest.mark.parametrize(
    ("key", "theirs", "ours"),
    [
        ("rsi", 0.0, 50.0),
        ("stochastic", 0.0, 50.0),
        ("stochastic_rsi", 0.0, 50.0),
        ("williams_r", 0.0, -50.0),
        ("ultimate", 0.0, 50.0),
        ("mfi", 0.0, 50.0),
    ],
)
def test_a_dead_market_is_neither_overbought_nor_oversold(key: str, theirs: float, ours: float) -> None:
    flat = {name: frozen([100.0] * 120) for name in make_inputs(1, 2)}
    indicator = get_indicator(key)
    assert as_tuple(TWINS[key].call(flat, **indicator.values()))[0][-1] == theirs
    assert outputs_of(indicator, flat)[0][-1] == ours


def test_a_window_without_volume_has_its_plain_mean_where_talib_has_none() -> None:
    inputs = make_inputs(13, 100) | {"volume": frozen([0.0] * 100)}
    for key in ("vwma", "rolling_vwap"):
        assert np.isnan(TWINS[key].call(inputs, 20)).all()
        assert np.isfinite(outputs_of(get_indicator(key), inputs)[0][19:]).all()


def test_the_fast_average_of_macd_starts_earlier_than_talibs() -> None:
    inputs = make_inputs(14, 500)
    ours, theirs = outputs_of(get_indicator("macd"), inputs)[0], talib.MACD(inputs["series"], 12, 26, 9)[0]
    np.testing.assert_array_equal(ours, talib.EMA(inputs["series"], 12) - talib.EMA(inputs["series"], 26))
    assert 1e-6 < abs(ours[33] - theirs[33]) < 1.0
    np.testing.assert_allclose(ours[15 * 26 :], theirs[15 * 26 :], rtol=0, atol=1e-9)


def test_the_averages_of_keltner_start_earlier_than_talibs() -> None:
    inputs = make_inputs(14, 700)
    ours, theirs = outputs_of(get_indicator("keltner"), inputs)[0], TWINS["keltner"].call(inputs, 20, 10, 2.0)[0]
    assert 1e-6 < abs(ours[19] - theirs[19]) < 1.0
    np.testing.assert_allclose(ours[30 * 20 :], theirs[30 * 20 :], rtol=0, atol=1e-9)


def test_of_equal_values_the_latest_counts_and_not_now_this_now_that() -> None:
    series = frozen([5, 3, 3, 4, 5, 4, 3, 6, 3])
    (ages,) = outputs_of(get_indicator("rolling_argmin"), {"series": series}, period=3)
    np.testing.assert_array_equal(ages[2:], [0, 1, 2, 0, 0, 1, 0])
    assert age(talib.MININDEX(series, 3), 3)[2] == 1


def test_a_quantile_between_two_values_is_in_proportion_where_talib_takes_one() -> None:
    series = {"series": frozen([1.0, 2.0, 4.0, 8.0])}
    assert outputs_of(get_indicator("rolling_quantile"), series, period=4, fraction=0.5)[0][3] == 3.0
    assert outputs_of(get_indicator("rolling_median"), series, period=4)[0][3] == 3.0
    assert talib.PERCENTILE(series["series"], 4, 50.0)[3] == 2.0
