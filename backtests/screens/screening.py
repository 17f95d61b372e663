"""Ask a formula of the last bar of every symbol of a market.

1. ``members_of``  the symbols of the universe and the checksums of their price blocks, in one query
2. ``bars_of``     as many bars of each as the formula reaches back, from memory or from the blocks that have them
3. ``screen``      computes the formula, some hundred symbols at a time, and keeps those that match on their last bar;
                   where it ranks symbols, the places of all are computed before
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from operator import attrgetter
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from backtests.at_once import rows_of
from backtests.models import PriceBlock, Symbol, Universe
from backtests.prices.cache import ALL_PERIODS, BAR_BYTES, Series
from backtests.prices.errors import BlockDamaged
from backtests.prices.importers.rows import INTERVAL_S
from backtests.prices.store import Known, block_periods, read_bars
from backtests.runs.errors import RequestRefused
from backtests.runs.named import bars_of_tickers
from backtests.runs.ranked import Places, computed_places, ranks_on, refuse_too_many_values
from backtests.runs.request import bounds_s
from strategies.bars import Bars
from strategies.formula import Facts, Flat, Part, Program, evaluate

# As many bars as stay in a processor's cache while a formula goes over them.
BARS_AT_ONCE = 40_000
SYMBOLS_AT_ONCE = 256
# Nobody waits longer for an answer, and no formula keeps a server busy for longer.
MOST_S = 30.0
# A symbol whose last bar is older than that of the market by more bars than this is no longer traded.
STALE_BARS = 5

_MEMBERS = f"""
    SELECT symbol.id AS symbol_id, symbol.ticker AS ticker, symbol.name AS name, symbol.sector AS sector,
        block.checksum AS checksum, block.period AS period, block.n_bars AS n_bars
    FROM {Universe.symbols.through._meta.db_table} AS member
    JOIN {Symbol._meta.db_table} AS symbol ON symbol.id = member.symbol_id
    LEFT JOIN {PriceBlock._meta.db_table} AS block ON block.symbol_id = symbol.id AND block."interval" = %s
    WHERE member.universe_id = %s {{chosen}}
    ORDER BY symbol.turnover IS NULL, symbol.turnover DESC, symbol.ticker, block.period
"""  # noqa: S608 - made of the names of tables
_COLUMNS = ("symbol_id", "ticker", "name", "sector", "checksum", "period", "n_bars")


class Block(NamedTuple):
    """What is known of a price block without reading it: the period that it begins with is a month as YYYYMM."""

    checksum: str
    period: int
    n_bars: int


@dataclass(frozen=True, slots=True)
class Member:
    """A symbol of the universe, and its price blocks, oldest first."""

    symbol_id: int
    ticker: str
    name: str
    sector: str
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class Match:
    """A symbol that matches: the values of the formula's parts on its last bar, None where one is unknown."""

    symbol_id: int
    ticker: str
    name: str
    sector: str
    time_s: int
    close: float
    change_pct: float | None
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A symbol that the formula could not be asked of, and why."""

    ticker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Screened:
    """What a screen has found. Matches stand as they were sorted; ``time_s`` is the market's last bar."""

    columns: tuple[str, ...]
    matches: list[Match]
    failures: list[Failure]
    n_symbols: int
    n_tested: int
    time_s: int | None
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class ScreenRequest:
    """What is asked: a program, of which universe, on which bars, as of which day; the last bar without one."""

    program: Program
    universe: Universe
    interval: str = "1d"
    as_of: date | None = None
    tickers: tuple[str, ...] = ()
    sort: str = ""

    @property
    def reach(self) -> float:
        """How many bars before the last one the formula looks at."""
        return self.program.reach_on(INTERVAL_S[self.interval])

    @property
    def has_condition(self) -> bool:
        """Whether it asks for a condition; a number can only be drawn."""
        program = self.program
        part = program.answer or program.sections.get("enter") or program.sections.get("short")
        return part is not None and part.kind == "condition"

    @property
    def condition(self) -> Part:
        """What a symbol has to fulfil: the formula's answer, or when its strategy enters.

        Raises RequestRefused if that is no condition.
        """
        program = self.program
        part = program.answer or program.sections.get("enter") or program.sections.get("short")
        if part is None or not self.has_condition:
            raise RequestRefused("formula", "must end in a condition, such as close > sma(close, 50)")
        return part


@dataclass(slots=True)
class _Found:
    matches: list[Match] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    last_times: dict[str, int] = field(default_factory=dict)
    n_tested: int = 0


@dataclass(slots=True)
class _Asking:
    """A screen that is being asked: what of it is the same for all parts of the market, and what has been found."""

    request: ScreenRequest
    condition: Part
    others: Mapping[str, Flat]
    market_bytes: int
    places: Places | None = None
    found: _Found = field(default_factory=_Found)
    began: float = field(default_factory=perf_counter)

    def check_time(self) -> None:
        """Raise RequestRefused if nobody would wait any longer."""
        if perf_counter() - self.began > MOST_S:
            raise RequestRefused(
                "formula", f"takes longer than {MOST_S:g} s on this universe: shorten its windows, or ask fewer symbols"
            )

    def flat_of(self, members: Sequence[Member], bars: Sequence[Bars]) -> Flat:
        market = self.request.universe.market
        facts = [Facts(member.ticker, member.sector, market) for member in members]
        return Flat.of(bars, facts, interval_s=INTERVAL_S[self.request.interval])


def members_of(universe: Universe, interval: str, tickers: Sequence[str] = ()) -> list[Member]:
    """Return the symbols of a universe, or those chosen of it, the most traded first."""
    members: dict[int, Member] = {}
    chosen = f"AND symbol.ticker IN ({', '.join(['%s'] * len(tickers))})" if tickers else ""
    rows = rows_of(_MEMBERS.format(chosen=chosen), [interval, universe.pk, *tickers], _COLUMNS)
    for symbol_id, ticker, name, sector, checksum, period, n_bars in rows:
        member = members.get(symbol_id)
        if member is None:
            member = members[symbol_id] = Member(symbol_id, ticker, name, sector, [])
        if checksum is not None:
            member.blocks.append(Block(checksum, period, n_bars))
    if not members:
        raise RequestRefused("universe", f"{universe.slug!r} has no symbols; import prices into it first")
    return list(members.values())


def screen(request: ScreenRequest, members: Sequence[Member] | None = None) -> Screened:
    """Return which symbols match on their last bar, with the values of the formula's parts.

    Whoever knows the ``members`` of the universe gives them.

    Raises
    ------
    RequestRefused
        If the formula asks for no condition, for a symbol that is not there, or for too long, or the universe is empty.
    """
    began = perf_counter()
    condition = request.condition
    members = members or members_of(request.universe, request.interval, request.tickers)
    held = _bars_held(members, request)
    asking = _Asking(request, condition, others_of(request), market_bytes=sum(held) * BAR_BYTES)
    at_once = _symbols_at_once(request)
    if request.program.compares_symbols:
        refuse_too_many_values("formula", request.program, int(sum(min(each, request.reach + 1) for each in held)))
        asking.places = _places(asking, members, at_once)
    for first in range(0, len(members), at_once):
        asking.check_time()
        _ask(asking, members[first : first + at_once])
    found = asking.found
    time_s = max(found.last_times.values(), default=None)
    matches = _current(found, time_s, request.interval)
    return Screened(
        columns=tuple(part.label for part in request.program.columns),
        matches=sorted_matches(matches, request),
        failures=found.failures,
        n_symbols=len(members),
        n_tested=found.n_tested,
        time_s=time_s,
        elapsed_ms=(perf_counter() - began) * 1000,
    )


def _symbols_at_once(request: ScreenRequest) -> int:
    reach = request.reach
    fitting = SYMBOLS_AT_ONCE if math.isinf(reach) else int(BARS_AT_ONCE / (reach + 2))
    return max(16, min(SYMBOLS_AT_ONCE, fitting))


def _places(asking: _Asking, members: Sequence[Member], at_once: int) -> Places:
    """Return the places of all members on the bars that the formula reaches back to."""
    by_id = {member.symbol_id: member for member in members}

    def flat_of(symbol_ids: Sequence[int]) -> tuple[list[int], Flat]:
        asking.check_time()
        # Whoever fails here is told of when all are asked.
        series = _series_of(
            [by_id[each] for each in symbol_ids], asking.request, _Found(), market_bytes=asking.market_bytes
        )
        found = [each for each in symbol_ids if each in series and len(series[each])]
        return found, asking.flat_of([by_id[each] for each in found], [series[each] for each in found])

    return computed_places(asking.request.program, list(by_id), flat_of, asking.others, at_once=at_once)


def _ask(asking: _Asking, members: Sequence[Member]) -> None:
    request, found = asking.request, asking.found
    series = _series_of(members, request, found, market_bytes=asking.market_bytes)
    asked, bars = [], []
    for member in members:
        own = series.get(member.symbol_id)
        if own is None or not len(own):
            if member.ticker not in {failure.ticker for failure in found.failures[-len(members) :]}:
                found.failures.append(Failure(member.ticker, _why_none(request, member)))
            continue
        asked.append(member)
        bars.append(own)
        found.last_times[member.ticker] = int(own.time[-1])
    if not asked:
        return
    flat = asking.flat_of(asked, bars)
    ranks = None if asking.places is None else ranks_on(asking.places, [each.symbol_id for each in asked], bars)
    evaluated = evaluate(request.program, flat, asking.others, ranks=ranks)
    last = flat.edges[1:] - 1
    matching = np.flatnonzero(evaluated.matches(asking.condition)[last])
    columns = [evaluated.numbers(part)[last] for part in request.program.columns]
    found.n_tested += len(asked)
    for index in matching.tolist():
        values = tuple(None if math.isnan(column[index]) else float(column[index]) for column in columns)
        found.matches.append(_match(asked[index], bars[index], values))


def _match(member: Member, bars: Bars, values: tuple[float | None, ...]) -> Match:
    close = float(bars.close[-1])
    change = 100.0 * (close / float(bars.close[-2]) - 1.0) if len(bars) > 1 else None
    return Match(member.symbol_id, member.ticker, member.name, member.sector, int(bars.time[-1]), close, change, values)


def _why_none(request: ScreenRequest, member: Member) -> str:
    if not member.blocks:
        return f"no {request.interval} prices are stored"
    return f"no bars up to {request.as_of:%Y-%m-%d}"


def _series_of(
    members: Sequence[Member], request: ScreenRequest, found: _Found, *, market_bytes: int
) -> dict[int, Bars]:
    """Return the bars that the formula needs of each member; a damaged one is a failure and stops no other."""
    try:
        return bars_of(members, request, market_bytes=market_bytes)
    except BlockDamaged:
        pass
    series: dict[int, Bars] = {}
    for member in members:
        try:
            series |= bars_of([member], request)
        except BlockDamaged as error:
            found.failures.append(Failure(member.ticker, f"bad data: {error}"))
    return series


def bars_of(
    members: Sequence[Member], request: ScreenRequest, *, least: int = 2, market_bytes: int = 0
) -> dict[int, Bars]:
    """Return the last bars of each member as of the day asked for: as many as the formula reaches back, or more.

    Only the blocks that hold them are read. Raises BlockDamaged.
    """
    _, end_s = bounds_s(None, request.as_of)
    n_bars, last_period = max(request.reach + 1, least), _last_period(request)
    needed: dict[tuple[int, int], dict[int, list[str]]] = {}
    for member in members:
        if blocks := blocks_of(member, n_bars, last_period):
            periods = (blocks[0].period if len(blocks) < len(member.blocks) else 0, last_period)
            needed.setdefault(periods, {})[member.symbol_id] = [block.checksum for block in blocks]
    series: dict[int, Series] = {}
    for periods, checksums in needed.items():
        known = Known(checksums, periods)
        series |= read_bars(
            list(checksums), interval=request.interval, end_s=end_s, known=known, market_bytes=market_bytes, whole=False
        )
    first = None if math.isinf(n_bars) else -int(n_bars)
    return {symbol_id: own.bars[first:] for symbol_id, own in series.items()}


def blocks_of(member: Member, n_bars: float, last_period: int) -> list[Block]:
    """Return the newest blocks of a member that hold so many bars up to a day in the last period, whichever it is."""
    blocks = [block for block in member.blocks if block.period <= last_period]
    n_held, first = 0, len(blocks)
    while first > 0 and n_held < n_bars:
        first -= 1
        # How many bars of the block with the day come after it, is not known.
        n_held += blocks[first].n_bars if blocks[first].period < last_period else 0
    return blocks[first:]


def _last_period(request: ScreenRequest) -> int:
    """Return the period of the day asked for, or one that is later than any block's."""
    _, end_s = bounds_s(None, request.as_of)
    return ALL_PERIODS[1] if end_s is None else int(block_periods(np.array([end_s - 1]), request.interval)[0])


def _bars_held(members: Sequence[Member], request: ScreenRequest) -> list[int]:
    """Return how many bars the blocks of each member have that hold those that the formula needs."""
    n_bars, last_period = request.reach + 1, _last_period(request)
    return [sum(block.n_bars for block in blocks_of(member, n_bars, last_period)) for member in members]


def others_of(request: ScreenRequest) -> dict[str, Flat]:
    """Return the bars of the symbols that the formula names, up to the day that it is asked of."""
    _, end_s = bounds_s(None, request.as_of)
    tickers, market = request.program.tickers, request.universe.market
    return bars_of_tickers(tickers, interval=request.interval, market=market, end_s=end_s)


def _current(found: _Found, time_s: int | None, interval: str) -> list[Match]:
    """Return the matches of symbols that still trade, and note the others as failures."""
    if time_s is None:
        return []
    oldest = time_s - STALE_BARS * INTERVAL_S[interval]
    stale = {ticker for ticker, last in found.last_times.items() if last < oldest}
    found.failures += [
        Failure(ticker, f"its last bar is of {datetime.fromtimestamp(found.last_times[ticker], UTC):%Y-%m-%d}")
        for ticker in sorted(stale)
    ]
    found.n_tested -= len(stale)
    return [match for match in found.matches if match.ticker not in stale]


def sorted_matches(matches: list[Match], request: ScreenRequest) -> list[Match]:
    """Return matches by a column, highest first if its name begins with a minus, those without a value last.

    Without a column the most traded come first. Raises RequestRefused if there is no such column.
    """
    name = request.sort.removeprefix("-")
    if not name:
        return matches
    check_sort(request)
    key = sort_keys(request.program)[name]
    known = [match for match in matches if key(match) is not None]
    unknown = [match for match in matches if key(match) is None]
    return [*sorted(known, key=key, reverse=request.sort.startswith("-")), *unknown]


def check_sort(request: ScreenRequest) -> None:
    """Raise RequestRefused if there is no column to sort by."""
    keys = sort_keys(request.program)
    if request.sort and request.sort.removeprefix("-") not in keys:
        raise RequestRefused("sort", f"{request.sort!r} is no column; there are: {', '.join(keys)}")


def sort_keys(program: Program) -> dict[str, Callable[[Match], Any]]:
    """Return what matches can be sorted by."""
    keys: dict[str, Callable[[Match], Any]] = {
        "ticker": attrgetter("ticker"),
        "close": attrgetter("close"),
        "change_pct": attrgetter("change_pct"),
    }
    for index, part in enumerate(program.columns):
        keys.setdefault(part.label, partial(_value, index))
    return keys


def _value(index: int, match: Match) -> float | None:
    return match.values[index]
