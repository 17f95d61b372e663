"""Decoded bars of markets that do not fit into memory, in a file of this process.

What was read from the database and checked is written behind what is there already, one symbol after the other, and is
read again with one call for several symbols: that takes a fifth of the time of the database and no memory between runs.
At its limit the file begins anew at its start, over what was written first. It has no name and ends with its process,
however that ends; only servers open one.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtests.prices.cache import ALL_PERIODS, BAR_BYTES, CacheState, Key, Series, checksums_within
from strategies.bars import Bars

logger = logging.getLogger(__name__)

# Symbols that lie one behind the other are read at once, up to so many bytes; with more of them it is no faster.
READ_BYTES = 4 * 1024 * 1024

# A disk is never filled: the database needs it more.
LEFT_FREE_BYTES = 1024 * 1024 * 1024

_COLUMNS = tuple(column.name for column in fields(Bars))


class Place(NamedTuple):
    """Where a series lies, in bytes written before it since the file was made, and what it is of."""

    start: int
    n_bars: int
    checksums: tuple[str, ...]
    periods: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return BAR_BYTES * self.n_bars

    @property
    def end(self) -> int:
        return self.start + self.n_bytes


class BarsFile:
    """Series by symbol and interval; safe between threads. Until it is opened it takes nothing."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._limit = self._end = self._hits = self._misses = self._evictions = 0
        # In the order in which they were written. A series is taken out before anything is written over it, so that
        # what was read is right if its place is still here afterwards.
        self._places: OrderedDict[Key, Place] = OrderedDict()
        self._writing, self._counting = threading.Lock(), threading.Lock()

    def open(self, folder: Path, limit_bytes: int) -> None:
        """Make the file; where that is not possible nothing is kept, and the log says why."""
        try:
            with tempfile.TemporaryFile(dir=folder, prefix="bars-") as file:
                self._file = os.dup(file.fileno())
            self._limit = limit_bytes
        except OSError as error:
            self._give_up(error)

    def has_room_for(self, n_bytes: int) -> bool:
        """Return whether a market of so many bytes fits; one that does not would only write over itself."""
        return n_bytes <= self._limit and self._limit > 0

    def get_all(self, wanted: Mapping[Key, Sequence[str]], periods: tuple[int, int] = ALL_PERIODS) -> dict[Key, Series]:
        """Return the series of which the blocks of these periods are still the ones with these checksums."""
        placed = [(place, key) for key in wanted if (place := self._places.get(key)) is not None]
        found: dict[Key, Series] = {}
        for run in _adjoining(
            (place, key)
            for place, key in sorted(placed)
            if checksums_within(periods, place.checksums, place.periods) == list(wanted[key])
        ):
            found |= self._read(run)
        with self._counting:
            self._hits += len(found)
            self._misses += len(wanted) - len(found)
        return found

    def put_all(self, series: Mapping[Key, Series]) -> None:
        """Keep series, as long as the disk has room; if it cannot be written, nothing is kept any more."""
        with self._writing:
            try:
                for key, own in series.items():
                    self._write(key, own)
            except OSError as error:
                self._give_up(error)

    def clear(self) -> None:
        """Forget everything, and give the disk back what it took."""
        with self._writing:
            self._places.clear()
            if self._file is not None:
                os.ftruncate(self._file, 0)

    @property
    def state(self) -> CacheState:
        with self._writing:
            n_bytes = sum(place.n_bytes for place in self._places.values())
            return CacheState(len(self._places), n_bytes, self._limit, self._hits, self._misses, self._evictions)

    def _read(self, run: Sequence[tuple[Place, Key]]) -> dict[Key, Series]:
        first, last = run[0][0].start, run[-1][0].end
        assert self._file is not None
        content = os.pread(self._file, last - first, first % self._limit)
        if len(content) < last - first:
            return {}
        numbers = np.frombuffer(content, dtype=np.float64)
        times = numbers.view(np.int64)
        found: dict[Key, Series] = {}
        for place, key in run:
            if self._places.get(key) is place:
                at, n = (place.start - first) // 8, place.n_bars
                edges = [at + n * number for number in range(1, len(_COLUMNS))]
                bars = Bars(times[at : at + n], *(numbers[edge : edge + n] for edge in edges))
                found[key] = Series(bars, place.checksums, place.periods)
        return found

    def _write(self, key: Key, series: Series) -> None:
        content = b"".join([getattr(series.bars, name).tobytes() for name in _COLUMNS])
        n_bytes = len(content)
        assert self._file is not None
        disk = os.fstatvfs(self._file)
        if n_bytes > self._limit or disk.f_bavail * disk.f_frsize < n_bytes + LEFT_FREE_BYTES:
            return
        if self._end % self._limit + n_bytes > self._limit:
            self._end += self._limit - self._end % self._limit
        self._places.pop(key, None)
        while self._places and next(iter(self._places.values())).start < self._end + n_bytes - self._limit:
            self._places.popitem(last=False)
            self._evictions += 1
        if os.pwrite(self._file, content, self._end % self._limit) < n_bytes:
            raise OSError("the disk took a part of a series only")
        self._places[key] = Place(self._end, len(series.bars), series.checksums, series.periods)
        self._end += n_bytes

    def _give_up(self, error: OSError) -> None:
        logger.warning("bars that do not fit into memory are not kept in a file: %s", error)
        self._limit = 0
        self._places.clear()
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)


def _adjoining(placed: Iterable[tuple[Place, Key]]) -> Iterator[list[tuple[Place, Key]]]:
    """Yield places that lie one behind the other, as many as are read at once."""
    run: list[tuple[Place, Key]] = []
    for place, key in placed:
        if run and (run[-1][0].end != place.start or place.end - run[0][0].start > READ_BYTES):
            yield run
            run = []
        run.append((place, key))
    if run:
        yield run


BARS_FILE = BarsFile()
