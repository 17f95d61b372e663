import numpy as np

from strategies.bars import Bars, Signals
from strategies.base import Strategy


class BuyAndHold(Strategy):
    """Buy on the first bar and never sell: what every other strategy has to beat.

    Source: B. G. Malkiel, A Random Walk Down Wall Street, 1973.
    """

    key = "buy-and-hold"
    label = "Buy and hold"

    def signals(self, bars: Bars) -> Signals:
        entry = np.arange(len(bars)) == 0
        return Signals(entry=entry, exit=np.zeros(len(bars), dtype=np.bool_))
