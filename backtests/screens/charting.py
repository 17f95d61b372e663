"""The charts of a screen's matches: candles with what the formula says of them, in batches.

A screen of daily bars has weekly and daily charts, one of shorter bars daily ones and its own, one of weekly bars only
these. Programs choose among the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from backtests.models import Interval
from backtests.prices.errors import BlockDamaged
from backtests.prices.importers.rows import INTERVAL_S
from backtests.runs.errors import RequestRefused
from backtests.screens.candles import Candles
from backtests.screens.overlays import lines_of
from backtests.screens.screening import Match, Member, ScreenRequest, bars_of, members_of, others_of
from strategies.bars import Bars, BoolArray, FloatArray, IntArray
from strategies.formula import Evaluated, Facts, Flat, evaluate
from strategies.formula.program import DAY_S

# Those that have names of their own; every other one is the interval of the screen's bars.
RESOLUTIONS = ("1W", "1D")
WEEK_S = 7 * DAY_S
SYMBOLS_A_BATCH = 18
BARS_COUNT = 300
MOST_BARS_COUNT = 1000
# More bars than a symbol has.
ALL_BARS = 2**31


@dataclass(frozen=True, slots=True)
class Trades:
    """When a run has entered a symbol and left it, in seconds UTC; they are drawn instead of what the formula says."""

    entry_times: IntArray
    exit_times: IntArray


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart, or the reason why there is none."""

    ticker: str
    name: str
    resolution: str
    candles: Candles | None
    reason: str = ""


def batches_of(matches: Sequence[Match]) -> list[Sequence[Match]]:
    """Return the matches in batches, in their order."""
    return [matches[first : first + SYMBOLS_A_BATCH] for first in range(0, len(matches), SYMBOLS_A_BATCH)]


def resolutions_of(interval: str) -> tuple[str, ...]:
    """Return the resolutions of a page's charts, the longer one first."""
    seconds = INTERVAL_S[interval]
    if seconds >= WEEK_S:
        return ("1W",)
    return RESOLUTIONS if seconds == DAY_S else ("1D", interval)


def title_of(resolution: str) -> str:
    """Return what the candles of a resolution are called."""
    titles = {"1W": "weekly", "1D": "daily", "1h": "hourly"}
    return titles.get(resolution) or str(Interval(resolution).label).removesuffix("s").replace(" ", "-")


def charts_of(
    request: ScreenRequest,
    matches: Sequence[Match],
    *,
    resolutions: Sequence[str] | None = None,
    bars_count: int = BARS_COUNT,
    trades: Trades | None = None,
) -> list[Chart]:
    """Return the charts of some matches, in their order; a symbol that fails has a reason in the place of each."""
    series = _series_of(request, matches)
    others = others_of(request)
    drawn: list[Chart] = []
    for match in matches:
        own = series.get(match.ticker, "the symbol is gone")
        shown = own if isinstance(own, str) else _shown(request, match, own, others, trades=trades)
        for resolution in resolutions or resolutions_of(request.interval):
            candles = shown if isinstance(shown, str) else _candles(shown, resolution, bars_count)
            if isinstance(candles, str):
                drawn.append(Chart(match.ticker, match.name, resolution, None, candles))
            else:
                drawn.append(Chart(match.ticker, match.name, resolution, candles))
    return drawn


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a symbol's charts are made of: its bars, and what the formula says on each of them."""

    flat: Flat
    lines: list[FloatArray]
    panes: list[FloatArray]
    flags: dict[str, BoolArray]


def _shown(
    request: ScreenRequest, match: Match, bars: Bars, others: Mapping[str, Flat], *, trades: Trades | None
) -> _Shown:
    facts = [Facts(match.ticker, match.sector, request.universe.market)]
    flat = Flat.of([bars], facts, interval_s=INTERVAL_S[request.interval])
    evaluated, lines = evaluate(request.program, flat, others), lines_of(request.program)
    return _Shown(
        flat,
        [evaluated.numbers(part) for part in lines.prices],
        [evaluated.numbers(part) for part in lines.others],
        _flags_of(flat, trades) if trades is not None else _matching(request, match, evaluated, flat),
    )


def _matching(request: ScreenRequest, match: Match, evaluated: Evaluated, flat: Flat) -> dict[str, BoolArray]:
    if not request.has_condition:
        return {}
    # Of earlier days one symbol alone cannot tell what compares it with others.
    if request.program.compares_symbols:
        return {"marks": flat.time == match.time_s}
    return {"marks": evaluated.matches(request.condition)}


def _flags_of(flat: Flat, trades: Trades) -> dict[str, BoolArray]:
    return {"entries": np.isin(flat.time, trades.entry_times), "exits": np.isin(flat.time, trades.exit_times)}


def _series_of(request: ScreenRequest, matches: Sequence[Match]) -> dict[str, Bars | str]:
    """Return the bars of each symbol by ticker, or why there are none: read together, or alone if some are damaged."""
    try:
        members = members_of(request.universe, request.interval, [match.ticker for match in matches])
    except RequestRefused:
        return {}
    try:
        found = bars_of(members, request, least=ALL_BARS)
    except BlockDamaged:
        return {member.ticker: _bars_or_reason(member, request) for member in members}
    return {member.ticker: _or_reason(found.get(member.symbol_id)) for member in members}


def _bars_or_reason(member: Member, request: ScreenRequest) -> Bars | str:
    try:
        return _or_reason(bars_of([member], request, least=ALL_BARS).get(member.symbol_id))
    except BlockDamaged as error:
        return f"bad data: {error}"


def _or_reason(bars: Bars | None) -> Bars | str:
    return bars if bars is not None and len(bars) else "its prices are gone"


def _candles(shown: _Shown, resolution: str, bars_count: int) -> Candles | str:
    """Return the last candles of a resolution, or why there are none."""
    flat, lines, panes, flags = shown.flat, shown.lines, shown.panes, shown.flags
    if resolution == "1D" and flat.interval_s > DAY_S:
        return "its bars are longer than a day"
    begins = _begins(flat, resolution)
    if begins is not None:
        ends = np.concatenate((begins[1:], [len(flat)])) - 1
        flat = replace(flat, time=flat.time[begins], columns=_gathered(flat.columns, begins, ends))
        lines, panes = [line[ends] for line in lines], [line[ends] for line in panes]
        flags = {name: np.logical_or.reduceat(flag, begins) for name, flag in flags.items()}
    part = slice(-bars_count, None)
    # Copies: a part of an array would keep the whole of it in memory.
    kept = {name: flag[part].copy() for name, flag in flags.items()}
    columns = {name: column[part].copy() for name, column in flat.columns.items()}
    return Candles(
        time=flat.time[part].copy(),
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns["volume"],
        overlays=tuple(line[part].copy() for line in lines),
        panes=tuple(line[part].copy() for line in panes),
        marks=kept.get("marks"),
        entries=kept.get("entries"),
        exits=kept.get("exits"),
    )


def _begins(flat: Flat, resolution: str) -> IntArray | None:
    """Return where each longer bar begins; None if the bars are of this resolution themselves."""
    if resolution == "1W" and flat.interval_s < WEEK_S:
        weeks, _ = flat.outer("weekly")
        return np.searchsorted(flat.time, weeks.time)
    if resolution == "1D" and flat.interval_s < DAY_S:
        day = flat.time // DAY_S
        return np.concatenate(([0], np.flatnonzero(day[1:] != day[:-1]) + 1))
    return None


def _gathered(columns: Mapping[str, FloatArray], begins: IntArray, ends: IntArray) -> dict[str, FloatArray]:
    return {
        "open": columns["open"][begins],
        "high": np.maximum.reduceat(columns["high"], begins),
        "low": np.minimum.reduceat(columns["low"], begins),
        "close": columns["close"][ends],
        "volume": np.add.reduceat(columns["volume"], begins),
    }


def chart_data(chart: Chart) -> dict[str, Any]:
    """Return a chart as programs read it: bars of [time, open, high, low, close, volume], time in seconds UTC."""
    if chart.candles is None:
        return {"symbol": chart.ticker, "resolution": chart.resolution, "bars": [], "error": chart.reason}
    columns = [getattr(chart.candles, name).tolist() for name in ("time", "open", "high", "low", "close", "volume")]
    return {
        "symbol": chart.ticker,
        "resolution": chart.resolution,
        "bars": [list(bar) for bar in zip(*columns, strict=True)],
    }


def day_of(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"


def moment_of(time_s: int, interval_s: int) -> str:
    """Return the time of a bar: its day, and of bars shorter than one the time of the day, too."""
    return day_of(time_s) if interval_s >= DAY_S else f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M}"
