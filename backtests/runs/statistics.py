"""The market-wide figures of a run, from the results so far."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backtests.models import Result

PERCENTILES = (5, 25, 50, 75, 95)

# The columns of a result that the page, the command and the statistics read, in this order.
COLUMNS = (
    "sequence",
    "symbol__ticker",
    "symbol__name",
    "symbol__sector",
    "reason",
    "elapsed_us",
    "return_pct",
    "buy_hold_return_pct",
    "trades",
    "win_rate_pct",
    "max_drawdown_pct",
    "sharpe",
    "net_profit",
    "curve",
)

# The metrics that the table of results shows, in the order of its cells.
FIGURE_KEYS = ("return_pct", "buy_hold_return_pct", "trades", "win_rate_pct", "max_drawdown_pct", "sharpe")


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result as it is shown. Figures are None where there is no value."""

    sequence: int
    ticker: str
    name: str
    sector: str
    reason: str
    elapsed_us: int
    return_pct: float | None
    buy_hold_return_pct: float | None
    trades: int | None
    win_rate_pct: float | None
    max_drawdown_pct: float | None
    sharpe: float | None
    net_profit: float | None
    curve: bytes


def read_rows(run_id: str, *, after: int = 0) -> list[ResultRow]:
    """Return a run's results with a sequence number above ``after``, in order."""
    newer = Result.objects.filter(run_id=run_id, sequence__gt=after).order_by("sequence")
    return [ResultRow(*values) for values in newer.values_list(*COLUMNS)]


def sorted_rows(rows: list[ResultRow], sort: str) -> list[ResultRow]:
    """Return rows by a figure, such as ``return_pct`` or, highest first, ``-return_pct``; those without it last.

    Anything else leaves the order of landing.
    """
    key = sort.removeprefix("-")
    if key not in FIGURE_KEYS:
        return rows
    with_value = [row for row in rows if getattr(row, key) is not None]
    without = [row for row in rows if getattr(row, key) is None]
    return [*sorted(with_value, key=lambda row: getattr(row, key), reverse=sort.startswith("-")), *without]


@dataclass(slots=True)
class RunStatistics:
    """Counts and averages over results, kept up to date as they are added."""

    n_done: int = 0
    n_failed: int = 0
    n_positive: int = 0
    n_beats_hold: int = 0
    n_trades: int = 0
    total_pnl: float = 0.0
    best: ResultRow | None = None
    worst: ResultRow | None = None
    returns: list[float] = field(default_factory=list)
    sectors: dict[str, list[float]] = field(default_factory=dict)

    def add(self, rows: Iterable[ResultRow]) -> RunStatistics:
        """Count these results in and return these statistics."""
        for row in rows:
            self.n_done += 1
            if row.return_pct is None:
                self.n_failed += 1
                continue
            self.returns.append(row.return_pct)
            self.sectors.setdefault(row.sector or "(no sector)", []).append(row.return_pct)
            self.n_positive += row.return_pct > 0
            self.n_beats_hold += row.return_pct > (row.buy_hold_return_pct or 0.0)
            self.n_trades += row.trades or 0
            self.total_pnl += row.net_profit or 0.0
            if self.best is None or row.return_pct > (self.best.return_pct or 0.0):
                self.best = row
            if self.worst is None or row.return_pct < (self.worst.return_pct or 0.0):
                self.worst = row
        return self

    @property
    def n_successful(self) -> int:
        return len(self.returns)

    @property
    def average_return_pct(self) -> float | None:
        return math.fsum(self.returns) / len(self.returns) if self.returns else None

    @property
    def median_return_pct(self) -> float | None:
        return statistics.median(self.returns) if self.returns else None

    @property
    def positive_pct(self) -> float | None:
        return 100.0 * self.n_positive / len(self.returns) if self.returns else None

    @property
    def beats_hold_pct(self) -> float | None:
        return 100.0 * self.n_beats_hold / len(self.returns) if self.returns else None

    def market_wide(self) -> dict[str, Any]:
        """Return the statistics over all symbols with a result, as plain values; None where there is none."""
        n = len(self.returns)
        percentiles = [float(value) for value in np.percentile(self.returns, PERCENTILES)] if n else [None] * 5
        return {
            "tested": n,
            "failed": self.n_failed,
            "mean_return_pct": self.average_return_pct,
            "median_return_pct": self.median_return_pct,
            "return_percentiles": dict(zip((f"p{p}" for p in PERCENTILES), percentiles, strict=True)),
            "positive_pct": self.positive_pct,
            "beats_buy_hold": self.n_beats_hold,
            "beats_buy_hold_pct": self.beats_hold_pct,
            "beats_buy_hold_p_value": binomial_p_value(self.n_beats_hold, n),
            "total_pnl": self.total_pnl,
            "average_pnl": self.total_pnl / n if n else None,
            "trades": self.n_trades,
            "winners": self.n_positive,
            "losers": sum(1 for value in self.returns if value < 0),
            "trials": self.n_done,
            "sectors": [
                {"sector": sector, "symbols": len(values), "mean_return_pct": math.fsum(values) / len(values)}
                for sector, values in sorted(self.sectors.items())
            ],
        }


def binomial_p_value(successes: int, trials: int) -> float | None:
    """Return how likely so many successes or more are by coin tosses: the one-sided binomial test against one half.

    Symbols of one market move together, so that the true probability is larger; read it as a lower bound.
    """
    if trials == 0:
        return None
    log_total = trials * math.log(2.0)
    terms = (
        math.exp(math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) - log_total)
        for k in range(successes, trials + 1)
    )
    return min(1.0, math.fsum(terms))
