"""Viewers of a run's feed, and somebody who works on the run meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from django.db import connections

from backtests.models import Run
from backtests.streams.feed import follow
from tests.backtests.streams.frames import Frame, parse
from tests.builders import execute_run
from tests.waiting import DEADLINE_S

Feed = AsyncIterator[bytes]


async def watch(run: Run, *, after: int = 0) -> list[Frame]:
    """Return every event of a run from where a viewer left off, to the end of the stream."""

    async def read() -> bytes:
        return b"".join([sent async for sent in follow(run.pk, after=after)])

    return parse(await asyncio.wait_for(read(), DEADLINE_S))


async def next_frame(feed: Feed) -> Frame:
    (frame,) = parse(await asyncio.wait_for(anext(feed), DEADLINE_S))
    return frame


async def work(run: Run, *, n_chunks: int | None = None) -> None:
    """Execute chunks of a run in a thread, as a worker does."""

    def execute() -> None:
        try:
            execute_run(run, n_chunks=n_chunks)
        finally:
            connections.close_all()

    await asyncio.to_thread(execute)


def sequences(frames: list[Frame]) -> list[int]:
    return [number for frame in frames if not frame.event for number in frame.sequences]
