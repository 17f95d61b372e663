"""Who gets a chunk and for how long: states, limits of workers, leases against clock jumps, chunks that are cut."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as trawl
from django.db import connections
from django.utils import timezone

from backtests.models import Run, RunChunk
from backtests.runs import chunks, control
from backtests.runs.chunks import (
    MOST_ATTEMPTS,
    PROCESS,
    Held,
    chunks_at_work,
    claim,
    cut_into_symbols,
    give_up_dead_leases,
    put_back,
    renew,
    unfinished_runs,
)
from backtests.runs.execute import execute, scan_of
from backtests.runs.save import save
from tests.builders import execute_run, make_bars, make_run, store_universe

pytestmark = pytest.mark.usefixtures("idle_engine")


def queued(*, n_symbols: int = 12, **fields: Any) -> Run:
    """A run of chunks with 1, 2, 4 and 5 symbols."""
    bars = make_bars([1.0, 2.0])
    return make_run(store_universe("Test", {f"S{number:02}": bars for number in range(n_symbols)}), **fields)


def claimed(run: Run) -> RunChunk:
    chunk = claim(run.pk)
    assert isinstance(chunk, RunChunk)
    return chunk


def done(chunk: RunChunk) -> None:
    assert save(chunk, execute(scan_of(chunk.run_id), chunk.symbol_ids))


def let_leases_end(run: Run, *, in_s: float) -> None:
    until = timezone.now() + timedelta(seconds=in_s)
    RunChunk.objects.filter(run=run, state="claimed").update(leased_until=until)


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_a_run_that_rests_has_no_chunk_to_be_had(state: str) -> None:
    run = queued()
    Run.objects.filter(pk=run.pk).update(state=state, paused_at=timezone.now(), finished_at=timezone.now())
    assert claim(run.pk) is None
    assert set(run.chunks.values_list("state", flat=True)) == {"waiting"}
    assert unfinished_runs() == []


def test_a_run_has_no_more_workers_than_it_may() -> None:
    run = queued(max_workers=2)
    first, second = claimed(run), claimed(run)
    assert claim(run.pk) is Held.ITS_WORKERS
    done(first)
    assert claimed(run).index == 2
    assert claim(run.pk) is Held.ITS_WORKERS
    done(second)
    assert claimed(run).index == 3


def test_a_run_without_a_limit_has_as_many_workers_as_come() -> None:
    run = queued()
    assert [claimed(run).index for _ in range(4)] == [0, 1, 2, 3]


def test_a_worker_whose_lease_is_over_is_no_longer_counted() -> None:
    run = queued(max_workers=1)
    first = claimed(run)
    let_leases_end(run, in_s=-1)
    assert (claimed(run).pk, claim(run.pk)) == (first.pk, Held.ITS_WORKERS)


def test_workers_at_the_same_moment_do_not_exceed_the_limit_of_a_run(transactional_db: None) -> None:
    run, together = queued(n_symbols=60, bars_per_symbol=1e9, max_workers=2), threading.Barrier(6)

    def work(_number: int) -> bool:
        together.wait()
        try:
            return isinstance(claim(run.pk), RunChunk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 2


def test_a_lease_from_before_the_clock_was_put_back_is_over() -> None:
    run = queued(max_workers=1)
    first = claimed(run)
    let_leases_end(run, in_s=2 * trawl.LEASE_S - 5)
    assert claim(run.pk) is Held.ITS_WORKERS
    let_leases_end(run, in_s=2 * trawl.LEASE_S + 5)
    assert not chunks_at_work(run.pk).exists()
    assert unfinished_runs() == [run.pk]
    again = claimed(run)
    assert (again.pk, again.attempts) == (first.pk, 2)
    stored = RunChunk.objects.get(pk=first.pk)
    assert stored.leased_until is not None
    assert stored.leased_until < timezone.now() + timedelta(seconds=trawl.LEASE_S + 1)


def test_a_clock_that_is_put_forward_costs_an_attempt_and_no_row() -> None:
    run = queued(n_symbols=1)
    first = claimed(run)
    let_leases_end(run, in_s=-3600)
    second = claimed(run)
    done(second)
    assert not save(first, execute(scan_of(run.pk), first.symbol_ids))
    run.refresh_from_db()
    assert (run.state, run.n_done, run.results.count()) == ("complete", 1, 1)


def test_a_process_keeps_the_leases_of_its_chunks() -> None:
    run = queued()
    mine, foreign, finished, unasked = (claimed(run) for _ in range(4))
    done(finished)
    RunChunk.objects.filter(pk=foreign.pk).update(worker="another-machine:1:00000000")
    let_leases_end(run, in_s=1)
    renew([mine.pk, foreign.pk, finished.pk])
    soon = timezone.now() + timedelta(seconds=1)
    kept = RunChunk.objects.filter(run=run, leased_until__gt=soon)
    assert [chunk.pk for chunk in kept] == [mine.pk]
    assert RunChunk.objects.get(pk=finished.pk).leased_until is None
    assert RunChunk.objects.get(pk=unasked.pk).leased_until < soon  # type: ignore[operator]


def test_a_lease_that_another_worker_has_now_is_not_kept_for_the_first() -> None:
    run = queued(n_symbols=1)
    chunk = claimed(run)
    RunChunk.objects.filter(pk=chunk.pk).update(worker=f"{PROCESS}x")
    let_leases_end(run, in_s=1)
    renew([chunk.pk])
    assert RunChunk.objects.get(pk=chunk.pk).leased_until < timezone.now() + timedelta(seconds=2)  # type: ignore[operator]


def test_a_chunk_that_is_put_back_is_as_if_nobody_had_begun_it() -> None:
    run = queued()
    mine, foreign, finished = (claimed(run) for _ in range(3))
    done(finished)
    RunChunk.objects.filter(pk=foreign.pk).update(worker="another-machine:1:00000000")
    assert put_back([mine.pk, foreign.pk, finished.pk]) == 1
    states = dict(RunChunk.objects.filter(run=run).values_list("pk", "state"))
    assert (states[mine.pk], states[foreign.pk], states[finished.pk]) == ("waiting", "claimed", "done")
    again = claimed(run)
    assert (again.pk, again.attempts) == (mine.pk, 1)


def test_the_leases_of_dead_processes_of_one_run_can_be_freed_alone() -> None:
    runs = [queued(), queued()]
    for run in runs:
        chunk = claimed(run)
        RunChunk.objects.filter(pk=chunk.pk).update(worker=PROCESS.rsplit(":", 1)[0] + ":00000000")
    assert give_up_dead_leases(runs[1].pk) == 1
    assert [claimed(run).index for run in runs] == [1, 0]


def test_a_run_that_is_resumed_does_not_wait_for_the_lease_of_a_dead_process() -> None:
    run = queued()
    first = claimed(run)
    RunChunk.objects.filter(pk=first.pk).update(worker=PROCESS.rsplit(":", 1)[0] + ":00000000")
    control.cancel(run.pk)
    control.resume(run.pk)
    assert claimed(run).pk == first.pk


def test_a_chunk_that_is_cut_becomes_one_for_each_of_its_symbols_behind_all_others() -> None:
    run = queued()
    broken = [claimed(run) for _ in range(3)][2]
    cut_into_symbols(broken)
    assert not RunChunk.objects.filter(pk=broken.pk).exists()
    parts = RunChunk.objects.filter(run=run, index__gt=3).order_by("index")
    assert [(part.index, part.symbol_ids, part.n_symbols, part.state) for part in parts] == [
        (4 + offset, [symbol_id], 1, "waiting") for offset, symbol_id in enumerate(broken.symbol_ids)
    ]
    assert {part.attempts for part in parts} == {MOST_ATTEMPTS - 1}
    RunChunk.objects.filter(run=run, state="claimed").update(state="waiting")
    done_run = execute_run(run)
    assert (done_run.state, done_run.n_done, done_run.results.count()) == ("complete", 12, 12)


@pytest.mark.parametrize("ended", ["saved", "cut", "free"])
def test_a_chunk_that_its_worker_no_longer_has_is_not_cut(ended: str) -> None:
    run = queued()
    chunk = claimed(run)
    if ended == "saved":
        done(chunk)
    elif ended == "cut":
        cut_into_symbols(chunk)
    else:
        put_back([chunk.pk])
    before = list(run.chunks.order_by("index").values_list("pk", "index", "state"))
    cut_into_symbols(chunk)
    assert list(run.chunks.order_by("index").values_list("pk", "index", "state")) == before


def test_results_of_a_chunk_that_was_cut_meanwhile_come_too_late() -> None:
    run = queued()
    late = [claimed(run) for _ in range(2)][1]
    cut_into_symbols(late)
    assert not save(late, execute(scan_of(run.pk), late.symbol_ids))
    assert not run.results.exists()


def test_two_chunks_of_a_run_are_cut_at_the_same_moment(transactional_db: None) -> None:
    run, together = queued(n_symbols=31), threading.Barrier(4)
    broken = [claimed(run) for _ in range(5)][1:]

    def cut(chunk: RunChunk) -> None:
        together.wait()
        try:
            cut_into_symbols(chunk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(cut, broken))
    parts = [symbol_id for part in run.chunks.filter(index__gt=4) for symbol_id in part.symbol_ids]
    assert sorted(parts) == sorted(symbol_id for chunk in broken for symbol_id in chunk.symbol_ids)


@pytest.mark.parametrize("change", [control.pause, control.cancel])
@pytest.mark.parametrize("max_workers", [None, 1])
def test_once_a_run_rests_nobody_gets_a_chunk_of_it(
    change: Callable[[str], Run], max_workers: int | None, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that has read the run as running is either over before the run rests, or does not succeed."""
    run = queued(max_workers=max_workers)
    has_read, may_claim, rests = threading.Event(), threading.Event(), threading.Event()
    turn_of = chunks._is_not_its_turn

    def slowly(*arguments: Any) -> bool:
        answer = turn_of(*arguments)
        has_read.set()
        may_claim.wait(30)
        return answer

    monkeypatch.setattr(chunks, "_is_not_its_turn", slowly)

    def at_work() -> int:
        return RunChunk.objects.filter(run=run, state="claimed").count()

    def claim_slowly() -> None:
        try:
            claim(run.pk)
        finally:
            connections.close_all()

    def change_it() -> int:
        try:
            change(run.pk)
            return at_work()
        finally:
            rests.set()
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        claiming = pool.submit(claim_slowly)
        assert has_read.wait(30)
        changing = pool.submit(change_it)
        # It has to wait for the claim; were it not to, it would be through long before this.
        rests.wait(0.3)
        may_claim.set()
        claiming.result(30)
        assert changing.result(30) == at_work()
