"""How many connections to PostgreSQL a server holds: a real server, a real database, viewers and pages at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backtests.benchmarks.databases import most_connections
from tests.backtests.faults.cluster import Cluster
from tests.backtests.faults.wholeness import gates
from tests.backtests.processes import Outside, Server
from tests.backtests.streams.frames import parse
from tests.backtests.streams.watching import sequences
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

N_SYMBOLS, N_VIEWERS, N_READERS = 40, 30, 4
MOST = 3
FORM = {"strategy": "rsi", "universe": "test", "interval": "1d", "cash": "1000", "fee_pct": "0", "slippage_pct": "0"}
_LOAD = f"""
import django
django.setup()
from django.core.management import call_command
from tests.builders import make_market, store_universe
call_command("migrate", verbosity=0)
store_universe("Test", make_market(n_symbols={N_SYMBOLS}, n_bars=400))
"""

_STATES = "SELECT state FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    started = Cluster()
    yield started
    started.remove()


def test_many_viewers_workers_and_pages_share_three(tmp_path: Path, cluster: Cluster) -> None:
    outside = Outside(tmp_path, database={"DATABASE_URL": cluster.url})
    try:
        loaded = outside.execute("-c", _LOAD)
        assert loaded.returncode == 0, loaded.stderr
        with most_connections(cluster.url) as most:
            server = outside.serve(TRAWL_WORKERS="2")
            watched(server)
    finally:
        outside.end()
    assert 1 <= most[0] <= MOST


def test_workers_that_compute_for_long_hold_none(tmp_path: Path, cluster: Cluster) -> None:
    outside = Outside(tmp_path, database={"DATABASE_URL": cluster.url})
    gate = tmp_path / "gate"
    try:
        assert outside.execute("-c", _LOAD).returncode == 0
        server = outside.serve(TRAWL_WORKERS="2", TRAWL_CONNECTIONS="3", **gates(gate, after=3))
        run_id = server.start_run(**{**FORM, "strategy": "gated"})
        claimed = "SELECT count(*) FROM backtests_runchunk WHERE state = 'claimed'"
        wait_for("both workers stand still", lambda: cluster.rows(claimed) == [(2,)])
        with ThreadPoolExecutor(N_READERS) as threads, server.client() as client:
            pages = [threads.submit(client.get, f"/runs/{run_id}/") for _ in range(8 * N_READERS)]
            assert {each.result().status_code for each in pages} == {200}
        for connection_state in cluster.rows(_STATES):
            assert connection_state == ("idle",), "nobody is in the middle of a transaction"
        gate.touch()
        wait_for("it is complete", lambda: cluster.rows("SELECT state FROM backtests_run") == [("complete",)])
    finally:
        outside.end()


def watched(server: Server) -> None:
    """Have a run watched by many while others ask for pages; all are answered."""
    run_id, is_over = server.start_run(**FORM), threading.Event()

    def watch() -> list[int]:
        with server.client() as client:
            return sequences(parse(client.get(f"/runs/{run_id}/stream").content))

    def read() -> set[int]:
        seen: set[int] = set()
        with server.client() as client:
            while not is_over.is_set() or not seen:
                seen.add(client.get("/runs/").status_code)
        return seen

    with ThreadPoolExecutor(N_VIEWERS + N_READERS) as threads:
        reading = [threads.submit(read) for _ in range(N_READERS)]
        try:
            viewers = [each.result() for each in [threads.submit(watch) for _ in range(N_VIEWERS)]]
        finally:
            is_over.set()
        assert [each.result() for each in reading] == [{200}] * N_READERS
    assert viewers == [list(range(1, N_SYMBOLS + 1))] * N_VIEWERS
