"""What there is: strategies, universes, runs and results, by filter and page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from backtests.accounts.access import runs_visible_to
from backtests.api.answers import ResultPage, RunInfo, RunPage, StrategyList, UniverseList
from backtests.api.bodies import Text
from backtests.api.common import REFUSALS, answer, find_run, refuse_unknown_query
from backtests.api.tables import FORMATS, MEDIA_TYPES, SORTS, result_rows, results_of, table_of, written_table
from backtests.models import Run, Universe
from backtests.runs.offered import active_strategies
from backtests.runs.plan import stored_intervals
from backtests.runs.statistics import read_rows
from backtests.streams.events import assumptions_of, complete_event
from strategies.formula_strategies import class_or_none

router = Router(tags=["records"])

PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]
PageSize = Annotated[int, Field(ge=1, le=1000)]


IS_FILE_TOO: dict[str, Any] = {
    "responses": {
        200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()}}
    }
}


class RunFilter(Schema):
    state: Literal["queued", "running", "paused", "cancelled", "complete"] | None = None
    strategy: Text | None = Field(None, description="Key of a strategy")
    universe: Text | None = Field(None, description="Slug of a universe")
    page: PageNumber = 1
    page_size: PageSize = 50


class ResultFilter(Schema):
    sort: Literal[SORTS] = "sequence"  # type: ignore[valid-type]
    outcome: Literal["all", "successful", "failed"] = "all"
    ticker: Text | None = Field(None, description="Part of a ticker")
    sector: Text | None = None
    format: Literal[FORMATS] = Field("json", description="csv and parquet hold all pages")  # type: ignore[valid-type]
    page: PageNumber = 1
    page_size: PageSize = 100


@router.get("/strategies", response={200: StrategyList, **REFUSALS}, operation_id="strategies")
def strategies(request: HttpRequest) -> HttpResponse:
    """List the strategies that are switched on, with their parameters."""
    listed = [
        {
            "id": str(row.pk),
            "key": row.key,
            "label": row.label,
            "help": row.help,
            "is_builtin": row.is_builtin,
            "parameters": [
                {
                    "key": key,
                    "label": parameter.label,
                    "help": parameter.help,
                    "kind": parameter.kind,
                    "default": parameter.default,
                    "low": parameter.low,
                    "high": parameter.high,
                }
                for key, parameter in kind.parameters().items()
            ],
        }
        for row in active_strategies(request.user).values()
        # A formula may mean nothing to a newer version.
        if (kind := class_or_none(row)) is not None
    ]
    return answer({"strategies": listed})


@router.get("/universes", response={200: UniverseList, **REFUSALS}, operation_id="universes")
def universes(request: HttpRequest) -> HttpResponse:
    """List the universes: real ones first, then the largest."""
    counted = Universe.objects.annotate(n_symbols=Count("symbols")).order_by("is_synthetic", "-n_symbols", "name")
    listed = [
        {
            "slug": universe.slug,
            "name": universe.name,
            "market": universe.market,
            "as_of": universe.as_of.isoformat(),
            "is_synthetic": universe.is_synthetic,
            "symbols": universe.n_symbols,
            "intervals": stored_intervals(universe),
        }
        for universe in counted
    ]
    return answer({"universes": listed})


@router.get("/runs", response={200: RunPage, **REFUSALS}, operation_id="runs")
def runs(request: HttpRequest, chosen: Query[RunFilter]) -> HttpResponse:
    """List runs, newest first."""
    refuse_unknown_query(request, RunFilter)
    found = runs_visible_to(request.user)
    if chosen.state:
        found = found.filter(state=chosen.state)
    if chosen.strategy:
        found = found.filter(strategy__key=chosen.strategy)
    if chosen.universe:
        found = found.filter(universe__slug=chosen.universe)
    return answer(_page("runs", found, chosen.page, chosen.page_size, lambda part: [run_data(run) for run in part]))


@router.get("/runs/{run_id:run_id}", response={200: RunInfo, **REFUSALS}, operation_id="run")
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Return a run: what it assumes, how far it is, and the figures of all its symbols together."""
    found = find_run(request, run_id)
    event = complete_event(found, read_rows(found.pk))
    return answer({**run_data(found), "summary": event["summary"], "macro_statistics": event["macro_statistics"]})


@router.get(
    "/runs/{run_id:run_id}/results",
    response={200: ResultPage, **REFUSALS},
    openapi_extra=IS_FILE_TOO,
    operation_id="results",
)
def results(request: HttpRequest, run_id: str, chosen: Query[ResultFilter]) -> HttpResponse:
    """List a run's results with every metric; as CSV or Parquet, all pages at once."""
    refuse_unknown_query(request, ResultFilter)
    found = find_run(request, run_id)
    listed = results_of(
        found, sort=chosen.sort, outcome=chosen.outcome, ticker=chosen.ticker or "", sector=chosen.sector or ""
    )
    if chosen.format == "json":
        return answer(_page("results", listed, chosen.page, chosen.page_size, result_rows))
    response = HttpResponse(
        written_table(table_of(found, listed), chosen.format), content_type=MEDIA_TYPES[chosen.format]
    )
    response["Content-Disposition"] = f'attachment; filename="trawl-{found.pk}.{chosen.format}"'
    return response


def run_data(run: Run) -> dict[str, Any]:
    """Return a run: what it assumes and how far it is."""
    times = {name: getattr(run, name) for name in ("created_at", "started_at", "finished_at")}
    return {
        "id": run.pk,
        "job_id": run.pk,
        "state": run.state,
        **assumptions_of(run),
        "total": run.n_symbols,
        "completed": run.n_done,
        "failed": run.n_failed,
        "cached": run.n_cached,
        **{name: time.isoformat() if time else None for name, time in times.items()},
        "elapsed_time": run.elapsed_s,
    }


def _page(
    name: str, found: QuerySet[Any, Any], number: int, size: int, listed: Callable[[Any], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Return a page of a list; behind the last page there is nothing."""
    pages = Paginator(found, size)
    part = found[(number - 1) * size : number * size]
    return {"count": pages.count, "page": number, "pages": pages.num_pages, "page_size": size, name: listed(part)}
