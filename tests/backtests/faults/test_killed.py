"""A process ends as in a power cut, and another one goes on: no result is missing, doubled or different."""

from __future__ import annotations

from pathlib import Path

from backtests.models import Run
from tests.backtests.faults.wholeness import FORM, N_SYMBOLS, assert_whole, attempts, finished, gates, saved, standing
from tests.backtests.processes import Outside, kill
from tests.waiting import wait_for

SCAN = ("run_scan", "--strategy", "gated", "--universe", "test")


def rest_done(*, n_standing: int) -> str:
    """Wait until everything is done but the chunk that stands at the gate; return the run's id."""
    rest = Run.objects.filter(n_done=N_SYMBOLS - n_standing)
    return wait_for("all is done but what stands", rest.values_list("pk", flat=True).first)  # type: ignore[return-value]


def test_a_server_that_is_killed_twice_goes_on_where_it_stopped(outside: Outside, gate: Path) -> None:
    server = outside.serve(**gates(gate, after=7))
    run_id = server.start_run(**FORM)
    first = saved(standing(run_id, n_done=7))
    kill(server.process)

    resumed = outside.serve(**gates(gate, after=8))
    second = saved(standing(run_id, n_done=15))
    kill(resumed.process)
    assert second[:7] == first

    outside.serve()
    run = finished(run_id)
    assert_whole(run)
    assert saved(run)[:15] == second
    assert attempts(run) == [1, 1, 1, 2, 2, 1]


def test_two_kills_in_the_same_chunk_cost_none_of_its_symbols(outside: Outside, gate: Path) -> None:
    server = outside.serve(**gates(gate, after=7))
    run_id = server.start_run(**FORM)
    standing(run_id, n_done=7)
    kill(server.process)
    server = outside.serve(**gates(gate, after=2))
    standing(run_id, n_done=7, attempt=2)
    kill(server.process)
    # The third attempt takes each symbol alone.
    outside.serve()
    run = finished(run_id)
    assert_whole(run)
    assert attempts(run) == [1, 1, 1, 1, 1, *[3] * 8]


def test_a_killed_command_is_finished_by_a_server(outside: Outside, gate: Path) -> None:
    # A command calls the strategy for nothing else.
    command, _ = outside.start(*SCAN, TRAWL_LEASE_S="1", GATE_FILE=str(gate), GATE_AFTER="3")
    run_id = standing(n_done=3).pk
    # The server takes up what waits, and leaves alone what the command is at.
    server = outside.serve(TRAWL_LEASE_S="1")
    assert rest_done(n_standing=4) == run_id
    kill(command)
    run = finished(run_id)
    assert_whole(run)
    assert attempts(run) == [1, 1, 2, 1, 1, 1]
    assert server.process.poll() is None


def test_of_two_servers_on_one_database_the_other_finishes_everything(outside: Outside, gate: Path) -> None:
    standing_one = outside.serve(TRAWL_LEASE_S="1", **gates(gate, after=7))
    run_id = standing_one.start_run(**FORM)
    standing(run_id, n_done=7)
    other = outside.serve(TRAWL_LEASE_S="1")
    assert rest_done(n_standing=8) == run_id
    kill(standing_one.process)
    run = finished(run_id)
    assert_whole(run)
    assert attempts(run) == [1, 1, 1, 2, 1, 1]
    assert other.process.poll() is None
