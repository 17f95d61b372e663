"""Scans: start one, follow it, change its course.

Views are plain functions. What they stream is made on the event loop after they have returned, so that somebody who
waits for a run keeps nobody busy and holds no connection of the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Header, Query, Router, Schema
from pydantic import Field

from backtests.accounts.access import owner_of, sees
from backtests.api.answers import Changed, Started, Status
from backtests.api.bodies import ScanBody, checked_scan
from backtests.api.common import CONTROLS, IS_STREAM, REFUSALS, STARTS, answer, find_run, refuse_unknown_query
from backtests.models import Market, Run
from backtests.runs import control
from backtests.runs.start import start
from backtests.runs.statistics import read_rows
from backtests.streams import feed
from backtests.streams.events import result_data
from backtests.streams.tracks import ProgramTrack

router = Router(tags=["scans"])

LARGEST_SEQUENCE = 2**31 - 1


class StreamQuery(Schema):
    last_event_id: int = Field(0, ge=0, le=LARGEST_SEQUENCE, description="As the header, for EventSource")


class StatusQuery(Schema):
    after: int = Field(0, ge=0, le=LARGEST_SEQUENCE, description="Only results with a sequence number above it")


IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]


@router.post("/market-scan", response={200: dict[str, Any], **STARTS}, operation_id="scan")
def scan(request: HttpRequest, body: ScanBody, key: IdempotencyKey = None) -> StreamingHttpResponse:
    """Run a scan and answer once, when it is complete (or cancelled), with the body of that event.

    While it waits it sends a space now and then, which JSON allows before a value, so that nothing on the way gives up.
    """
    run = _start(request, body, Market.STOCKS, key)
    return StreamingHttpResponse(_last_event(run.pk), content_type="application/json")


@router.post("/market-scan/start", response={200: Started, **STARTS}, operation_id="start")
def start_scan(request: HttpRequest, body: ScanBody, key: IdempotencyKey = None) -> HttpResponse:
    """Start a scan and answer at once with its id."""
    return answer({"job_id": _start(request, body, Market.STOCKS, key).pk})


@router.post(
    "/market-scan/stream", response={200: None, **STARTS}, openapi_extra=IS_STREAM, operation_id="start_stream"
)
def start_and_stream(request: HttpRequest, body: ScanBody, key: IdempotencyKey = None) -> StreamingHttpResponse:
    """Start a scan and stream its events in the same answer."""
    return _stream(_start(request, body, Market.STOCKS, key), after=0)


@router.post(
    "/crypto/backtest/stream", response={200: None, **STARTS}, openapi_extra=IS_STREAM, operation_id="crypto_stream"
)
def start_and_stream_crypto(request: HttpRequest, body: ScanBody, key: IdempotencyKey = None) -> StreamingHttpResponse:
    """Start a scan and stream its events; where no universe is named, it is one of crypto."""
    return _stream(_start(request, body, Market.CRYPTO, key), after=0)


@router.get(
    "/market-scan/stream/{run_id:job_id}",
    response={200: None, **REFUSALS},
    openapi_extra=IS_STREAM,
    operation_id="stream",
)
def stream(
    request: HttpRequest,
    job_id: str,
    query: Query[StreamQuery],
    last_seen: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=LARGEST_SEQUENCE)] = None,
) -> StreamingHttpResponse:
    """Stream a run's events as server-sent events, from the first or after the last one seen to the end."""
    refuse_unknown_query(request, StreamQuery)
    # Of a run that is being watched the feed knows whose it is: hundreds may come at once.
    watched = feed.watched_run(job_id)
    run = watched if watched is not None and sees(request.user, watched) else find_run(request, job_id)
    return _stream(run, after=query.last_event_id if last_seen is None else last_seen)


@router.get("/market-scan/status/{run_id:job_id}", response={200: Status, **REFUSALS}, operation_id="status")
def status(request: HttpRequest, job_id: str, query: Query[StatusQuery]) -> HttpResponse:
    """Say how far a run is, with its results so far, or only those after a sequence number."""
    refuse_unknown_query(request, StatusQuery)
    run = find_run(request, job_id)
    rows = read_rows(run.pk, after=query.after)
    # The run was read first: it may have gone on since, but of what it says the rows are all there.
    done = {
        "job_id": run.pk,
        "state": run.state,
        "complete": run.is_finished,
        "progress_pct": round(100 * run.n_done / run.n_symbols, 2) if run.n_symbols else 100.0,
        "current": run.n_done,
        "total": run.n_symbols,
        "successful": run.n_done - run.n_failed,
        "failed": run.n_failed,
        "cached": run.n_cached,
        "elapsed_time": run.elapsed_s,
        "last_sequence": rows[-1].sequence if rows else query.after,
    }
    return answer({**done, "results": [result_data(row) for row in rows]})


@router.post("/market-scan/{run_id:job_id}/cancel", response={200: Changed, **CONTROLS}, operation_id="cancel")
def cancel(request: HttpRequest, job_id: str) -> HttpResponse:
    """End a run; it keeps its rows and can be resumed."""
    return _changed(control.cancel(find_run(request, job_id).pk))


@router.post("/market-scan/{run_id:job_id}/pause", response={200: Changed, **CONTROLS}, operation_id="pause")
def pause(request: HttpRequest, job_id: str) -> HttpResponse:
    """Let a run rest after the chunks that are at work."""
    return _changed(control.pause(find_run(request, job_id).pk))


@router.post("/market-scan/{run_id:job_id}/resume", response={200: Changed, **CONTROLS}, operation_id="resume")
def resume(request: HttpRequest, job_id: str) -> HttpResponse:
    """Go on with a run that is paused or cancelled."""
    return _changed(control.resume(find_run(request, job_id).pk))


@router.post("/market-scan/{run_id:job_id}/retry-failed", response={200: Changed, **CONTROLS}, operation_id="retry")
def retry_failed(request: HttpRequest, job_id: str) -> HttpResponse:
    """Compute the failed symbols of a finished run again."""
    return _changed(control.retry_failed(find_run(request, job_id).pk))


def _start(request: HttpRequest, body: ScanBody, market: Market, key: str | None) -> Run:
    checked = checked_scan(body, market=market, user=request.user)
    announce = partial(feed.expect_viewers, kind=ProgramTrack)
    return start(checked, owner=owner_of(request), token=key or "", announce=announce)


def _changed(run: Run) -> HttpResponse:
    return answer({"job_id": run.pk, "state": run.state})


def _stream(run: Run, *, after: int) -> StreamingHttpResponse:
    response = StreamingHttpResponse(feed.follow_json(run.pk, after=after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


async def _last_event(run_id: str) -> AsyncIterator[bytes]:
    """Yield spaces while a run goes on, then the JSON of the event that ends it."""
    last, pending = b"", b""
    async for sent in feed.follow_json(run_id, after=0):
        *frames, pending = (pending + sent).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b":"):
                yield b" "
            else:
                last = frame
    yield next(line for line in last.split(b"\n") if line.startswith(b"data: ")).removeprefix(b"data: ")
