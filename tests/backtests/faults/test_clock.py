"""The clock jumps, forwards or back: no run is held up by leases of another time, and none is done twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from backtests.models import Run, RunChunk, Universe
from backtests.runs.chunks import Held, chunks_at_work, claim
from backtests.runs.engines.threads import ThreadsEngine
from tests.backtests.faults.wholeness import FORM, assert_whole, attempts, finished, gates, standing
from tests.backtests.processes import Outside
from tests.builders import make_run
from tests.waiting import wait_for

DAY_S = 86_400


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_a_clock_that_jumps_in_the_middle_disturbs_no_run(
    outside: Outside, gate: Path, tmp_path: Path, jump_s: int
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    server = outside.serve(TRAWL_LEASE_S="1", GATE_CLOCK=str(clock), **gates(gate, after=7))
    run_id = server.start_run(**FORM)
    claimed = standing(run_id, n_done=7).chunks.get(state="claimed")
    later = tmp_path / "later"
    later.write_text(str(jump_s))
    later.replace(clock)
    # The lease of the chunk at work follows the clock, so that nobody takes it.
    of_then = RunChunk.objects.filter(pk=claimed.pk, claimed_at=claimed.claimed_at)
    moved = (
        of_then.filter(leased_until__gt=claimed.leased_until)
        if jump_s > 0
        else of_then.filter(leased_until__lt=claimed.leased_until)
    )
    wait_for("the lease is of the new time", moved.exists)
    gate.touch()
    run = finished(run_id)
    assert_whole(run)
    assert attempts(run) == [1] * 6
    assert run.elapsed_s is not None
    assert run.elapsed_s >= 0
    with server.client() as client:
        assert client.get(f"/runs/{run_id}/").status_code == 200


@pytest.mark.parametrize("days", [-365, 365])
@pytest.mark.parametrize("max_workers", [None, 1])
def test_leases_of_another_time_hold_up_nobody(
    engine: ThreadsEngine, universe: Universe, days: int, max_workers: int | None
) -> None:
    run = make_run(universe, strategy="gated", max_workers=max_workers)
    for _ in range(1 if max_workers else 3):
        assert isinstance(claim(run.pk), RunChunk)
    leased = timezone.now() + timedelta(days=days)
    RunChunk.objects.filter(state="claimed").update(worker="another-machine:1:00000000", leased_until=leased)
    engine.submit(run.pk)
    assert_whole(finished(run.pk))


@pytest.mark.parametrize("days", [-365, 365])
def test_a_cancelled_run_does_not_wait_for_leases_of_another_time(universe: Universe, days: int) -> None:
    run = make_run(universe, strategy="gated")
    claim(run.pk)
    assert chunks_at_work(run.pk).exists()
    RunChunk.objects.filter(state="claimed").update(leased_until=timezone.now() + timedelta(days=days))
    assert not chunks_at_work(run.pk).exists()
    assert Run.objects.get(pk=run.pk).state == "running"


@pytest.mark.parametrize("days", [-365, 365])
def test_a_run_gets_its_turn_though_another_has_leases_of_another_time(
    universe: Universe, days: int, settings: Any
) -> None:
    settings.RUNNING_RUNS = 1
    left, waiting = (make_run(universe, strategy="gated") for _ in range(2))
    claim(left.pk)
    assert claim(waiting.pk) is Held.ITS_TURN
    RunChunk.objects.filter(state="claimed").update(leased_until=timezone.now() + timedelta(days=days))
    assert isinstance(claim(waiting.pk), RunChunk)
