"""The market-wide figures of a run, from the results so far."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from backtests.models import Result
from backtests.runs.execute import CURVE_POINTS
from strategies.bars import FloatArray

PERCENTILES = (5, 25, 50, 75, 95)

# The columns of a result that the page, the command and the statistics read, in this order.
METRIC_COLUMNS = (
    "return_pct",
    "buy_hold_return_pct",
    "trades",
    "win_rate_pct",
    "max_drawdown_pct",
    "sharpe",
    "net_profit",
)
COLUMNS = (
    "sequence",
    "symbol__ticker",
    "symbol__name",
    "symbol__sector",
    "reason",
    "elapsed_us",
    *METRIC_COLUMNS,
    "curve",
    "is_cached",
    "hold_curve",
)

# The metrics that the table of results shows, in the order of its cells.
FIGURE_KEYS = ("return_pct", "buy_hold_return_pct", "trades", "win_rate_pct", "max_drawdown_pct", "sharpe")


class ResultRow(NamedTuple):
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
    is_cached: bool = False
    hold_curve: bytes = b""


def read_rows(run_id: str, *, after: int = 0) -> list[ResultRow]:
    """Return a run's results with a sequence number above ``after``, in order."""
    newer = Result.objects.filter(run_id=run_id, sequence__gt=after).order_by("sequence")
    return [ResultRow._make(values) for values in newer.values_list(*COLUMNS)]


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


LEADERS = 10
SLOWEST = 5
LATEST = 8
_CURVE_BYTES = 4 * CURVE_POINTS


@dataclass(slots=True)
class CurveSum:
    """The sum of curves, point by point."""

    n_curves: int = 0
    total: FloatArray = field(default_factory=lambda: np.zeros(CURVE_POINTS), compare=False)

    def add(self, curves: Iterable[bytes]) -> None:
        """Add every curve that is one: rows of a failure or of an earlier version have none."""
        whole = [curve for curve in curves if len(curve) == _CURVE_BYTES]
        if whole:
            values = np.frombuffer(b"".join(whole), dtype="<f4").reshape(len(whole), CURVE_POINTS)
            self.total += values.sum(axis=0, dtype=np.float64)
            self.n_curves += len(whole)

    @property
    def mean(self) -> FloatArray | None:
        return self.total / self.n_curves if self.n_curves else None


@dataclass(slots=True)
class RunStatistics:
    """Counts and averages over results, kept up to date as they are added.

    Adding a row costs the same however many there are already. Rows are only added: when one is taken away, because
    its symbol is tried again, new statistics are made.
    """

    n_done: int = 0
    n_failed: int = 0
    n_cached: int = 0
    n_positive: int = 0
    n_beats_hold: int = 0
    n_trades: int = 0
    total_pnl: float = 0.0
    top: list[ResultRow] = field(default_factory=list)
    bottom: list[ResultRow] = field(default_factory=list)
    slowest: list[ResultRow] = field(default_factory=list)
    latest: deque[ResultRow] = field(default_factory=lambda: deque(maxlen=LATEST))
    returns: list[float] = field(default_factory=list)
    hold_returns: list[float] = field(default_factory=list)
    sectors: dict[str, list[float]] = field(default_factory=dict)
    _curves: CurveSum = field(default_factory=CurveSum)
    _hold_curves: CurveSum = field(default_factory=CurveSum)
    _sorted: list[float] = field(default_factory=list, compare=False)

    def add(self, rows: Iterable[ResultRow]) -> RunStatistics:
        """Count these results in and return these statistics."""
        added = list(rows)
        results = [row for row in added if row.return_pct is not None]
        self.n_done += len(added)
        self.n_failed += len(added) - len(results)
        self.n_cached += sum(row.is_cached for row in added)
        self.latest.extend(added[-LATEST:])
        computed = [row for row in added if not row.is_cached and row.elapsed_us]
        # Sorting keeps the order of equal ones: the earlier stays before the later.
        self.slowest = sorted([*self.slowest, *computed], key=lambda row: -row.elapsed_us)[:SLOWEST]
        self.top = sorted([*self.top, *results], key=lambda row: -(row.return_pct or 0.0))[:LEADERS]
        self.bottom = sorted([*self.bottom, *results], key=lambda row: row.return_pct or 0.0)[:LEADERS]
        for row in results:
            self._add_result(row, row.return_pct or 0.0)
        self._curves.add([row.curve for row in results])
        self._hold_curves.add([row.hold_curve for row in results])
        return self

    def _add_result(self, row: ResultRow, return_pct: float) -> None:
        self.returns.append(return_pct)
        self.sectors.setdefault(row.sector or "(no sector)", []).append(return_pct)
        if row.buy_hold_return_pct is not None:
            self.hold_returns.append(row.buy_hold_return_pct)
        self.n_positive += return_pct > 0
        self.n_beats_hold += return_pct > (row.buy_hold_return_pct or 0.0)
        self.n_trades += row.trades or 0
        self.total_pnl += row.net_profit or 0.0

    @property
    def best(self) -> ResultRow | None:
        return self.top[0] if self.top else None

    @property
    def worst(self) -> ResultRow | None:
        return self.bottom[0] if self.bottom else None

    @property
    def n_successful(self) -> int:
        return len(self.returns)

    @property
    def sorted_returns(self) -> list[float]:
        """All returns, lowest first."""
        if len(self._sorted) < len(self.returns):
            # Nearly sorted already, which is what Python's sort is quickest at.
            self._sorted.extend(self.returns[len(self._sorted) :])
            self._sorted.sort()
        return self._sorted

    @property
    def average_return_pct(self) -> float | None:
        return math.fsum(self.returns) / len(self.returns) if self.returns else None

    @property
    def average_hold_return_pct(self) -> float | None:
        return math.fsum(self.hold_returns) / len(self.hold_returns) if self.hold_returns else None

    @property
    def median_return_pct(self) -> float | None:
        ordered = self.sorted_returns
        if not ordered:
            return None
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

    @property
    def average_curve(self) -> FloatArray | None:
        """Equity over cash of a portfolio with an equal part in every symbol, at 60 points of each one's history."""
        return self._curves.mean

    @property
    def average_hold_curve(self) -> FloatArray | None:
        """The same of holding each symbol; None where some result has none, as those of earlier versions."""
        return self._hold_curves.mean if self._hold_curves.n_curves == self._curves.n_curves else None

    @property
    def positive_pct(self) -> float | None:
        return 100.0 * self.n_positive / len(self.returns) if self.returns else None

    @property
    def beats_hold_pct(self) -> float | None:
        return 100.0 * self.n_beats_hold / len(self.returns) if self.returns else None

    @property
    def beats_hold_p_value(self) -> float | None:
        return binomial_p_value(self.n_beats_hold, len(self.returns))

    def sector_means(self) -> list[tuple[str, int, float]]:
        """Return every sector with its number of results and their mean return, by name."""
        return [(name, len(values), math.fsum(values) / len(values)) for name, values in sorted(self.sectors.items())]

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
            "beats_buy_hold_p_value": self.beats_hold_p_value,
            "total_pnl": self.total_pnl,
            "average_pnl": self.total_pnl / n if n else None,
            "trades": self.n_trades,
            "winners": self.n_positive,
            "losers": sum(1 for value in self.returns if value < 0),
            "trials": self.n_done,
            "sectors": [
                {"sector": sector, "symbols": n_symbols, "mean_return_pct": mean}
                for sector, n_symbols, mean in self.sector_means()
            ],
        }


def binomial_p_value(successes: int, trials: int) -> float | None:
    """Return how likely so many successes or more are by coin tosses: the one-sided binomial test against one half.

    Symbols of one market move together, so that the true probability is larger; read it as a lower bound.
    """
    if trials == 0:
        return None
    if 2 * successes > trials:
        return min(1.0, _upper_tail(successes, trials))
    # The coin is fair: fewer successes than this are as likely as that many failures.
    return 1.0 - _upper_tail(trials - successes + 1, trials)


def _upper_tail(successes: int, trials: int) -> float:
    """Return the probability of so many heads or more, where they are more than half: every term is below the last."""
    if successes > trials:
        return 0.0
    failures = trials - successes
    term = math.exp(
        math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(failures + 1) - trials * math.log(2.0)
    )
    terms = [term]
    for heads in range(successes, trials):
        term *= (trials - heads) / (heads + 1)
        terms.append(term)
        if term < 1e-20 * terms[0]:
            break
    return math.fsum(terms)
