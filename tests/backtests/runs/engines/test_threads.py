from __future__ import annotations

import os
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backtests.models import Run, RunChunk, Universe
from backtests.runs.chunks import MOST_ATTEMPTS, claim
from backtests.runs.engines import threads
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.execute import Scan, scan_from, scan_of
from backtests.runs.fresh import FRESH_ROWS
from backtests.runs.market import state_of
from backtests.runs.request import RunRequest, check_request
from strategies.models import Strategy
from tests.builders import make_bars, make_market, make_run, store_universe
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("engine")

GIVEN_UP = f"given up after {MOST_ATTEMPTS} attempts that broke off or got stuck"
DEAD = f"{socket.gethostname()[:40]}:{os.getpid()}:00000000"


def universe(name: str = "Test", *, n_symbols: int = 40) -> Universe:
    return store_universe(name, make_market(n_symbols=n_symbols, n_bars=60))


def finished(run: Run) -> Run:
    return wait_for(f"run {run.pk} is finished", lambda: Run.objects.filter(pk=run.pk, state="complete").first())  # type: ignore[return-value]


def assert_whole(run: Run) -> None:
    """Every symbol has one result, and their numbers have no gap."""
    results = run.results.order_by("sequence")
    in_universe = sorted(run.universe.symbols.values_list("pk", flat=True))
    assert sorted(results.values_list("symbol_id", flat=True)) == in_universe
    assert list(results.values_list("sequence", flat=True)) == list(range(1, len(in_universe) + 1))
    assert run.n_done == run.last_sequence == len(in_universe)
    assert set(run.chunks.values_list("state", flat=True)) == {"done"}


def test_every_symbol_of_a_run_gets_one_result(engine: ThreadsEngine) -> None:
    run = make_run(universe(), bars_per_symbol=500_000)
    engine.submit(run.pk)
    done = finished(run)
    assert_whole(done)
    assert done.n_failed == 0
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.started_at <= done.finished_at


def test_two_runs_at_once_both_finish(engine: ThreadsEngine) -> None:
    runs = [make_run(universe(name), bars_per_symbol=500_000) for name in ("One", "Two")]
    for run in runs:
        engine.submit(run.pk)
    for run in runs:
        assert_whole(finished(run))


def test_a_run_that_is_submitted_often_is_done_once(engine: ThreadsEngine) -> None:
    run = make_run(universe())
    for _ in range(5):
        engine.submit(run.pk)
    assert_whole(finished(run))
    engine.submit(run.pk)
    engine.submit("nosuchrun")
    following = make_run(universe("Following"))
    engine.submit(following.pk)
    assert_whole(finished(following))
    assert set(run.chunks.values_list("attempts", flat=True)) == {1}


def test_the_last_chunk_is_computed_with_what_is_known_of_its_run(
    engine: ThreadsEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(universe(n_symbols=1))
    checked = check_request(RunRequest(strategy=run.strategy.key, universe=run.universe.slug))

    def claimed(run_id: str) -> Any:
        chunk = claim(run_id)
        # Another worker finds nothing left at this very moment.
        engine._runs.pop(run_id, None)
        return chunk

    monkeypatch.setattr(threads, "claim", claimed)
    engine.submit(run.pk, scan_from(run, state_of(checked)))
    assert_whole(finished(run))
    # They are here only if the names of the symbols were known.
    wait_for("the row is in memory", lambda: FRESH_ROWS.between(run.pk, 0, 1))


def test_what_is_known_of_a_run_stays_known_while_it_may_have_no_more_workers(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ThreadsEngine(2)
    read: list[str] = []

    def noted(run_id: str) -> Scan:
        read.append(run_id)
        return scan_of(run_id)

    monkeypatch.setattr(threads, "scan_of", noted)
    run = make_run(universe(), bars_per_symbol=500_000, max_workers=1)
    checked = check_request(RunRequest(strategy=run.strategy.key, universe=run.universe.slug))
    engine.submit(run.pk, scan_from(run, state_of(checked)))
    assert_whole(finished(run))
    engine.stop()
    assert read == []


def test_what_a_dead_process_left_is_taken_up(engine: ThreadsEngine) -> None:
    run = make_run(universe())
    for _ in range(3):
        claim(run.pk)
    RunChunk.objects.filter(state="claimed").update(worker=DEAD)
    engine.take_up_unfinished()
    assert_whole(finished(run))
    assert list(run.chunks.order_by("index").values_list("attempts", flat=True)) == [2, 2, 2, 1, 1, 1]


def test_what_another_machine_left_is_taken_up_when_its_lease_is_over(engine: ThreadsEngine, settings: Any) -> None:
    settings.LEASE_S = 0.2
    run = make_run(universe())
    claim(run.pk)
    RunChunk.objects.filter(state="claimed").update(
        worker="another-machine:1:00000000", leased_until=timezone.now() + timedelta(seconds=0.35)
    )
    engine.take_up_unfinished()
    done = finished(run)
    assert_whole(done)
    first = run.chunks.get(index=0)
    assert first.attempts == 2
    # It came last: until then it was the other machine's.
    assert done.results.get(symbol_id=first.symbol_ids[0]).sequence == 40


def test_a_run_that_somebody_else_saved_is_found(engine: ThreadsEngine, settings: Any) -> None:
    settings.LEASE_S = 0.2
    engine.take_up_unfinished()
    assert_whole(finished(make_run(universe())))


def test_a_symbol_that_keeps_breaking_its_workers_fails_alone(engine: ThreadsEngine) -> None:
    run = make_run(universe(n_symbols=7))
    run.chunks.filter(index=0).update(attempts=MOST_ATTEMPTS)
    run.chunks.filter(index=1).update(attempts=MOST_ATTEMPTS - 1)
    # This one's worker broke even while it cut the chunk: that must not be the end of four symbols.
    run.chunks.filter(index=2).update(attempts=MOST_ATTEMPTS)
    engine.submit(run.pk)
    done = finished(run)
    assert_whole(done)
    failed = dict(done.results.exclude(reason="").values_list("symbol_id", "reason"))
    assert failed == dict.fromkeys(run.chunks.get(index=0).symbol_ids, GIVEN_UP)
    assert done.n_failed == 1
    assert list(run.chunks.order_by("index").values_list("index", "attempts")) == [
        (0, MOST_ATTEMPTS + 1),
        *((index, MOST_ATTEMPTS) for index in range(3, 9)),
    ]


def test_a_run_whose_strategy_is_gone_ends_with_that_reason(engine: ThreadsEngine) -> None:
    run = make_run(universe(n_symbols=7))
    Strategy.objects.filter(key="rsi").update(key="gone")
    engine.submit(run.pk)
    done = finished(run)
    assert_whole(done)
    assert done.n_failed == 7
    assert {reason.split(";")[0] for reason in done.results.values_list("reason", flat=True)} == {
        "unknown strategy 'gone'"
    }


def test_a_run_whose_parameters_no_longer_fit_ends_with_that_reason(engine: ThreadsEngine) -> None:
    run = make_run(universe(n_symbols=3))
    Run.objects.update(parameters={"speed": 3})
    engine.submit(run.pk)
    done = finished(run)
    assert_whole(done)
    assert set(done.results.values_list("reason", flat=True)) == {
        "speed: is not a parameter of rsi; its parameters are: period, low, high"
    }


def test_a_run_that_is_deleted_in_the_middle_stops_no_other(engine: ThreadsEngine) -> None:
    deleted, following = make_run(universe("Deleted")), make_run(universe("Following"))
    engine.submit(deleted.pk)
    deleted.delete()
    engine.submit(following.pk)
    assert_whole(finished(following))


def test_stopping_ends_every_worker(transactional_db: None) -> None:
    before = set(threading.enumerate())
    stopped = ThreadsEngine(n_workers=3)
    stopped.submit(make_run(store_universe("Test", {"AAA": make_bars([1.0] * 60)})).pk)
    stopped.take_up_unfinished()
    stopped.stop()
    assert set(threading.enumerate()) == before
