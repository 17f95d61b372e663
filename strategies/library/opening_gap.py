from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import shifted
from strategies.params import Float


class OpeningGap(Strategy):
    """Buy when a bar opens below the low of the one before and closes above it, sell on the mirror image at the high.

    Source: L. Williams, Long-Term Secrets to Short-Term Trading, 1999, the "Oops!" pattern, decided on the close.
    """

    key = "opening-gap"
    label = "Opening-gap reversal"

    gap = Float(0.0, low=0.0, high=50.0, label="Gap in %", help="Least distance of the open beyond the bar before")

    @property
    def warmup(self) -> int:
        return 1

    def signals(self, bars: Bars) -> Signals:
        low, high = shifted(bars.low, 1), shifted(bars.high, 1)
        gapped_down = bars.open < low * (1 - self.gap / 100)
        gapped_up = bars.open > high * (1 + self.gap / 100)
        return Signals(entry=gapped_down & (bars.close > low), exit=gapped_up & (bars.close < high))
