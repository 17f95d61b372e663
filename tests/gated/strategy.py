from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

from strategies.bars import Bars, Signals
from strategies.library.rsi import Rsi

LOOK_EVERY_S = 0.005

_calls = itertools.count(1)


class Gated(Rsi):
    """Trade like the RSI strategy, but stand still in the middle of a run, so that a test can act there.

    The first GATE_AFTER calls of this process pass; later ones wait until the file GATE_FILE exists. Without GATE_FILE
    none waits. A server calls every strategy once to warm its kernels, and that call counts.

    A symbol with exactly GATE_STUCK_BARS bars never comes to an end, and keeps its processor busy. Every call takes
    GATE_SLEEP_S longer than it needs.
    """

    key = "gated"
    label = "Gated"

    def signals(self, bars: Bars) -> Signals:
        while len(bars) == int(os.environ.get("GATE_STUCK_BARS", "0")):
            pass
        time.sleep(float(os.environ.get("GATE_SLEEP_S", "0")))
        if gate := os.environ.get("GATE_FILE"):
            number = next(_calls)
            while number > int(os.environ.get("GATE_AFTER", "0")) and not Path(gate).exists():
                time.sleep(LOOK_EVERY_S)
        return super().signals(bars)
