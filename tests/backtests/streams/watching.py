"""Viewers of a run's feed, and somebody who works on the run meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from django.db import connections

from backtests.models import Run
from backtests.streams.feed import follow, follow_json
from tests.backtests.streams.frames import Frame, parse
from tests.builders import execute_run
from tests.waiting import DEADLINE_S

Feed = AsyncIterator[bytes]


async def watch(run: Run, *, after: int = 0) -> list[Frame]:
    """Return every event of a run from where a viewer left off, to the end of the stream."""

    async def read() -> bytes:
        return b"".join([sent async for sent in follow(run.pk, after=after)])

    return parse(await asyncio.wait_for(read(), DEADLINE_S))


async def watch_json(run: Run, *, after: int = 0) -> list[dict[str, Any]]:
    """Return every event that a program is sent, from where it left off to the end; ``id`` is that of its frame."""

    async def read() -> bytes:
        return b"".join([sent async for sent in follow_json(run.pk, after=after)])

    return events_of(parse(await asyncio.wait_for(read(), DEADLINE_S)))


def events_of(frames: list[Frame]) -> list[dict[str, Any]]:
    assert all(frame.event == "" for frame in frames), "onmessage receives events without a name only"
    return [{**json.loads(frame.data), "id": frame.id} for frame in frames]


async def next_events(feed: Feed) -> list[dict[str, Any]]:
    return events_of(await next_frames(feed))


async def next_frames(feed: Feed) -> list[Frame]:
    """Return what a viewer is sent next, at once."""
    return parse(await asyncio.wait_for(anext(feed), DEADLINE_S))


async def next_frame(feed: Feed) -> Frame:
    (frame,) = await next_frames(feed)
    return frame


async def work(run: Run, *, n_chunks: int | None = None) -> None:
    """Execute chunks of a run in a thread, as a worker does."""
    await in_thread(lambda: execute_run(run, n_chunks=n_chunks))


async def in_thread(act: Callable[[], object]) -> None:
    """Do something with the database while the event loop goes on."""

    def acting() -> None:
        try:
            act()
        finally:
            connections.close_all()

    await asyncio.to_thread(acting)


async def until(look: Callable[[], object]) -> None:
    """Wait until ``look`` returns something true."""

    async def looking() -> None:
        while not look():  # noqa: ASYNC110 - the condition has no event of its own
            await asyncio.sleep(0.01)

    await asyncio.wait_for(looking(), DEADLINE_S)


def sequences(frames: list[Frame]) -> list[int]:
    return [number for frame in frames if not frame.event for number in frame.sequences]
