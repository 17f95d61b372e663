"""The database goes away in the middle of a run and comes back: the run, its pages and its streams go on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.db import connection

from backtests.models import Run
from tests.backtests.faults.outages import NOTICED, OVER, Line, locked
from tests.backtests.faults.wholeness import FORM, N_SYMBOLS, assert_whole, attempts, finished, gates, standing
from tests.backtests.processes import Outside, Server
from tests.backtests.streams.frames import parse
from tests.waiting import DEADLINE_S, wait_for

AWAY_S = 3.0


class Away:
    """A database that can go away, and how a server reaches it."""

    def __init__(self, outside: Outside) -> None:
        self.variables = {"GATE_SQLITE_TIMEOUT_S": "0.5"}
        self._line: Line | None = None
        if connection.vendor != "sqlite":
            self._line = Line(outside.environment()["DATABASE_URL"])
            self.variables = {"DATABASE_URL": self._line.url}

    def gone(self) -> AbstractContextManager[None]:
        return self._line.cut() if self._line else locked(str(connection.settings_dict["NAME"]))

    def close(self) -> None:
        if self._line:
            self._line.close()


@pytest.fixture
def away(outside: Outside) -> Iterator[Away]:
    database = Away(outside)
    yield database
    database.close()


def watch(server: Server, run_id: str) -> tuple[threading.Thread, list[bytes]]:
    """Follow a run's stream to its end in a thread; what it is sent comes into the list."""
    received: list[bytes] = []

    def follow() -> None:
        with server.client() as client, client.stream("GET", f"/runs/{run_id}/stream", timeout=60) as stream:
            received.extend(stream.iter_bytes())

    watching = threading.Thread(target=follow, daemon=True)
    watching.start()
    return watching, received


def test_a_run_goes_on_when_the_database_is_back(outside: Outside, gate: Path, away: Away) -> None:
    server = outside.serve(**away.variables, **gates(gate, after=7))
    run_id = server.start_run(**FORM)
    standing(run_id, n_done=7)
    watching, received = watch(server, run_id)
    wait_for("the stream has begun", lambda: received)
    with away.gone():
        gate.touch()
        wait_for("the server notices", lambda: NOTICED in server.output.read_text())
        time.sleep(AWAY_S)
        assert Run.objects.get(pk=run_id).n_done == 7
    run = finished(run_id)
    assert_whole(run)
    # Nobody's attempt was in vain: what was computed waited, and what was not begun was not given up.
    assert attempts(run) == [1] * 6
    watching.join(DEADLINE_S)
    frames = parse(b"".join(received))
    assert [number for frame in frames if not frame.event for number in frame.sequences] == [*range(1, N_SYMBOLS + 1)]
    assert frames[-1].event == "done"
    with server.client() as client:
        assert client.get(f"/runs/{run_id}/").status_code == 200
        assert client.get("/healthz").status_code == 200
    wait_for("the server says that it is over", lambda: OVER in server.output.read_text())
    # One line for all runs, another one for all streams, and nothing that nobody reads.
    assert "Traceback" not in server.output.read_text()
    lines = server.output.read_text().splitlines()
    assert [len([line for line in lines if said in line]) for said in (NOTICED, OVER)] == [1, 1]


def test_a_command_waits_for_the_database_and_prints_everything(outside: Outside, gate: Path, away: Away) -> None:
    scan = ("run_scan", "--strategy", "gated", "--universe", "test", "--json")
    command, output = outside.start(*scan, **away.variables, GATE_FILE=str(gate), GATE_AFTER="7")
    run_id = standing(n_done=7).pk
    with away.gone():
        gate.touch()
        wait_for("the command notices", lambda: NOTICED in output.read_text())
    assert command.wait(timeout=DEADLINE_S) == 0
    run = finished(run_id)
    assert_whole(run)
    assert attempts(run) == [1] * 6
    (printed,) = [json.loads(line) for line in output.read_text().splitlines() if line.startswith("{")]
    assert len({row["ticker"] for row in printed["stock_results"]}) == N_SYMBOLS


def test_a_server_that_is_told_to_stop_does_not_wait_for_the_database(outside: Outside, gate: Path, away: Away) -> None:
    server = outside.serve(**away.variables, **gates(gate, after=7))
    run_id = server.start_run(**FORM)
    standing(run_id, n_done=7)
    with away.gone():
        gate.touch()
        wait_for("the server notices", lambda: NOTICED in server.output.read_text())
        began = time.monotonic()
        server.process.terminate()
        server.process.wait(timeout=DEADLINE_S)
        # What still asks for a connection gives up after seconds.
        assert time.monotonic() - began < 10.0
    outside.serve()
    assert_whole(finished(run_id))
