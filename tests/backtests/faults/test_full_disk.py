"""The disk is full in the middle of a run: the run waits, says why in one line, and goes on when there is room."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from backtests.models import Run
from tests.backtests.faults.outages import NOTICED, OVER
from tests.backtests.faults.wholeness import FORM, assert_whole, attempts, finished, gates, standing
from tests.backtests.processes import Outside, Server
from tests.waiting import wait_for

FULL_S = 1.5
NO_ROOM = {"sqlite": "disk I/O error", "postgresql": "could not extend file: no space left on device"}

_FULL = f"""
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{NO_ROOM["postgresql"]}' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER no_room BEFORE INSERT ON backtests_result EXECUTE FUNCTION no_room();
"""


@contextmanager
def no_room(server: Server) -> Iterator[None]:
    """Let the server's database have no room for results: its files cannot grow, or PostgreSQL says so."""
    if connection.vendor == "sqlite":
        unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        yield
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        return
    with connection.cursor() as cursor:
        cursor.execute(_FULL)
        yield
        cursor.execute("DROP TRIGGER no_room ON backtests_result; DROP FUNCTION no_room")


def test_a_run_waits_for_room(outside: Outside, gate: Path) -> None:
    server = outside.serve(**gates(gate, after=7))
    run_id = server.start_run(**FORM)
    standing(run_id, n_done=7)
    with no_room(server):
        gate.touch()
        wait_for("the server notices", lambda: NOTICED in server.output.read_text())
        time.sleep(FULL_S)
        assert Run.objects.get(pk=run_id).n_done == 7
        with server.client() as client:
            assert client.get(f"/runs/{run_id}/").status_code == 200
    run = finished(run_id)
    assert_whole(run)
    assert attempts(run) == [1] * 6
    wait_for("the server says that it is over", lambda: OVER in server.output.read_text())
    said = [line.partition("WARNING ")[2] for line in server.output.read_text().splitlines()[1:]]
    assert len(said) == 2, said
    assert NOTICED in said[0]
    assert NO_ROOM[connection.vendor] in said[0]
    assert OVER in said[1]
