"""The simulation: signals and rules in, trades and equity out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.engine.coded import CODED_IN, coded
from backtests.engine.errors import EngineError, RulesError, TooShort
from backtests.engine.general import _simulate_general
from backtests.engine.plain import _simulate_plain
from backtests.engine.rules import Rules
from backtests.engine.trades import TRADE, TRADES_OUT, Outcome, TradeArray
from strategies.bars import PRICE_FIELDS, Bars, FloatArray, Signals
from strategies.indicators import atr
from strategies.indicators.kernel import BOOL, BOOLS, F64, FLOATS, FLOATS_OUT, INTS, kernel

MIN_BARS = 2

# What the kernels read of a symbol: time, four prices, entry and exit, the same for short positions, stops and targets,
# of which there may be none, and true ranges.
SERIES = (INTS, FLOATS, FLOATS, FLOATS, FLOATS, BOOLS, BOOLS, BOOLS, BOOLS, FLOATS, FLOATS, FLOATS)
Series = tuple[npt.NDArray[Any], ...]
NO_LEVELS: FloatArray = np.zeros(0)

NO_FACTOR = math.nan


def simulate(bars: Bars, signals: Signals, rules: Rules, *, bars_per_year: float = NO_FACTOR) -> Outcome:
    """Trade the signals on the bars under the rules, which docs/rules.md explains one by one.

    Parameters
    ----------
    bars : Bars, n of them
    signals : Signals for these bars
    rules : Rules
    bars_per_year : float, optional
        The annual factor of the market and interval. Only the cost of borrowing and sizing by volatility need it.

    Raises
    ------
    TooShort
        If there are fewer than two bars: nothing could fill.
    SignalsError
        If the signals are not boolean arrays of the bars' length.
    RulesError
        If a rule needs ``bars_per_year`` and there is none.
    EngineError
        If an argument is of another kind, ``bars_per_year`` is not positive, or equity grows beyond any number.
    """
    if bars_per_year is not NO_FACTOR:
        check_annual_factor(bars_per_year)
    series = series_of(bars, signals, rules)
    _check_annual(rules, bars_per_year)
    trades, equity = np.empty(most_trades(series, rules), dtype=TRADE), np.empty(len(bars))
    known = coded(rules)
    n_trades = _simulate(*series, known.record, known.is_plain, bars_per_year, trades, equity)
    return outcome_of(trades[:n_trades], equity)


def outcome_of(trades: TradeArray, equity: FloatArray) -> Outcome:
    """Return an outcome, or raise EngineError if the prices have carried equity beyond what a number can hold."""
    if not math.isfinite(equity[-1]):
        raise too_large()
    return Outcome(trades=trades, equity=equity)


def too_large() -> EngineError:
    return EngineError("bars: equity grows beyond any number on such prices")


def check_annual_factor(bars_per_year: float) -> None:
    """Raise EngineError if the number of bars in a year is none."""
    is_number = isinstance(bars_per_year, int | float | np.integer | np.floating) and bars_per_year is not True
    if not is_number or not 0 < bars_per_year < math.inf:
        raise EngineError(f"bars_per_year must be a positive number; it is {bars_per_year!r}")


def check_kind(name: str, value: object, kind: type) -> None:
    """Raise EngineError if an argument is of another kind."""
    if not isinstance(value, kind):
        raise EngineError(f"{name} must be {kind.__name__}; it is {type(value).__name__}")


def check_inputs(bars: Bars, signals: Signals, rules: Rules) -> None:
    """Raise EngineError, TooShort or SignalsError if these are not what can be simulated."""
    if type(bars) is not Bars or type(signals) is not Signals or type(rules) is not Rules:
        check_kind("bars", bars, Bars)
        check_kind("signals", signals, Signals)
        check_kind("rules", rules, Rules)
    n = len(bars.time)
    if n < MIN_BARS:
        raise TooShort(f"a simulation needs at least {MIN_BARS} bars; there are {n}")
    # Kernels do not look where an array ends.
    if not len(bars.open) == len(bars.high) == len(bars.low) == len(bars.close) == n:
        told = ", ".join(f"{name} {len(getattr(bars, name))}" for name in PRICE_FIELDS)
        raise EngineError(f"bars: all columns must have one length; time has {n}, {told}")
    signals.checked(bars)


def series_of(bars: Bars, signals: Signals, rules: Rules) -> Series:
    """Return the checked series of one symbol that the kernels read: prices, signals, levels, average true ranges."""
    check_inputs(bars, signals, rules)
    entry, exit_ = np.ascontiguousarray(signals.entry), np.ascontiguousarray(signals.exit)
    prices = (bars.time, bars.open, bars.high, bars.low, bars.close)
    stops = NO_LEVELS if signals.stop is None else np.ascontiguousarray(signals.stop)
    targets = NO_LEVELS if signals.target is None else np.ascontiguousarray(signals.target)
    if coded(rules).is_plain:
        return (*prices, entry, exit_, exit_, entry, stops, targets, bars.close)
    short_entry = exit_ if signals.short_entry is None else np.ascontiguousarray(signals.short_entry)
    short_exit = entry if signals.short_exit is None else np.ascontiguousarray(signals.short_exit)
    ranges = atr(bars.high, bars.low, bars.close, rules.atr_bars) if rules.trailing_atr is not None else bars.close
    return (*prices, entry, exit_, short_entry, short_exit, stops, targets, ranges)


def most_trades(series: Series, rules: Rules) -> int:
    """Return how many trades there can be: each needs an entry signal of its own."""
    longs, shorts = int(np.count_nonzero(series[5])), 0
    if rules.direction != "long":
        shorts = int(np.count_nonzero(series[7]))
    return longs + shorts


def _check_annual(rules: Rules, bars_per_year: float) -> None:
    for key, needs in (
        ("borrow_pct", rules.direction != "long" and rules.borrow_pct > 0),
        ("sizing", rules.sizing == "volatility"),
    ):
        if needs and not 0 < bars_per_year < math.inf:
            raise RulesError(key, f"needs bars_per_year, the bars of a year; it is {bars_per_year!r}")


@kernel((*SERIES, CODED_IN, BOOL, F64, TRADES_OUT, FLOATS_OUT), borrows=True)
def _simulate(  # type: ignore[no-untyped-def]
    time, open_, high, low, close, entry, exit_, short_entry, short_exit, stops, targets, ranges, rules, is_plain,
    bars_a_year, trades, equity,
):  # fmt: skip
    """Fill trades and equity and return the number of trades."""
    if is_plain and len(stops) == 0 and len(targets) == 0:
        n_trades = _simulate_plain(time, open_, high, low, close, entry, exit_, rules, bars_a_year, trades, equity)
        if n_trades >= 0:
            return n_trades
    return _simulate_general(
        time, open_, high, low, close, entry, exit_, short_entry, short_exit, stops, targets, ranges, rules,
        bars_a_year, trades, equity,
    )  # fmt: skip
