"""Quotas: how many runs of one owner are executed at once, how many may wait, and how large one may be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from backtests.models import PriceBlock, Run, RunChunk
from backtests.runs import control
from backtests.runs.chunks import Held, claim
from backtests.runs.engines import threads
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.errors import TooManyRuns
from backtests.runs.execute import Scan, SymbolResult, execute
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from tests.builders import execute_run, make_market, make_run, store_universe
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def _limits(settings: Any, db: None) -> None:
    settings.RUNNING_RUNS, settings.WAITING_RUNS = 2, 1
    store_universe("Test", make_market(n_symbols=6, n_bars=60))


def started(number: int, owner: User | None = None) -> Run:
    """Start a run that is unlike every other number's."""
    fields: dict[str, Any] = {"strategy": "rsi", "universe": "test", "parameters": {"period": number}}
    return start(check_request(RunRequest(**fields)), owner=owner)


def states() -> list[str]:
    return list(Run.objects.order_by("created_at").values_list("state", flat=True))


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice")


@pytest.mark.usefixtures("idle_engine")
def test_beyond_those_that_run_and_wait_a_run_is_refused_with_the_reason() -> None:
    for number in range(2, 5):
        started(number)
    with pytest.raises(TooManyRuns) as caught:
        started(5)
    assert str(caught.value) == (
        "3 runs are not finished, and 2 may be executed while 1 wait: wait for one to finish, or cancel one"
    )
    assert Run.objects.count() == 3


@pytest.mark.usefixtures("idle_engine")
@pytest.mark.parametrize("end", [control.cancel, control.pause, lambda run_id: execute_run(Run.objects.get(pk=run_id))])
def test_a_run_that_ends_or_rests_makes_room(end: Any) -> None:
    runs = [started(number) for number in range(2, 5)]
    end(runs[0].pk)
    assert started(5).state == "queued"


@pytest.mark.usefixtures("idle_engine")
def test_the_run_that_answers_already_is_never_refused() -> None:
    runs = [started(number) for number in range(2, 5)]
    assert started(3) == runs[1]


@pytest.mark.usefixtures("idle_engine")
def test_owners_do_not_stand_in_each_others_way(alice: User) -> None:
    for number in range(2, 5):
        started(number)
    mine = started(2, alice)
    with pytest.raises(TooManyRuns):
        started(5)
    for run in Run.objects.filter(owner=None)[:2]:
        assert isinstance(claim(run.pk), RunChunk)
    assert isinstance(claim(mine.pk), RunChunk)


@pytest.mark.usefixtures("idle_engine")
def test_a_run_with_more_bars_than_one_may_test_is_refused_with_the_reason(settings: Any) -> None:
    settings.MOST_BARS = 360
    assert started(2).n_symbols == 6
    settings.MOST_BARS = 359
    with pytest.raises(TooManyRuns) as caught:
        started(3)
    assert str(caught.value) == (
        "this run has 6 symbols with 360 bars; the most that one may test is 359: "
        "choose fewer symbols or a longer interval"
    )
    fewer = RunRequest(strategy="rsi", universe="test", symbols=("S0", "S1"), parameters={"period": 3})
    assert start(check_request(fewer)).n_symbols == 2


@pytest.mark.usefixtures("idle_engine")
def test_a_run_waits_for_its_turn_and_gets_it_when_another_ends() -> None:
    first, second, third = (started(number) for number in range(2, 5))
    for run in (first, second):
        assert isinstance(claim(run.pk), RunChunk)
    assert claim(third.pk) is Held.ITS_TURN
    # Those that have begun go on meanwhile.
    assert isinstance(claim(first.pk), RunChunk)
    assert states() == ["running", "running", "queued"]
    assert Run.objects.get(pk=third.pk).started_at is None
    control.pause(first.pk)
    assert isinstance(claim(third.pk), RunChunk)
    assert states() == ["paused", "running", "running"]


@pytest.mark.usefixtures("idle_engine")
@pytest.mark.parametrize("change", [control.resume, control.retry_failed])
def test_a_run_that_goes_on_waits_for_its_turn_as_well(change: Any) -> None:
    PriceBlock.objects.all().delete()  # so that there is something to retry
    resting = started(20)
    execute_run(resting, n_chunks=1)
    control.cancel(resting.pk)
    others = [started(number) for number in (21, 22)]
    for run in others:
        claim(run.pk)
    change(resting.pk)
    assert claim(resting.pk) is Held.ITS_TURN
    control.cancel(others[0].pk)
    assert isinstance(claim(resting.pk), RunChunk)
    assert Run.objects.get(pk=resting.pk).state == "running"


@pytest.mark.usefixtures("idle_engine")
def test_runs_that_dead_processes_have_left_are_not_in_the_way_for_ever(settings: Any) -> None:
    left = [execute_run(started(number), n_chunks=1) for number in (2, 3)]
    waiting = started(4)
    for run in left:
        claim(run.pk)
    assert claim(waiting.pk) is Held.ITS_TURN
    RunChunk.objects.filter(state="claimed").update(leased_until=timezone.now() - timedelta(seconds=1))
    # A chunk of each was done just now: somebody may be about to take the next.
    assert claim(waiting.pk) is Held.ITS_TURN
    RunChunk.objects.filter(state="done").update(done_at=timezone.now() - timedelta(seconds=settings.LEASE_S + 1))
    assert isinstance(claim(waiting.pk), RunChunk)


@pytest.mark.usefixtures("idle_engine")
def test_requests_at_the_same_moment_do_not_exceed_the_quota(transactional_db: None) -> None:
    together = threading.Barrier(6)

    def ask(number: int) -> bool:
        together.wait()
        try:
            return bool(started(number))
        except TooManyRuns:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(2, 8))) == 3
    assert Run.objects.count() == 3


@pytest.mark.usefixtures("idle_engine")
def test_workers_at_the_same_moment_begin_no_more_runs_than_may_be_executed(
    transactional_db: None, settings: Any
) -> None:
    settings.WAITING_RUNS = 4
    runs, together = [started(number) for number in range(2, 8)], threading.Barrier(6)

    def work(run: Run) -> bool:
        together.wait()
        try:
            return isinstance(claim(run.pk), RunChunk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, runs)) == 2
    assert sorted(states()) == ["queued"] * 4 + ["running"] * 2


def test_runs_beyond_the_quota_are_executed_one_after_the_other(
    engine: ThreadsEngine, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RUNNING_RUNS, settings.WAITING_RUNS = 1, 4
    executed, n_running = execute, []

    def watched(scan: Scan, symbol_ids: Sequence[int]) -> list[SymbolResult]:
        n_running.append(Run.objects.filter(state="running").count())
        return executed(scan, symbol_ids)

    monkeypatch.setattr(threads, "execute", watched)
    universe = store_universe("Many", make_market(n_symbols=12, n_bars=60))
    runs = [make_run(universe, bars_per_symbol=1e9) for _ in range(5)]  # one symbol a chunk
    for run in runs:
        engine.submit(run.pk)
    wait_for("all are complete", lambda: Run.objects.filter(state="complete").count() == 5)
    assert n_running == [1] * 60
