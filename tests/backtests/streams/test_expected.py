"""Feeds that are ready before their viewers: whoever starts a run is about to watch it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backtests.models import Result, Run
from backtests.runs import control
from backtests.runs.fresh import FRESH_ROWS
from backtests.runs.statistics import read_rows
from backtests.streams import feed as feed_module
from backtests.streams import pokes
from backtests.streams.feed import RunFeed, expect_viewers, follow, follow_json
from backtests.streams.tracks import PageTrack, ProgramTrack, Track
from tests.backtests.streams.frames import Frame, parse
from tests.backtests.streams.watching import (
    in_thread,
    next_events,
    next_frames,
    sequences,
    until,
    watch,
    work,
)
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("idle_engine")]

N_SYMBOLS = 7


@pytest.fixture(autouse=True)
def _only_pokes_wake(settings: Any) -> None:
    settings.POLL_S = 60.0


@pytest.fixture
def run() -> Run:
    return make_run(store_universe("Test", make_market(n_symbols=N_SYMBOLS, n_bars=60)))


async def expected(run: Run, kind: type[Track] = PageTrack) -> RunFeed:
    """Return the feed of a run whose viewers are expected from another thread, as a request is."""
    pokes.use_server_loop(asyncio.get_running_loop())
    await in_thread(lambda: expect_viewers(run, kind))
    await until(lambda: run.pk in feed_module._FEEDS)
    return feed_module._FEEDS[run.pk]


def test_the_first_rows_are_drawn_before_anybody_comes_and_the_others_for_whoever_does(run: Run) -> None:
    async def main() -> None:
        feed = await expected(run)
        track = feed._tracks[PageTrack]
        await work(run, n_chunks=1)
        await until(lambda: track.rows)
        await work(run, n_chunks=1)
        await until(feed._poked.is_set)
        assert len(track.rows) == 1
        viewer = follow(run.pk, after=0)
        (first,) = await next_frames(viewer)
        assert first.sequences == [1]
        assert set(first.partials) == {"#results tbody"}, "the page has only just been drawn"
        (second,) = await next_frames(viewer)
        assert second.sequences == [2, 3]
        await work(run)
        rest = [frame for frame in await watch(run, after=3) if not frame.event]
        assert sequences(rest) == list(range(4, N_SYMBOLS + 1))

    asyncio.run(main())


def test_who_comes_before_the_first_row_waits_for_it(run: Run) -> None:
    async def main() -> None:
        await expected(run)
        viewer = asyncio.create_task(watch(run))
        await work(run)
        assert sequences(await viewer) == list(range(1, N_SYMBOLS + 1))

    asyncio.run(main())


def test_a_program_that_comes_instead_of_the_page_gets_all_and_no_page_is_drawn(run: Run) -> None:
    async def main() -> None:
        feed = await expected(run)
        await work(run, n_chunks=2)
        await until(lambda: feed._tracks[PageTrack].rows)
        program = follow_json(run.pk, after=0)
        events = await next_events(program)
        assert set(feed._tracks) == {ProgramTrack}
        await work(run)
        while events[-1]["type"] != "complete":
            events += await next_events(program)
        assert [each["id"] for each in events if each["type"] == "result"] == list(range(1, N_SYMBOLS + 1))

    asyncio.run(main())


def test_where_nobody_comes_the_feed_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "LINGER_S", 0.05)

    async def main() -> None:
        feed = await expected(run)
        await work(run)
        await until(feed._task.done)
        assert feed_module._FEEDS == {}
        assert pokes._LISTENING == {}

    asyncio.run(main())


def test_who_comes_at_the_moment_at_which_a_feed_ends_has_one_that_lives(run: Run) -> None:
    async def main() -> None:
        await watch(run)
        coming = asyncio.create_task(first_frames())
        feed_module._FEEDS[run.pk]._end_if_idle()
        assert sequences(await coming) == list(range(1, N_SYMBOLS + 1))

    async def first_frames() -> list[Frame]:
        # As a viewer does it: a deadline here would have it come a moment later.
        return parse(await anext(follow(run.pk, after=0)))

    execute_run(run)
    asyncio.run(asyncio.wait_for(main(), DEADLINE_S))


def test_rows_that_are_tried_again_before_the_first_look_are_not_taken_from_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make_run(store_universe("Test", {"A": make_bars([]), "B": make_bars([])}))

    async def main() -> None:
        await expected(run)
        with monkeypatch.context() as silence:
            silence.setattr("backtests.runs.save.poke", lambda _: None)
            silence.setattr("backtests.runs.control.poke", lambda _: None)
            for act in (lambda: None, lambda: control.retry_failed(run.pk)):
                await in_thread(act)
                await work(run)
                await in_thread(lambda: FRESH_ROWS.put(run.pk, read_rows(run.pk)))
        pokes.poke(run.pk)
        assert sequences(await watch(run)) == [3, 4]

    asyncio.run(main())


def test_as_many_rows_as_have_gone_are_no_reason_to_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed symbols are tried again, and done, between two looks of a feed that shows them."""
    run = make_run(store_universe("Test", {"A": make_bars([]), **make_market(n_symbols=3, n_bars=60)}))

    async def main() -> None:
        await work(run)
        assert sequences(await watch(run)) == [1, 2, 3, 4]
        with monkeypatch.context() as silence:
            silence.setattr("backtests.runs.save.poke", lambda _: None)
            silence.setattr("backtests.runs.control.poke", lambda _: None)
            await in_thread(lambda: control.retry_failed(run.pk))
            await work(run)
        shown = sequences(await watch(run))
        stored = Result.objects.filter(run=run).order_by("sequence")
        await in_thread(lambda: numbers.extend(stored.values_list("sequence", flat=True)))
        assert shown == numbers

    numbers: list[int] = []
    asyncio.run(main())


def test_a_run_that_is_watched_already_keeps_its_feed(run: Run) -> None:
    async def main() -> None:
        viewer = follow(run.pk, after=0)
        await next_frames(viewer)
        before = feed_module._FEEDS[run.pk]
        assert await expected(run) is before
        await viewer.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
