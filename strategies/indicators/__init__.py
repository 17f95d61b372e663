"""Indicators: arrays in, arrays of the same length out, NaN before the first valid bar.

What each one computes stands in :mod:`strategies.indicators.table`.
"""

# The sorter would give every re-exported name an import of its own.
# ruff: noqa: I001

from strategies.indicators.averages import (
    dema as dema,
    ema as ema,
    hma as hma,
    kama as kama,
    rma as rma,
    rolling_vwap as rolling_vwap,
    sma as sma,
    tema as tema,
    vwma as vwma,
    wma as wma,
)
from strategies.indicators.changes import (
    macd as macd,
    momentum as momentum,
    ppo as ppo,
    roc as roc,
    trix as trix,
)
from strategies.indicators.crosses import (
    crossed_above as crossed_above,
    crossed_below as crossed_below,
)
from strategies.indicators.levels import (
    heikin_ashi as heikin_ashi,
    ichimoku as ichimoku,
    pivots as pivots,
)
from strategies.indicators.oscillators import (
    cci as cci,
    cutler_rsi as cutler_rsi,
    rsi as rsi,
    stochastic as stochastic,
    stochastic_rsi as stochastic_rsi,
    ultimate as ultimate,
    williams_r as williams_r,
)
from strategies.indicators.statistics import (
    beta as beta,
    correlation as correlation,
    linear_regression as linear_regression,
    rolling_argmax as rolling_argmax,
    rolling_argmin as rolling_argmin,
    rolling_max as rolling_max,
    rolling_median as rolling_median,
    rolling_min as rolling_min,
    rolling_quantile as rolling_quantile,
    rolling_rank as rolling_rank,
    zscore as zscore,
)
from strategies.indicators.trend import (
    adx as adx,
    aroon as aroon,
    parabolic_sar as parabolic_sar,
    supertrend as supertrend,
)
from strategies.indicators.volatility import (
    atr as atr,
    bollinger as bollinger,
    donchian as donchian,
    historical_volatility as historical_volatility,
    keltner as keltner,
    natr as natr,
    parkinson as parkinson,
    rolling_deviation as rolling_deviation,
    true_range as true_range,
)
from strategies.indicators.volume import (
    accumulation_distribution as accumulation_distribution,
    cmf as cmf,
    force_index as force_index,
    mfi as mfi,
    obv as obv,
)

__all__ = ["bollinger", "crossed_above", "crossed_below", "rsi", "sma"]
