"""Indicators: arrays in, arrays of the same length out, NaN before the first valid bar."""

from strategies.indicators.averages import sma
from strategies.indicators.crosses import crossed_above, crossed_below
from strategies.indicators.oscillators import rsi
from strategies.indicators.volatility import bollinger

__all__ = ["bollinger", "crossed_above", "crossed_below", "rsi", "sma"]
