"""The charts of a screen as server-sent events, a batch at a time: HTML for the page, JSON for programs.

The number of an event is that of its batch, counted from 1: whoever comes back with ``Last-Event-ID`` gets the batch
after it. Batches are drawn in the streams' reader thread when the viewer has room for them; what was drawn is kept by
symbol (kept.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from django.template.loader import render_to_string

from backtests.models import ScreenRun
from backtests.runs.errors import RequestRefused
from backtests.screens.answers import Answer, key_of
from backtests.screens.charting import BARS_COUNT, RESOLUTIONS, Chart, chart_data, charts_of
from backtests.screens.kept import KEPT
from backtests.screens.pictures import drawn_figures
from backtests.screens.screening import Match
from backtests.streams.feed import HEARTBEAT, HEARTBEAT_S
from backtests.streams.fragments import one_line
from backtests.streams.readers import ask

logger = logging.getLogger(__name__)

STALE = "New prices have arrived since this page was made: load it again."
FAILED = "the charts cannot be drawn; the server's log says why"


async def page_events(run: ScreenRun, answer: Answer, *, after: int) -> AsyncIterator[bytes]:
    """Yield the charts of a screen's page behind a batch, the progress with each, and the end."""
    n_batches = len(answer.parts)
    try:
        for index in range(after, n_batches):
            async for part in _beating(partial(_page_batch, run, answer, index)):
                yield part
    except RequestRefused as error:
        yield _page_problem(error.problem)
    except Exception:
        logger.exception("the charts of the screen %s cannot be drawn", run.pk)
        yield _page_problem(FAILED)
    ending = _partial("#screen-feed", "outerHTML", _ENDED)
    yield f"id: {n_batches}\ndata: {ending}\n\nevent: done\ndata: done\n\n".encode()


async def stale_events() -> AsyncIterator[bytes]:
    """Say that the page is of other prices than those that there are now, and end."""
    ending = _partial("#screen-feed", "outerHTML", _ENDED)
    yield _page_problem(STALE) + f"data: {ending}\n\nevent: done\ndata: done\n\n".encode()


_ENDED = '<div id="screen-feed" data-ended></div>'


async def _beating(draw: Callable[[], bytes]) -> AsyncIterator[bytes]:
    """Yield what is drawn in the reader's thread, and signs of life while it takes long."""
    drawing = asyncio.ensure_future(ask(draw))
    while not (await asyncio.wait({drawing}, timeout=HEARTBEAT_S))[0]:
        yield HEARTBEAT
    yield drawing.result()


def _page_batch(run: ScreenRun, answer: Answer, index: int) -> bytes:
    """Return the event with the charts of a batch and the progress."""
    charts = b"".join(_figures(run, answer, answer.parts[index]))
    progress = one_line(render_to_string("screens/_chart_progress.html", progress_of(answer, index + 1)))
    # Into a place of its own: a batch that comes twice is there once.
    shown = _partial(f"#batch-{index + 1}", "innerHTML", "\0") + _partial("#chart-progress", "outerHTML", progress)
    return f"id: {index + 1}\ndata: {shown}\n\n".encode().replace(b"\0", charts, 1)


def _figures(run: ScreenRun, answer: Answer, matches: Sequence[Match]) -> list[bytes]:
    """Return the figures of some matches, drawn unless they are kept."""

    def draw(missing: Sequence[Match]) -> dict[str, tuple[bytes, bool]]:
        charts = charts_of(answer.request, missing)
        failed = {chart.ticker for chart in charts if chart.reason}
        return {ticker: (html, ticker in failed) for ticker, html in drawn_figures(charts, run_id=run.pk).items()}

    return _drawn(matches, lambda match: ("page", run.pk, answer.state, match.ticker), draw)


def _drawn(
    matches: Sequence[Match],
    key: Callable[[Match], tuple[object, ...]],
    draw: Callable[[Sequence[Match]], dict[str, tuple[bytes, bool]]],
) -> list[bytes]:
    """Return what is drawn of matches, in their order; what failed is not kept: bad data may be mended."""
    kept = {match.ticker: KEPT.get(key(match)) for match in matches}
    missing = [match for match in matches if kept[match.ticker] is None]
    made = draw(missing) if missing else {}
    for match in missing:
        content, has_failed = made[match.ticker]
        if not has_failed:
            KEPT.put(key(match), content)
    return [kept[match.ticker] or made[match.ticker][0] for match in matches]


def progress_of(answer: Answer, n_done: int) -> dict[str, Any]:
    """Return how far the charts are: 36 of 88 symbols, batch 2 of 5."""
    parts = answer.parts
    loaded = sum(len(part) for part in parts[:n_done])
    return {"loaded": loaded, "total": len(answer.screened.matches), "batch": n_done, "batches": len(parts)}


def _page_problem(told: str) -> bytes:
    problem = one_line(render_to_string("screens/_chart_problem.html", {"problem": told}))
    return f"data: {_partial('#chart-progress', 'outerHTML', problem)}\n\n".encode()


def _partial(target: str, swap: str, html: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


async def program_events(
    answer: Answer,
    *,
    after: int | None,
    name: str,
    resolutions: tuple[str, ...] = RESOLUTIONS,
    bars_count: int = BARS_COUNT,
) -> AsyncIterator[bytes]:
    """Yield the matches at once, then a batch of charts after the other, and the end, as JSON events.

    ``after`` is the number of the last event that was seen, None if none was.
    """
    told = Told(answer, resolutions, bars_count)
    if after is None:
        yield _event(0, "formula-results", results_data(answer, name, resolutions, bars_count))
    try:
        for index in range(after or 0, len(told.parts)):
            async for part in _beating(partial(told.batch, index)):
                yield part
    except RequestRefused as error:
        yield _event(len(told.parts), "error", {"error": error.problem, "fatal": True})
    except Exception:
        logger.exception("the charts of a formula cannot be drawn")
        yield _event(len(told.parts), "error", {"error": FAILED, "fatal": True})
    else:
        yield _event(len(told.parts), "complete", told.ending())


class Told:
    """What one program is told of an answer's charts."""

    def __init__(self, answer: Answer, resolutions: tuple[str, ...], bars_count: int) -> None:
        self.answer, self.parts = answer, answer.parts
        self._resolutions, self._bars_count = resolutions, bars_count
        self._began = perf_counter()
        self._n_charts = len(answer.screened.matches) * len(resolutions)
        self._failures = [{"symbol": each.ticker, "error": each.reason} for each in answer.screened.failures]

    def batch(self, index: int) -> bytes:
        """Return the event with the charts of a batch."""
        began, total = perf_counter(), self._n_charts
        charts = b",".join(self._charts(self.parts[index]))
        loaded = sum(len(part) for part in self.parts[: index + 1]) * len(self._resolutions)
        data = {
            "batchIndex": index,
            "totalBatches": len(self.parts),
            "charts": ["\0"],
            "progress": {
                "loaded": loaded,
                "total": total,
                "percentage": round(100 * loaded / total, 2),
                "batchesComplete": index + 1,
                "totalBatches": len(self.parts),
            },
            "timing": {"batch_ms": _ms(began), "elapsed_ms": _ms(self._began)},
        }
        return _event(index + 1, "chart-batch", data).replace(rb'"\u0000"', charts, 1)

    def _charts(self, matches: Sequence[Match]) -> list[bytes]:
        """Return the charts of some matches as JSON, written unless they are kept."""
        asked = (*key_of(self.answer.request)[:-1], self.answer.state, self._resolutions, self._bars_count)

        def write(missing: Sequence[Match]) -> dict[str, tuple[bytes, bool]]:
            charts = charts_of(self.answer.request, missing, resolutions=self._resolutions, bars_count=self._bars_count)
            self._failures += [{"symbol": each.ticker, "error": each.reason} for each in charts if each.reason]
            of = {match.ticker: [each for each in charts if each.ticker == match.ticker] for match in missing}
            return {ticker: (_written(own), any(each.reason for each in own)) for ticker, own in of.items()}

        return _drawn(matches, lambda match: ("program", *asked, match.ticker), write)

    def ending(self) -> dict[str, Any]:
        """Return what stands at the end."""
        screened = self.answer.screened
        return {
            "totalStocks": len(screened.matches),
            "totalCharts": self._n_charts,
            "totalBatches": len(self.parts),
            "fromCache": self.answer.is_repeated,
            "timing": {"screen_ms": round(screened.elapsed_ms, 3), "charts_ms": _ms(self._began)},
            "failures": self._failures,
        }


def _written(charts: Sequence[Chart]) -> bytes:
    return ",".join(_json(chart_data(chart)) for chart in charts).encode()


def results_data(answer: Answer, name: str, resolutions: Sequence[str], bars_count: int) -> dict[str, Any]:
    """Return what a screen has found, as programs read it."""
    screened = answer.screened
    stocks = [
        {
            "symbol": match.ticker,
            "name": match.name,
            "sector": match.sector,
            "time": match.time_s,
            "close": match.close,
            "change_pct": match.change_pct,
            "values": dict(zip(screened.columns, match.values, strict=True)),
        }
        for match in screened.matches
    ]
    return {
        "formulaName": name,
        "formula": answer.request.program.text,
        "stocks": stocks,
        "totalStocks": len(stocks),
        "tested": screened.n_tested,
        "failed": len(screened.failures),
        "asOf": screened.time_s,
        "totalCharts": len(stocks) * len(resolutions),
        "resolutions": list(resolutions),
        "barsCount": bars_count,
        "elapsed_ms": round(screened.elapsed_ms, 3),
    }


def _json(content: Any) -> str:
    return json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def _event(number: int, kind: str, data: dict[str, Any]) -> bytes:
    return f"id: {number}\ndata: {_json({'type': kind, 'data': data})}\n\n".encode()


def _ms(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)
