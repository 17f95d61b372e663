"""Decoded bars kept in this process: bounded in bytes, least recently used out first, safe between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from strategies.bars import Bars

Key = tuple[int, str]

# Six columns of eight bytes.
BAR_BYTES = 48

# The first and the last period that a block can have.
ALL_PERIODS = (0, 999_912)


@dataclass(frozen=True, slots=True)
class Series:
    """A symbol's bars with the checksums and the periods of the blocks that they come from."""

    bars: Bars
    checksums: tuple[str, ...]
    periods: tuple[int, ...]

    def checksums_within(self, periods: tuple[int, int]) -> list[str]:
        """Return the checksums of the blocks from the first to the last of these periods."""
        return checksums_within(periods, self.checksums, self.periods)


def checksums_within(periods: tuple[int, int], checksums: Sequence[str], own_periods: Sequence[int]) -> list[str]:
    """Return the checksums of those blocks whose own periods are from the first to the last of two periods."""
    first, last = periods
    if own_periods and first <= own_periods[0] and own_periods[-1] <= last:
        return list(checksums)
    pairs = zip(checksums, own_periods, strict=True)
    return [checksum for checksum, period in pairs if first <= period <= last]


@dataclass(frozen=True, slots=True)
class CacheState:
    """What the cache holds and how it has done since the process started."""

    entries: int
    n_bytes: int
    limit_bytes: int
    hits: int
    misses: int
    evictions: int


class BarsCache:
    """Series by symbol and interval; one whose blocks have changed since counts as a miss."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._series: OrderedDict[Key, Series] = OrderedDict()
        self._lock = threading.Lock()
        self._n_bytes = self._hits = self._misses = self._evictions = 0

    def get(self, key: Key, checksums: Sequence[str], periods: tuple[int, int] = ALL_PERIODS) -> Series | None:
        """Return a series if its blocks of these periods are still the ones with these checksums."""
        with self._lock:
            series = self._series.get(key)
            if series is None or series.checksums_within(periods) != list(checksums):
                self._misses += 1
                return None
            self._series.move_to_end(key)
            self._hits += 1
            return series

    def put(self, key: Key, series: Series) -> None:
        with self._lock:
            if (before := self._series.pop(key, None)) is not None:
                self._n_bytes -= size_of(before)
            self._series[key] = series
            self._n_bytes += size_of(series)
            while self._n_bytes > self._limit and len(self._series) > 1:
                _, oldest = self._series.popitem(last=False)
                self._n_bytes -= size_of(oldest)
                self._evictions += 1

    def clear(self) -> None:
        with self._lock:
            self._series.clear()
            self._n_bytes = 0

    @property
    def state(self) -> CacheState:
        with self._lock:
            return CacheState(len(self._series), self._n_bytes, self._limit, self._hits, self._misses, self._evictions)


def size_of(series: Series) -> int:
    """Return the bytes that a series' columns take."""
    return BAR_BYTES * len(series.bars)


BARS_CACHE = BarsCache(settings.BARS_CACHE_BYTES)
