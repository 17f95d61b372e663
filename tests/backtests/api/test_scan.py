"""POST /api/market-scan: one request, one answer at the end of the run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from backtests.api import scans
from backtests.models import Run
from backtests.runs.statistics import read_rows
from backtests.streams import feed
from backtests.streams.events import complete_event
from tests.backtests.api.asking import ASYNC_HANDLER, ask, post
from tests.backtests.streams.watching import work
from tests.builders import make_market, store_universe
from tests.waiting import DEADLINE_S

ADDRESS = "/api/market-scan"
SCAN = {"strategy": "rsi", "universe": "test", "parameters": {"period": 5}}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _universe(transactional_db: None) -> None:
    store_universe("Test", make_market(n_symbols=7, n_bars=60))


async def started() -> Any:
    client = AsyncClient()
    client.handler = ASYNC_HANDLER
    return await client.post(ADDRESS, json.dumps(SCAN), content_type="application/json")


@pytest.mark.usefixtures("engine")
def test_it_answers_with_the_event_that_ends_the_run() -> None:
    response, sent = ask("post", ADDRESS, SCAN)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    run = Run.objects.select_related("strategy", "universe").get()
    assert run.state == Run.State.COMPLETE
    assert json.loads(sent) == complete_event(run, read_rows(run.pk))


@pytest.mark.usefixtures("idle_engine")
def test_while_it_waits_it_sends_spaces_and_the_answer_is_still_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT_S", 0.05)

    async def main() -> bytes:
        response = await started()
        sent = aiter(response)
        first: bytes = await anext(sent)
        run = await Run.objects.aget()
        await work(run)
        return first + b"".join([part async for part in sent])

    answer = asyncio.run(asyncio.wait_for(main(), DEADLINE_S))
    assert answer.startswith(b" ")
    assert json.loads(answer)["successful"] == 7


@pytest.mark.usefixtures("idle_engine")
def test_while_it_waits_nobody_is_busy_and_no_connection_held() -> None:
    """The view has returned: what is left is made on the event loop, and its thread has given its connection back."""

    async def main() -> tuple[Any, Any]:
        response = await started()
        # In the thread that the request was answered in.
        return response, await sync_to_async(lambda: connection.connection)()

    response, held = asyncio.run(asyncio.wait_for(main(), DEADLINE_S))
    assert isinstance(response, StreamingHttpResponse)
    assert response.is_async
    assert held is None
    assert Run.objects.get().state == Run.State.QUEUED


@pytest.mark.usefixtures("idle_engine")
def test_a_cancelled_run_is_answered_with_what_there_is() -> None:
    async def main() -> bytes:
        response = await started()
        run = await Run.objects.aget()
        await work(run, n_chunks=2)
        cancelled, _ = await asyncio.to_thread(ask, "post", f"{ADDRESS}/{run.pk}/cancel")
        assert cancelled.status_code == 200
        return b"".join([part async for part in response])

    event = json.loads(asyncio.run(asyncio.wait_for(main(), DEADLINE_S)))
    assert (event["type"], event["total_stocks"], event["successful"]) == ("cancelled", 7, 3)
    assert len(event["stock_results"]) == 3


@pytest.mark.usefixtures("idle_engine")
def test_a_refused_scan_is_answered_at_once(client: Any) -> None:
    assert post(client, ADDRESS, {**SCAN, "strategy": "nosuch"}).status_code == 404
    assert post(client, ADDRESS, {**SCAN, "colour": 1}).status_code == 422
    assert not Run.objects.exists()


@pytest.mark.parametrize("cut", [1, 7, 64, 10_000])
def test_the_event_is_found_however_the_stream_is_cut(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    event = {"type": "complete", "name": "data: \\n\\n: still here"}
    sent = f'id: 1\ndata: {{"type": "start"}}\n\n: still here\n\nid: 2\ndata: {json.dumps(event)}\n\n'.encode()

    async def stream(run_id: str, *, after: int) -> Any:
        for first in range(0, len(sent), cut):
            yield sent[first : first + cut]

    async def main() -> bytes:
        return b"".join([part async for part in scans._last_event("any")])

    monkeypatch.setattr(feed, "follow_json", stream)
    answer = asyncio.run(main())
    assert answer.count(b" {") == 1
    assert json.loads(answer) == event
