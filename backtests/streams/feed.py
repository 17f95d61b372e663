"""The feed of a run: one tailer of the database for all its viewers in this process.

1. ``follow`` gives a viewer the frames after the last one that it has seen.
2. The first viewer of a run starts its feed, the last one to leave stops it.
3. The feed waits for a poke or, failing that, for the poll interval, then reads new results in a worker thread, renders
   each row once and appends it to a list; a viewer is a position in that list, so that a slow one costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.conf import settings
from django.db import close_old_connections, connection

from backtests.models import Run
from backtests.runs.statistics import RunStatistics, read_rows
from backtests.streams.fragments import render_moving
from backtests.streams.pokes import listen, use_server_loop
from backtests.streams.rows import render_rows

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"

_READERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="feed")
_FEEDS: dict[str, RunFeed] = {}


@dataclass(frozen=True, slots=True)
class News:
    """What one look at the database found: new rows, and the moving parts as they are now."""

    rows: list[str]
    moving: dict[str, str]
    is_finished: bool


class RunFeed:
    """What viewers of one run have been or will be sent."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.rows: list[str] = []
        self.moving: dict[str, str] = {}
        self.is_finished = False
        self.version = 0
        self.n_viewers = 0
        self._statistics = RunStatistics()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._tail())

    async def news(self, seen: int) -> None:
        """Wait until the feed has moved on from the version that was seen."""
        while self.version == seen:
            await self._news.wait()

    def stop(self) -> None:
        self._task.cancel()

    async def _tail(self) -> None:
        loop = asyncio.get_running_loop()
        use_server_loop(loop)
        poked = asyncio.Event()
        listening = asyncio.create_task(listen(self.run_id, poked))
        try:
            while not self.is_finished:
                # The first poke says that later ones will be heard: only then is nothing missed after a look.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(poked.wait(), settings.POLL_S)
                poked.clear()
                try:
                    self._show(await loop.run_in_executor(_READERS, self._read))
                except Exception:
                    logger.exception("the feed of run %s could not read; it tries again", self.run_id)
        finally:
            listening.cancel()

    def _read(self) -> News:
        """Read what is new, in a reader thread."""
        with _connection_let_go():
            # The run first: if it says that it is complete, the results that follow are all there.
            run = Run.objects.filter(pk=self.run_id).first()
            if run is None:
                return News([], {}, is_finished=True)
            rows = read_rows(self.run_id, after=len(self.rows))
            html = render_rows(rows)
            # An attempt that failed after counting has counted these already.
            self._statistics.add(rows[self._statistics.n_done - len(self.rows) :])
            return News(html, render_moving(run, self._statistics), is_finished=run.is_finished)

    def _show(self, new: News) -> None:
        self.rows.extend(new.rows)
        self.moving = new.moving
        self.is_finished = new.is_finished
        self.version += 1
        news, self._news = self._news, asyncio.Event()
        news.set()


async def run_exists(run_id: str) -> bool:
    """Return whether there is such a run; asked in a reader thread, so that a stream holds no connection of its own."""
    return await asyncio.get_running_loop().run_in_executor(_READERS, _exists, run_id)


async def follow(run_id: str, *, after: int) -> AsyncIterator[bytes]:
    """Yield the frames of a run's stream: all rows after sequence number ``after`` and the moving parts, to the end."""
    feed = _FEEDS.get(run_id)
    if feed is None:
        feed = _FEEDS[run_id] = RunFeed(run_id)
    feed.n_viewers += 1
    version, position = 0, after
    try:
        while True:
            try:
                await asyncio.wait_for(feed.news(version), HEARTBEAT_S)
            except TimeoutError:
                yield HEARTBEAT
                continue
            version, is_finished = feed.version, feed.is_finished
            rows = feed.rows[position:]
            position += len(rows)
            yield _frame(position, rows, feed.moving, is_finished=is_finished)
            if is_finished:
                yield b"event: done\ndata: done\n\n"
                return
    finally:
        feed.n_viewers -= 1
        if feed.n_viewers == 0:
            _FEEDS.pop(run_id, None)
            feed.stop()


def _frame(sequence: int, rows: list[str], moving: dict[str, str], *, is_finished: bool) -> bytes:
    parts = []
    if rows:
        body = "".join(rows)
        parts.append(f'<hx-partial hx-target="#results tbody" hx-swap="beforeend">{body}</hx-partial>')
    for element, html in moving.items():
        parts.append(f'<hx-partial hx-target="#{element}" hx-swap="outerHTML">{html}</hx-partial>')
    if is_finished:
        # Without its connector the page does not connect again, whatever is swapped later.
        parts.append('<hx-partial hx-target="#run-feed" hx-swap="outerHTML"><div id="run-feed"></div></hx-partial>')
    return f"id: {sequence}\ndata: {''.join(parts)}\n\n".encode()


def _exists(run_id: str) -> bool:
    with _connection_let_go():
        return Run.objects.filter(pk=run_id).exists()


@contextlib.contextmanager
def _connection_let_go() -> Iterator[None]:
    """Leave no server's connection with a reader thread, and none that is broken."""
    try:
        yield
    except Exception:
        connection.close()
        raise
    finally:
        if connection.vendor != "sqlite":
            close_old_connections()
