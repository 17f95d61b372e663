"""Execute one chunk: what an earlier run has, and for the rest bars -> signals -> trades -> metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtests.engine import EngineError, Rules, evaluate_all
from backtests.engine.periods import bars_per_year
from backtests.models import PriceBlock, Run, Symbol
from backtests.prices.cache import BAR_BYTES, Series
from backtests.prices.errors import BlockDamaged
from backtests.prices.importers.rows import INTERVAL_S
from backtests.prices.store import Known, bytes_of, read_bars, stored_checksums
from backtests.runs.cache import (
    digest_of_scan,
    digest_of_symbol,
    earlier_results,
    has_earlier_results,
    periods_within,
)
from backtests.runs.errors import RequestRefused
from backtests.runs.market import MarketState, Names
from backtests.runs.named import bars_of_tickers
from backtests.runs.ranked import Ranks, computed_places, ranks_on, symbols_of
from backtests.runs.request import bounds_s
from strategies.bars import Bars, FloatArray, Signals
from strategies.base import Strategy
from strategies.errors import StrategyError
from strategies.formula import Facts
from strategies.formula.flat import Flat
from strategies.formula.strategy import FormulaStrategy
from strategies.formula_strategies import class_of

logger = logging.getLogger(__name__)

CURVE_POINTS = 60  # To store another number of them, or trades otherwise, raise cache.FORMAT, too.


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything about a run that its symbols share; where it was started, the state of the market at that time."""

    run_id: str
    strategy: Strategy
    rules: Rules
    interval: str
    bars_per_year: float
    start_date: date | None
    end_date: date | None
    digest: str
    may_reuse: bool
    kind: str
    market_bytes: int = 0
    market: MarketState | None = None
    ranks: Ranks = field(default_factory=Ranks, repr=False, compare=False)


class Kept(NamedTuple):
    """What is kept of one symbol: metrics in the order of METRICS, and curve and trades as they are stored."""

    metrics: FloatArray
    curve: bytes
    hold_curve: bytes
    trades: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is nothing to keep of a symbol, and whether another try must end in the same way."""

    reason: str
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class SymbolResult:
    """One symbol's outcome: metrics in the order of METRICS with curve and trades, or a reason.

    Symbols are computed several at a time: each has an equal share of that time. Without a digest the outcome may be
    another one the next time. With an ``earlier_id`` it is that of an earlier result, still to be copied.
    """

    symbol_id: int
    elapsed_us: int
    digest: str
    reason: str = ""
    metrics: FloatArray | None = None
    curve: bytes = b""
    hold_curve: bytes = b""
    trades: bytes = b""
    earlier_id: int | None = None


def scan_of(run_id: str) -> Scan:
    """Return what the symbols of a stored run share."""
    return scan_from(Run.objects.select_related("strategy", "universe").get(pk=run_id))


def scan_from(run: Run, market: MarketState | None = None) -> Scan:
    """Return what a run's symbols share."""
    strategy = class_of(run.strategy)(**run.parameters)
    rules, kind = run.engine_rules, run.universe.market
    dates = (run.start_date, run.end_date)
    # Symbols are read whole, whatever the dates.
    is_whole = market is not None and dates == (None, None)
    digest = digest_of_scan(strategy, rules, interval=run.interval, market=kind, dates=dates)
    return Scan(
        run_id=run.pk,
        strategy=strategy,
        rules=rules,
        interval=run.interval,
        bars_per_year=bars_per_year(kind, run.interval, rules.days_a_year),
        start_date=run.start_date,
        end_date=run.end_date,
        digest=digest,
        may_reuse=run.use_cache and strategy.is_of_bars_alone and has_earlier_results(digest, except_run=run.pk),
        kind=kind,
        market_bytes=BAR_BYTES * market.n_bars if market and is_whole else bytes_of(run.universe_id, run.interval),
        market=market,
    )


def execute(scan: Scan, symbol_ids: Sequence[int]) -> list[SymbolResult]:
    """Return the result of every symbol, in order. A symbol's failure is its own result and stops no other.

    Where an earlier run has the same, it is taken from there, and the bars of that symbol are not even read.
    """
    found = _earlier(scan, symbol_ids) if scan.may_reuse else {}
    found |= {each.symbol_id: each for each in _computed(scan, [each for each in symbol_ids if each not in found])}
    return [found[each] for each in symbol_ids]


def _earlier(scan: Scan, symbol_ids: Sequence[int]) -> dict[int, SymbolResult]:
    periods = periods_within(scan.interval, scan.start_date, scan.end_date)
    known = scan.market.checksums if scan.market else stored_checksums(symbol_ids, scan.interval, periods)
    checksums = {symbol_id: known[symbol_id] for symbol_id in symbol_ids if symbol_id in known}
    digests = {symbol_id: digest_of_symbol(scan.digest, own) for symbol_id, own in checksums.items()}
    earlier = earlier_results(set(digests.values()))
    return {
        symbol_id: SymbolResult(symbol_id, earlier[digest].elapsed_us, digest, earlier_id=earlier[digest].id)
        for symbol_id, digest in digests.items()
        if digest in earlier
    }


def _computed(scan: Scan, symbol_ids: Sequence[int]) -> list[SymbolResult]:
    if not symbol_ids:
        return []
    series, damaged = _read(scan, symbol_ids)
    failures = {each: damaged.get(each) or _why_not(scan, each, series.get(each)) for each in symbol_ids}
    ready = [each for each in symbol_ids if failures[each] is None]
    began = perf_counter()
    found = _evaluated(scan, ready, [series[each].bars for each in ready])
    elapsed_us = int((perf_counter() - began) * 1e6 / max(1, len(ready)))
    return [
        _result(scan, each, series.get(each), failures[each] or found[each], elapsed_us if each in found else 0)
        for each in symbol_ids
    ]


def failed(symbol_ids: Sequence[int], reason: str) -> list[SymbolResult]:
    """Return the same failure for every symbol."""
    return [SymbolResult(symbol_id=symbol_id, elapsed_us=0, digest="", reason=reason) for symbol_id in symbol_ids]


def _read(scan: Scan, symbol_ids: Sequence[int]) -> tuple[dict[int, Series], dict[int, Failure]]:
    start_s, end_s = bounds_s(scan.start_date, scan.end_date)
    periods = periods_within(scan.interval, scan.start_date, scan.end_date)
    known = Known(scan.market.checksums, periods) if scan.market else None
    read = partial(
        read_bars, interval=scan.interval, start_s=start_s, end_s=end_s, known=known, market_bytes=scan.market_bytes
    )
    try:
        return read(symbol_ids), {}
    except BlockDamaged:
        pass
    series: dict[int, Series] = {}
    damaged: dict[int, Failure] = {}
    for symbol_id in symbol_ids:
        try:
            series.update(read([symbol_id]))
        except BlockDamaged as error:
            damaged[symbol_id] = Failure(f"bad data: {error}", is_certain=False)
    return series, damaged


def _evaluated(scan: Scan, symbol_ids: Sequence[int], bars: Sequence[Bars]) -> dict[int, Kept | Failure]:
    """Return what is kept of every symbol, or the reason why there is nothing."""
    try:
        signals = _signals(scan, symbol_ids, bars)
        evaluated = evaluate_all(bars, signals, scan.rules, bars_per_year=scan.bars_per_year)
        # One by one: equity in full is dropped before the next one is made.
        return {
            symbol_id: Kept(
                metrics,
                curve_of(outcome.equity, scan.rules.cash),
                curve_of(own.close, own.close[0]),
                outcome.trades.tobytes(),
            )
            for symbol_id, own, (outcome, metrics) in zip(symbol_ids, bars, evaluated, strict=True)
        }
    except (StrategyError, EngineError, RequestRefused) as error:
        if len(bars) == 1:
            return {symbol_ids[0]: Failure(f"{scan.strategy.label}: {error}")}
    except Exception as error:
        if len(bars) == 1:
            logger.exception(
                "run %s: the strategy %s failed on symbol %s", scan.run_id, scan.strategy.key, symbol_ids[0]
            )
            reason = f"the strategy raised {type(error).__name__}: {_message(error)}"
            return {symbol_ids[0]: Failure(reason, is_certain=False)}
    # One of them has failed, and must not take the others with it.
    alone = [_evaluated(scan, [each], [own]) for each, own in zip(symbol_ids, bars, strict=True)]
    found = {each: found for part in alone for each, found in part.items()}
    if not any(isinstance(each, Failure) for each in found.values()):
        key = scan.strategy.key
        logger.warning("run %s: %s fails on several symbols at once, and on none alone", scan.run_id, key)
    return found


def _signals(scan: Scan, symbol_ids: Sequence[int], bars: Sequence[Bars]) -> list[Signals]:
    """Return what the strategy says; a formula may ask what the symbols are, and for the bars of others."""
    if not isinstance(scan.strategy, FormulaStrategy):
        return scan.strategy.signals_all(bars)
    program, others = scan.strategy.program, _others(scan)
    ranks = None
    if program.compares_symbols:
        everybody = scan.market.symbol_ids if scan.market else symbols_of(scan.run_id)
        compute = partial(computed_places, program, sorted(everybody), partial(_flat, scan), others)
        ranks = ranks_on(scan.ranks.of(compute), symbol_ids, bars)
    facts, interval_s = _facts(scan, symbol_ids), INTERVAL_S[scan.interval]
    return scan.strategy.signals_knowing(bars, facts, others, interval_s=interval_s, ranks=ranks)


def _flat(scan: Scan, symbol_ids: Sequence[int]) -> tuple[list[int], Flat]:
    """Return the bars of those of some symbols that have any, as one."""
    series, _ = _read(scan, symbol_ids)
    found = [symbol_id for symbol_id in symbol_ids if symbol_id in series]
    bars = [series[symbol_id].bars for symbol_id in found]
    return found, Flat.of(bars, _facts(scan, found), interval_s=INTERVAL_S[scan.interval])


def _facts(scan: Scan, symbol_ids: Sequence[int]) -> list[Facts]:
    named: Mapping[int, Names | Symbol] = scan.market.names if scan.market else Symbol.objects.in_bulk(list(symbol_ids))
    return [Facts(named[each].ticker, named[each].sector, scan.kind) for each in symbol_ids]


def _others(scan: Scan) -> dict[str, Flat]:
    """Return the bars of the symbols that a formula names, as many as reach into the run."""
    assert isinstance(scan.strategy, FormulaStrategy)
    _, end_s = bounds_s(None, scan.end_date)
    return bars_of_tickers(scan.strategy.program.tickers, interval=scan.interval, market=scan.kind, end_s=end_s)


def _result(scan: Scan, symbol_id: int, series: Series | None, found: Kept | Failure, elapsed_us: int) -> SymbolResult:
    checksums = series.checksums_within(periods_within(scan.interval, scan.start_date, scan.end_date)) if series else ()
    # Nothing that is kept of a result would say what else it was made of.
    digest = digest_of_symbol(scan.digest, checksums) if scan.strategy.is_of_bars_alone else ""
    if isinstance(found, Failure):
        digest = digest if found.is_certain else ""
        return SymbolResult(symbol_id=symbol_id, elapsed_us=elapsed_us, digest=digest, reason=found.reason)
    return SymbolResult(symbol_id=symbol_id, elapsed_us=elapsed_us, digest=digest, **found._asdict())


def _message(error: Exception) -> str:
    """Return an error's text on one line, without the characters that a database refuses."""
    text = " ".join(str(error).split())[:500]
    return "".join(character if character.isprintable() else "?" for character in text)


def least_bars(strategy: Strategy) -> int:
    """Return how many bars a strategy needs to trade once: its warm-up, the bar of a signal and that of the fill."""
    return strategy.warmup + 2


def _why_not(scan: Scan, symbol_id: int, series: Series | None) -> Failure | None:
    if series is None:
        return Failure(f"no {scan.interval} prices are stored")
    needed = least_bars(scan.strategy)
    if len(series.bars) >= needed:
        return None
    if len(series.bars) == 0:
        blocks = PriceBlock.objects.filter(symbol_id=symbol_id, interval=scan.interval).order_by("period")
        first, last = blocks.values_list("first_time", flat=True)[0], blocks.values_list("last_time", flat=True).last()
        return Failure(f"no bars in the range; its prices go from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return Failure(f"too short: {len(series.bars)} bars, and this strategy needs {needed} before it can trade")


def curve_of(series: FloatArray, unit: float) -> bytes:
    """Return a series in a unit, such as equity in cash, at 60 evenly spaced bars with the last, as float32 (<f4)."""
    return (series.take(_curve_bars(len(series))) / unit).astype("<f4").tobytes()


@lru_cache(maxsize=4096)
def _curve_bars(n_bars: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, n_bars - 1, CURVE_POINTS).astype(np.int64)
