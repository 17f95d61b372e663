"""Viewers who do not read: what they cost, and that nobody else notices them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psutil
import pytest
from daphne.server import twisted_loop
from django.utils import timezone

from backtests.models import Result, Run, RunChunk, Symbol
from backtests.streams.flow import Gate
from config.asgi import application
from tests.backtests.processes import Outside, Server
from tests.backtests.streams.frames import parse
from tests.backtests.streams.watching import events_of
from tests.builders import make_market, make_run, store_universe
from tests.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

N_ROWS = 3000
N_STALLED = 30
MIB = 1024 * 1024
DROPPED = "a viewer that has read nothing for 1 s was dropped"


@pytest.fixture
def run() -> Run:
    """A finished run whose stream is larger than all that an operating system keeps for a connection."""
    universe = store_universe("Test", make_market(n_symbols=1, n_bars=60))
    found = make_run(universe)
    symbols = Symbol.objects.bulk_create(
        Symbol(ticker=f"T{number}", name=f"T{number}", market="stocks") for number in range(N_ROWS)
    )
    Result.objects.bulk_create(
        Result(run=found, symbol=symbol, sequence=number, reason="too short " * 100, digest="", elapsed_us=0)
        for number, symbol in enumerate(symbols, start=1)
    )
    RunChunk.objects.filter(run=found).delete()
    ended = {"state": "complete", "started_at": timezone.now(), "finished_at": timezone.now()}
    counts = {"n_symbols": N_ROWS, "n_done": N_ROWS, "n_failed": N_ROWS, "last_sequence": N_ROWS}
    Run.objects.filter(pk=found.pk).update(**ended, **counts)
    return found


@contextmanager
def connected(server: Server, path: str, *, buffer_bytes: int) -> Iterator[socket.socket]:
    """Ask for a stream on a connection for which the client's side keeps little."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        connection.settimeout(DEADLINE_S)
        connection.connect((host, int(port)))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        yield connection


def memory_of(server: Server) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def whole(server: Server, path: str) -> list[dict[str, Any]]:
    """Return all events of a stream, read as fast as they come."""
    with server.client() as client:
        return events_of(parse(client.get(path).content))


def test_viewers_who_stop_reading_cost_little_and_are_dropped_and_others_do_not_notice(
    outside: Outside, run: Run
) -> None:
    server = outside.serve(TRAWL_STALL_S="1")
    path = f"/api/market-scan/stream/{run.pk}"
    assert len(whole(server, path)[-1]["stock_results"]) == N_ROWS
    before = memory_of(server)
    connections = [connected(server, path, buffer_bytes=4096) for _ in range(N_STALLED)]
    for connection in connections:
        connection.__enter__()
    most, slowest, n_others = 0, 0.0, 0
    with server.client() as client:

        def all_dropped() -> bool:
            nonlocal most, slowest, n_others
            began = monotonic()
            assert client.get("/healthz").status_code == 200
            slowest, n_others = max(slowest, monotonic() - began), n_others + 1
            most = max(most, memory_of(server))
            return server.output.read_text().count(DROPPED) == N_STALLED

        wait_for("all who do not read are dropped", all_dropped)
    assert len(whole(server, path)) > N_ROWS, "others get everything"
    assert n_others > 5
    assert (most - before) / N_STALLED < MIB, f"each costs {(most - before) / N_STALLED / MIB:.2f} MiB"
    for connection in connections:
        connection.__exit__(None, None, None)


def test_a_viewer_that_reads_slowly_is_not_dropped_and_gets_everything(outside: Outside, run: Run) -> None:
    server = outside.serve(TRAWL_STALL_S="1")
    sent, began = b"", monotonic()
    path = f"/api/market-scan/stream/{run.pk}"
    with connected(server, path, buffer_bytes=65_536) as connection:
        while b'"type": "complete"' not in sent or not sent.endswith(b"\r\n0\r\n\r\n"):
            received = connection.recv(64 * 1024)
            assert received, "the connection was lost"
            sent += received
            if monotonic() - began < 3.0:
                sleep(0.05)  # so that it takes longer than nobody may wait for it
    assert monotonic() - began > 2.0
    assert DROPPED not in server.output.read_text()


def test_nobody_waits_at_the_gate_of_a_connection_that_is_lost_or_for_too_long() -> None:
    async def main() -> None:
        gate = Gate()
        assert await gate.opened(DEADLINE_S)
        for open_again in (gate.resumeProducing, gate.stopProducing):
            gate.pauseProducing()
            waiting = asyncio.ensure_future(gate.opened(DEADLINE_S))
            await asyncio.sleep(0)
            assert not waiting.done()
            open_again()
            assert await waiting
        gate.pauseProducing()
        assert not await gate.opened(0.01)

    twisted_loop.run_until_complete(main())


@pytest.mark.usefixtures("run")
def test_with_a_server_whose_send_waits_a_viewer_is_held_up_alone() -> None:
    """Other ASGI servers wait in send; nothing is asked of the stream meanwhile."""
    run = Run.objects.get()

    async def view(reads: asyncio.Event) -> list[bytes]:
        parts: list[bytes] = []
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            for message in asked:
                return message
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                parts.append(message["body"])
                sending.set()
                await reads.wait()

        sending = asyncio.Event()
        path = f"/api/market-scan/stream/{run.pk}"
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http",
            "server": ("127.0.0.1", 1), "root_path": "", "asgi": {"version": "3.0"},
        }  # fmt: skip
        task = asyncio.create_task(application(scope, receive, send))
        if not reads.is_set():
            await asyncio.wait_for(sending.wait(), DEADLINE_S)
            assert len(parts) == 1
            held.set()
        await asyncio.wait_for(task, DEADLINE_S)
        return parts

    async def main() -> tuple[list[bytes], list[bytes]]:
        stalled, reading = asyncio.Event(), asyncio.Event()
        reading.set()
        first = asyncio.create_task(view(stalled))
        await asyncio.wait_for(held.wait(), DEADLINE_S)
        second = await view(reading)
        assert not first.done()
        stalled.set()
        return await first, second

    held = asyncio.Event()
    first, second = asyncio.run(main())
    assert b"".join(first) == b"".join(second)
    assert len(events_of(parse(b"".join(first)))) > N_ROWS
