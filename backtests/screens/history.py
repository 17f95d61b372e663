"""When a symbol matched: every stretch of bars on which a formula was true, of one symbol or of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from backtests.prices.cache import BAR_BYTES
from backtests.prices.errors import BlockDamaged
from backtests.prices.importers.rows import INTERVAL_S
from backtests.runs.errors import RequestRefused
from backtests.screens.charting import ALL_BARS, Chart, Trades, charts_of
from backtests.screens.screening import BARS_AT_ONCE, MOST_S, Failure, Match, Member, ScreenRequest, bars_of, others_of
from strategies.bars import Bars, BoolArray, FloatArray
from strategies.formula import Facts, Flat, evaluate

MOST_STRETCHES = 20
LATER_BARS = 20
# A formula that ranks symbols needs all of their bars at once.
MOST_BARS_AT_ONCE = 10_000_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars in a row on which a formula was true, and what the price did in the twenty bars after the first of them."""

    first_s: int
    last_s: int
    n_bars: int
    close: float
    later_pct: float | None


@dataclass(frozen=True, slots=True)
class History:
    """How often a symbol has matched; the newest stretches first. ``bars_ago`` is how long ago the last bar did."""

    n_bars: int
    n_matches: int
    n_stretches: int
    bars_ago: int | None
    stretches: list[Stretch]

    @property
    def share_pct(self) -> float:
        return 100.0 * self.n_matches / self.n_bars if self.n_bars else 0.0


def history_of(request: ScreenRequest, member: Member) -> History | None:
    """Return when a symbol matched on all its bars; None of a formula that compares symbols, or without bars.

    Raises BlockDamaged, and RequestRefused.
    """
    bars = bars_of([member], request, least=ALL_BARS).get(member.symbol_id)
    if request.program.compares_symbols or not request.has_condition or bars is None or not len(bars):
        return None
    facts = [Facts(member.ticker, member.sector, request.universe.market)]
    flat = Flat.of([bars], facts, interval_s=INTERVAL_S[request.interval])
    matches = evaluate(request.program, flat, others_of(request)).matches(request.condition)
    return _history(bars, matches)


def _history(bars: Bars, matches: BoolArray) -> History:
    found = _stretches(matches)
    later = _later_pct(bars.close)
    stretches = [
        Stretch(
            int(bars.time[first]),
            int(bars.time[last]),
            last - first + 1,
            float(bars.close[first]),
            None if np.isnan(later[first]) else float(later[first]),
        )
        for first, last in reversed(found[-MOST_STRETCHES:])
    ]
    ago = len(bars) - 1 - found[-1][1] if found else None
    return History(len(bars), int(matches.sum()), len(found), ago, stretches)


def _stretches(matches: BoolArray) -> list[tuple[int, int]]:
    padded = np.concatenate(([False], matches, [False]))
    begins = np.flatnonzero(padded[1:] & ~padded[:-1])
    ends = np.flatnonzero(~padded[1:] & padded[:-1]) - 1
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def _later_pct(close: FloatArray) -> FloatArray:
    """Return how far the price has come twenty bars after each; NaN where there are no twenty."""
    later = np.full(len(close), np.nan)
    later[:-LATER_BARS] = 100.0 * (close[LATER_BARS:] / close[:-LATER_BARS] - 1.0)
    return later


@dataclass(frozen=True, slots=True)
class LastMatch:
    """When one symbol of a market matched last, and how often it did."""

    ticker: str
    name: str
    sector: str
    history: History

    @property
    def last_s(self) -> int | None:
        return self.history.stretches[0].last_s if self.history.stretches else None


@dataclass(slots=True)
class MarketHistory:
    """When each symbol of a market matched last, the newest first, and what prices did afterwards.

    ``later_pct`` are the changes in the twenty bars after each first match, ``usual_pct`` those after any bar.
    """

    rows: list[LastMatch] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    later_pct: FloatArray = field(default_factory=lambda: np.empty(0))
    usual_pct: FloatArray = field(default_factory=lambda: np.empty(0))


def market_history(request: ScreenRequest, members: Sequence[Member]) -> MarketHistory:
    """Return when each symbol matched last, on all its bars up to the day asked for.

    Raises RequestRefused if the formula has no condition, names a symbol that is not there, or takes too long.
    """
    began, others, found = perf_counter(), others_of(request), MarketHistory()
    later: list[FloatArray] = []
    usual: list[FloatArray] = []
    n_bytes = sum(block.n_bars for member in members for block in member.blocks) * BAR_BYTES
    for part in _parts(request, members):
        if perf_counter() - began > MOST_S:
            raise RequestRefused("formula", f"takes longer than {MOST_S:g} s on all bars of this universe")
        series = _series_of(request, part, found, market_bytes=n_bytes)
        tested = [member for member in part if member.symbol_id in series]
        for member, bars, matches in _matches(request, tested, series, others):
            found.rows.append(LastMatch(member.ticker, member.name, member.sector, _history(bars, matches)))
            after = _later_pct(bars.close)
            usual.append(after[~np.isnan(after)])
            firsts = after[matches & ~np.concatenate(([False], matches[:-1]))]
            later.append(firsts[~np.isnan(firsts)])
    found.later_pct, found.usual_pct = (np.concatenate(each) if each else np.empty(0) for each in (later, usual))
    found.rows.sort(key=lambda row: (-(row.last_s or 0), row.ticker))
    return found


def _parts(request: ScreenRequest, members: Sequence[Member]) -> Iterator[Sequence[Member]]:
    """Yield members of so many bars as stay in a processor's cache; all at once where they are compared."""
    n_bars = sum(block.n_bars for member in members for block in member.blocks)
    if request.program.compares_symbols:
        if n_bars > MOST_BARS_AT_ONCE:
            raise RequestRefused("formula", f"ranks symbols, and these have more than {MOST_BARS_AT_ONCE:,} bars")
        yield members
        return
    size = max(1, int(BARS_AT_ONCE * len(members) / max(n_bars, 1)))
    for first in range(0, len(members), size):
        yield members[first : first + size]


def _series_of(
    request: ScreenRequest, members: Sequence[Member], found: MarketHistory, *, market_bytes: int
) -> Mapping[int, Bars]:
    """Return the bars of members that have some, and note the others."""
    series: dict[int, Bars] = {}
    try:
        series = bars_of(members, request, least=ALL_BARS, market_bytes=market_bytes)
    except BlockDamaged:
        for member in members:
            try:
                series |= bars_of([member], request, least=ALL_BARS)
            except BlockDamaged as error:
                found.failures.append(Failure(member.ticker, f"bad data: {error}"))
    failed = {failure.ticker for failure in found.failures}
    found.failures += [
        Failure(member.ticker, "no prices")
        for member in members
        if not len(series.get(member.symbol_id, ())) and member.ticker not in failed
    ]
    return {symbol_id: bars for symbol_id, bars in series.items() if len(bars)}


def _matches(
    request: ScreenRequest,
    members: Sequence[Member],
    series: Mapping[int, Bars],
    others: Mapping[str, Flat],
) -> Iterator[tuple[Member, Bars, BoolArray]]:
    if not members:
        return
    facts = [Facts(member.ticker, member.sector, request.universe.market) for member in members]
    bars = [series[member.symbol_id] for member in members]
    flat = Flat.of(bars, facts, interval_s=INTERVAL_S[request.interval])
    matches = evaluate(request.program, flat, others).matches(request.condition)
    for number, member in enumerate(members):
        yield member, bars[number], matches[flat.edges[number] : flat.edges[number + 1]]


def charts_of_symbol(
    request: ScreenRequest, member: Member, bars_count: int, trades: Trades | None = None
) -> list[Chart]:
    """Return the charts of a symbol, whether it matches or not."""
    match = Match(member.symbol_id, member.ticker, member.name, member.sector, 0, 0.0, None, ())
    return charts_of(replace(request, tickers=()), [match], bars_count=bars_count, trades=trades)
