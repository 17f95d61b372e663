"""Runs that rest, end, go on and lose rows while somebody looks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backtests.models import Result, Run, RunChunk
from backtests.runs import control
from backtests.runs.chunks import claim
from backtests.runs.execute import execute, scan_of
from backtests.runs.save import save
from backtests.streams import feed as feed_module
from backtests.streams.feed import HEARTBEAT, follow
from tests.backtests.streams.frames import Frame, parse
from tests.backtests.streams.watching import in_thread, next_frames, sequences, until, watch, work
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("idle_engine")]

N_SYMBOLS = 7


@pytest.fixture(autouse=True)
def _only_pokes_wake(settings: Any) -> None:
    settings.POLL_S = 60.0


def queued() -> Run:
    return make_run(store_universe("Test", make_market(n_symbols=N_SYMBOLS, n_bars=60)))


def with_failures() -> Run:
    """Return a run of eight symbols of which the first and the sixth fail."""
    good = list(make_market(n_symbols=6, n_bars=60).items())
    return make_run(
        store_universe("Test", {"A": make_bars([]), **dict(good[:4]), "S3X": make_bars([]), **dict(good[4:])})
    )


def status_of(frames: list[Frame]) -> str:
    """Return the state that the page shows after these frames."""
    shown = [frame.partials["#run-status"] for frame in frames if not frame.event and "#run-status" in frame.partials]
    (status,) = shown[-1].children
    return status.attributes["data-status"]


def test_a_paused_run_keeps_its_viewers_and_sends_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HEARTBEAT_S", 0.05)
    run = queued()

    async def main() -> list[Frame]:
        viewer = follow(run.pk, after=0)
        frames = await next_frames(viewer)
        await work(run, n_chunks=1)
        await in_thread(lambda: control.pause(run.pk))
        while status_of(frames) != "paused":
            frames += await next_frames(viewer)
        beats = 0
        while beats < 3:
            sent = await asyncio.wait_for(anext(viewer), DEADLINE_S)
            beats += sent == HEARTBEAT
            frames += parse(sent)
        await in_thread(lambda: control.resume(run.pk))
        await work(run)
        while frames[-1].event != "done":
            frames += await next_frames(viewer)
        return frames

    frames = asyncio.run(main())
    assert sequences(frames) == list(range(1, N_SYMBOLS + 1))
    assert status_of(frames) == "complete"


def test_a_cancelled_run_ends_its_streams_when_the_chunk_at_work_is_saved() -> None:
    run = queued()

    async def main() -> list[Frame]:
        viewer = follow(run.pk, after=0)
        frames = await next_frames(viewer)
        await work(run, n_chunks=1)
        chunks: list[RunChunk] = []
        await in_thread(lambda: chunks.append(claim(run.pk)))  # type: ignore[arg-type]
        await in_thread(lambda: control.cancel(run.pk))
        while status_of(frames) != "cancelled":
            frames += await next_frames(viewer)
        assert "done" not in [frame.event for frame in frames], "rows of the chunk at work are still to come"
        await in_thread(lambda: save(chunks[0], execute(scan_of(run.pk), chunks[0].symbol_ids)))
        while frames[-1].event != "done":
            frames += await next_frames(viewer)
        return frames

    frames = asyncio.run(main())
    assert sequences(frames) == [1, 2, 3]
    assert status_of(frames) == "cancelled"


def test_a_cancelled_run_whose_worker_died_ends_its_streams_when_the_lease_is_over(settings: Any) -> None:
    settings.POLL_S = 0.05
    run = queued()

    async def main() -> list[Frame]:
        await work(run, n_chunks=1)
        await in_thread(lambda: claim(run.pk))
        await in_thread(lambda: control.cancel(run.pk))
        viewer = asyncio.create_task(watch(run))
        await until(lambda: run.pk in feed_module._FEEDS and feed_module._FEEDS[run.pk].run)
        past = timezone.now() - timedelta(seconds=1)
        await in_thread(lambda: RunChunk.objects.filter(run=run, state="claimed").update(leased_until=past))
        return await viewer

    frames = asyncio.run(main())
    assert sequences(frames) == [1]
    assert frames[-1].event == "done"


def test_who_comes_back_to_a_run_that_was_resumed_sees_it_go_on_and_not_its_end() -> None:
    """The feed that showed the end is still there: its viewers may just have left."""
    run = queued()

    async def main() -> list[Frame]:
        await work(run, n_chunks=2)
        await in_thread(lambda: control.cancel(run.pk))
        assert (await watch(run))[-1].event == "done"
        assert feed_module._FEEDS[run.pk].is_over
        await in_thread(lambda: control.resume(run.pk))
        viewer = asyncio.create_task(watch(run, after=3))
        await until(lambda: not feed_module._FEEDS[run.pk].is_over)
        await work(run)
        return await viewer

    frames = asyncio.run(main())
    assert sequences(frames) == [4, 5, 6, 7]
    assert status_of(frames) == "complete"


def test_rows_of_symbols_that_are_tried_again_come_with_higher_numbers() -> None:
    run = execute_run(with_failures())

    async def main() -> tuple[list[Frame], list[Frame]]:
        await in_thread(lambda: control.retry_failed(run.pk))
        viewer = asyncio.create_task(watch(run, after=8))
        await until(lambda: run.pk in feed_module._FEEDS)
        await work(run)
        return await viewer, await watch(run)

    resumed, late = asyncio.run(main())
    assert sequences(resumed) == [9, 10]
    assert sequences(late) == [2, 3, 4, 5, 7, 8, 9, 10]
    assert resumed[-2].id == late[-2].id == 10


def test_a_feed_whose_rows_are_gone_reads_all_of_them_again() -> None:
    """A cancelled run that a chunk at work keeps open is tried again under the eyes of its viewers."""
    run = with_failures()

    async def main() -> tuple[list[Frame], list[Frame]]:
        viewer = follow(run.pk, after=0)
        await work(run, n_chunks=2)
        chunks: list[RunChunk] = []
        await in_thread(lambda: chunks.append(claim(run.pk)))  # type: ignore[arg-type]
        await in_thread(lambda: control.cancel(run.pk))
        early = await next_frames(viewer)
        while status_of(early) != "cancelled":
            early += await next_frames(viewer)
        await in_thread(lambda: control.retry_failed(run.pk))
        while status_of(early) == "cancelled":
            early += await next_frames(viewer)
        await in_thread(lambda: save(chunks[0], execute(scan_of(run.pk), chunks[0].symbol_ids)))
        late = asyncio.create_task(watch(run))
        await work(run)
        while early[-1].event != "done":
            early += await next_frames(viewer)
        return early, await late

    early, late = asyncio.run(main())
    stored = list(Result.objects.filter(run=run).order_by("sequence").values_list("sequence", flat=True))
    assert stored == list(range(2, 10))
    assert sequences(early) == [1, *stored], "the row that was replaced had been sent before"
    assert sequences(late) == stored
    (bar,) = early[-2].partials["#run-progress"].all("progress")
    assert bar.attributes["value"] == "8"
