from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, roc, shifted
from strategies.params import Int


class Momentum(Strategy):
    """Hold while the return of the last twelve months without the latest one is positive: enter and leave as it turns.

    Source: T. J. Moskowitz, Y. H. Ooi and L. H. Pedersen, Time Series Momentum, Journal of Financial Economics 104,
    2012, with the months of N. Jegadeesh and S. Titman, Returns to Buying Winners and Selling Losers, Journal of
    Finance 48, 1993, of which later work leaves out the latest.
    """

    key = "momentum"
    label = "Momentum 12-1"

    lookback = Int(252, low=2, high=1000, help="Bars back to where the return begins; 252 are a year of stocks")
    skip = Int(21, low=0, high=250, help="Latest bars that the return leaves out; 21 are a month of stocks")

    def check(self) -> None:
        if self.skip >= self.lookback:
            raise ParameterError("skip", f"must be smaller than lookback; {self.skip} is not below {self.lookback}")

    @property
    def warmup(self) -> int:
        return self.lookback + 1

    def signals(self, bars: Bars) -> Signals:
        past_return = shifted(roc(bars.close, self.lookback - self.skip), self.skip)
        return Signals(entry=crossed_above(past_return, 0.0), exit=crossed_below(past_return, 0.0))
