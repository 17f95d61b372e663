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
import xxhash

from backtests.prices.cache import ALL_PERIODS, BAR_BYTES, CacheState, Key, Series, checksums_within
from strategies.bars import Bars

logger = logging.getLogger(__name__)

# Symbols that lie one behind the other are read at once, up to so many bytes; with more of them it is no faster.
READ_BYTES = 4 * 1024 * 1024

# A disk is never filled: the database needs it more.
LEFT_FREE_BYTES = 1024 * 1024 * 1024

_COLUMNS = tuple(column.name for column in fields(Bars))


class Place(NamedTuple):
    """Where in the file a series lies, what it is of, and the digest of what was written.

    ``written`` counts the bytes that had been written, or left out at the file's end, before it.
    """

    offset: int
    written: int
    n_bars: int
    digest: int
    checksums: tuple[str, ...]
    periods: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return BAR_BYTES * self.n_bars

    @property
    def end(self) -> int:
        return self.offset + self.n_bytes


class BarsFile:
    """Series by symbol and interval; safe between threads. Until it is opened it takes nothing."""

    def __init__(self) -> None:
        self._file = -1
        self._limit = self._written = self._hits = self._misses = self._evictions = 0
        # In the order in which they were written. A series is taken out before anything is written over it, so that
        # what was read is right if its place is still here afterwards.
        self._places: OrderedDict[Key, Place] = OrderedDict()
        self._writing, self._counting = threading.Lock(), threading.Lock()
        self._is_full_told = False

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
        """Return the series of which the blocks of these periods are still the ones with these checksums.

        What is not what was written is not returned, and where the file cannot be read, nothing is kept any more.
        """
        placed = [(place, key) for key in wanted if (place := self._places.get(key)) is not None]
        found: dict[Key, Series] = {}
        try:
            for run in _adjoining(
                (place, key)
                for place, key in sorted(placed)
                if checksums_within(periods, place.checksums, place.periods) == list(wanted[key])
            ):
                found |= self._read(run)
        except OSError as error:
            with self._writing:
                self._give_up(error)
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
            self._empty()

    @property
    def state(self) -> CacheState:
        with self._writing:
            n_bytes = sum(place.n_bytes for place in self._places.values())
            return CacheState(len(self._places), n_bytes, self._limit, self._hits, self._misses, self._evictions)

    def _read(self, run: Sequence[tuple[Place, Key]]) -> dict[Key, Series]:
        first, last = run[0][0].offset, run[-1][0].end
        content = memoryview(os.pread(self._file, last - first, first))
        found: dict[Key, Series] = {}
        for place, key in run:
            own = content[place.offset - first : place.end - first]
            if self._places.get(key) is not place:
                continue
            if xxhash.xxh3_64_intdigest(own) != place.digest:
                raise OSError("a series is not what was written")
            found[key] = Series(_bars_of(own), place.checksums, place.periods)
        return found

    def _write(self, key: Key, series: Series) -> None:
        content = b"".join([getattr(series.bars, name).tobytes() for name in _COLUMNS])
        n_bytes = len(content)
        if not self.has_room_for(n_bytes) or not self._has_disk_for(n_bytes):
            return
        offset = self._written % self._limit
        if offset + n_bytes > self._limit:
            self._written, offset = self._written + self._limit - offset, 0
        self._places.pop(key, None)
        while self._places and next(iter(self._places.values())).written < self._written + n_bytes - self._limit:
            self._places.popitem(last=False)
            self._evictions += 1
        if os.pwrite(self._file, content, offset) < n_bytes:
            raise OSError("the disk took a part of a series only")
        digest = xxhash.xxh3_64_intdigest(content)
        self._places[key] = Place(offset, self._written, len(series.bars), digest, series.checksums, series.periods)
        self._written += n_bytes

    def _has_disk_for(self, n_bytes: int) -> bool:
        disk = os.fstatvfs(self._file)
        if disk.f_bavail * disk.f_frsize >= n_bytes + LEFT_FREE_BYTES:
            return True
        if not self._is_full_told:
            logger.warning("the disk has less than 1 GiB left: no more bars are kept in a file")
            self._is_full_told = True
        return False

    def _give_up(self, error: OSError) -> None:
        logger.warning("bars that do not fit into memory are not kept in a file: %s", error)
        self._limit = 0
        self._empty()

    def _empty(self) -> None:
        self._places.clear()
        if self._file >= 0:
            with suppress(OSError):
                os.ftruncate(self._file, 0)


def _bars_of(content: memoryview) -> Bars:
    columns = np.frombuffer(content, dtype=np.float64).reshape(len(_COLUMNS), -1)
    return Bars(columns[0].view(np.int64), *columns[1:])


def _adjoining(placed: Iterable[tuple[Place, Key]]) -> Iterator[list[tuple[Place, Key]]]:
    """Yield places that lie one behind the other, as many as are read at once."""
    run: list[tuple[Place, Key]] = []
    for place, key in placed:
        if run and (run[-1][0].end != place.offset or place.end - run[0][0].offset > READ_BYTES):
            yield run
            run = []
        run.append((place, key))
    if run:
        yield run


BARS_FILE = BarsFile()
