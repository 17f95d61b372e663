"""What the routes share: how a run is found, how an answer is written, and which refusals each may give."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Schema
from ninja.errors import HttpError

from backtests.accounts.access import runs_visible_to
from backtests.api.answers import Refusal, WrongFields
from backtests.models import Run
from backtests.runs.errors import RequestRefused

REFUSALS: dict[int, Any] = {401: Refusal, 403: Refusal, 404: Refusal, 422: WrongFields}
STARTS: dict[int, Any] = {400: Refusal, **REFUSALS, 415: Refusal, 429: Refusal}
CONTROLS: dict[int, Any] = {**REFUSALS, 409: Refusal, 415: Refusal}

# Frames of a stream, in the OpenAPI page.
_FRAME = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "data": {"type": "string", "contentMediaType": "application/json"}},
}
IS_STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Server-sent events: `id: <sequence>` and `data: <JSON object with a type>`.",
            "content": {"text/event-stream": {"schema": _FRAME}},
        }
    }
}


def find_run(request: HttpRequest, run_id: str) -> Run:
    """Return the run if the user sees it. Others' runs are as unknown as those that there are not."""
    run = runs_visible_to(request.user).filter(pk=run_id).first()
    if run is None:
        raise HttpError(404, f"there is no run {run_id!r}")
    return run


def refuse_unknown_query(request: HttpRequest, known: type[Schema]) -> None:
    """Refuse what the query must not have: a mistyped filter would quietly let everything through."""
    for name in sorted(request.GET):
        if name not in known.model_fields:
            raise RequestRefused(name, f"is unknown; known are: {', '.join(known.model_fields)}")


def answer(content: Any) -> HttpResponse:
    """Return JSON as it is: checking ten thousand rows against their declared shape would take longer than reading."""
    return HttpResponse(json.dumps(content, allow_nan=False), content_type="application/json")
