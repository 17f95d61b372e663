from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from backtests.models import Run, RunChunk
from backtests.runs.chunks import PROCESS, give_up_dead_leases, unfinished_runs
from strategies.models import Strategy
from tests.builders import execute_run, make_bars, make_run, next_chunk, store_universe

HOST = socket.gethostname()[:40]


@pytest.fixture
def run(db: None) -> Run:
    return queued("Test")


def queued(name: str, *, n_symbols: int = 12) -> Run:
    bars = make_bars([1.0, 2.0])
    return make_run(store_universe(name, {f"{name[0]}{number:02}": bars for number in range(n_symbols)}))


def let_expire(run: Run) -> None:
    past = timezone.now() - timedelta(seconds=1)
    RunChunk.objects.filter(run=run, state="claimed").update(leased_until=past)


def given_to(worker: str, run: Run) -> RunChunk:
    chunk = next_chunk(run.pk)
    assert chunk is not None
    RunChunk.objects.filter(pk=chunk.pk).update(worker=worker)
    return chunk


def test_chunks_are_claimed_in_order_each_once(run: Run) -> None:
    claimed = [next_chunk(run.pk) for _ in range(4)]
    assert [chunk.index for chunk in claimed if chunk] == [0, 1, 2, 3]
    assert next_chunk(run.pk) is None
    stored = {chunk.index: chunk.symbol_ids for chunk in run.chunks.all()}
    assert {chunk.index: chunk.symbol_ids for chunk in claimed if chunk} == stored


def test_a_claim_is_a_lease_of_this_process(run: Run, settings: object) -> None:
    settings.LEASE_S = 100.0  # type: ignore[attr-defined]
    before = timezone.now()
    chunk = next_chunk(run.pk)
    after = timezone.now()
    assert chunk is not None
    stored = RunChunk.objects.get(pk=chunk.pk)
    assert (stored.state, stored.worker, stored.attempts) == ("claimed", PROCESS, 1)
    assert stored.leased_until is not None
    assert before <= stored.leased_until - timedelta(seconds=100) <= after


def test_the_first_claim_starts_the_run(run: Run) -> None:
    next_chunk(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING
    started_at = run.started_at
    assert started_at is not None
    let_expire(run)
    next_chunk(run.pk)
    run.refresh_from_db()
    assert run.started_at == started_at


def test_a_chunk_whose_lease_is_over_is_claimed_again_before_others(run: Run) -> None:
    next_chunk(run.pk)
    let_expire(run)
    again = next_chunk(run.pk)
    assert again is not None
    assert (again.index, again.attempts) == (0, 2)
    following = next_chunk(run.pk)
    assert following is not None
    assert (following.index, following.attempts) == (1, 1)


def test_a_chunk_that_is_done_is_never_claimed_again(run: Run) -> None:
    execute_run(run)
    RunChunk.objects.update(leased_until=timezone.now() - timedelta(days=1))
    assert next_chunk(run.pk) is None


def test_chunks_of_other_runs_are_left_alone(run: Run) -> None:
    other = queued("Other")
    while next_chunk(run.pk):
        pass
    assert set(other.chunks.values_list("state", flat=True)) == {"waiting"}
    assert next_chunk("nosuchrun") is None


def test_workers_at_the_same_moment_never_share_a_chunk(transactional_db: None) -> None:
    bars = make_bars([1.0, 2.0])
    universe = store_universe("Test", {f"S{number:03}": bars for number in range(60)})
    run = make_run(universe, bars_per_symbol=1e9)  # one symbol a chunk
    together = threading.Barrier(4)

    def work(_number: int) -> list[int]:
        together.wait()
        try:
            claimed = []
            while chunk := next_chunk(run.pk):
                claimed.append(chunk.index)
            return claimed
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        claimed = [index for indexes in pool.map(work, range(4)) for index in indexes]
    assert sorted(claimed) == list(range(60))
    assert set(run.chunks.values_list("attempts", flat=True)) == {1}


def test_the_leases_of_a_dead_process_are_freed(run: Run) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    chunk = given_to(f"{HOST}:{dead.pid}:abcd1234", run)
    assert give_up_dead_leases() == 1
    again = next_chunk(run.pk)
    assert again is not None
    assert (again.pk, again.attempts) == (chunk.pk, 2)


def test_a_dead_process_that_had_the_number_of_this_one_is_known_as_dead(run: Run) -> None:
    given_to(f"{HOST}:{os.getpid()}:00000000", run)
    assert give_up_dead_leases() == 1


@pytest.mark.parametrize(
    "worker",
    [PROCESS, f"{HOST}:{os.getppid()}:abcd1234", "another-machine:1:abcd1234", "another:1.2:999999999:abcd1234"],
    ids=["this process", "a living one", "another machine", "a name with a colon"],
)
def test_the_leases_of_others_stay(run: Run, worker: str) -> None:
    chunk = given_to(worker, run)
    assert give_up_dead_leases() == 0
    assert RunChunk.objects.get(pk=chunk.pk).state == "claimed"


def test_done_chunks_of_dead_processes_stay_done(run: Run) -> None:
    execute_run(run, n_chunks=1)
    RunChunk.objects.filter(state="done").update(worker=f"{HOST}:{os.getpid()}:00000000")
    assert give_up_dead_leases() == 0


def test_runs_with_a_chunk_to_be_claimed_are_unfinished_oldest_first(run: Run) -> None:
    other = queued("Other")
    assert unfinished_runs() == [run.pk, other.pk]
    while next_chunk(run.pk):
        pass
    assert unfinished_runs() == [other.pk]
    let_expire(run)
    assert unfinished_runs() == [run.pk, other.pk]
    execute_run(run)
    assert unfinished_runs() == [other.pk]
    execute_run(other)
    assert unfinished_runs() == []


def test_a_strategy_that_is_newer_than_this_process_is_left_to_others(run: Run) -> None:
    row = Strategy.objects.create(key="newer", label="Newer", is_builtin=False, source="newer.py")
    Run.objects.filter(pk=run.pk).update(strategy=row)
    assert unfinished_runs() == []
    # Once its file is gone, nobody else will: the run ends with the reason.
    Strategy.objects.filter(key="newer").update(is_missing=True, is_active=False)
    assert unfinished_runs() == [run.pk]
