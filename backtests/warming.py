"""Decode a universe's bars in advance, into what this process keeps of them: memory, or the bars file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import connection
from django.db.models import F

from backtests.models import Universe
from backtests.prices.bars_file import BARS_FILE
from backtests.prices.cache import size_of
from backtests.prices.errors import BlockDamaged
from backtests.prices.store import bytes_of, read_bars
from backtests.runs.engines.courtesy import wait_for_requests
from backtests.runs.plan import stored_intervals

logger = logging.getLogger(__name__)

# Symbols whose bars are read with one query: a few milliseconds of work, so that a request never waits for longer.
WARMED_AT_ONCE = 16

# A universe that is larger than the cache would push out its own first bars with its last.
MOST_OF_CACHE = 0.9


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How far the decoding of a universe is: series, each a symbol's bars of one interval."""

    universe: str
    n_series: int
    n_done: int = 0
    n_bytes: int = 0
    damaged: tuple[str, ...] = ()
    is_finished: bool = False

    @property
    def percent(self) -> int:
        return 100 * self.n_done // self.n_series if self.n_series else 100


_lock = threading.Lock()
_current: WarmUp | None = None


def warm(universe: Universe, note: Callable[[WarmUp], object]) -> WarmUp:
    """Decode every series of a universe, or as many as fit; tell ``note`` after each few of them."""
    tickers = tickers_of(universe)
    ids, intervals = list(tickers), stored_intervals(universe)
    state, in_memory = WarmUp(universe.name, n_series=len(ids) * len(intervals)), 0
    for interval in intervals:
        market_bytes = bytes_of(universe.pk, interval)
        if market_bytes <= settings.BARS_CACHE_BYTES or not BARS_FILE.has_room_for(market_bytes):
            market_bytes = 0
        for start in range(0, len(ids), WARMED_AT_ONCE):
            if not market_bytes and in_memory > MOST_OF_CACHE * settings.BARS_CACHE_BYTES:
                break
            note(state)
            wait_for_requests()
            part = ids[start : start + WARMED_AT_ONCE]
            n_bytes, damaged = decode_series(part, interval, market_bytes=market_bytes)
            in_memory += 0 if market_bytes else n_bytes
            names = tuple(f"{tickers[symbol_id]} {interval}" for symbol_id in damaged)
            n_done, n_bytes = state.n_done + len(part), state.n_bytes + n_bytes
            state = replace(state, n_done=n_done, n_bytes=n_bytes, damaged=(*state.damaged, *names))
    state = replace(state, is_finished=True)
    note(state)
    return state


def warm_in_background(universe: Universe) -> bool:
    """Decode a universe in a thread of its own; return False if one is being decoded already."""
    global _current  # noqa: PLW0603 - one warm-up a process
    with _lock:
        if _current is not None and not _current.is_finished:
            return False
        _current = WarmUp(universe.name, n_series=universe.symbols.count())
    threading.Thread(target=_work, args=[universe], name="warm-universe", daemon=True).start()
    return True


def current_warm_up() -> WarmUp | None:
    """Return how far this process is with the universe that it decodes, or has decoded last."""
    return _current


def _work(universe: Universe) -> None:
    try:
        warm(universe, _note)
    except Exception:
        logger.exception("the bars of %s could not be decoded in advance", universe)
    finally:
        if _current is not None:
            _note(replace(_current, is_finished=True))
        connection.close()


def _note(state: WarmUp) -> None:
    global _current  # noqa: PLW0603
    _current = state


def tickers_of(universe: Universe) -> dict[int, str]:
    """Return the symbols of a universe in the order in which runs compute them: in the bars file they lie likewise."""
    by_turnover = universe.symbols.order_by(F("turnover").desc(nulls_last=True), "ticker")
    return dict(by_turnover.values_list("pk", "ticker"))


def decode_series(symbol_ids: list[int], interval: str, *, market_bytes: int = 0) -> tuple[int, list[int]]:
    """Decode the bars of symbols of a market of so many bytes into memory, or into the bars file if it is too large.

    Return their bytes, and the symbols whose blocks are damaged.
    """
    try:
        decoded = read_bars(symbol_ids, interval=interval, market_bytes=market_bytes)
        return sum(size_of(series) for series in decoded.values()), []
    except BlockDamaged:
        if len(symbol_ids) == 1:
            return 0, symbol_ids
    parts = [decode_series([symbol_id], interval, market_bytes=market_bytes) for symbol_id in symbol_ids]
    return sum(n_bytes for n_bytes, _ in parts), [symbol_id for _, damaged in parts for symbol_id in damaged]
