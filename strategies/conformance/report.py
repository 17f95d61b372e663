"""Examine one strategy on a market and say of each part of the contract whether it is kept.

1. ``examine`` asks what is in ``PARTS``, in that order, and returns a Finding for each.
2. What a strategy must keep on any bars is in strategies.conformance.checks, on many symbols at once in
   strategies.conformance.together; a breach names symbol, bar and value.
3. Where one breach makes what follows unreadable, the rest is not looked at and says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, Literal

import numpy as np

from strategies.bars import Bars
from strategies.base import Strategy
from strategies.conformance import checks
from strategies.conformance.declaration import check_declaration
from strategies.conformance.parameters import check_bad_values_refused, check_unknown_refused, variants
from strategies.conformance.starts import FEWEST, starts_of
from strategies.conformance.together import check_together
from strategies.errors import ContractBroken
from strategies.files import why

Verdict = Literal["pass", "warn", "fail", "skip"]
Progress = Callable[[str, int], None]

GUIDE_NS = 100.0  # nanoseconds a bar: 500 symbols of 2,500 bars take an eighth of a second on one thread
BUDGET_S = 30.0  # for one part: a slow strategy is examined on fewer symbols
TIMED_S = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the contract: what is asked, and whether a breach makes what follows unreadable."""

    key: str
    label: str
    help: str
    is_gate: bool = False


PARTS = (
    Part("declaration", "Declaration", "Key, label, parameters, signals and a docstring are declared.", True),
    Part("values", "Refuses bad values", "A value that a parameter cannot take is refused by the parameter's name."),
    Part("inputs", "Leaves bars alone", "The arrays of the bars are as they were before."),
    Part("signals", "Signals fit", "Two arrays of bool, a value for each bar, also for hardly any bars.", True),
    Part("repeatable", "Repeatable", "The same bars give the same signals, whatever was asked before.", True),
    Part("warmup", "Warm-up", "No signal stands before as many bars as warmup says have passed."),
    Part("truncated", "Look-ahead, removed", "Signals stay the same when the bars after them are removed."),
    Part("changed", "Look-ahead, changed", "Signals stay the same when the bars after them are changed."),
    Part("bounds", "Bounds", "With each parameter at its bounds signals fit and keep the warm-up."),
    Part("together", "All at once", "Of many symbols, signals_all gives for each what signals gives for it alone."),
    Part("starts", "Another first bar", "Signals do not depend on where the bars begin, at the latest after a while."),
    Part("trades", "Enters and leaves", "There are entries and exits."),
    Part("speed", "Speed", f"At most {GUIDE_NS:g} nanoseconds a bar, as a guide."),
)  # fmt: skip
ON_ANY_BARS = dict(
    zip(("inputs", "signals", "repeatable", "warmup", "truncated", "changed"), checks.CHECKS, strict=True)
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part of the contract; symbol, bar and time are those of a breach on bars."""

    part: Part
    verdict: Verdict
    found: str
    symbol: str = ""
    bar: int | None = None
    time: datetime | None = None


@dataclass
class _Examination:
    kind: type[Strategy]
    values: Mapping[str, Any]
    market: Mapping[str, Bars]
    progress: Progress

    @cached_property
    def strategy(self) -> Strategy:
        return self.kind(**self.values)

    @property
    def longest_symbol(self) -> str:
        return max(self.market, key=lambda symbol: len(self.market[symbol]))


def examine(
    kind: type[Strategy],
    market: Mapping[str, Bars],
    *,
    values: Mapping[str, Any] | None = None,
    progress: Progress = lambda _label, _n_symbols: None,
) -> list[Finding]:
    """Return a finding for each part of the contract, in the order of PARTS.

    Parameters
    ----------
    kind : type of Strategy
    market : mapping of symbol to Bars
        At least one symbol with at least one bar.
    values : mapping, optional
        Parameters to examine it with; the others have their defaults.
    progress : callable, optional
        Told the part's label and how many symbols have been looked at.
    """
    examination = _Examination(kind, values or {}, market, progress)
    findings: list[Finding] = []
    closed = ""
    for part in PARTS:
        progress(part.label, 0)
        if closed:
            finding = Finding(part, "skip", f"not looked at: {closed}")
        else:
            try:
                finding = _EXAMINERS.get(part.key, _on_any_bars)(part, examination)
            except Exception as error:  # noqa: BLE001 - whatever somebody's code raises is a finding about it
                finding = Finding(part, "fail", f"it raises {_reason(error, kind)}")
                closed = "it raises an error"
        if finding.verdict == "fail" and part.is_gate:
            closed = closed or f'"{part.label}" must pass first'
        findings.append(finding)
    return findings


def is_kept(findings: Iterable[Finding]) -> bool:
    """Whether nothing failed; a warning is for its author to judge."""
    return all(finding.verdict != "fail" for finding in findings)


def _declared(part: Part, examination: _Examination) -> Finding:
    kind = examination.kind
    try:
        check_declaration(kind)
    except ContractBroken as error:
        return Finding(part, "fail", str(error))
    if not kind.help():
        return Finding(part, "warn", "it has no docstring, so that the form can say nothing of its idea")
    n_parameters = len(kind.parameters())
    return Finding(part, "pass", f"{kind.key}: {n_parameters} parameter{'' if n_parameters == 1 else 's'}")


def _values(part: Part, examination: _Examination) -> Finding:
    try:
        check_bad_values_refused(examination.kind)
        check_unknown_refused(examination.kind)
    except ContractBroken as error:
        return Finding(part, "fail", str(error))
    return Finding(part, "pass", "each is refused by name")


def _on_any_bars(part: Part, examination: _Examination) -> Finding:
    check, began, n_bars = ON_ANY_BARS[part.key], monotonic(), 0
    for n_done, (symbol, bars) in enumerate(examination.market.items()):
        if monotonic() - began > BUDGET_S:
            n_all = len(examination.market)
            return Finding(part, "pass", f"{n_done} of {n_all} symbols, {n_bars:,} bars; the rest would take too long")
        try:
            check(examination.strategy, bars)
        except ContractBroken as error:
            return _breach(part, error, symbol, bars)
        except Exception as error:
            if part.key == "inputs":
                # Asked again with the bars as they are, it will say more.
                return Finding(part, "skip", "not looked at: it raises an error")
            raise _On(symbol, error) from error
        n_bars += len(bars)
        examination.progress(part.label, n_done + 1)
    return Finding(part, "pass", f"{_count(len(examination.market), 'symbol')}, {n_bars:,} bars")


def _bounds(part: Part, examination: _Examination) -> Finding:
    symbol = examination.longest_symbol
    bars = examination.market[symbol]
    fitting = variants(examination.kind)
    for strategy in fitting:
        values = _values_of(strategy)
        try:
            checks.check_signals_fit(strategy, bars)
            checks.check_warmup(strategy, bars)
        except ContractBroken as error:
            return _breach(part, ContractBroken(f"with {values}: {error.problem}", error.bar), symbol, bars)
        except Exception as error:  # noqa: BLE001 - the same
            found = f"with {values} on {symbol} it raises {_reason(error, examination.kind)}"
            return Finding(part, "fail", found, symbol)
    return Finding(part, "pass", f"{_count(len(fitting), 'combination')} on {symbol}")


def _together(part: Part, examination: _Examination) -> Finding:
    kind, market, began = examination.kind, examination.market, monotonic()
    if kind.signals_all is Strategy.signals_all:
        return Finding(part, "pass", "signals_all is not overridden: it asks signals for each symbol")
    n_done = n_series = 0
    asked = examination.strategy
    for strategy in (asked, *(other for other in variants(kind) if other.values != asked.values)):
        if n_done and monotonic() - began > BUDGET_S:
            break
        values = f"with {_values_of(strategy)}: " if strategy.values else ""
        try:
            n_series = check_together(strategy, market)
        except ContractBroken as error:
            found = ContractBroken(values + error.problem, error.bar)
            if not error.symbol:
                return Finding(part, "fail", found.problem)
            return _breach(part, found, error.symbol, market[error.symbol])
        except Exception as error:  # noqa: BLE001 - the same
            return Finding(part, "fail", f"{values}signals_all raises {_reason(error, kind)}")
        n_done += 1
        examination.progress(part.label, min(n_done, len(market)))
    return Finding(part, "pass", f"{n_series} series at once, {_count(n_done, 'combination')}")


def _starts(part: Part, examination: _Examination) -> Finding:
    settled: list[tuple[int, str]] = []
    judged, unsettled, began = 0, [], monotonic()
    for n_done, (symbol, bars) in enumerate(examination.market.items()):
        if monotonic() - began > BUDGET_S:
            break
        starts = starts_of(examination.strategy, bars)
        settled += [(start.settled, symbol) for start in starts]
        judged += sum(start.n_late >= FEWEST for start in starts[-1:])
        unsettled += [(symbol, start) for start in starts[-1:] if start.is_unsettled]
        examination.progress(part.label, n_done + 1)
    warmup = examination.strategy.warmup
    if not settled:
        return Finding(part, "skip", f"not looked at: a warm-up of {warmup} bars leaves too few of these")
    if judged and 2 * len(unsettled) > judged:
        symbol, start = unsettled[0]
        found = (
            f"on {symbol} {start.n_wrong} of the last {start.n_late} signals are others when the first {start.first:,} "
            "bars are left out: they depend on the bar with which the data happens to begin"
        )
        return Finding(part, "fail", found, symbol)
    settled.sort()
    (usual, _), (longest, symbol) = settled[len(settled) // 2], settled[-1]
    if longest <= warmup:
        return Finding(part, "pass", f"the same from the end of the warm-up of {_count(warmup, 'bar')} on")
    found = (
        f"the signals are the same {_count(usual, 'bar')} after the start in half of the cases, {longest:,} after it "
        f"on {symbol}, and warmup says {warmup}: right for a recursive average, which forgets its start bit by bit"
    )
    return Finding(part, "warn", found, symbol)


def _trades(part: Part, examination: _Examination) -> Finding:
    n_entries = n_exits = n_without = 0
    for bars in examination.market.values():
        signals = examination.strategy.signals(bars)
        n_entries += int(np.count_nonzero(signals.entry))
        n_exits += int(np.count_nonzero(signals.exit))
        n_without += not signals.entry.any()
    found = f"{_count(n_entries, 'entry', 'entries')}, {_count(n_exits, 'exit')}"
    if n_without:
        found += f"; {_count(n_without, 'symbol')} of {len(examination.market)} without an entry"
    return Finding(part, "pass" if n_entries and n_exits else "warn", found)


def _speed(part: Part, examination: _Examination) -> Finding:
    bars = examination.market[examination.longest_symbol]
    times: list[float] = []
    began = perf_counter()
    while not times or perf_counter() - began < TIMED_S:
        start = perf_counter()
        examination.strategy.signals(bars)
        times.append(perf_counter() - start)
    ns = min(times) / len(bars) * 1e9
    is_fast = ns <= GUIDE_NS
    found = f"{'fast' if is_fast else 'slow'}: {ns:,.0f} ns a bar on {len(bars):,} bars; the guide is {GUIDE_NS:g}"
    return Finding(part, "pass" if is_fast else "warn", found)


_EXAMINERS: dict[str, Callable[[Part, _Examination], Finding]] = {
    "declaration": _declared,
    "values": _values,
    "bounds": _bounds,
    "together": _together,
    "starts": _starts,
    "trades": _trades,
    "speed": _speed,
}


class _On(Exception):
    """An error of somebody's code, with the symbol on whose bars it was raised."""

    def __init__(self, symbol: str, error: Exception) -> None:
        super().__init__(symbol)
        self.symbol = symbol
        self.error = error


def _breach(part: Part, error: ContractBroken, symbol: str, bars: Bars) -> Finding:
    if error.bar is None:
        return Finding(part, "fail", f"on {symbol} {error.problem}", symbol)
    time = datetime.fromtimestamp(int(bars.time[error.bar]), UTC)
    is_daily = not np.any(bars.time % 86_400)
    shown = f"{time:%Y-%m-%d}" if is_daily else f"{time:%Y-%m-%d %H:%M}"
    return Finding(part, "fail", f"on {symbol} {error.problem.replace('{bar}', shown)}", symbol, error.bar, time)


def _reason(error: Exception, kind: type[Strategy]) -> str:
    raised, where = (error.error, f" on {error.symbol}") if isinstance(error, _On) else (error, "")
    source = inspect.getsourcefile(kind)
    cause = why(raised, Path(source) if source else None)
    return f"{cause.reason}{where}" + (f", in line {cause.line} of its file" if cause.line else "")


def _values_of(strategy: Strategy) -> str:
    return ", ".join(f"{key}={value:g}" for key, value in strategy.values.items())


def _count(number: int, name: str, names: str = "") -> str:
    return f"{number:,} {name if number == 1 else names or f'{name}s'}"
