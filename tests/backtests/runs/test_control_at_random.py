"""Whatever people do to a run while it is executed, and however many at once, its rows and counters stay true."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from backtests.models import Result, Run, RunChunk, Universe
from backtests.runs import control
from backtests.runs.engines import threads
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.errors import WrongState
from backtests.runs.execute import execute
from tests.builders import make_bars, make_market, make_run, store_universe
from tests.waiting import wait_for

CHANGES = (control.pause, control.resume, control.cancel, control.retry_failed)
N_PEOPLE = 4
N_CHANGES = 25
N_FAILING = 5
N_SYMBOLS = 60


@pytest.fixture
def universe(db: None) -> Universe:
    tested = make_market(n_symbols=N_SYMBOLS - N_FAILING, n_bars=60)
    return store_universe("Test", {**tested, **{f"F{number}": make_bars([]) for number in range(N_FAILING)}})


def meddle(run_id: str, *, seed: int) -> tuple[int, int]:
    """Ask for changes at random; return how many were made and how many were refused."""
    chance = random.Random(seed)
    made = refused = 0
    try:
        for _ in range(N_CHANGES):
            try:
                chance.choice(CHANGES)(run_id)
                made += 1
            except WrongState:
                refused += 1
            assert_true(Run.objects.get(pk=run_id))
    finally:
        connections.close_all()
    return made, refused


def assert_true(run: Run) -> None:
    """What holds of a run at every moment, whoever is at it."""
    assert 0 <= run.n_failed <= run.n_done <= run.n_symbols == N_SYMBOLS
    assert run.n_done <= run.last_sequence
    assert (run.state == "complete") <= (run.n_done == run.n_symbols)
    assert run.paused_s >= 0.0
    assert (run.elapsed_s or 0.0) >= 0.0


def assert_whole(run: Run, universe: Universe) -> None:
    """Every symbol has one row, computed once or, where it failed, again; and every counter is what the rows say."""
    results = Result.objects.filter(run=run)
    symbols = list(results.order_by("symbol__ticker").values_list("symbol__ticker", flat=True))
    assert symbols == list(universe.symbols.order_by("ticker").values_list("ticker", flat=True))
    assert (run.n_done, run.n_failed) == (results.count(), results.exclude(reason="").count()) == (N_SYMBOLS, N_FAILING)
    numbers = sorted(results.values_list("sequence", flat=True))
    assert len(set(numbers)) == N_SYMBOLS
    assert numbers[-1] <= run.last_sequence
    n_retried = sum(chunk.n_symbols for chunk in RunChunk.objects.filter(run=run)) - N_SYMBOLS
    assert run.last_sequence == N_SYMBOLS + n_retried
    assert set(run.chunks.values_list("state", "attempts")) == {("done", 1)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("max_workers", [None, 1])
def test_pauses_resumes_cancels_and_retries_of_four_people_at_random(
    seed: int, max_workers: int | None, engine: ThreadsEngine, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, most, lock = [0], [0], threading.Lock()
    executed = execute

    def counted(*arguments: Any) -> Any:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        try:
            return executed(*arguments)
        finally:
            with lock:
                at_work[0] -= 1

    monkeypatch.setattr(threads, "execute", counted)
    run = make_run(universe, bars_per_symbol=1e9, max_workers=max_workers)  # one symbol a chunk
    engine.submit(run.pk)
    with ThreadPoolExecutor(N_PEOPLE) as people:
        asked = list(people.map(lambda number: meddle(run.pk, seed=10 * seed + number), range(N_PEOPLE)))
    assert sum(made for made, _ in asked) > 0
    assert sum(refused for _, refused in asked) > 0

    def is_complete() -> bool:
        state = Run.objects.get(pk=run.pk).state
        if state in {"paused", "cancelled"}:
            control.resume(run.pk)
        return state == "complete"

    wait_for("the run is complete", is_complete)
    run.refresh_from_db()
    assert_true(run)
    assert_whole(run, universe)
    assert most[0] <= (max_workers or 3)
