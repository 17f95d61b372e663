"""Three hundred viewers of one run: a real server, real connections from another process, every result saved."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from time import perf_counter, sleep
from typing import Any

from django.conf import settings

from backtests.benchmarks.databases import most_connections, own_database
from backtests.benchmarks.figures import Figure, memory_mib
from backtests.benchmarks.scan import Client
from backtests.benchmarks.server import Server, manage, own_data_dir, serving

N_VIEWERS = 300
N_STALLED = 100
UNIVERSE, INTERVAL, N_SYMBOLS = "demo-stocks", "1d", 503
MOST_TIMES_ONE = 4
MOST_CONNECTIONS = 3
SETTLE_S = 1.0
ASK_EVERY_S = 0.05


@dataclass(slots=True)
class Measured:
    """One value a run; milliseconds since the POST was sent, or since the viewers of a finished run began."""

    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    stalled: list[float] = field(default_factory=list)


class Viewers:
    """The process in which the viewers are."""

    def __init__(self, process: subprocess.Popen[str], server: Server) -> None:
        self._process = process
        self._place = {"host": server.host, "port": server.port}

    def watch(self, path: str, n: int) -> dict[str, Any]:
        """Have so many viewers read a run's stream to its end; raise RuntimeError if one did not get all of it."""
        seen: dict[str, Any] = self._ask(kind="watch", path=f"{path}stream", n=n, **self._place)
        if seen["unfinished"] or seen["rows"] != [N_SYMBOLS]:
            raise RuntimeError(f"of {n} viewers {seen['unfinished']} have no end, and rows are {seen['rows']}")
        return seen

    def stall(self, path: str, n: int) -> None:
        self._ask(kind="stall", path=f"{path}stream", n=n, **self._place)

    def leave(self) -> None:
        self._ask(kind="leave")

    def _ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def measure_streams(n_runs: int, say: Callable[[str], None], *, database_url: str = "") -> list[Figure]:
    """Return the figures of RSI scans over the demo market that many watch; connections only with a PostgreSQL."""
    measured = Measured()
    with own_data_dir() as folder, own_database(database_url) as url:
        say("Loading the demo market into an empty database.")
        environment = {**folder, "DATABASE_URL": url}
        manage(environment, "prepare")
        with serving(environment) as server, _viewers(server) as viewers:
            client = Client(server)
            say(f"{n_runs} runs with one viewer and with {N_VIEWERS}, after two to warm up.")
            # A pool keeps the connections that it has had: those of one viewer are counted before there were many.
            with _asking_for_pages(server), most_connections(url) as alone:
                viewers.watch(client.start(UNIVERSE, INTERVAL), 1)
            for number in range(-2, n_runs):
                _measure(client, viewers, server, url, Measured() if number < 0 else measured)
            say(f"{N_STALLED} viewers who read nothing.")
            _stall(client, viewers, server, measured)
    return [*_figures(measured), *_connections(alone, measured)]


def _measure(client: Client, viewers: Viewers, server: Server, database_url: str, measured: Measured) -> None:
    began = perf_counter()
    measured.one.append((viewers.watch(client.start(UNIVERSE, INTERVAL), 1)["ended"] - began) * 1000)
    with _asking_for_pages(server) as slowest, most_connections(database_url) as most:
        began = perf_counter()
        path = client.start(UNIVERSE, INTERVAL)
        measured.many.append((viewers.watch(path, N_VIEWERS)["ended"] - began) * 1000)
    client.check(path, N_SYMBOLS)
    late = viewers.watch(path, N_VIEWERS)
    measured.late.append((late["ended"] - late["began"]) * 1000)
    measured.others.append(slowest[0])
    measured.connections += most
    sleep(SETTLE_S)
    measured.memory.append(memory_mib(server.pid) or 0.0)


def _stall(client: Client, viewers: Viewers, server: Server, measured: Measured) -> None:
    path = client.start(UNIVERSE, INTERVAL)
    viewers.watch(path, 1)
    before = memory_mib(server.pid) or 0.0
    viewers.stall(path, N_STALLED)
    sleep(SETTLE_S)
    measured.stalled.append(((memory_mib(server.pid) or 0.0) - before) / N_STALLED)
    viewers.leave()


def _figures(measured: Measured) -> list[Figure]:
    one = Figure("one viewer: POST to the end of the stream", measured.one)
    return [
        one,
        Figure(f"{N_VIEWERS} viewers: POST until all have the end", measured.many, goal=MOST_TIMES_ONE * one.median),
        Figure(f"{N_VIEWERS} viewers of a finished run until all have the end", measured.late),
        Figure("slowest other page meanwhile", measured.others, goal=250),
        Figure(
            "growth of the server's memory from the first of these runs to the last",
            [measured.memory[-1] - measured.memory[0]],
            unit="MiB",
        ),
        Figure(f"memory for each of {N_STALLED} viewers who read nothing", measured.stalled, unit="MiB", goal=1),
    ]


def _connections(alone: list[float], measured: Measured) -> list[Figure]:
    """Return what was counted, if it was: those of workers and pages, too."""
    if not alone:
        return []
    added = [most - alone[0] for most in measured.connections]
    return [
        Figure("most connections to PostgreSQL, one viewer", alone, unit=""),
        Figure(
            f"most connections to PostgreSQL, {N_VIEWERS} viewers",
            measured.connections,
            unit="",
            goal=MOST_CONNECTIONS,
        ),
        Figure(f"connections of {N_VIEWERS} viewers beyond those of one", added, unit=""),
    ]


@contextmanager
def _viewers(server: Server) -> Iterator[Viewers]:
    command = [sys.executable, "-m", "backtests.benchmarks.viewers"]
    with subprocess.Popen(  # noqa: S603
        command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Viewers(process, server)
        finally:
            process.terminate()


@contextmanager
def _asking_for_pages(server: Server) -> Iterator[list[float]]:
    """Ask for a page again and again; the list holds the milliseconds of the slowest when the block has ended."""
    done, slowest = threading.Event(), [0.0]

    def ask() -> None:
        other = HTTPConnection(server.host, server.port)
        while not done.wait(ASK_EVERY_S):
            began = perf_counter()
            other.request("GET", "/runs/")
            other.getresponse().read()
            slowest[0] = max(slowest[0], (perf_counter() - began) * 1000)
        other.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield slowest
    finally:
        done.set()
        asking.join()
