from collections.abc import Sequence

import numpy as np

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, rsi
from strategies.indicators.crosses import _cross_level
from strategies.indicators.kernel import kernel
from strategies.indicators.oscillators import _rsi
from strategies.params import Float, Int
from strategies.together import of_closes, signals_together


class Rsi(Strategy):
    """Buy when the relative strength index falls into oversold territory, sell when it climbs into overbought.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978, section VI.
    """

    key = "rsi"
    label = "RSI reversion"

    period = Int(14, low=2, high=200, help="Bars in Wilder's average of gains and losses")
    low = Float(30.0, low=1.0, high=99.0, label="Oversold", help="Enter when the RSI crosses below this")
    high = Float(70.0, low=1.0, high=99.0, label="Overbought", help="Exit when the RSI crosses above this")

    def check(self) -> None:
        if self.low >= self.high:
            raise ParameterError("low", f"must be smaller than high; {self.low:g} is not below {self.high:g}")

    @property
    def warmup(self) -> int:
        return self.period + 1

    def signals(self, bars: Bars) -> Signals:
        strength = rsi(bars.close, self.period)
        return Signals(entry=crossed_below(strength, self.low), exit=crossed_above(strength, self.high))

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return signals_together(_rsi_crosses, bars, (self.period, self.low, self.high))


@kernel(of_closes(3))
def _rsi_crosses(n_symbols, closes, period, low, high, entry, exit_):  # type: ignore[no-untyped-def]
    start = 0
    for i in range(n_symbols):
        close = closes[i]
        end = start + len(close)
        strength = np.empty(len(close))
        _rsi(close, int(period), strength)
        _cross_level(strength, low, -1.0, entry[start:end])
        _cross_level(strength, high, 1.0, exit_[start:end])
        start = end
