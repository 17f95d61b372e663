"""Two hundred connections cut at any byte: whoever comes back with the last event's id has every row once."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection

import pytest

from backtests.models import Result, Run
from backtests.runs import control
from backtests.streams import tracks
from backtests.streams.feed import follow, follow_json
from tests.backtests.processes import Outside
from tests.backtests.streams.watching import work
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("idle_engine")]

N_CUTS = 200
SEED = 2026
WHOLE = 10_000_000


@dataclass
class Client:
    """Reads a stream as a browser does: an event counts when its empty line is there, and its id with it."""

    rows_of: Callable[[str], list[int]]
    last_id: str = ""
    rows: list[int] = field(default_factory=list)
    is_done: bool = False

    def read(self, sent: bytes) -> None:
        """Read what came through one connection, of which the last event may be cut."""
        for block in sent.decode(errors="ignore").split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "id" in lines:
                self.last_id = lines["id"]
            if "data" in lines:
                self.rows += self.rows_of(lines["data"])
                self.is_done |= lines.get("event") == "done" or '"type": "complete"' in lines["data"]

    @property
    def after(self) -> int:
        return int(self.last_id or 0)


def page_rows(data: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-sequence="(\d+)"', data)]


def program_rows(data: str) -> list[int]:
    event = json.loads(data)
    return [event["data"]["sequence"]] if event["type"] in {"result", "error"} and "data" in event else []


KINDS = {"page": (follow, page_rows), "program": (follow_json, program_rows)}


def queued(n_symbols: int = 25) -> Run:
    good = list(make_market(n_symbols=n_symbols, n_bars=60).items())
    symbols = {"A": make_bars([]), **dict(good[:9]), "M": make_bars([]), **dict(good[9:])}
    return make_run(store_universe("Test", symbols))


def with_gaps() -> Run:
    """Return a finished run whose numbers have gaps: two symbols failed, and were tried again."""
    run = execute_run(queued())
    return execute_run(control.retry_failed(run.pk))


def numbers_of(run: Run) -> list[int]:
    return list(Result.objects.filter(run=run).order_by("sequence").values_list("sequence", flat=True))


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_is_lost_or_repeated_wherever_a_finished_run_is_cut(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "ROWS_A_FRAME", 4)
    monkeypatch.setattr(tracks, "PART_BYTES", 700)
    stream, rows_of = KINDS[kind]
    run, draw = with_gaps(), random.Random(SEED)

    async def received(after: int, most: int | None) -> bytes:
        sent = b""
        async for part in stream(run.pk, after=after):
            sent += part
            if most is not None and len(sent) >= most:
                return sent[:most]
        return sent

    async def main() -> list[Client]:
        whole, clients, n_cuts = len(await received(0, None)), [], 0
        while n_cuts < N_CUTS:
            client = Client(rows_of)
            while not client.is_done:
                # Now and then nobody cuts, or a client would never come to the end.
                most = draw.randrange(whole) if draw.random() < 0.8 else None
                n_cuts += most is not None
                client.read(await asyncio.wait_for(received(client.after, most), DEADLINE_S))
            clients.append(client)
        return clients

    clients = asyncio.run(main())
    assert numbers_of(run) != list(range(1, 28)), "a run without gaps proves less"
    assert len(clients) > N_CUTS / 10
    for client in clients:
        assert client.rows == numbers_of(run)


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_is_lost_or_repeated_when_cuts_come_while_rows_do(kind: str) -> None:
    stream, rows_of = KINDS[kind]
    run, draw, working, n_cuts = queued(n_symbols=60), random.Random(SEED), [True], [0]

    async def viewer() -> Client:
        client = Client(rows_of)
        while not client.is_done:
            # Cut as short as that for ever, nobody would get past an event that is longer.
            sent, most = b"", draw.randrange(1, 20_000) if working or n_cuts[0] < 100 else WHOLE
            async for part in stream(run.pk, after=client.after):
                sent += part
                if len(sent) >= most:
                    n_cuts[0] += 1
                    break
            client.read(sent[:most])
            # Whoever finds something to read at once, again and again, would never let the others have their turn.
            await asyncio.sleep(0)
        return client

    async def main() -> list[Client]:
        viewers = [asyncio.create_task(viewer()) for _ in range(20)]
        for _ in range(12):
            await work(run, n_chunks=1)
        working.clear()
        return await asyncio.wait_for(asyncio.gather(*viewers), DEADLINE_S)

    for client in asyncio.run(main()):
        assert client.rows == numbers_of(run)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["header", "address"])
def test_a_real_server_resumes_by_header_and_by_address(outside: Outside, kind: str, by: str) -> None:
    run, draw = with_gaps(), random.Random(SEED)
    server = outside.serve()
    host, port = server.url.removeprefix("http://").split(":")
    path = f"/runs/{run.pk}/stream" if kind == "page" else f"/api/market-scan/stream/{run.pk}"
    parameter = "after" if kind == "page" else "last_event_id"
    n_cuts = 0
    while n_cuts < N_CUTS / 4:
        client = Client(KINDS[kind][1])
        while not client.is_done:
            connection = HTTPConnection(host, int(port), timeout=DEADLINE_S)
            address = f"{path}?{parameter}={client.after}" if by == "address" else path
            headers = {"Last-Event-ID": client.last_id} if by == "header" and client.last_id else {}
            connection.request("GET", address, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200
            is_cut = draw.random() < 0.8
            client.read(answer.read(draw.randrange(25_000)) if is_cut else answer.read())
            n_cuts += is_cut
            connection.close()
        assert client.rows == numbers_of(run)
