"""A run as JSON for programs: the objects that the command prints and streams carry.

Percentages are percentages everywhere (12.3 is 12.3 %); what has no value is null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from backtests.engine import RULES
from backtests.models import Run
from backtests.runs.statistics import ResultRow, RunStatistics

_as_text = json.JSONEncoder(allow_nan=False).encode


class RowText(NamedTuple):
    """One result as text: the beginning of its event, and its data, which the event that ends the run repeats."""

    head: str
    data: str


def result_data(row: ResultRow) -> dict[str, Any]:
    """Return one symbol's outcome; ``symbol`` is ``ticker`` and ``total_return`` is ``return_pct``."""
    known = {"symbol": row.ticker, "ticker": row.ticker, "name": row.name, "sector": row.sector}
    timing = {"sequence": row.sequence, "elapsed_ms": row.elapsed_us / 1000, "cached": row.is_cached}
    if row.return_pct is None:
        return {**known, **timing, "error": row.reason}
    return {
        **known,
        **timing,
        "total_return": row.return_pct,
        "return_pct": row.return_pct,
        "buy_hold_return": row.buy_hold_return_pct,
        "pnl": row.net_profit,
        "total_trades": row.trades,
        "win_rate": row.win_rate_pct,
        "max_drawdown": row.max_drawdown_pct,
        "sharpe": row.sharpe,
    }


def as_text(event: dict[str, Any]) -> str:
    """Return JSON on one line; what JSON does not have, such as NaN, is an error."""
    return _as_text(event)


def row_text(row: ResultRow) -> RowText:
    """Return one result as text, to be made into events without looking at it again."""
    data = as_text(result_data(row))
    if row.return_pct is not None:
        return RowText('{"type": "result"', data)
    error = as_text({"type": "error", "symbol": row.ticker, "ticker": row.ticker, "error": row.reason})
    return RowText(error[:-1], data)


def row_event_text(row: RowText, n_done: int, total: int) -> str:
    """Return the event of a row, the ``n_done``-th of a run: a result, or the error of a symbol that failed."""
    percent = percent_of(n_done, total)
    progress = f'"progress": {{"completed": {n_done}, "total": {total}, "percent": {percent}}}'
    return f'{row.head}, "data": {row.data}, {progress}, "current": {n_done}, "total": {total}}}'


def start_event(run: Run) -> dict[str, Any]:
    """Return the event that opens a stream."""
    message = f"{run.strategy} on {run.universe}: {run.n_symbols:,} symbols"
    return {
        "type": "start",
        "job_id": run.pk,
        "total": run.n_symbols,
        "total_stocks": run.n_symbols,
        "message": message,
    }


def progress_event(run: Run, statistics: RunStatistics) -> dict[str, Any]:
    """Return how far a run is, and how long the rest will take at the pace so far."""
    elapsed_s, n_done = run.elapsed_s, statistics.n_done
    left = max(0, run.n_symbols - n_done)
    latest = statistics.latest[-1] if statistics.latest else None
    return {
        "type": "progress",
        "state": run.state,
        "current": n_done,
        "total": run.n_symbols,
        "progress_pct": percent_of(n_done, run.n_symbols),
        "ticker": latest.ticker if latest else None,
        "stock_time": latest.elapsed_us / 1e6 if latest else None,
        "elapsed_time": elapsed_s,
        "eta_seconds": 0.0 if not left else elapsed_s / n_done * left if elapsed_s is not None and n_done else None,
        "successful": statistics.n_successful,
        "failed": statistics.n_failed,
        "current_pnl": statistics.total_pnl,
    }


def fatal_event(error: str) -> dict[str, Any]:
    """Return the event of a run that cannot go on."""
    return {"type": "error", "fatal": True, "error": error}


def complete_event(run: Run, rows: Sequence[ResultRow]) -> dict[str, Any]:
    """Return the event that ends a run: summary, every row and the market-wide statistics."""
    rows_data = [result_data(row) for row in rows]
    return {**_ending(run, RunStatistics().add(rows)), "stock_results": rows_data}


def ending_text(run: Run, statistics: RunStatistics, rows: Sequence[RowText]) -> str:
    """Return the same event as text, from rows that are text already."""
    return f'{as_text(_ending(run, statistics))[:-1]}, "stock_results": [{", ".join(row.data for row in rows)}]}}'


def _ending(run: Run, statistics: RunStatistics) -> dict[str, Any]:
    return {
        "type": "cancelled" if run.state == Run.State.CANCELLED else "complete",
        "job_id": run.pk,
        "run": assumptions_of(run),
        "summary": {
            "total": run.n_symbols,
            "successful": statistics.n_successful,
            "failed": statistics.n_failed,
            "cached": statistics.n_cached,
            "avg_return": statistics.average_return_pct,
            "median_return": statistics.median_return_pct,
            "positive": statistics.n_positive,
            "best": _extreme(statistics.best),
            "worst": _extreme(statistics.worst),
        },
        "total_stocks": run.n_symbols,
        "successful": statistics.n_successful,
        "failed": statistics.n_failed,
        "total_pnl": statistics.total_pnl,
        "total_time": run.elapsed_s,
        "elapsed_time": run.elapsed_s,
        "macro_statistics": statistics.market_wide(),
    }


def percent_of(n_done: int, total: int) -> float:
    """Return how far a run is, in percent; one without symbols is whole."""
    return round(100.0 * n_done / total, 2) if total else 100.0


def assumptions_of(run: Run) -> dict[str, Any]:
    """Return everything that a run assumes; a rule that is off is null."""
    return {
        "strategy": run.strategy.key,
        "parameters": run.ordered_parameters,
        "universe": run.universe.slug,
        "is_synthetic": run.universe.is_synthetic,
        "interval": run.interval,
        "start_date": run.start_date.isoformat() if run.start_date else None,
        "end_date": run.end_date.isoformat() if run.end_date else None,
        "preset": run.preset,
        "rules": {**{rule.key: rule.default for rule in RULES}, **run.rules},
        "engine_version": run.engine_version,
    }


def _extreme(row: ResultRow | None) -> dict[str, Any] | None:
    return None if row is None else {"symbol": row.ticker, "return_pct": row.return_pct}
