"""What programs are sent: one JSON object an event, as docs/api.md promises."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from backtests.models import Run
from backtests.runs import control
from backtests.runs.statistics import RunStatistics, read_rows
from backtests.streams import events, tracks
from backtests.streams.events import complete_event, result_data
from backtests.streams.feed import follow_json, watched_run
from backtests.streams.pokes import poke
from backtests.streams.tracks import Look, ProgramTrack
from tests.backtests.streams.watching import in_thread, next_events, until, watch_json, work
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("idle_engine")]

N_SYMBOLS = 8
N_FAILED = 2


@pytest.fixture(autouse=True)
def _only_pokes_wake(settings: Any) -> None:
    settings.POLL_S = 60.0


def queued() -> Run:
    good = make_market(n_symbols=N_SYMBOLS - N_FAILED, n_bars=200, shape="waves")
    return make_run(store_universe("Test", {"A": make_bars([]), **good, "Z": make_bars([1.0, 2.0])}))


def of_type(sent: list[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    return [event for event in sent if event["type"] in types]


def live(run: Run) -> list[dict[str, Any]]:
    """Return what a program is sent while a run is worked on, chunk by chunk."""

    async def main() -> list[dict[str, Any]]:
        viewer = asyncio.create_task(watch_json(run))
        await until(lambda: watched_run(run.pk))
        for _ in range(10):
            await work(run, n_chunks=1)
        return await viewer

    return asyncio.run(main())


@pytest.mark.parametrize("see", [live, lambda run: asyncio.run(watch_json(execute_run(run)))], ids=["live", "late"])
def test_a_stream_opens_with_the_start_tells_every_symbol_once_and_ends_complete(see: Any) -> None:
    run = queued()
    sent = see(run)
    assert [event["type"] for event in sent].count("start") == 1
    assert sent[0]["type"] == "start"
    assert [event["type"] for event in sent].count("complete") == 1
    assert sent[-1]["type"] == "complete"
    rows = of_type(sent, "result", "error")
    assert sorted(event["data"]["symbol"] for event in rows) == ["A", "S0", "S1", "S2", "S3", "S4", "S5", "Z"]
    assert [event["id"] for event in rows] == list(range(1, N_SYMBOLS + 1))


def test_the_start_says_how_much_there_is_to_come() -> None:
    run = execute_run(queued())
    start = asyncio.run(watch_json(run))[0]
    assert (start["total"], start["total_stocks"], start["job_id"], start["id"]) == (8, 8, run.pk, 0)
    assert "8 symbols" in start["message"]


def test_a_result_has_its_figures_and_how_far_the_run_is() -> None:
    run = execute_run(queued())
    sent = of_type(asyncio.run(watch_json(run)), "result", "error")
    for place, (event, row) in enumerate(zip(sent, read_rows(run.pk), strict=True), start=1):
        assert event["data"] == result_data(row)
        if event["type"] == "result":
            assert event["progress"] == {"completed": place, "total": 8, "percent": round(100 * place / 8, 2)}


def test_a_symbol_that_failed_is_an_error_with_its_reason() -> None:
    sent = of_type(asyncio.run(watch_json(execute_run(queued()))), "error")
    assert [(event["ticker"], event["current"], event["total"]) for event in sent] == [("A", 1, 8), ("Z", 8, 8)]
    assert sent[1]["error"].startswith("too short: 2 bars")
    assert all("fatal" not in event for event in sent)


@pytest.mark.parametrize("see", [live, lambda run: asyncio.run(watch_json(execute_run(run)))], ids=["live", "late"])
def test_the_end_is_the_event_that_the_command_prints(see: Any) -> None:
    run = queued()
    end = see(run)[-1]
    run.refresh_from_db()
    expected = json.loads(json.dumps(complete_event(run, read_rows(run.pk))))
    assert end == {**expected, "id": N_SYMBOLS}


def test_progress_counts_what_the_rows_say() -> None:
    sent = live(queued())
    progress = of_type(sent, "progress")
    assert progress[0]["current"] == 0
    assert [event["current"] for event in progress] == sorted({event["current"] for event in progress})
    last = progress[-1]
    end = sent[-1]
    assert (last["current"], last["total"], last["progress_pct"]) == (8, 8, 100.0)
    assert (last["successful"], last["failed"], last["current_pnl"]) == (6, 2, end["total_pnl"])
    assert (last["ticker"], last["eta_seconds"], last["elapsed_time"]) == ("Z", 0.0, end["elapsed_time"])
    assert last["stock_time"] >= 0


@pytest.mark.parametrize("after", range(N_SYMBOLS + 1))
def test_a_program_goes_on_after_the_last_row_that_it_has(after: int) -> None:
    sent = asyncio.run(watch_json(execute_run(queued()), after=after))
    assert [event["id"] for event in of_type(sent, "result", "error")] == list(range(after + 1, N_SYMBOLS + 1))
    assert [event["type"] for event in sent].count("start") == (after == 0)
    assert sent[-1]["type"] == "complete"
    assert len(sent[-1]["stock_results"]) == N_SYMBOLS


def test_the_number_of_every_event_is_that_of_the_last_row_before_its_end() -> None:
    number = 0
    for event in live(queued()):
        if event["type"] in {"result", "error"}:
            number += 1
        assert event["id"] == number


def test_progress_comes_once_for_each_percent_and_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand looks at a run of a thousand symbols, one every 10 ms."""
    run, now = queued(), 0.0
    (row, *_) = read_rows(execute_run(run).pk, after=1)
    run = Run.objects.select_related("strategy", "universe").get(pk=run.pk)
    run.state, run.n_symbols, run.finished_at = Run.State.RUNNING, 1000, None
    monkeypatch.setattr(time, "monotonic", lambda: now)
    track, statistics, drawn_at = ProgramTrack(), RunStatistics(), []
    for number in range(1000):
        now = number * 0.01
        look = Look(run, [row], statistics.add([row]), is_over=False, is_anew=False)
        if track.draw(look).message is not None:
            drawn_at.append(now)
    assert 90 <= len(drawn_at) <= 101
    assert min(b - a for a, b in itertools.pairwise(drawn_at)) >= tracks.ProgramTrack.every_s - 1e-9


def test_a_cancelled_run_ends_with_what_there_is() -> None:
    run = queued()

    async def main() -> list[dict[str, Any]]:
        viewer = asyncio.create_task(watch_json(run))
        await work(run, n_chunks=2)
        await in_thread(lambda: control.cancel(run.pk))
        return await viewer

    sent = asyncio.run(main())
    assert sent[-1]["type"] == "cancelled"
    assert [row["symbol"] for row in sent[-1]["stock_results"]] == ["A", "S0", "S1"]
    assert sent[-1]["summary"]["successful"] == 2
    assert "complete" not in [event["type"] for event in sent]


def test_a_paused_run_says_so_keeps_its_viewers_and_goes_on() -> None:
    run = queued()

    async def main() -> list[dict[str, Any]]:
        feed = follow_json(run.pk, after=0)
        sent = await next_events(feed)
        await work(run, n_chunks=1)
        await in_thread(lambda: control.pause(run.pk))
        while "paused" not in [event.get("state") for event in sent]:
            sent += await next_events(feed)
        await in_thread(lambda: control.resume(run.pk))
        await work(run)
        while sent[-1]["type"] != "complete":
            sent += await next_events(feed)
        return sent

    sent = asyncio.run(main())
    assert [event["id"] for event in of_type(sent, "result", "error")] == list(range(1, N_SYMBOLS + 1))


def test_a_run_that_is_deleted_is_a_fatal_error() -> None:
    run = queued()

    async def main() -> list[dict[str, Any]]:
        viewer = asyncio.create_task(watch_json(run))
        await work(run, n_chunks=1)
        await in_thread(lambda: Run.objects.get(pk=run.pk).delete())
        await in_thread(lambda: poke(run.pk))
        return await viewer

    last = asyncio.run(main())[-1]
    assert (last["type"], last["fatal"], last["error"]) == ("error", True, "this run was deleted")


def test_what_json_does_not_have_is_never_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        events.as_text({"value": float("nan")})
