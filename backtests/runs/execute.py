"""Execute one chunk: bars -> signals -> trades -> metrics, symbol by symbol."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtests.engine import ENGINE_VERSION, EngineError, Rules, evaluate_all
from backtests.engine.periods import bars_per_year
from backtests.models import PriceBlock, Run
from backtests.prices.cache import Series
from backtests.prices.errors import BlockDamaged
from backtests.prices.store import read_bars
from backtests.runs.request import bounds_s
from strategies.bars import Bars, FloatArray
from strategies.base import Strategy
from strategies.errors import StrategyError
from strategies.registry import get_strategy

logger = logging.getLogger(__name__)

CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything about a run that its symbols share."""

    run_id: str
    strategy: Strategy
    rules: Rules
    interval: str
    bars_per_year: float
    start_date: date | None
    end_date: date | None
    digest: bytes


class Kept(NamedTuple):
    """What is kept of one symbol: metrics in the order of METRICS, and curve and trades as they are stored."""

    metrics: FloatArray
    curve: bytes
    trades: bytes


@dataclass(frozen=True, slots=True)
class SymbolResult:
    """One symbol's outcome: metrics in the order of METRICS with curve and trades, or a reason.

    Symbols are computed several at a time: each has an equal share of that time.
    """

    symbol_id: int
    elapsed_us: int
    digest: str
    reason: str = ""
    metrics: FloatArray | None = None
    curve: bytes = b""
    trades: bytes = b""


def scan_of(run_id: str) -> Scan:
    """Return what the symbols of a stored run share."""
    return scan_from(Run.objects.select_related("strategy", "universe").get(pk=run_id))


def scan_from(run: Run) -> Scan:
    """Return what a run's symbols share."""
    strategy = get_strategy(run.strategy.key)(**run.parameters)
    rules = run.engine_rules
    shared = [
        ENGINE_VERSION,
        strategy.key,
        strategy.code_version(),
        strategy.values,
        asdict(rules),
        [run.interval, run.universe.market, str(run.start_date), str(run.end_date)],
    ]
    return Scan(
        run_id=run.pk,
        strategy=strategy,
        rules=rules,
        interval=run.interval,
        bars_per_year=bars_per_year(run.universe.market, run.interval, rules.days_a_year),
        start_date=run.start_date,
        end_date=run.end_date,
        digest=json.dumps(shared, sort_keys=True).encode(),
    )


def execute(scan: Scan, symbol_ids: Sequence[int]) -> list[SymbolResult]:
    """Return the result of every symbol, in order. A symbol's failure is its own result and stops no other."""
    series, damaged = _read(scan, symbol_ids)
    reasons = {each: damaged.get(each) or _why_not(scan, each, series.get(each)) for each in symbol_ids}
    ready = [each for each in symbol_ids if not reasons[each]]
    began = perf_counter()
    found = _evaluated(scan, ready, [series[each].bars for each in ready])
    elapsed_us = int((perf_counter() - began) * 1e6 / max(1, len(ready)))
    return [
        _result(scan, each, series.get(each), found.get(each, reasons[each]), elapsed_us if each in found else 0)
        for each in symbol_ids
    ]


def failed(symbol_ids: Sequence[int], reason: str) -> list[SymbolResult]:
    """Return the same failure for every symbol."""
    return [SymbolResult(symbol_id=symbol_id, elapsed_us=0, digest="", reason=reason) for symbol_id in symbol_ids]


def _read(scan: Scan, symbol_ids: Sequence[int]) -> tuple[dict[int, Series], dict[int, str]]:
    start_s, end_s = bounds_s(scan.start_date, scan.end_date)
    try:
        return read_bars(symbol_ids, interval=scan.interval, start_s=start_s, end_s=end_s), {}
    except BlockDamaged:
        pass
    series: dict[int, Series] = {}
    damaged: dict[int, str] = {}
    for symbol_id in symbol_ids:
        try:
            series.update(read_bars([symbol_id], interval=scan.interval, start_s=start_s, end_s=end_s))
        except BlockDamaged as error:
            damaged[symbol_id] = f"bad data: {error}"
    return series, damaged


def _evaluated(scan: Scan, symbol_ids: Sequence[int], bars: Sequence[Bars]) -> dict[int, Kept | str]:
    """Return what is kept of every symbol, or the reason why there is nothing."""
    try:
        signals = scan.strategy.signals_all(bars)
        evaluated = evaluate_all(bars, signals, scan.rules, bars_per_year=scan.bars_per_year)
        # One by one: equity in full is dropped before the next one is made.
        return {
            symbol_id: Kept(metrics, curve_of(outcome.equity, scan.rules.cash), outcome.trades.tobytes())
            for symbol_id, (outcome, metrics) in zip(symbol_ids, evaluated, strict=True)
        }
    except (StrategyError, EngineError) as error:
        if len(bars) == 1:
            return {symbol_ids[0]: f"{scan.strategy.label}: {error}"}
    except Exception as error:
        if len(bars) == 1:
            logger.exception(
                "run %s: the strategy %s failed on symbol %s", scan.run_id, scan.strategy.key, symbol_ids[0]
            )
            return {symbol_ids[0]: f"the strategy raised {type(error).__name__}: {_message(error)}"}
    # One of them has failed, and must not take the others with it.
    alone = [_evaluated(scan, [each], [own]) for each, own in zip(symbol_ids, bars, strict=True)]
    found = {each: found for part in alone for each, found in part.items()}
    if not any(isinstance(each, str) for each in found.values()):
        key = scan.strategy.key
        logger.warning("run %s: %s fails on several symbols at once, and on none alone", scan.run_id, key)
    return found


def _result(scan: Scan, symbol_id: int, series: Series | None, found: Kept | str, elapsed_us: int) -> SymbolResult:
    checksums = series.checksums if series is not None else ()
    digest = hashlib.blake2b(scan.digest + "".join(checksums).encode(), digest_size=16).hexdigest()
    if isinstance(found, str):
        return SymbolResult(symbol_id=symbol_id, elapsed_us=elapsed_us, digest=digest, reason=found)
    return SymbolResult(symbol_id=symbol_id, elapsed_us=elapsed_us, digest=digest, **found._asdict())


def _message(error: Exception) -> str:
    """Return an error's text on one line, without the characters that a database refuses."""
    text = " ".join(str(error).split())[:500]
    return "".join(character if character.isprintable() else "?" for character in text)


def least_bars(strategy: Strategy) -> int:
    """Return how many bars a strategy needs to trade once: its warm-up, the bar of a signal and that of the fill."""
    return strategy.warmup + 2


def _why_not(scan: Scan, symbol_id: int, series: Series | None) -> str:
    if series is None:
        return f"no {scan.interval} prices are stored"
    needed = least_bars(scan.strategy)
    if len(series.bars) >= needed:
        return ""
    if len(series.bars) == 0:
        blocks = PriceBlock.objects.filter(symbol_id=symbol_id, interval=scan.interval).order_by("period")
        first, last = blocks.values_list("first_time", flat=True)[0], blocks.values_list("last_time", flat=True).last()
        return f"no bars in the range; its prices go from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"too short: {len(series.bars)} bars, and this strategy needs {needed} before it can trade"


def curve_of(equity: FloatArray, cash: float) -> bytes:
    """Return equity over cash at 60 evenly spaced bars, the last one included, as little-endian float32."""
    return (equity[_curve_bars(len(equity))] / cash).astype("<f4").tobytes()


@lru_cache(maxsize=4096)
def _curve_bars(n_bars: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, n_bars - 1, CURVE_POINTS).astype(np.int64)
