"""A run as JSON for programs: the objects that the command prints and streams carry.

Percentages are percentages everywhere (12.3 is 12.3 %); what has no value is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backtests.engine import RULES
from backtests.models import Run
from backtests.runs.statistics import ResultRow, RunStatistics
from backtests.streams.fragments import elapsed_of


def result_data(row: ResultRow) -> dict[str, Any]:
    """Return one symbol's outcome; ``symbol`` is ``ticker`` and ``total_return`` is ``return_pct``."""
    known = {"symbol": row.ticker, "ticker": row.ticker, "name": row.name, "sector": row.sector}
    timing = {"sequence": row.sequence, "elapsed_ms": row.elapsed_us / 1000, "cached": False}
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


def complete_event(run: Run, rows: Sequence[ResultRow]) -> dict[str, Any]:
    """Return the event that ends a run: summary, every row and the market-wide statistics."""
    statistics = RunStatistics().add(rows)
    elapsed_s = elapsed_of(run)
    return {
        "type": "complete",
        "job_id": run.pk,
        "run": assumptions_of(run),
        "summary": {
            "total": run.n_symbols,
            "successful": statistics.n_successful,
            "failed": statistics.n_failed,
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
        "total_time": elapsed_s,
        "elapsed_time": elapsed_s,
        "stock_results": [result_data(row) for row in rows],
        "macro_statistics": statistics.market_wide(),
    }


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
