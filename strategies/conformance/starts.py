"""How much a strategy's signals depend on where its bars begin.

A window, such as that of a simple average, has forgotten the start once it is full. A recursion, such as that of an
exponential average, forgets it bit by bit, so that a cross may come a bar earlier or later for a while. A signal that
never settles depends on the bar with which somebody's data happens to begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.conformance.checks import flags_of

STARTS = (0.1, 0.3, 0.5)  # where the bars are made to begin, as shares of a series
FEWEST = 4  # signals in the end of a series below which their differences tell nothing


@dataclass(frozen=True, slots=True)
class Start:
    """What one series showed, made to begin at its bar ``first``.

    ``settled`` is the number of bars after ``first`` from which on the signals are those of the whole series. In the
    last half of what remains, ``n_late`` bars have a signal either way, and it differs on ``n_wrong`` of them.
    """

    first: int
    settled: int
    n_late: int
    n_wrong: int

    @property
    def is_unsettled(self) -> bool:
        """Whether most of the signals far from the start still depend on it."""
        return self.n_late >= FEWEST and 2 * self.n_wrong > self.n_late


def starts_of(strategy: Strategy, bars: Bars) -> list[Start]:
    """Return what happens to the signals when the bars begin later."""
    whole = strategy.signals(bars)
    found = []
    for first in sorted({int(share * len(bars)) for share in STARTS} - {0}):
        n_left = len(bars) - first
        if n_left > 2 * strategy.warmup + 2:
            found.append(_start(whole, strategy.signals(bars[first:]), first, strategy.warmup))
    return found


def _start(whole: Signals, part: Signals, first: int, warmup: int) -> Start:
    given, part_flags = ([*flags_of(signals).values()] for signals in (whole, part))
    given = [flags[first:] for flags in given]
    differs = np.logical_or.reduce([one != other for one, other in zip(given, part_flags, strict=True)])
    differs[:warmup] = False
    settled = int(np.flatnonzero(differs)[-1]) + 1 if differs.any() else warmup
    late = slice(len(differs) - (len(differs) - warmup) // 2, None)
    has_signal = np.logical_or.reduce([flags[late] for flags in (*given, *part_flags)])
    return Start(first, settled, int(has_signal.sum()), int(differs[late].sum()))
