"""How the engine shares its workers: turns, runs that are held, leases that are kept, workers that are stuck."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from backtests.models import Run, RunChunk, Universe
from backtests.runs import control
from backtests.runs.chunks import Held, claim
from backtests.runs.engines import threads
from backtests.runs.engines.threads import Outcome, ThreadsEngine
from backtests.runs.execute import Scan, SymbolResult, execute
from tests.builders import make_market, make_run, store_universe
from tests.waiting import DEADLINE_S, wait_for

ONE_A_CHUNK = 1e9  # bars of a symbol, so many that a chunk has one


class Gate:
    """Stops workers before they execute a chunk, and knows how many stand there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_waiting = self.most_waiting = 0
        self.executed: list[str] = []
        self._execute = execute
        self._room = threading.Semaphore(0)
        self._lock = threading.Lock()
        monkeypatch.setattr(threads, "execute", self._wait_and_execute)

    def let_through(self, n_chunks: int) -> None:
        self._room.release(n_chunks)

    def _wait_and_execute(self, scan: Scan, symbol_ids: Sequence[int]) -> list[SymbolResult]:
        with self._lock:
            self.n_waiting += 1
            self.most_waiting = max(self.most_waiting, self.n_waiting)
            self.executed.append(scan.run_id)
        assert self._room.acquire(timeout=DEADLINE_S)
        with self._lock:
            self.n_waiting -= 1
        return self._execute(scan, symbol_ids)


@pytest.fixture
def gate(engine: ThreadsEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.let_through(10_000)


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe("Test", make_market(n_symbols=12, n_bars=60))


def submitted(engine: ThreadsEngine, universe: Universe, **fields: Any) -> Run:
    run = make_run(universe, bars_per_symbol=ONE_A_CHUNK, **fields)
    engine.submit(run.pk)
    return run


def complete(run: Run) -> Run:
    return wait_for(f"run {run.pk} is complete", lambda: Run.objects.filter(pk=run.pk, state="complete").first())  # type: ignore[return-value]


def assert_whole(run: Run) -> None:
    assert run.results.count() == run.n_done == run.n_symbols == 12
    assert set(run.chunks.values_list("state", flat=True)) == {"done"}


def test_all_workers_are_at_one_run(engine: ThreadsEngine, gate: Gate, universe: Universe) -> None:
    run = submitted(engine, universe)
    wait_for("three workers stand at the gate", lambda: gate.n_waiting == 3)
    gate.let_through(12)
    assert_whole(complete(run))


@pytest.mark.parametrize("most", [1, 2])
def test_a_run_never_has_more_workers_than_it_may(
    most: int, engine: ThreadsEngine, gate: Gate, universe: Universe
) -> None:
    run = submitted(engine, universe, max_workers=most)

    def waits(n_workers: int) -> bool:
        return gate.n_waiting == n_workers

    def has_rows(n_rows: int) -> bool:
        return run.results.count() == n_rows

    for n_done in range(12):
        wait_for("its workers stand at the gate", partial(waits, min(most, 12 - n_done)))
        gate.let_through(1)
        wait_for("a row more", partial(has_rows, n_done + 1))
    assert_whole(complete(run))
    assert gate.most_waiting == most


def test_workers_that_a_run_may_not_have_go_to_others(engine: ThreadsEngine, gate: Gate, universe: Universe) -> None:
    narrow = submitted(engine, universe, max_workers=1)
    wait_for("its worker stands at the gate", lambda: gate.n_waiting == 1)
    wide = submitted(engine, universe)
    wait_for("all workers stand at the gate", lambda: gate.n_waiting == 3)
    assert sorted(gate.executed) == sorted([narrow.pk, wide.pk, wide.pk])
    gate.let_through(24)
    for run in (narrow, wide):
        assert_whole(complete(run))


def test_runs_take_turns(engine: ThreadsEngine, gate: Gate, universe: Universe) -> None:
    first = submitted(engine, universe)
    wait_for("all workers are at the first", lambda: gate.n_waiting == 3)
    second = submitted(engine, universe)

    def has_begun(n_chunks: int) -> bool:
        return len(gate.executed) == n_chunks

    for n_more in range(1, 7):
        gate.let_through(1)
        wait_for("a worker takes the next chunk", partial(has_begun, 3 + n_more))
    assert set(gate.executed[:3]) == {first.pk}
    assert gate.executed[3:].count(second.pk) == 3
    gate.let_through(24)
    for run in (first, second):
        assert_whole(complete(run))


@pytest.mark.parametrize("change", [control.pause, control.cancel])
def test_a_change_takes_effect_within_the_chunks_at_work(
    change: Any, engine: ThreadsEngine, gate: Gate, universe: Universe
) -> None:
    run = submitted(engine, universe)
    wait_for("all workers stand at the gate", lambda: gate.n_waiting == 3)
    change(run.pk)
    gate.let_through(24)
    wait_for("what was at work is saved", lambda: run.results.count() == 3)
    assert len(gate.executed) == 3
    control.resume(run.pk)
    assert_whole(complete(run))
    assert set(run.chunks.values_list("attempts", flat=True)) == {1}


def test_whoever_waits_for_its_turn_gets_it_when_another_is_cancelled(
    engine: ThreadsEngine, gate: Gate, universe: Universe, settings: Any
) -> None:
    settings.RUNNING_RUNS = 1
    first = submitted(engine, universe, max_workers=1)
    wait_for("a worker is at it", lambda: gate.n_waiting == 1)
    second = submitted(engine, universe)
    wait_for("the second is held", lambda: second.pk in engine._held)
    control.cancel(first.pk)
    wait_for("the others are at the second", lambda: gate.n_waiting == 3)
    gate.let_through(24)
    assert_whole(complete(second))
    assert Run.objects.get(pk=first.pk).results.count() == 1


def alone() -> ThreadsEngine:
    """An engine whose worker is this thread."""
    engine = ThreadsEngine(n_workers=0)
    engine._workers[threading.current_thread()] = None
    engine._keeper = threading.current_thread()
    return engine


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.NOTHING_LEFT])
@pytest.mark.parametrize("meanwhile", ["submitted", "let go", "nothing"])
def test_a_run_that_is_asked_for_while_a_worker_turns_from_it_is_looked_at_again(
    outcome: Outcome, meanwhile: str, transactional_db: None
) -> None:
    engine = alone()
    engine.submit("one")
    turn = engine._next_run()
    assert turn is not None
    if meanwhile == "submitted":
        engine.submit("one")
    elif meanwhile == "let go":
        engine.let_go_held()
    engine._did(*turn, outcome)
    assert ("one" in engine._runs) == (meanwhile != "nothing")
    assert ("one" in engine._held) == (meanwhile == "nothing" and outcome is Outcome.HELD)


def test_a_worker_that_found_nothing_before_a_run_was_resumed_does_not_drop_it(transactional_db: None) -> None:
    engine = alone()
    engine.submit("one")
    slow, quick = engine._next_run(), engine._next_run()
    assert slow is not None
    assert quick is not None
    engine._did(*quick, Outcome.NOTHING_LEFT)
    engine.submit("one")  # resumed
    engine._did(*slow, Outcome.NOTHING_LEFT)
    assert "one" in engine._runs


def test_the_leases_of_chunks_at_work_are_kept(
    engine: ThreadsEngine, gate: Gate, universe: Universe, settings: Any
) -> None:
    settings.LEASE_S = 1.0
    run = submitted(engine, universe, max_workers=1)
    wait_for("a worker is at it", lambda: gate.n_waiting == 1)
    chunk = run.chunks.get(state="claimed")

    def leased_until() -> Any:
        return RunChunk.objects.get(pk=chunk.pk).leased_until

    first = leased_until()
    wait_for("it is longer than it was", lambda: leased_until() > first)
    wait_for("that one is over", lambda: timezone.now() > first + timedelta(seconds=0.1))
    assert claim(run.pk) is Held.ITS_WORKERS
    gate.let_through(12)
    done = complete(run)
    assert_whole(done)
    assert set(done.chunks.values_list("attempts", flat=True)) == {1}


def test_a_stuck_worker_is_replaced_and_its_symbols_come_all_the_same(
    engine: ThreadsEngine, universe: Universe, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_S, settings.STUCK_S = 0.4, 0.2
    executed, wakes = execute, threading.Event()
    sleepers: list[threading.Thread] = []

    def stuck_once(scan: Scan, symbol_ids: Sequence[int]) -> list[SymbolResult]:
        if not sleepers:
            sleepers.append(threading.current_thread())
            assert wakes.wait(DEADLINE_S)
        return executed(scan, symbol_ids)

    monkeypatch.setattr(threads, "execute", stuck_once)
    run = submitted(engine, universe, max_workers=1)
    wait_for("a worker is stuck", lambda: sleepers)
    engine.take_up_unfinished()
    done = complete(run)
    assert_whole(done)
    assert len(engine._workers) == 3
    rows = list(done.results.order_by("sequence").values_list())
    # The worker that was stuck wakes up, finds its chunk done by another one, and ends.
    wakes.set()
    sleepers[0].join(DEADLINE_S)
    assert not sleepers[0].is_alive()
    assert list(done.results.order_by("sequence").values_list()) == rows
    assert sorted(done.chunks.values_list("attempts", flat=True)) == [1] * 11 + [2]
