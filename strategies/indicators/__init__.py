"""Indicators: arrays in, arrays of the same length out, NaN before the first valid bar.

What each one computes stands in :mod:`strategies.indicators.table`.
"""

from strategies.indicators.averages import (
    dema,
    ema,
    hma,
    kama,
    rma,
    rolling_vwap,
    sma,
    tema,
    vwma,
    wma,
)
from strategies.indicators.changes import (
    macd,
    momentum,
    ppo,
    roc,
    trix,
)
from strategies.indicators.crosses import (
    crossed_above,
    crossed_below,
    crosses,
)
from strategies.indicators.levels import (
    heikin_ashi,
    ichimoku,
    pivots,
)
from strategies.indicators.oscillators import (
    cci,
    cutler_rsi,
    rsi,
    stochastic,
    stochastic_rsi,
    ultimate,
    williams_r,
)
from strategies.indicators.shifts import (
    shifted,
)
from strategies.indicators.statistics import (
    beta,
    correlation,
    linear_regression,
    rolling_argmax,
    rolling_argmin,
    rolling_max,
    rolling_median,
    rolling_min,
    rolling_quantile,
    rolling_rank,
    zscore,
)
from strategies.indicators.trend import (
    adx,
    aroon,
    parabolic_sar,
    supertrend,
)
from strategies.indicators.volatility import (
    atr,
    bollinger,
    donchian,
    historical_volatility,
    keltner,
    natr,
    parkinson,
    rolling_deviation,
    true_range,
)
from strategies.indicators.volume import (
    accumulation_distribution,
    cmf,
    force_index,
    mfi,
    obv,
)

__all__ = [
    "accumulation_distribution",
    "adx",
    "aroon",
    "atr",
    "beta",
    "bollinger",
    "cci",
    "cmf",
    "correlation",
    "crossed_above",
    "crossed_below",
    "crosses",
    "cutler_rsi",
    "dema",
    "donchian",
    "ema",
    "force_index",
    "heikin_ashi",
    "historical_volatility",
    "hma",
    "ichimoku",
    "kama",
    "keltner",
    "linear_regression",
    "macd",
    "mfi",
    "momentum",
    "natr",
    "obv",
    "parabolic_sar",
    "parkinson",
    "pivots",
    "ppo",
    "rma",
    "roc",
    "rolling_argmax",
    "rolling_argmin",
    "rolling_deviation",
    "rolling_max",
    "rolling_median",
    "rolling_min",
    "rolling_quantile",
    "rolling_rank",
    "rolling_vwap",
    "rsi",
    "shifted",
    "sma",
    "stochastic",
    "stochastic_rsi",
    "supertrend",
    "tema",
    "trix",
    "true_range",
    "ultimate",
    "vwma",
    "williams_r",
    "wma",
    "zscore",
]
