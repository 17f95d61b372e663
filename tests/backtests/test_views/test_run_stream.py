from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.test.client import AsyncClientHandler

from backtests.models import Run
from tests.backtests.streams.frames import Frame, parse
from tests.backtests.streams.watching import sequences
from tests.builders import execute_run, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

HANDLER = AsyncClientHandler(enforce_csrf_checks=False)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run() -> Run:
    return execute_run(make_run(store_universe("Test", make_market(n_symbols=7, n_bars=60))))


def get(address: str, **headers: str) -> tuple[Any, bytes]:
    """Return the response and, of a stream, everything that was sent."""

    async def main() -> tuple[Any, bytes]:
        client = AsyncClient()
        client.handler = HANDLER
        response = await client.get(address, headers=headers)
        if not isinstance(response, StreamingHttpResponse):
            return response, response.content
        return response, b"".join([sent async for sent in response])

    return asyncio.run(asyncio.wait_for(main(), DEADLINE_S))


def frames(address: str, **headers: str) -> list[Frame]:
    return parse(get(address, **headers)[1])


def test_it_streams_every_row_and_the_end(run: Run) -> None:
    sent = frames(f"/runs/{run.pk}/stream")
    assert sequences(sent) == [1, 2, 3, 4, 5, 6, 7]
    assert sent[-1].event == "done"


def test_nothing_on_the_way_may_keep_it_or_pack_it(run: Run) -> None:
    response, _ = get(f"/runs/{run.pk}/stream", **{"accept-encoding": "gzip, br"})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"
    assert response["Content-Encoding"] == "identity"


def test_the_address_says_where_the_page_ends(run: Run) -> None:
    assert sequences(frames(f"/runs/{run.pk}/stream?after=5")) == [6, 7]


def test_a_browser_that_connects_again_goes_on_where_it_was(run: Run) -> None:
    # Its address is still that of the page, but what it has seen since counts.
    assert sequences(frames(f"/runs/{run.pk}/stream?after=2", **{"last-event-id": "6"})) == [7]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "1234567890", "²", "1 "])
def test_a_last_event_that_is_no_number_is_refused(run: Run, after: str) -> None:
    response, text = get(f"/runs/{run.pk}/stream?after={after}")
    assert response.status_code == 400
    assert response["Content-Type"] == "text/plain"
    assert b"the last event id must be a number" in text


@pytest.mark.parametrize("run_id", ["nosuchrun", "aaaaaaaaaaaa"])
def test_an_unknown_run_is_told_in_text_and_leads_nowhere(run_id: str) -> None:
    # A page or a redirect would be read as a stream, again and again.
    response, text = get(f"/runs/{run_id}/stream")
    assert response.status_code == 404
    assert response["Content-Type"] == "text/plain"
    assert text == b"there is no such run"
