from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import connection, connections

from backtests.models import Run
from backtests.runs.statistics import ResultRow, read_rows
from backtests.streams import feed as feed_module
from backtests.streams import pokes
from backtests.streams.feed import HEARTBEAT, follow
from tests.backtests.streams.frames import Frame
from tests.backtests.streams.watching import next_frame, next_frames, sequences, until, watch, work
from tests.builders import execute_run, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.django_db(transaction=True)

N_SYMBOLS = 12
N_CHUNKS = 4  # of 1, 2, 4 and 5 symbols


@pytest.fixture(autouse=True)
def _only_pokes_wake(settings: Any) -> None:
    settings.POLL_S = 60.0


def queued(name: str = "Test") -> Run:
    return make_run(store_universe(name, make_market(n_symbols=N_SYMBOLS, n_bars=60)))


def assert_whole(frames: list[Frame], *, after: int = 0) -> None:
    """A viewer was sent every row after the last one that it had, and the end."""
    *moving, done = frames
    assert (done.event, done.id) == ("done", None)
    assert all(frame.event == "" for frame in moving)
    assert sequences(frames) == list(range(after + 1, N_SYMBOLS + 1))


def test_a_late_viewer_gets_every_row_once_and_the_end() -> None:
    frames = asyncio.run(watch(execute_run(queued())))
    assert_whole(frames)
    assert len(frames) == 2


@pytest.mark.parametrize("after", [0, 1, 5, N_SYMBOLS - 1, N_SYMBOLS])
def test_a_viewer_goes_on_after_the_last_row_that_it_has(after: int) -> None:
    frames = asyncio.run(watch(execute_run(queued()), after=after))
    assert_whole(frames, after=after)
    assert frames[-2].id == N_SYMBOLS


def test_a_viewer_that_claims_to_have_more_than_there_is_gets_the_end() -> None:
    frames = asyncio.run(watch(execute_run(queued()), after=999))
    assert sequences(frames) == []
    assert frames[-1].event == "done"


def test_rows_arrive_with_the_chunk_that_they_belong_to() -> None:
    run = queued()

    async def main() -> list[Frame]:
        viewer = follow(run.pk, after=0)
        frames = [await next_frame(viewer)]
        for _ in range(N_CHUNKS):
            await work(run, n_chunks=1)
            n_rows = len(sequences(frames))
            while len(sequences(frames)) == n_rows:  # moving parts may come before them
                frames += await next_frames(viewer)
        return frames

    frames = [frame for frame in asyncio.run(main()) if frame.event or frame.rows]
    assert_whole(frames)
    assert [len(frame.sequences) for frame in frames[:-1]] == [1, 2, 4, 5]
    assert [frame.id for frame in frames[:-1]] == [1, 3, 7, 12]


def test_the_engine_is_told_that_somebody_has_seen_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    run = queued()
    monkeypatch.setattr(feed_module, "note_look", seen.append)
    asyncio.run(watch(execute_run(run)))
    assert set(seen) == {run.pk}


def test_a_viewer_that_comes_in_the_middle_misses_nothing() -> None:
    run = queued()

    async def main() -> list[list[Frame]]:
        first = asyncio.create_task(watch(run))
        await work(run, n_chunks=2)
        later = [asyncio.create_task(watch(run, after=after)) for after in (0, 2, 3)]
        await work(run)
        return await asyncio.gather(first, *later)

    for frames, after in zip(asyncio.run(main()), (0, 0, 2, 3), strict=True):
        assert_whole(frames, after=after)


def test_many_viewers_see_the_same_and_the_database_is_read_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    run, reads = queued(), []

    def counted(run_id: str, *, after: int = 0) -> list[ResultRow]:
        reads.append(after)
        return read_rows(run_id, after=after)

    monkeypatch.setattr(feed_module, "read_rows", counted)

    async def main() -> list[list[Frame]]:
        viewers = [asyncio.create_task(watch(run)) for _ in range(30)]
        for _ in range(N_CHUNKS):
            await work(run, n_chunks=1)
        return await asyncio.gather(*viewers)

    everything = asyncio.run(main())
    rows = {"".join(frame.data for frame in frames if frame.event == "" and frame.rows) for frames in everything}
    assert_whole(everything[0])
    assert len(everything) == 30
    assert len(rows) == 1
    assert len(reads) <= 1 + N_CHUNKS


def test_runs_are_not_mixed_up() -> None:
    runs = [queued("One"), queued("Two")]

    async def main() -> list[list[Frame]]:
        viewers = [asyncio.create_task(watch(run)) for run in runs]
        for run in runs:
            await work(run)
        return await asyncio.gather(*viewers)

    for frames in asyncio.run(main()):
        assert_whole(frames)


def test_without_pokes_the_poll_interval_finds_the_rows(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.POLL_S = 0.05
    run = queued()

    async def main() -> list[Frame]:
        viewer = asyncio.create_task(watch(run))
        await until(lambda: pokes._server_loop is asyncio.get_running_loop())
        # As if another process worked on the run, with nothing between the two but the database.
        monkeypatch.setattr(pokes, "_server_loop", None)
        await work(run)
        return await viewer

    assert_whole(asyncio.run(main()))


def test_the_last_viewer_to_leave_stops_the_feed() -> None:
    run = queued()

    def others() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {asyncio.current_task()}

    async def main() -> None:
        viewers = [follow(run.pk, after=0) for _ in range(2)]
        for viewer in viewers:
            await next_frame(viewer)
        await viewers[0].aclose()  # type: ignore[attr-defined]
        await work(run, n_chunks=1)
        assert (await next_frame(viewers[1])).sequences == [1]
        assert others()
        feed = feed_module._FEEDS[run.pk]
        assert feed._tracks
        await viewers[1].aclose()  # type: ignore[attr-defined]
        await until(lambda: len(others()) == 1)  # the one that waits here
        assert feed_module._FEEDS == {}
        assert feed._tracks == {}, "rows by the thousand would wait for the garbage collector"
        # Whoever comes back starts it again.
        back = follow(run.pk, after=1)
        await next_frame(back)
        await work(run)
        assert (await next_frames(back))[0].sequences[0] == 2
        await back.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())


def test_the_feed_of_a_finished_run_is_gone_when_it_is_read() -> None:
    asyncio.run(watch(execute_run(queued())))
    assert feed_module._FEEDS == {}


@pytest.fixture
def _table_comes_back() -> Iterator[None]:
    yield
    _bring_back()


def _take_away() -> None:
    """Put the table of results under another name."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE backtests_result RENAME TO backtests_result_away")


def _bring_back() -> None:
    with connection.cursor() as cursor:
        if "backtests_result_away" in connection.introspection.table_names(cursor):
            cursor.execute("ALTER TABLE backtests_result_away RENAME TO backtests_result")


@pytest.mark.usefixtures("_table_comes_back")
def test_a_look_that_fails_is_repeated(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.POLL_S = 0.05
    run = queued()

    def closing(change: Callable[[], None]) -> None:
        try:
            change()
        finally:
            connections.close_all()

    async def main() -> list[Frame]:
        await work(run, n_chunks=1)
        await asyncio.to_thread(closing, _take_away)
        viewer = asyncio.create_task(watch(run))
        await until(lambda: "streams wait for the database" in caplog.text)
        await asyncio.to_thread(closing, _bring_back)
        await work(run)
        return await viewer

    assert_whole(asyncio.run(main()))


def test_a_run_that_is_deleted_in_the_middle_ends_its_stream(settings: Any) -> None:
    settings.POLL_S = 0.05
    run = queued()

    def delete() -> None:
        try:
            Run.objects.filter(pk=run.pk).delete()
        finally:
            connections.close_all()

    async def main() -> list[Frame]:
        viewer = follow(run.pk, after=0)
        await work(run, n_chunks=1)
        frames = [await next_frame(viewer)]
        await asyncio.to_thread(delete)
        while frames[-1].event != "done":
            frames += await next_frames(viewer)
        return frames

    frames = asyncio.run(main())
    assert sequences(frames) == [1]
    assert "#run-feed" in frames[-2].partials
    assert frames[-2].partials["#run-status"].text == "Deleted"


def test_a_silent_stream_says_that_it_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HEARTBEAT_S", 0.02)
    run = queued()

    async def main() -> list[bytes]:
        viewer = follow(run.pk, after=0)
        sent = [await asyncio.wait_for(anext(viewer), DEADLINE_S) for _ in range(4)]
        await work(run)
        while b"event: done" not in sent[-1]:
            sent.append(await asyncio.wait_for(anext(viewer), DEADLINE_S))
        return sent

    sent = asyncio.run(main())
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT in sent[1:4]


def test_rows_arrive_while_redis_is_away(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.POLL_S = 0.05
    before = channel_layers["default"]
    channel_layers.set("default", RedisPubSubChannelLayer(hosts=["redis://127.0.0.1:1"]))
    run = queued()

    async def main() -> list[Frame]:
        viewer = asyncio.create_task(watch(run))
        await work(run, n_chunks=1)
        await until(lambda: "no pokes of run" in caplog.text)
        await work(run)
        return await viewer

    try:
        assert_whole(asyncio.run(main()))
    finally:
        channel_layers.set("default", before)
