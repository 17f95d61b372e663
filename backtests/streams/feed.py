"""The feed of a run: one tailer of the database for all its viewers in this process.

1. ``follow`` and ``follow_json`` seat a viewer behind the last row that it has, and yield what comes after it.
2. The first viewer of a run starts its feed; the feed ends a moment after the last one has left. Who has just asked for
   a run will watch it: ``expect_viewers`` starts the feed before them, and has the first rows ready when they come.
3. The feed waits for a poke or, failing that, for the poll interval, then looks at the database in a reader thread:
   the run, and the rows behind the last one that is known. Somebody who comes late is a poke, too.
4. ``tracks.py`` renders what is new once for each kind that is watched. A viewer is a seat on a track: one that is slow
   costs nothing, and gets the newest of what moves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextvars import Context
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection

from backtests.at_once import time_of
from backtests.models import Run
from backtests.runs.chunks import chunks_at_work
from backtests.runs.engines.courtesy import note_look
from backtests.runs.engines.outage import AWAY, Outage
from backtests.runs.fresh import FRESH_ROWS
from backtests.runs.statistics import ResultRow, RunStatistics, read_rows
from backtests.streams.pokes import listening, server_loop, use_server_loop
from backtests.streams.readers import ask_first
from backtests.streams.tracks import Drawn, Look, PageTrack, ProgramTrack, Seat, Track

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"

# Whoever comes back within this time, as a browser does that has lost its connection, finds everything rendered.
LINGER_S = 2.0

# About as long as it takes to send a frame to a viewer. A feed looks again when all can have had the last one: where
# many watch, frames are fewer and larger.
SENDING_S = 0.0004

# What may change about a run while it is followed.
MOVING = (
    "state",
    "n_symbols",
    "n_done",
    "n_failed",
    "n_cached",
    "n_bytes",
    "computed_us",
    "saved_us",
    "last_sequence",
    "started_at",
    "paused_at",
    "paused_s",
    "finished_at",
)
TIMES = {"started_at", "paused_at", "finished_at"}

# Written out: it is asked dozens of times a run, while others wait, and building it takes longer than the answer.
_NOW = f"SELECT {', '.join(MOVING)} FROM {Run._meta.db_table} WHERE id = %s"  # noqa: S608 - made of names of columns

_OUTAGE = Outage("streams")
_FEEDS: dict[str, RunFeed] = {}


@dataclass(frozen=True, slots=True)
class News:
    """What one look has led to: the run, the figures, and what was drawn for each track."""

    run: Run | None
    statistics: RunStatistics
    sequences: list[int]
    drawn: dict[type[Track], Drawn]
    is_over: bool
    standing: tuple[Any, ...]


class RunFeed:
    """What viewers of one run have been or will be sent."""

    def __init__(self, run_id: str, known: Run | None = None) -> None:
        self.run_id = run_id
        self.run = known
        self.is_over = False
        self.n_viewers = 0
        self.n_beats = 0
        self._tracks: dict[type[Track], Track] = {}
        self._sequences: list[int] = []
        self._statistics = RunStatistics()
        # Set while a look is on: if it fails halfway, what it has counted must be counted anew.
        self._is_torn = False
        self._standing: tuple[Any, ...] = ()
        self._loop = asyncio.get_running_loop()
        self._poked = asyncio.Event()
        self._visited = asyncio.Event()
        self._expected: type[Track] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._n_asked = 0
        self._n_answered = -1
        self._quiet_since = time.monotonic()
        # At once, not when the task begins: no poke shall be missed.
        self._listening = contextlib.ExitStack()
        self._listening.enter_context(listening(run_id, self._poked))
        self._task = self._loop.create_task(self._tail())

    def expect(self, kind: type[Track], run: Run) -> None:
        """Draw rows of a run that has none yet for viewers who are about to come."""
        self._expected = kind
        self._loop.call_later(LINGER_S, self._end_if_idle)
        track = self._tracks[kind] = kind()
        track.open(run)

    async def join(self, kind: type[Track]) -> Track:
        """Return the track of a kind as soon as it shows the run as it is now."""
        self._visited.set()
        if self._expected is not None and self._expected is not kind:
            # Others have come, and nobody draws for nobody.
            del self._tracks[self._expected]
        self._expected = None
        track = self._tracks.setdefault(kind, kind())
        if not track.is_drawn or self.is_over:
            # It may have been resumed since it was over: only a look from now on can tell.
            self._n_asked += 1
            asked = self._n_asked
            self._poked.set()
            while self._n_answered < asked:
                await self.news()
        return track

    async def news(self) -> None:
        """Wait until the feed has moved on, or for the next heartbeat."""
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def leave(self) -> None:
        """Take leave of a viewer; the last one to go ends the feed, but for those who come back at once."""
        self.n_viewers -= 1
        if self.n_viewers == 0:
            self._loop.call_later(LINGER_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self.n_viewers == 0:
            # At once: who comes before the task has noticed would wait for a feed that is no more.
            self._forget()
            self._task.cancel()
            # The task keeps its feed until the garbage collector comes by; what it holds is large.
            self._tracks.clear()

    def _forget(self) -> None:
        if _FEEDS.get(self.run_id) is self:
            del _FEEDS[self.run_id]

    async def _tail(self) -> None:
        use_server_loop(asyncio.get_running_loop())
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience_s()):
                        await self._poked.wait()
                if self._sequences:
                    # The first rows are drawn for those who are expected, and no more until one of them has come.
                    await self._visited.wait()
                self._poked.clear()
                if await self._look_again():
                    await asyncio.sleep(SENDING_S * self.n_viewers)
        finally:
            self._listening.close()
            self._forget()

    async def _look_again(self) -> bool:
        """Look at the database, and wake the viewers if there is news, an answer or a heartbeat for them.

        Return whether there was news.
        """
        asked, is_new, is_answered = self._n_asked, False, False
        try:
            is_new = self._show(await ask_first(partial(self._look, dict(self._tracks))))
            is_answered, self._n_answered = self._n_answered < asked, asked
            _OUTAGE.is_over()
        except AWAY as error:
            _OUTAGE.notice(error)
            await asyncio.sleep(settings.POLL_S)
        except Exception:
            logger.exception("the feed of run %s could not read; it tries again", self.run_id)
            await asyncio.sleep(settings.POLL_S)
        is_silent = not is_new and time.monotonic() - self._quiet_since >= HEARTBEAT_S
        self.n_beats += is_silent
        if is_new or is_silent:
            self._quiet_since = time.monotonic()
        if is_new or is_silent or is_answered:
            self._wake()
        return is_new

    def _patience_s(self) -> float:
        """Return how long to wait for a poke before looking again."""
        if self.is_over:
            return LINGER_S
        dues = [track.drawn_at + track.every_s for track in self._tracks.values() if track.is_stale]
        due = min([self._quiet_since + HEARTBEAT_S, *dues]) - time.monotonic()
        return max(0.0, min(settings.POLL_S, due))

    def _look(self, tracks: dict[type[Track], Track]) -> News | None:
        """Read what is new and draw it, in a reader thread; None if all is as it was."""
        # The run first: of what it says, all the rows are there when they are read after it.
        run = self._run_now()
        # The chunks that were at work when a run was cancelled are still saved.
        is_over = run is None or (
            run.is_finished and (run.state == Run.State.COMPLETE or not chunks_at_work(run.pk).exists())
        )
        standing = (run.state, run.last_sequence, run.n_done, run.n_symbols, run.finished_at) if run else (None,)
        is_anew = self._is_torn or any(not track.is_drawn for track in tracks.values()) or self._has_lost_rows(run)
        if is_over and self.is_over and standing == self._standing and not is_anew:
            return None
        self._is_torn = True
        rows = self._new_rows(run, is_anew=is_anew)
        if run is not None and not is_anew and len(self._sequences) + len(rows) > run.n_done:
            # Symbols were tried again so quickly that as many rows have come as had gone.
            is_anew, rows = True, self._new_rows(run, is_anew=True)
        statistics = (RunStatistics() if is_anew else self._statistics).add(rows)
        look = Look(run, rows, statistics, is_over=is_over, is_anew=is_anew)
        sequences = [*([] if is_anew else self._sequences), *(row.sequence for row in rows)]
        return News(run, statistics, sequences, {kind: tracks[kind].draw(look) for kind in tracks}, is_over, standing)

    def _run_now(self) -> Run | None:
        """Return the run as it is now. Of one that is known only what moves is read, in less than half the time."""
        if self.run is None:
            return Run.objects.filter(pk=self.run_id).select_related("strategy", "universe").first()
        with connection.cursor() as cursor:
            cursor.execute(_NOW, [self.run_id])
            moved = cursor.fetchone()
        if moved is None:
            return None
        run = copy(self.run)
        for name, value in zip(MOVING, moved, strict=True):
            setattr(run, name, time_of(value) if name in TIMES else value)
        return run

    def _new_rows(self, run: Run | None, *, is_anew: bool) -> list[ResultRow]:
        last = self._sequences[-1] if self._sequences and not is_anew else 0
        if run is None or run.last_sequence == last:
            return []
        # Numbers that are no longer there, as symbols were tried again, may still be in memory.
        is_whole = not is_anew and run.n_done == run.last_sequence
        fresh = FRESH_ROWS.between(run.pk, last, run.last_sequence) if is_whole else None
        if fresh is not None:
            return fresh
        # Those that were saved since the run was read are for the next look.
        return [row for row in read_rows(run.pk, after=last) if row.sequence <= run.last_sequence]

    def _has_lost_rows(self, run: Run | None) -> bool:
        """Return whether rows that were read are no longer there, because their symbols are tried again."""
        return run is not None and bisect_right(self._sequences, run.last_sequence) > run.n_done

    def _show(self, news: News | None) -> bool:
        """Take in what a look has found; return whether there is anything new for viewers."""
        if news is None:
            return False
        self._statistics, self._sequences, self._is_torn = news.statistics, news.sequences, False
        self.run, self.is_over, self._standing = news.run, news.is_over, news.standing
        shown = [self._tracks[kind].show(drawn) for kind, drawn in news.drawn.items() if kind in self._tracks]
        return any(shown)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


def watched_run(run_id: str) -> Run | None:
    """Return a run that somebody watches, as it was at the last look; None if nobody does."""
    feed = _FEEDS.get(run_id)
    return feed.run if feed else None


def expect_viewers(run: Run, kind: type[Track]) -> None:
    """Start the feed of a run that nobody has begun yet; from any thread, before anybody is told of the run."""
    if (loop := server_loop()) is not None:
        # Not with the context of the request, which is over when the feed is still there.
        loop.call_soon_threadsafe(_expect_viewers, run, kind, context=Context())


def _expect_viewers(run: Run, kind: type[Track]) -> None:
    if run.pk not in _FEEDS:
        feed = _FEEDS[run.pk] = RunFeed(run.pk, run)
        feed.expect(kind, run)


def follow(run_id: str, *, after: int, known: Run | None = None) -> AsyncIterator[bytes]:
    """Yield a run's stream for its page: rows after sequence number ``after`` and the moving parts, to the end.

    A run that is ``known``, with strategy and universe, is not read whole again.
    """
    return _follow(run_id, PageTrack, after, known)


def follow_json(run_id: str, *, after: int) -> AsyncIterator[bytes]:
    """Yield a run's stream for programs: an event for every row after ``after``, progress, and the end."""
    return _follow(run_id, ProgramTrack, after)


async def _follow(run_id: str, kind: type[Track], after: int, known: Run | None = None) -> AsyncIterator[bytes]:
    feed = _FEEDS.get(run_id)
    if feed is None:
        feed = _FEEDS[run_id] = RunFeed(run_id, known)
    feed.n_viewers += 1
    seat = Seat(after)
    try:
        track = await feed.join(kind)
        n_beats = feed.n_beats
        while not seat.is_done:
            parts = track.next_parts(seat)
            for part in parts:
                yield part
                note_look(run_id)
            if not parts:
                if n_beats != feed.n_beats:
                    yield HEARTBEAT
                n_beats = feed.n_beats
                await feed.news()
    finally:
        feed.leave()
