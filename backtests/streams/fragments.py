"""The parts of a run's page that move: the same templates for the page and for the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.template.loader import get_template

from backtests.engine import RULES_BY_KEY
from backtests.engine.rule_text import worded
from backtests.engine.table import metrics_under
from backtests.models import Run
from backtests.runs.statistics import FIGURE_KEYS, ResultRow, RunStatistics
from backtests.streams import figures
from backtests.streams.activity import at_work, events_of, slowest_of
from backtests.streams.assumptions import ALWAYS_TOLD
from backtests.streams.charts import equity_of, histogram_of, sectors_of
from backtests.streams.rows import ROWS_A_PAGE

# Every part of the page that moves: its element's id and its template.
MOVING = {
    "run-status": "backtests/_status.html",
    "run-controls": "backtests/_controls.html",
    "run-progress": "backtests/_progress.html",
    "run-stats": "backtests/_stats.html",
    "run-equity": "backtests/_equity.html",
    "run-histogram": "backtests/_histogram.html",
    "run-sectors": "backtests/_sectors.html",
    "run-leaders": "backtests/_leaders.html",
    "run-events": "backtests/_events.html",
    "run-slow": "backtests/_slow.html",
    "results-pager": "backtests/_pager.html",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure of a run."""

    key: str
    label: str
    value: str
    note: str = ""
    tone: str = "flat"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, as text and as a share."""

    n_done: int
    n_symbols: int
    percent: int
    elapsed: str
    eta: str
    state: str


def progress_of(run: Run, n_done: int) -> Progress:
    """Return how far a run is when ``n_done`` of its results are shown."""
    share = n_done / run.n_symbols if run.n_symbols else 1.0
    elapsed_s = elapsed_of(run)
    is_resting = run.state in {Run.State.PAUSED, Run.State.CANCELLED}
    eta = figures.duration(elapsed_s / share * (1 - share)) if elapsed_s and 0 < share < 1 and not is_resting else ""
    return Progress(
        n_done=n_done,
        n_symbols=run.n_symbols,
        percent=int(100 * share),
        elapsed=figures.duration(elapsed_s),
        eta=eta,
        state=run.state,
    )


def elapsed_of(run: Run) -> float | None:
    """Return the seconds that the run has been worked on, or that it took; None before it has started."""
    return run.elapsed_s


def tiles_of(run: Run, statistics: RunStatistics, progress: Progress) -> list[Tile]:
    """Return the headline figures of the results so far."""
    average, median, positive = (
        statistics.average_return_pct, statistics.median_return_pct, statistics.positive_pct,
    )  # fmt: skip
    n, pnl = statistics.n_successful, statistics.total_pnl
    p_value = figures.p_value(statistics.beats_hold_p_value)
    speed = figures.rate(statistics.n_done, elapsed_of(run))
    return [
        Tile("average", "Average return", figures.signed_pct(average), f"mean of {n:,} symbols", figures.tone(average)),
        Tile("median", "Median return", figures.signed_pct(median), "half are above", figures.tone(median)),
        Tile("positive", "Positive", figures.pct(positive), f"{statistics.n_positive:,} of {n:,} symbols"),
        Tile("beats", "Beats buy and hold", figures.pct(statistics.beats_hold_pct), p_value),
        Tile("pnl", "Total profit", figures.money(pnl if n else None), "over all symbols", figures.tone(pnl)),
        Tile("trades", "Trades", figures.count(statistics.n_trades), _each(statistics.n_trades, n)),
        Tile("speed", "Symbols a second", speed.removesuffix("/s"), "computed or cached"),
        _time_tile(run, progress),
        Tile(
            "failed",
            "Failed",
            f"{statistics.n_failed:,}",
            "see their rows" if statistics.n_failed else "all have a result" if n else "",
        ),
        Tile("cached", "From the cache", f"{statistics.n_cached:,}", _share(statistics.n_cached, statistics.n_done)),
    ]


def _time_tile(run: Run, progress: Progress) -> Tile:
    if run.is_finished:
        return Tile("eta", "Took", progress.elapsed, "without pauses" if run.paused_s else "")
    if run.state == Run.State.PAUSED:
        return Tile("eta", "Time left", figures.NO_VALUE, "paused")
    return Tile("eta", "Time left", progress.eta or figures.NO_VALUE, "about" if progress.eta else "")


def _each(n_trades: int, n_symbols: int) -> str:
    return f"{n_trades / n_symbols:.1f} a symbol" if n_symbols else ""


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} % of them" if part else ""


@dataclass(frozen=True, slots=True)
class Leader:
    """One of the best or worst symbols."""

    ticker: str
    name: str
    value: str
    tone: str
    address: str


def _leaders(address: str, rows: list[ResultRow]) -> list[Leader]:
    return [
        Leader(
            row.ticker,
            row.name,
            figures.signed_pct(row.return_pct),
            figures.tone(row.return_pct),
            f"{address}?q={quote(row.ticker, safe='')}#rows",
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Control:
    """Something that can be done to a run as it is."""

    action: str
    label: str
    is_main: bool = False


def controls_of(run: Run) -> list[Control]:
    """Return what can be done to a run; cancelling asks first and is not among them."""
    controls = []
    if run.state in {Run.State.QUEUED, Run.State.RUNNING}:
        controls.append(Control("pause", "Pause"))
    if run.state in {Run.State.PAUSED, Run.State.CANCELLED} and run.n_done < run.n_symbols:
        controls.append(Control("resume", "Resume", is_main=True))
    if run.is_finished and run.n_failed:
        controls.append(Control("retry", f"Retry {run.n_failed:,} failed"))
    return controls


@dataclass(frozen=True, slots=True)
class Pager:
    """The pages of a table of results, with links to those beside this one."""

    first: str
    last: str
    n_rows: str
    previous: str
    next: str


def pager_of(address: str, query: Mapping[str, str], *, page: int, n_rows: int) -> Pager:
    """Return the pager of a page of rows; ``query`` is how they are sorted and filtered."""

    def to(number: int) -> str:
        return f"{address}?{urlencode({**query, 'page': str(number)})}#rows"

    first = (page - 1) * ROWS_A_PAGE
    return Pager(
        first=f"{min(first + 1, n_rows):,}",
        last=f"{min(first + ROWS_A_PAGE, n_rows):,}",
        n_rows=f"{n_rows:,}",
        previous=to(page - 1) if page > 1 else "",
        next=to(page + 1) if first + ROWS_A_PAGE < n_rows else "",
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A figure's column in the table of results, with the address of the table sorted by it."""

    key: str
    label: str
    formula: str
    sort_url: str = ""
    order: str = ""


def columns_of(run: Run, *, sort: str = "", query: Mapping[str, str] | None = None) -> list[Column]:
    """Return the columns of figures; each links to the table sorted by it, best first, and filtered as it is."""
    columns = []
    metrics = {metric.key: metric for metric in metrics_under(run.rules.get("sharpe"))}
    for key in FIGURE_KEYS:
        metric = metrics[key]
        order = {key: "ascending", f"-{key}": "descending"}.get(sort, "")
        target = key if order == "descending" else f"-{key}"
        url = f"{run.get_absolute_url()}?{urlencode({**(query or {}), 'sort': target})}"
        columns.append(Column(key, metric.label, metric.formula, url, order))
    return columns


def facts_of(run: Run) -> list[str]:
    """Return what a run was asked for, in words; ``rule_facts_of`` has the other rules."""
    facts = [f"{label} {figures.parameter(value)}" for label, value in run.labelled_parameters]
    start, end = run.start_date, run.end_date
    if start or end:
        facts.append(f"{start or 'first bar'} to {end or 'last bar'}")
    told = [(RULES_BY_KEY[key], run.rules.get(key, RULES_BY_KEY[key].default)) for key in ALWAYS_TOLD]
    money = [f"{rule.label.lower()} {worded(rule, value)}" for rule, value in told]
    return [*facts, f"{run.get_interval_display()} bars", *money]


def moving_parts(run: Run, statistics: RunStatistics) -> dict[str, object]:
    """Return what the templates of the moving parts draw."""
    progress, address = progress_of(run, statistics.n_done), run.get_absolute_url()
    return {
        "run": run,
        "progress": progress,
        "tiles": tiles_of(run, statistics, progress),
        "controls": controls_of(run),
        "equity": equity_of(statistics),
        "histogram": histogram_of(statistics),
        "sectors": sectors_of(statistics),
        "top": _leaders(address, statistics.top),
        "bottom": _leaders(address, statistics.bottom),
        "events": events_of(run, statistics),
        "slowest": slowest_of(statistics),
        "at_work": at_work(run),
        "pager": pager_of(address, {}, page=1, n_rows=statistics.n_done),
    }


def render_moving(run: Run, statistics: RunStatistics) -> dict[str, str]:
    """Return the HTML of every moving part by the id of its element, each on one line."""
    context = moving_parts(run, statistics)
    return {element: one_line(get_template(template).render(context)) for element, template in MOVING.items()}


def one_line(html: str) -> str:
    """Return HTML without the line breaks and the indentation of its template, which would end a stream's line."""
    return "".join(line.strip() for line in html.splitlines())
