"""Pause, resume, cancel and retry: what each does to the rows, and from which states it may be asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from backtests.models import Result, Run, RunChunk
from backtests.runs import control
from backtests.runs.chunks import claim
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.errors import WrongState
from backtests.runs.execute import execute, scan_of
from backtests.runs.save import save
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.usefixtures("idle_engine")

CHANGES: dict[str, Callable[[str], Run]] = {
    "pause": control.pause,
    "resume": control.resume,
    "cancel": control.cancel,
    "retry_failed": control.retry_failed,
}
# What may be asked of a run in each state; the others are refused. All its symbols that are done have failed.
ALLOWED = {
    "queued": {"pause", "cancel"},
    "running": {"pause", "cancel"},
    "paused": {"resume", "cancel"},
    "cancelled": {"resume", "retry_failed"},
    "complete": {"retry_failed"},
}


def new_run(*, n_symbols: int = 7, n_failing: int = 0) -> Run:
    """A run of symbols that are tested after those that fail, which have no prices."""
    failing = {f"A{number}": make_bars([]) for number in range(n_failing)}
    return make_run(store_universe("Test", {**failing, **make_market(n_symbols=n_symbols - n_failing, n_bars=60)}))


def run_in(state: str) -> Run:
    run = new_run(n_symbols=3, n_failing=3)
    if state == "complete":
        return execute_run(run)
    if state != "queued":
        execute_run(run, n_chunks=1)
    if state in {"paused", "cancelled"}:
        CHANGES[{"paused": "pause", "cancelled": "cancel"}[state]](run.pk)
    return stored(run)


def stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def move_back(run: Run, **seconds: float) -> None:
    """Let these times of a run have been so many seconds earlier."""
    times = {name: getattr(stored(run), name) - timedelta(seconds=by) for name, by in seconds.items()}
    Run.objects.filter(pk=run.pk).update(**times)


def rows(run: Run) -> list[tuple[int, int, str]]:
    return list(run.results.order_by("sequence").values_list("sequence", "symbol_id", "reason"))


def assert_counted(run: Run) -> None:
    """Every counter of the run is what its rows say."""
    run = stored(run)
    results = Result.objects.filter(run=run)
    assert run.n_done == results.count()
    assert run.n_failed == results.exclude(reason="").count()
    numbers = list(results.order_by("sequence").values_list("sequence", flat=True))
    assert run.last_sequence >= max(numbers, default=0)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("state", ALLOWED)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_made_or_refused_by_the_state_of_the_run(state: str, change: str) -> None:
    run = run_in(state)
    assert run.state == state
    before = Run.objects.filter(pk=run.pk).values().get()
    if change in ALLOWED[state]:
        changed = CHANGES[change](run.pk)
        assert changed.pk == run.pk
        assert changed.state == stored(run).state != state
        return
    with pytest.raises(WrongState, match=f"a run that is {state} cannot be ") as caught:
        CHANGES[change](run.pk)
    reachable = {of for of, changes in ALLOWED.items() if change in changes}
    assert set(str(caught.value).split("it must be ")[1].split(" or ")) == reachable
    assert Run.objects.filter(pk=run.pk).values().get() == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_that_is_not_there_cannot_be_changed(change: str) -> None:
    with pytest.raises(Run.DoesNotExist):
        CHANGES[change]("nosuchrun")


@pytest.mark.parametrize("change", ["pause", "cancel"])
def test_a_run_that_rests_gives_no_chunk_and_keeps_its_rows(change: str) -> None:
    run = execute_run(new_run(), n_chunks=2)
    before = rows(run)
    CHANGES[change](run.pk)
    assert claim(run.pk) is None
    assert rows(run) == before
    assert len(before) == 3


@pytest.mark.parametrize("change", ["pause", "cancel"])
def test_the_chunk_that_is_at_work_is_saved_whatever_happens_to_the_run(change: str) -> None:
    run = new_run()
    chunk = claim(run.pk)
    assert isinstance(chunk, RunChunk)
    CHANGES[change](run.pk)
    assert save(chunk, execute(scan_of(run.pk), chunk.symbol_ids))
    assert len(rows(run)) == 1
    assert stored(run).state == {"pause": "paused", "cancel": "cancelled"}[change]
    assert_counted(run)


@pytest.mark.parametrize("change", ["pause", "cancel"])
def test_a_run_whose_last_chunk_was_at_work_is_complete_after_all(change: str) -> None:
    run = new_run(n_symbols=1)
    chunk = claim(run.pk)
    assert isinstance(chunk, RunChunk)
    CHANGES[change](run.pk)
    save(chunk, execute(scan_of(run.pk), chunk.symbol_ids))
    assert stored(run).state == "complete"
    with pytest.raises(WrongState, match="a run that is complete cannot be resumed"):
        control.resume(run.pk)


@pytest.mark.parametrize("change", ["pause", "cancel"])
def test_a_run_that_is_resumed_ends_as_if_it_had_never_rested(change: str) -> None:
    rested, straight = new_run(n_failing=2), execute_run(new_run(n_failing=2))
    execute_run(rested, n_chunks=2)
    CHANGES[change](rested.pk)
    assert control.resume(rested.pk).state == "queued"
    done = execute_run(rested)
    assert (done.state, done.n_done, done.n_failed, done.paused_at) == ("complete", 7, 2, None)
    assert rows(done) == rows(straight)
    assert set(done.chunks.values_list("attempts", flat=True)) == {1}


def test_a_run_is_paused_and_resumed_any_number_of_times() -> None:
    run = new_run()
    while not stored(run).is_finished:
        execute_run(run, n_chunks=1)
        if not stored(run).is_finished:
            control.pause(run.pk)
            assert claim(run.pk) is None
            control.resume(run.pk)
    assert [sequence for sequence, _, _ in rows(run)] == [1, 2, 3, 4, 5, 6, 7]
    assert_counted(run)


@pytest.mark.parametrize("change", ["pause", "cancel"])
def test_a_run_that_rests_before_anybody_began_it_starts_later(change: str) -> None:
    run = new_run()
    CHANGES[change](run.pk)
    assert stored(run).elapsed_s is None
    move_back(run, **{"paused_at" if change == "pause" else "finished_at": 60.0})
    control.resume(run.pk)
    done = execute_run(run)
    assert done.state == "complete"
    assert done.paused_s == 0.0


def test_a_paused_run_can_be_cancelled_and_its_rest_began_with_the_pause() -> None:
    run = execute_run(new_run(), n_chunks=1)
    control.pause(run.pk)
    move_back(run, started_at=100.0, paused_at=90.0)
    assert control.cancel(run.pk).is_finished
    assert stored(run).elapsed_s == pytest.approx(10.0, abs=1.0)
    control.resume(run.pk)
    assert stored(run).paused_s == pytest.approx(90.0, abs=1.0)


def test_the_seconds_of_a_run_are_those_in_which_it_was_worked_on() -> None:
    run = execute_run(new_run(), n_chunks=1)
    control.pause(run.pk)
    move_back(run, started_at=100.0, paused_at=80.0)
    assert stored(run).elapsed_s == pytest.approx(20.0, abs=1.0)
    control.resume(run.pk)
    assert stored(run).elapsed_s == pytest.approx(20.0, abs=1.0)
    # Twenty more seconds of work, then half a minute of rest after it was cancelled.
    move_back(run, started_at=50.0)
    control.cancel(run.pk)
    move_back(run, started_at=0.0, finished_at=30.0)
    assert stored(run).elapsed_s == pytest.approx(40.0, abs=1.0)
    control.resume(run.pk)
    done = execute_run(run)
    assert done.paused_s == pytest.approx(110.0, abs=1.0)
    assert done.elapsed_s == pytest.approx(40.0, abs=1.0)


def test_no_time_is_counted_twice_or_below_nothing_when_the_clock_is_put_back() -> None:
    run = execute_run(new_run(), n_chunks=1)
    control.pause(run.pk)
    ahead = timezone.now() + timedelta(hours=1)
    Run.objects.filter(pk=run.pk).update(started_at=ahead, paused_at=ahead)
    control.resume(run.pk)
    assert stored(run).paused_s == 0.0
    assert stored(run).elapsed_s == 0.0


def test_a_cancelled_run_says_when() -> None:
    before = timezone.now()
    run = control.cancel(new_run().pk)
    assert isinstance(stored(run).finished_at, datetime)
    assert before <= run.finished_at <= timezone.now()  # type: ignore[operator]


@pytest.mark.parametrize("change", ["resume", "retry_failed"])
def test_a_run_that_goes_on_is_news_again_when_it_ends(change: str) -> None:
    run = run_in("cancelled")
    Run.objects.filter(pk=run.pk).update(seen_at=timezone.now(), notified_at=timezone.now())
    CHANGES[change](run.pk)
    run = stored(run)
    assert (run.seen_at, run.notified_at, run.finished_at) == (None, None, None)


@pytest.mark.parametrize("change", ["resume", "retry_failed"])
def test_a_run_that_goes_on_is_handed_to_the_engine(
    change: str, idle_engine: ThreadsEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in("cancelled")
    submitted: list[str] = []
    monkeypatch.setattr(idle_engine, "submit", submitted.append)
    CHANGES[change](run.pk)
    assert submitted == [run.pk]


@pytest.mark.parametrize(
    ("state", "change"),
    [("running", "pause"), ("running", "cancel"), ("paused", "resume"), ("complete", "retry_failed")],
)
def test_viewers_are_told_of_every_change(state: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(state)
    poked: list[str] = []
    monkeypatch.setattr("backtests.runs.control.poke", poked.append)
    CHANGES[change](run.pk)
    assert poked == [run.pk]


def import_prices_of(*tickers: str) -> None:
    """Give symbols that failed for want of prices some."""
    store_universe("Test", dict(zip(tickers, make_market().values(), strict=False)))


def test_failed_symbols_are_computed_again_alone_and_come_behind_all_others() -> None:
    run = execute_run(new_run(n_failing=2))
    before = rows(run)
    failed = [symbol_id for _, symbol_id, reason in before if reason]
    import_prices_of("A0", "A1")
    control.retry_failed(run.pk)
    kept = [row for row in before if not row[2]]
    assert rows(run) == kept
    assert_counted(run)
    assert (stored(run).n_done, stored(run).n_failed, stored(run).last_sequence) == (5, 0, 7)
    done = execute_run(run)
    assert rows(done) == [*kept, (8, failed[0], ""), (9, failed[1], "")]
    assert (done.state, done.n_done, done.n_failed, done.last_sequence) == ("complete", 7, 0, 9)
    assert_counted(done)


def test_a_symbol_that_fails_again_is_a_row_again_and_can_be_retried_again() -> None:
    run = execute_run(new_run(n_failing=2))
    for number in (8, 10):
        control.retry_failed(run.pk)
        done = execute_run(run)
        assert [row[0] for row in rows(done) if row[2]] == [number, number + 1]
        assert (done.state, done.n_done, done.n_failed) == ("complete", 7, 2)
        assert_counted(done)


def test_a_run_without_a_failure_cannot_be_retried() -> None:
    run = execute_run(new_run())
    with pytest.raises(WrongState, match=f"run {run.pk} has no failed symbol to try again"):
        control.retry_failed(run.pk)
    assert stored(run).state == "complete"


def test_retrying_a_cancelled_run_computes_the_rest_as_well() -> None:
    run = execute_run(new_run(n_failing=2), n_chunks=1)
    control.cancel(run.pk)
    control.retry_failed(run.pk)
    done = execute_run(run)
    assert (done.state, done.n_done, done.n_failed) == ("complete", 7, 2)
    assert len({symbol_id for _, symbol_id, _ in rows(done)}) == 7


def test_the_rest_before_a_retry_does_not_count_as_work() -> None:
    run = execute_run(new_run(n_failing=1))
    move_back(run, started_at=3600.0, finished_at=3590.0)
    control.retry_failed(run.pk)
    assert execute_run(run).elapsed_s == pytest.approx(10.0, abs=1.0)


def test_a_retry_that_cannot_add_its_chunks_leaves_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    run = execute_run(new_run(n_failing=2))
    before = rows(run)
    monkeypatch.setattr("backtests.runs.control.chunks_of", lambda *_args, **_named: [[]])
    with pytest.raises(Exception, match="run_chunk_has_symbols"):
        control.retry_failed(run.pk)
    assert (rows(run), stored(run).state) == (before, "complete")
