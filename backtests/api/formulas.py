"""Formulas: the matches of a market at once, then their charts in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Header, Query, Router, Schema
from pydantic import ConfigDict, Field, StrictInt

from backtests.api.bodies import Day, Number, Text, Tickers, default_universe
from backtests.api.common import IS_STREAM, REFUSALS, STARTS, refuse_unknown_query
from backtests.models import Market
from backtests.runs.errors import RequestRefused
from backtests.screens.answers import ANSWERS
from backtests.screens.asking import Asked, checked_screen
from backtests.screens.charting import BARS_COUNT, MOST_BARS_COUNT, RESOLUTIONS, resolutions_of
from backtests.screens.stream import program_events
from strategies.formula.limits import LONGEST_TEXT

router = Router(tags=["formulas"])

LARGEST_BATCH = 2**20
# Every character may take twelve in an address.
LONGEST_IN_ADDRESS = 900

Formula = Annotated[
    str, Field(max_length=LONGEST_TEXT, description="A formula, or the name of a saved screen or one of the library.")
]
BarsCount = Annotated[StrictInt, Field(ge=1, le=MOST_BARS_COUNT, description="Bars of each chart.")]


class FormulaBody(Schema):
    """One screen: everything but the formula has a default."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"formula": "High Volume Breakout"}]})

    formula: Formula
    universe: Text | None = Field(None, description="Slug of a universe; without it, the largest real one of stocks.")
    symbols: Tickers = Field(default_factory=list, description="Tickers to ask; without them, the whole universe.")
    as_of: Day = Field(None, description="The last day that counts; without it, the last bar.")
    interval: Text = Field("1d", description="Length of a bar.")
    values: dict[Text, Number] = Field(default_factory=dict, description="Values of the formula's parameters.")
    resolutions: list[Text] = Field(
        list(RESOLUTIONS),
        max_length=4,
        description="Charts of each match: 1W, 1D; of shorter bars their interval, too.",
    )
    bars_count: BarsCount = BARS_COUNT
    sort: Text = Field("", description="A column; highest first with a minus before it. Without it, the most traded.")


class FormulaQuery(Schema):
    """The same in an address, for EventSource. A server takes addresses of 16 KiB: longer formulas are posted."""

    formula: str = Field(max_length=LONGEST_IN_ADDRESS, description="A formula, or the name of a screen.")
    universe: str | None = Field(None, max_length=60)
    symbols: str = Field("", max_length=200, description="Tickers by comma.")
    as_of: Day = None
    interval: str = Field("1d", max_length=10)
    resolutions: str = Field(",".join(RESOLUTIONS), max_length=40, description="By comma.")
    bars_count: int = Field(BARS_COUNT, ge=1, le=MOST_BARS_COUNT)
    sort: str = Field("", max_length=80)
    last_event_id: int | None = Field(None, ge=0, le=LARGEST_BATCH, description="As the header, for EventSource")


LastSeen = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=LARGEST_BATCH)]


@router.post(
    "/formula-results-with-charts",
    response={200: None, **STARTS},
    openapi_extra=IS_STREAM,
    operation_id="formula_results_with_charts",
)
def formula_results(request: HttpRequest, question: FormulaBody, last_seen: LastSeen = None) -> StreamingHttpResponse:
    """Answer with the symbols that match, then stream their charts in batches."""
    universe = question.universe if question.universe is not None else default_universe(Market.STOCKS, question.symbols)
    asked = Asked(
        question.formula,
        universe,
        question.interval,
        question.as_of,
        tuple(question.symbols),
        question.values,
        question.sort,
    )
    return _stream(request, asked, question.resolutions, question.bars_count, after=last_seen)


@router.get(
    "/formula-results-with-charts",
    response={200: None, **REFUSALS},
    openapi_extra=IS_STREAM,
    operation_id="formula_results_with_charts_by_address",
)
def formula_results_by_address(
    request: HttpRequest, query: Query[FormulaQuery], last_seen: LastSeen = None
) -> StreamingHttpResponse:
    """Do the same, asked by an address, for the browser's EventSource."""
    refuse_unknown_query(request, FormulaQuery)
    symbols = [part.strip() for part in query.symbols.split(",") if part.strip()]
    universe = query.universe if query.universe is not None else default_universe(Market.STOCKS, symbols)
    asked = Asked(query.formula, universe, query.interval, query.as_of, tuple(symbols), None, query.sort)
    resolutions = [part.strip() for part in query.resolutions.split(",")]
    after = query.last_event_id if last_seen is None else last_seen
    return _stream(request, asked, resolutions, query.bars_count, after=after)


def _resolutions(asked: Sequence[str], interval: str) -> tuple[str, ...]:
    known = dict.fromkeys((*RESOLUTIONS, *resolutions_of(interval)))
    unknown = [each for each in asked if each not in known]
    if unknown or not asked:
        raise RequestRefused("resolutions", f"must be some of {', '.join(known)}; they are {list(asked)}")
    return tuple(each for each in known if each in asked)


def _stream(
    request: HttpRequest, asked: Asked, wanted: Sequence[str], bars_count: int, *, after: int | None
) -> StreamingHttpResponse:
    checked, name = checked_screen(asked, request.user)
    resolutions = _resolutions(wanted, asked.interval)
    answer = ANSWERS.of(checked)
    events: Any = program_events(answer, after=after, name=name, resolutions=resolutions, bars_count=bars_count)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response
