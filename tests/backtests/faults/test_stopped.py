"""A server that is told to stop ends at once, and what it was at counts as never begun, or is saved."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from backtests.models import Run
from tests.backtests.faults.wholeness import FORM, assert_whole, attempts, finished, gates, saved, standing
from tests.backtests.processes import Outside
from tests.waiting import DEADLINE_S

AT_ONCE_S = 2.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_takes_longer_is_left_to_the_next_server(outside: Outside, gate: Path, number: signal.Signals) -> None:
    server = outside.serve(**gates(gate, after=7))
    run_id = server.start_run(**FORM)
    before = saved(standing(run_id, n_done=7))
    began = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(timeout=DEADLINE_S) == 0
    assert time.monotonic() - began < AT_ONCE_S
    run = standing_nowhere(run_id)
    assert (saved(run), run.state) == (before, "running")

    outside.serve()
    run = finished(run_id)
    assert_whole(run)
    assert saved(run)[:7] == before
    # Stopping is no fault of the chunk: a server may be restarted any number of times.
    assert attempts(run) == [1] * 6


def test_what_is_nearly_done_is_saved(outside: Outside, gate: Path) -> None:
    server = outside.serve(**gates(gate, after=7))
    run_id = server.start_run(**FORM)
    standing(run_id, n_done=7)
    server.process.send_signal(signal.SIGTERM)
    gate.touch()
    assert server.process.wait(timeout=DEADLINE_S) == 0
    run = standing_nowhere(run_id)
    assert run.n_done >= 15
    # Whatever it may have begun after that is done as well, or counts as never begun.
    assert {(chunk.state, chunk.attempts) for chunk in run.chunks.all()} <= {("done", 1), ("waiting", 0)}
    outside.serve()
    assert_whole(finished(run_id))


def standing_nowhere(run_id: str) -> Run:
    run = Run.objects.get(pk=run_id)
    assert not run.chunks.filter(state="claimed").exists()
    return run
