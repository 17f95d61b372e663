"""The parts of a run's page that move: the same templates for the page and for the stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.template.loader import render_to_string
from django.utils import timezone

from backtests.engine import RULES_BY_KEY
from backtests.engine.rule_text import worded
from backtests.engine.table import metrics_under
from backtests.models import Run
from backtests.runs.statistics import FIGURE_KEYS, ResultRow, RunStatistics
from backtests.streams import figures
from backtests.streams.assumptions import ALWAYS_TOLD


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
    eta = figures.duration(elapsed_s / share * (1 - share)) if elapsed_s and 0 < share < 1 else ""
    return Progress(
        n_done=n_done,
        n_symbols=run.n_symbols,
        percent=int(100 * share),
        elapsed=figures.duration(elapsed_s),
        eta=eta,
        state=run.state,
    )


def elapsed_of(run: Run) -> float | None:
    """Return the seconds since the run started, or that it took; None before it has."""
    if run.started_at is None:
        return None
    end: datetime = run.finished_at or timezone.now()
    return (end - run.started_at).total_seconds()


def tiles_of(statistics: RunStatistics) -> list[Tile]:
    """Return the headline figures of the results so far."""
    average, positive = statistics.average_return_pct, statistics.positive_pct
    return [
        Tile(
            "average",
            "Average return",
            figures.signed_pct(average),
            f"mean of {statistics.n_successful:,} symbols",
            figures.tone(average),
        ),
        Tile(
            "positive",
            "Positive",
            figures.pct(positive),
            f"{statistics.n_positive:,} of {statistics.n_successful:,} symbols",
        ),
        _extreme("best", "Best", statistics.best),
        _extreme("worst", "Worst", statistics.worst),
        Tile(
            "failed",
            "Failed",
            f"{statistics.n_failed:,}",
            "see their rows" if statistics.n_failed else "all have a result",
        ),
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure's column in the table of results. ``sort_url`` is empty while rows still arrive."""

    key: str
    label: str
    formula: str
    sort_url: str = ""
    order: str = ""


def columns_of(run: Run, *, sort: str = "") -> list[Column]:
    """Return the columns of figures; those of a finished run link to the table sorted by them, best first."""
    columns = []
    metrics = {metric.key: metric for metric in metrics_under(run.rules.get("sharpe"))}
    for key in FIGURE_KEYS:
        metric = metrics[key]
        order = {key: "ascending", f"-{key}": "descending"}.get(sort, "")
        target = key if order == "descending" else f"-{key}"
        url = f"{run.get_absolute_url()}?sort={target}" if run.is_finished else ""
        columns.append(Column(key, metric.label, metric.formula, url, order))
    return columns


def facts_of(run: Run) -> list[str]:
    """Return what a run was asked for, in words; ``rule_facts_of`` has the other rules."""
    facts = [f"{label} {value:g}" for label, value in run.labelled_parameters]
    start, end = run.start_date, run.end_date
    if start or end:
        facts.append(f"{start or 'first bar'} to {end or 'last bar'}")
    told = [(RULES_BY_KEY[key], run.rules.get(key, RULES_BY_KEY[key].default)) for key in ALWAYS_TOLD]
    money = [f"{rule.label.lower()} {worded(rule, value)}" for rule, value in told]
    return [*facts, f"{run.get_interval_display()} bars", *money]


def render_moving(run: Run, statistics: RunStatistics) -> dict[str, str]:
    """Return the HTML of every moving part by the id of its element, each on one line."""
    context: dict[str, object] = {
        "run": run,
        "progress": progress_of(run, statistics.n_done),
        "tiles": tiles_of(statistics),
    }
    parts = {
        "run-status": "backtests/_status.html",
        "run-progress": "backtests/_progress.html",
        "run-stats": "backtests/_stats.html",
    }
    if run.is_finished:
        context["columns"] = columns_of(run)
        parts["results-head"] = "backtests/_results_head.html"
    return {
        element: "".join(line.strip() for line in render_to_string(template, context).splitlines())
        for element, template in parts.items()
    }


def _extreme(key: str, label: str, row: ResultRow | None) -> Tile:
    if row is None:
        return Tile(key, label, figures.NO_VALUE)
    return Tile(key, label, figures.signed_pct(row.return_pct), row.ticker, figures.tone(row.return_pct))
