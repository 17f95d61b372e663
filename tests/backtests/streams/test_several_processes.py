"""A run that is worked on in one process and watched in another, with a Redis of the test's own between them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer

from backtests.models import Run, RunChunk, Universe
from backtests.streams import pokes
from tests.backtests.processes import Outside, Server
from tests.backtests.streams.test_resume import page_rows
from tests.builders import execute_run, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S, wait_for

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("idle_engine")]

POLL_S = 4.0
BY_POKE_S = 2.0  # whatever comes within this time, was not found by polling
N_SYMBOLS = 40


@dataclass
class Redis:
    """A Redis server that comes and goes."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "these tests start a Redis of their own: install redis-server"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        wait_for("Redis answers", self._answers)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=DEADLINE_S)
            self.process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that the pokes of this process go to, as those of the servers do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Redis(probe.getsockname()[1], tmp_path)
    before, layer = channel_layers["default"], RedisPubSubChannelLayer(hosts=[server.url], prefix="trawl")
    channel_layers.set("default", layer)
    yield server
    wait_for("no poke is on its way", lambda: not pokes._TELLING)
    channel_layers.set("default", before)
    asyncio.run_coroutine_threadsafe(layer.flush(), pokes._own_loop()).result(DEADLINE_S)
    server.kill()


@dataclass
class Watcher:
    """Follows a run's stream on a server and notes when each row came."""

    server: Server
    run: Run
    came: dict[int, float] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with self.server.client() as client, client.stream("GET", f"/runs/{self.run.pk}/stream") as stream:
            for part in stream.iter_text():
                self.text += part
                for number in page_rows(self.text):
                    self.came.setdefault(number, monotonic())

    def seconds_until(self, number: int) -> float:
        """Wait for a row that is being saved now; return how long it took."""
        began = monotonic()
        wait_for(f"row {number} comes", lambda: number in self.came)
        return self.came[number] - began


def queued(universe: Universe) -> Run:
    """Return a run with a chunk for every symbol."""
    run = make_run(universe)
    symbol_ids = [symbol_id for chunk in run.chunks.order_by("index") for symbol_id in chunk.symbol_ids]
    run.chunks.all().delete()
    RunChunk.objects.bulk_create(
        RunChunk(run=run, index=index, symbol_ids=[symbol_id], n_symbols=1)
        for index, symbol_id in enumerate(symbol_ids)
    )
    return run


class Work:
    """Somebody in this process who works on a run that is watched on a server."""

    def __init__(self, run: Run, watcher: Watcher) -> None:
        self._run, self._watcher, self.n_done = run, watcher, 0

    def next_row_took(self) -> float:
        """Save one row and return the seconds until the viewer has it."""
        execute_run(self._run, n_chunks=1)
        self.n_done += 1
        assert Run.objects.get(pk=self._run.pk).n_done == self.n_done, "somebody else works on the run"
        return self._watcher.seconds_until(self.n_done)

    def finish(self) -> None:
        execute_run(self._run)
        self._watcher.thread.join(DEADLINE_S)


def watched(outside: Outside, redis: Redis) -> tuple[Work, Watcher]:
    """Return a run that nobody works on but this process, and its viewer on a server."""
    # A server takes up what is there when it starts, and then looks for more every quarter of the lease.
    universe = store_universe("Test", make_market(n_symbols=N_SYMBOLS, n_bars=60))
    server = outside.serve(REDIS_URL=redis.url, TRAWL_POLL_S=str(POLL_S), TRAWL_LEASE_S="3600")
    run = queued(universe)
    watcher = Watcher(server, run)
    wait_for("the stream has begun", lambda: "#run-status" in watcher.text)
    return Work(run, watcher), watcher


def assert_whole(watcher: Watcher) -> None:
    assert "event: done" in watcher.text
    assert page_rows(watcher.text) == list(range(1, N_SYMBOLS + 1))


def test_without_redis_rows_come_at_the_poll_interval_and_with_it_again_at_once(outside: Outside, redis: Redis) -> None:
    redis.start()
    work, watcher = watched(outside, redis)
    wait_for("pokes are heard", lambda: work.next_row_took() < BY_POKE_S)
    redis.kill()
    assert max(work.next_row_took() for _ in range(2)) < POLL_S + BY_POKE_S
    redis.start()
    wait_for("pokes are heard again", lambda: work.next_row_took() + work.next_row_took() < BY_POKE_S)
    work.finish()
    assert_whole(watcher)
    said = watcher.server.output.read_text()
    assert said.count("Redis is away") == 1
    assert "Traceback" not in said


def test_a_redis_that_was_never_there_delays_and_loses_nothing(outside: Outside, redis: Redis) -> None:
    work, watcher = watched(outside, redis)
    assert work.next_row_took() < POLL_S + BY_POKE_S
    work.finish()
    assert_whole(watcher)
    assert "Traceback" not in watcher.server.output.read_text()


def test_two_servers_share_a_run(outside: Outside, redis: Redis, tmp_path: Path, gated: None) -> None:
    """Somebody starts a run on one server, and two watch it, each on another."""
    store_universe("Test", make_market(n_symbols=12, n_bars=60))
    redis.start()
    gate = tmp_path / "gate"
    shared = {"REDIS_URL": redis.url, "TRAWL_POLL_S": "60", "TRAWL_LEASE_S": "3600"}
    servers = [outside.serve(GATE_FILE=str(gate), GATE_AFTER="4", **shared) for _ in range(2)]
    run_id = servers[0].start_run(strategy="gated", universe="test", interval="1d", cash="10000", fee_pct="0.1",
                                  slippage_pct="0.05")  # fmt: skip
    run = Run.objects.get(pk=run_id)
    watchers = [Watcher(server, run) for server in servers]
    wait_for("both have the first rows", lambda: all(3 in watcher.came for watcher in watchers))
    gate.touch()
    for watcher in watchers:
        watcher.thread.join(DEADLINE_S)
        assert page_rows(watcher.text) == list(range(1, 13))
        assert "event: done" in watcher.text
