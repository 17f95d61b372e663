"""PostgreSQL crashes in the middle of a run and is back ten seconds later: nothing of the run is lost or different."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backtests.faults.cluster import Cluster
from tests.backtests.faults.outages import NOTICED, OVER
from tests.backtests.faults.wholeness import COMPARED, FORM, N_SYMBOLS, gates
from tests.backtests.processes import Outside
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

AWAY_S = 10.0

_STATE = "SELECT state, n_done, n_failed, last_sequence FROM backtests_run WHERE id = %s"
_ROWS = "SELECT sequence, symbol_id FROM backtests_result WHERE run_id = %s ORDER BY sequence"
_ATTEMPTS = """SELECT attempts FROM backtests_runchunk WHERE run_id = %s ORDER BY "index" """
_COLUMNS = ", ".join(f'"{column}"' for column in COMPARED)
_FOUND = f"SELECT {_COLUMNS} FROM backtests_result WHERE run_id = %s ORDER BY symbol_id"
_LOAD = f"""
import django
django.setup()
from django.core.management import call_command
from tests.builders import make_market, store_universe
call_command("migrate", verbosity=0)
store_universe("Test", make_market(n_symbols={N_SYMBOLS}, n_bars=60))
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    started = Cluster()
    yield started
    started.remove()


@pytest.fixture
def universe() -> None:
    """Nothing is in this process's own database, which nobody uses."""


def test_a_run_goes_on_when_the_server_has_recovered(tmp_path: Path, cluster: Cluster) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    outside = Outside(folder, database={"DATABASE_URL": cluster.url})
    try:
        loaded = outside.execute("-c", _LOAD)
        assert loaded.returncode == 0, loaded.stderr
        gate = tmp_path / "gate"
        server = outside.serve(**gates(gate, after=7))
        run_id = server.start_run(**FORM)
        wait_for("seven are done", lambda: cluster.rows(_STATE, run_id)[0][1] == 7)
        cluster.crash()
        gate.touch()
        time.sleep(AWAY_S)
        cluster.start()
        wait_for("it is complete", lambda: cluster.rows(_STATE, run_id)[0][0] == "complete")
        assert cluster.rows(_STATE, run_id) == [("complete", N_SYMBOLS, 0, N_SYMBOLS)]
        rows = cluster.rows(_ROWS, run_id)
        assert [sequence for sequence, _ in rows] == [*range(1, N_SYMBOLS + 1)]
        assert len({symbol_id for _, symbol_id in rows}) == N_SYMBOLS
        assert cluster.rows(_ATTEMPTS, run_id) == [(1,)] * 6
        wait_for("the server says that it is over", lambda: OVER in server.output.read_text())
        assert server.output.read_text().count(NOTICED) == 1

        with server.client() as client:
            assert client.get(f"/runs/{run_id}/").status_code == 200
        again = server.start_run(**FORM, afresh="on")
        wait_for("the same run is complete", lambda: cluster.rows(_STATE, again)[0][0] == "complete")
        assert again != run_id
        assert cluster.rows(_FOUND, again) == cluster.rows(_FOUND, run_id)
    finally:
        outside.end()
