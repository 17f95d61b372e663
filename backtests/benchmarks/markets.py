"""Markets to measure the engine on: seeded random walks in memory, every symbol with every bar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from strategies.bars import Bars, IntArray

SEED = 20_160_104

_START_S = int(datetime(2016, 1, 4, tzinfo=UTC).timestamp())  # a Monday
_DAY_S = 86_400
_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Market:
    """So many symbols with so many bars each: of weekdays, or of every hour.

    The demo market is no measure: its symbols are listed, halted and delisted, and no two runs of it with other sizes
    would compare.
    """

    n_symbols: int
    n_bars: int
    is_hourly: bool = False

    @property
    def bars_per_year(self) -> float:
        return 365.0 * 24.0 if self.is_hourly else 252.0

    def __str__(self) -> str:
        return f"{self.n_symbols:,} x {self.n_bars:,}"

    def bars(self) -> list[Bars]:
        """Return the bars of every symbol."""
        return [self.symbol_bars(number) for number in range(self.n_symbols)]

    def chunks(self, size: int) -> Iterator[list[Bars]]:
        """Yield the bars of so many symbols at a time, made when they are asked for."""
        for first in range(0, self.n_symbols, size):
            yield [self.symbol_bars(number) for number in range(first, min(first + size, self.n_symbols))]

    def symbol_bars(self, number: int) -> Bars:
        """Return the bars of one symbol: the same ones in every market of this interval and length."""
        rng = np.random.default_rng((SEED, number))
        moves, gaps, above, below = rng.standard_normal((4, self.n_bars)) * (0.005 if self.is_hourly else 0.015)
        close = 50.0 * np.exp(np.cumsum(moves))
        opened = np.concatenate(([50.0], close[:-1])) * np.exp(0.2 * gaps)
        high = np.maximum(opened, close) * np.exp(0.5 * np.abs(above))
        low = np.minimum(opened, close) * np.exp(-0.5 * np.abs(below))
        volume = np.full(self.n_bars, 1e6)
        return Bars.of(time=self._times(), open=opened, high=high, low=low, close=close, volume=volume)

    def _times(self) -> IntArray:
        count = np.arange(self.n_bars, dtype=np.int64)
        if self.is_hourly:
            return _START_S + count * _HOUR_S
        return _START_S + (count // 5 * 7 + count % 5) * _DAY_S
