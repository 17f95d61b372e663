"""Nothing is lost: what a killed process leaves is finished by another one, every symbol exactly once."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from backtests.models import Run
from backtests.runs.engines.threads import ThreadsEngine
from tests.backtests.processes import Outside, kill
from tests.builders import make_market, store_universe
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("gated")

N_SYMBOLS = 40
BEFORE_THE_GATE = 7  # the chunks of 1, 2 and 4 symbols
SCAN = ("run_scan", "--strategy", "gated", "--universe", "test", "--json")


@pytest.fixture(autouse=True)
def _universe(gated: None) -> None:
    store_universe("Test", make_market(n_symbols=N_SYMBOLS, n_bars=60))


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def in_the_middle() -> Run:
    """Wait until the first rows are saved and the worker stands still in the chunk after them; return the run."""
    return wait_for(
        "a run stands at its gate",
        lambda: Run.objects.filter(n_done=BEFORE_THE_GATE, chunks__state="claimed").first(),  # type: ignore[return-value]
    )


def finished(run: Run) -> Run:
    return wait_for("the run is finished", lambda: Run.objects.filter(pk=run.pk, state="complete").first())  # type: ignore[return-value]


def assert_whole(run: Run) -> None:
    rows = list(run.results.order_by("sequence").values_list("sequence", "symbol__ticker"))
    assert [sequence for sequence, _ in rows] == list(range(1, N_SYMBOLS + 1))
    assert sorted(ticker for _, ticker in rows) == sorted(run.universe.symbols.values_list("ticker", flat=True))
    assert (run.n_done, run.n_failed, run.last_sequence) == (N_SYMBOLS, 0, N_SYMBOLS)


def saved(run: Run) -> list[tuple[Any, ...]]:
    return list(run.results.order_by("sequence")[:BEFORE_THE_GATE].values_list())


def attempts(run: Run) -> list[int]:
    return list(run.chunks.order_by("index").values_list("attempts", flat=True))


def test_a_killed_server_goes_on_where_it_stopped(outside: Outside, gate: Path) -> None:
    # The server calls the strategy once to warm it.
    server = outside.serve(GATE_FILE=str(gate), GATE_AFTER=str(1 + BEFORE_THE_GATE))
    run_id = server.start_run(
        strategy="gated", universe="test", interval="1d", cash="10000", fee_pct="0", slippage_pct="0"
    )
    run = in_the_middle()
    assert run.pk == run_id
    before = saved(run)
    kill(server.process)
    assert Run.objects.get(pk=run.pk).n_done == BEFORE_THE_GATE
    outside.serve()
    done = finished(run)
    assert_whole(done)
    assert saved(done) == before
    assert attempts(done) == [1, 1, 1, 2, 1, 1]


def test_a_killed_command_is_finished_by_another_process(outside: Outside, gate: Path, engine: ThreadsEngine) -> None:
    process, _ = outside.start(*SCAN, GATE_FILE=str(gate), GATE_AFTER=str(BEFORE_THE_GATE))
    run = in_the_middle()
    before = saved(run)
    kill(process)
    engine.take_up_unfinished()
    done = finished(run)
    assert_whole(done)
    assert saved(done) == before
    assert attempts(done) == [1, 1, 1, 2, 1, 1]


def test_a_worker_that_wakes_up_too_late_changes_nothing(
    outside: Outside, gate: Path, engine: ThreadsEngine, settings: Any
) -> None:
    gates = {"GATE_FILE": str(gate), "GATE_AFTER": str(BEFORE_THE_GATE)}
    process, output = outside.start(*SCAN, TRAWL_LEASE_S="1", **gates)
    run = in_the_middle()
    # A process that stands still keeps no leases.
    process.send_signal(signal.SIGSTOP)
    settings.LEASE_S = 1.0
    engine.take_up_unfinished()
    done = finished(run)
    before = list(done.results.order_by("sequence").values_list())
    gate.touch()
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=30) == 0
    done.refresh_from_db()
    assert_whole(done)
    assert list(done.results.order_by("sequence").values_list()) == before
    printed = json.loads(output.read_text())
    assert len({row["ticker"] for row in printed["stock_results"]}) == len(printed["stock_results"]) == N_SYMBOLS
