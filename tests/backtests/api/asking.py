"""Requests to the API, and what came back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.test.client import AsyncClientHandler, ClientHandler

from tests.waiting import DEADLINE_S

# Every handler searches the static files anew when it is first asked.
HANDLER = ClientHandler(enforce_csrf_checks=False)
ASYNC_HANDLER = AsyncClientHandler(enforce_csrf_checks=False)

START = "/api/market-scan/start"


def post(client: Client, address: str, body: Any = None, **headers: str) -> Any:
    """Post a body as JSON; text is sent as it stands."""
    text = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
    return client.post(address, text, content_type="application/json", headers=headers)


def problems(response: Any) -> dict[str, str]:
    """Return what was wrong with a request, by field."""
    assert response.status_code == 422, response.content
    return {problem["field"]: problem["problem"] for problem in response.json()["detail"]}


def ask(method: str, address: str, body: Any = None, **headers: str) -> tuple[Any, bytes]:
    """Ask as a program does under ASGI; return the response and, of a stream too, everything that was sent."""

    async def main() -> tuple[Any, bytes]:
        client = AsyncClient()
        client.handler = ASYNC_HANDLER
        arguments = {"data": json.dumps(body), "content_type": "application/json"} if method == "post" else {}
        response = await getattr(client, method)(address, headers=headers, **arguments)
        if not isinstance(response, StreamingHttpResponse):
            return response, response.content
        return response, b"".join([sent async for sent in response])

    return asyncio.run(asyncio.wait_for(main(), DEADLINE_S))


def events(sent: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Return the frames of a stream as sequence number and event; it must consist of nothing else but comments."""
    *frames, rest = sent.decode().split("\n\n")
    assert rest == ""
    found = []
    for frame in frames:
        if frame.startswith(":"):
            continue
        first, second = frame.split("\n")
        assert first.startswith("id: ")
        assert second.startswith("data: ")
        found.append((int(first.removeprefix("id: ")), json.loads(second.removeprefix("data: "))))
    return found
