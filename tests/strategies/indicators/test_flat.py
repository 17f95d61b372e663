"""What stands where nothing moves: every indicator says it, to the last digit."""

from __future__ import annotations

import numpy as np
import pytest

from strategies.indicators.declaration import Indicator
from strategies.indicators.table import INDICATORS
from tests.strategies.indicators.references import frozen, outputs_of

N_BARS = 300
PRICE = "price"

# Per output a number, or the price of all bars.
FLAT: dict[str, tuple[float | str, ...]] = {
    **dict.fromkeys(("sma", "ema", "rma", "wma", "dema", "tema", "hma", "kama", "vwma"), (PRICE,)),
    **dict.fromkeys(("rolling_min", "rolling_max", "rolling_median", "rolling_quantile", "rolling_vwap"), (PRICE,)),
    **dict.fromkeys(("rsi", "cutler_rsi", "mfi", "ultimate"), (50.0,)),
    **dict.fromkeys(("stochastic", "stochastic_rsi"), (50.0, 50.0)),
    "williams_r": (-50.0,),
    **dict.fromkeys(("cci", "momentum", "roc", "trix", "true_range", "atr", "natr", "rolling_deviation"), (0.0,)),
    **dict.fromkeys(("historical_volatility", "parkinson", "accumulation_distribution", "cmf", "force_index"), (0.0,)),
    **dict.fromkeys(("rolling_argmin", "rolling_argmax", "rolling_rank", "correlation", "beta", "zscore"), (0.0,)),
    **dict.fromkeys(("macd", "ppo", "adx"), (0.0, 0.0, 0.0)),
    "aroon": (100.0, 100.0, 0.0),
    "supertrend": (PRICE, 1.0),
    "parabolic_sar": (PRICE,),
    **dict.fromkeys(("bollinger", "keltner", "donchian"), (PRICE, PRICE, PRICE)),
    "obv": (1000.0,),
    "linear_regression": (PRICE, 0.0, PRICE),
    "ichimoku": (PRICE,) * 4,
    "heikin_ashi": (PRICE,) * 4,
    "pivots": (PRICE,) * 7,
}


@pytest.mark.parametrize("price", [1e-8, 100.0, 1e9, 0.1])
@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda row: row.key)
def test_a_flat_market_gives_what_is_said(indicator: Indicator, price: float) -> None:
    inputs = {name: frozen([price] * N_BARS) for name in ("series", "other", "open", "high", "low", "close")}
    inputs["volume"] = frozen([1000.0] * N_BARS)
    firsts = indicator.first_valid()
    for values, first, expected in zip(outputs_of(indicator, inputs), firsts, FLAT[indicator.key], strict=True):
        wanted = price if isinstance(expected, str) else expected
        # A mean of equal prices may be off by its last digit; a difference of such means then is, too.
        tolerance = 1e-15 * price if indicator.key in {"macd", "keltner", "pivots", "supertrend"} else 0.0
        slack = 1e-12 if indicator.key in {"trix", "ppo"} else tolerance
        np.testing.assert_allclose(values[first:], wanted, rtol=4e-15, atol=slack)


@pytest.mark.parametrize(("key", "expected"), [("vwma", 100.0), ("rolling_vwap", 100.0), ("cmf", 0.0), ("mfi", 50.0)])
def test_a_market_without_volume_gives_what_is_said(key: str, expected: float) -> None:
    rows = {row.key: row for row in INDICATORS}
    inputs = {name: frozen([100.0] * 50) for name in ("series", "open", "high", "low", "close")}
    (values,) = outputs_of(rows[key], inputs | {"volume": frozen([0.0] * 50)})
    np.testing.assert_array_equal(values[rows[key].first_valid()[0] :], expected)


def test_volume_that_stops_leaves_plain_means() -> None:
    close = frozen([100.0 + bar % 7 for bar in range(60)])
    volume = frozen([1e9] * 30 + [0.0] * 30)
    rows = {row.key: row for row in INDICATORS}
    (values,) = outputs_of(rows["vwma"], {"series": close, "volume": volume}, period=5)
    (plain,) = outputs_of(rows["sma"], {"series": close}, period=5)
    np.testing.assert_array_equal(values[34:], plain[34:])
    assert abs(values[32] - plain[32]) > 0.1


@pytest.mark.parametrize("key", ["adx", "rsi", "stochastic_rsi"])
def test_a_market_that_stops_keeps_its_values(key: str) -> None:
    """However long it stands: the averages shrink to nothing, their ratios stay."""
    moving = 100.0 + np.cumsum(np.sin(np.arange(100.0)) + 0.2)
    close = np.concatenate([moving, np.full(20_000, moving[-1])])
    row = {item.key: item for item in INDICATORS}[key]
    inputs = {"series": close, "high": close, "low": close, "close": close}
    for values in outputs_of(row, inputs):
        np.testing.assert_allclose(values[400:], values[399], rtol=1e-9)
