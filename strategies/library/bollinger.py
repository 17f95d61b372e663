from collections.abc import Sequence

import numpy as np

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import bollinger, crossed_above, crossed_below
from strategies.indicators.crosses import _cross_series
from strategies.indicators.kernel import kernel
from strategies.indicators.volatility import _bollinger
from strategies.params import Float, Int
from strategies.together import of_closes, signals_together


class Bollinger(Strategy):
    """Buy when the close falls through the lower Bollinger band, sell when it is back above the middle one.

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """

    key = "bollinger"
    label = "Bollinger reversion"

    period = Int(20, low=2, high=400, help="Bars in the middle band, a simple average of closes")
    width = Float(2.0, low=0.1, high=10.0, help="Distance of the outer bands in standard deviations")

    @property
    def warmup(self) -> int:
        return self.period

    def signals(self, bars: Bars) -> Signals:
        _, middle, lower = bollinger(bars.close, self.period, self.width)
        return Signals(entry=crossed_below(bars.close, lower), exit=crossed_above(bars.close, middle))

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return signals_together(_band_crosses, bars, (self.period, self.width))


@kernel(of_closes(2))
def _band_crosses(n_symbols, closes, period, width, entry, exit_):  # type: ignore[no-untyped-def]
    start = 0
    for i in range(n_symbols):
        close = closes[i]
        end = start + len(close)
        upper, middle, lower = np.empty(len(close)), np.empty(len(close)), np.empty(len(close))
        _bollinger(close, int(period), width, upper, middle, lower)
        _cross_series(close, lower, -1.0, entry[start:end])
        _cross_series(close, middle, 1.0, exit_[start:end])
        start = end
