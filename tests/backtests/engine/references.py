"""Signals, bars and rules to test the engine with: a few by hand, and random ones that reach all of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from backtests.engine.coded import coded
from backtests.engine.rules import RULES, Rules
from backtests.engine.trades import EXIT_REASONS, TRADE, Outcome
from strategies.bars import Bars, FloatArray, Signals
from tests.builders import DAY_S, MONDAY_S, make_bars

# A compile or a busy machine is no failure, and a finding belongs in a test, not in a file beside the code.
examples = settings(deadline=None, database=None, max_examples=150)

Flags = Sequence[Any] | None


def make_signals(
    entry: Sequence[Any],
    exit: Sequence[Any],  # noqa: A002 - the trade's own word
    short_entry: Flags = None,
    short_exit: Flags = None,
) -> Signals:
    """Signals from zeros and ones."""
    short = [None if given is None else np.array(given, dtype=np.bool_) for given in (short_entry, short_exit)]
    return Signals(np.array(entry, dtype=np.bool_), np.array(exit, dtype=np.bool_), short[0], short[1])


def signals_on(n_bars: int, **bars: Sequence[int]) -> Signals:
    """Signals that stand on these bars alone: ``entry=[0], exit=[2]``, and the short ones if they are named."""
    flags: dict[str, Any] = {"entry": [0] * n_bars, "exit": [0] * n_bars}
    flags.update({name: [t in bars[name] for t in range(n_bars)] for name in bars})
    return make_signals(**flags)


def random_signals(seed: int, n_bars: int, share: float = 0.2) -> Signals:
    """Signals that stand on a share of the bars."""
    random = np.random.default_rng(seed)
    return Signals(entry=random.random(n_bars) < share, exit=random.random(n_bars) < share)


def ohlc(*rows: tuple[float, float, float, float]) -> Bars:
    """Daily bars of these opens, highs, lows and closes."""
    opens, highs, lows, closes = zip(*rows, strict=True)
    times = [MONDAY_S + DAY_S * t for t in range(len(rows))]
    return Bars.of(time=times, open=opens, high=highs, low=lows, close=closes, volume=[1000.0] * len(rows))


def fields(outcome: Outcome, number: int = 0) -> dict[str, Any]:
    """One trade by the names of its fields, its exit reason as a word."""
    values = dict(zip(TRADE.names or (), outcome.trades[number].item(), strict=True))
    return {**values, "exit_reason": EXIT_REASONS[values["exit_reason"]]}


def fills(outcome: Outcome) -> list[tuple[int, int, str]]:
    """The bars and the exit reason of every trade."""
    return [
        (int(trade["entry_bar"]), int(trade["exit_bar"]), EXIT_REASONS[trade["exit_reason"]])
        for trade in outcome.trades
    ]


def general(rules: Rules) -> Rules:
    """The same rules, for the general kernel even if they are plain."""
    made = Rules(**{rule.key: getattr(rules, rule.key) for rule in RULES})
    object.__setattr__(made, "_coded", coded(made)._replace(is_plain=False))
    return made


# Plain rules: all cash, next open, long, without stops.


@st.composite
def markets(draw: st.DrawFn, max_bars: int = 40) -> tuple[Bars, Signals]:
    """Bars at any price with signals on any of them."""
    n_bars = draw(st.integers(2, max_bars))
    price = st.floats(0.01, 10_000.0)
    opens, closes = (draw(st.lists(price, min_size=n_bars, max_size=n_bars)) for _ in range(2))
    entry, exit_ = (draw(st.lists(st.booleans(), min_size=n_bars, max_size=n_bars)) for _ in range(2))
    return make_bars(closes, opens=opens), make_signals(entry, exit_)


def shares(high: float = 5.0) -> st.SearchStrategy[float]:
    """A fee or a slippage in percent, often none."""
    return st.one_of(st.just(0.0), st.floats(1e-4, high))


all_rules = st.builds(Rules, cash=st.floats(1.0, 1e7), fee_pct=shares(), slippage_pct=shares())


# Any rules. Prices in whole ticks and shares of powers of two meet each other exactly, and often.

NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "cash": st.sampled_from([1000.0, 0.5, 1e6]) | st.floats(1.0, 1e7),
    "fee_pct": st.sampled_from([0.0, 25.0, 0.1, 50.0]) | st.floats(0.0, 5.0, allow_subnormal=False),
    "fixed_fee": st.sampled_from([0.0, 1.0, 0.25, 5000.0]) | st.floats(0.0, 100.0, allow_subnormal=False),
    "slippage_pct": st.sampled_from([0.0, 25.0, 0.05, 50.0]) | st.floats(0.0, 5.0, allow_subnormal=False),
    "borrow_pct": st.sampled_from([0.0, 1.0, 1000.0]) | st.floats(0.0, 100.0, allow_subnormal=False),
    "reentry_delay": st.integers(0, 5),
    "skip_bars": st.integers(0, 12),
    "size_pct": st.sampled_from([100.0, 50.0, 95.0, 0.01]) | st.floats(1.0, 100.0),
    "size_cash": st.sampled_from([1000.0, 1e6, 0.01]) | st.floats(1.0, 1e5),
    "size_units": st.sampled_from([1.0, 2.5, 1e-3, 1e5]) | st.floats(0.01, 1e4),
    "volatility_pct": st.sampled_from([20.0, 1.0, 1000.0]) | st.floats(1.0, 500.0),
    "volatility_bars": st.integers(2, 8),
    "stop_loss_pct": st.sampled_from([None, 12.5, 25.0, 50.0, 150.0]) | st.floats(1.0, 60.0),
    "take_profit_pct": st.sampled_from([None, 12.5, 25.0, 50.0, 150.0]) | st.floats(1.0, 60.0),
    "trailing_stop_pct": st.sampled_from([None, 12.5, 25.0, 50.0]) | st.floats(1.0, 60.0),
    "trailing_atr": st.sampled_from([None, 0.5, 1.0, 2.0]) | st.floats(0.25, 4.0),
    "atr_bars": st.integers(1, 6),
    "time_stop_bars": st.none() | st.integers(1, 6),
}
TRADING_RULES = {rule.key: rule for rule in RULES if rule.group != "Metrics"}


def values_of(key: str) -> st.SearchStrategy[Any]:
    rule = TRADING_RULES[key]
    if rule.kind == "choice":
        return st.sampled_from(list(rule.choices))
    return st.booleans() if rule.kind == "switch" else NUMBERS[key]


@st.composite
def any_rules(draw: st.DrawFn, /, **fixed: Any) -> Rules:
    """Rules of which up to ten, any of the table, are not at their defaults; ``fixed`` ones are as given."""
    keys = draw(st.sets(st.sampled_from(sorted(set(TRADING_RULES) - set(fixed))), max_size=10))
    values = {**{key: draw(values_of(key)) for key in sorted(keys)}, **fixed}
    if values.get("stop_base") == "entry_close" and values.get("fill", "next_open") == "next_open":
        values["stops_from"] = "next_bar"
    return Rules(**values)


def zigzag(byte: int, span: int) -> int:
    """A whole number from -span to span, nearer to zero the smaller the byte."""
    step = byte % (2 * span + 1)
    return (step + 1) // 2 * (1 if step % 2 else -1)


@st.composite
def any_markets(draw: st.DrawFn, max_bars: int = 30) -> tuple[Bars, Signals]:
    """Bars of whole ticks, with gaps, flat ones and ones of a tiny or huge price, and up to four kinds of signals."""
    n = draw(st.integers(2, max_bars))
    step, last = draw(st.sampled_from([30, 4, 15])), draw(st.sampled_from([100, 10, 1000]))
    tick = draw(st.sampled_from([1.0, 2.0**-6, 0.1, 1e-8, 1e8]))
    moves = draw(st.binary(min_size=5 * n, max_size=5 * n))
    rows, flags = [], []
    for t in range(n):
        gap, move, up, down, signal = moves[5 * t : 5 * t + 5]
        opened = max(1, last + zigzag(gap, step))
        last = max(1, opened + zigzag(move, step))
        high, low = max(opened, last) + up % (step + 1), max(1, min(opened, last) - down % (step + 1))
        rows.append((opened * tick, high * tick, low * tick, last * tick))
        flags.append([signal >> shift & 3 == 1 for shift in (0, 2, 4, 6)])
    entry, exit_, short_entry, short_exit = zip(*flags, strict=True)
    has_short_entry, has_short_exit = draw(st.tuples(st.booleans(), st.booleans()))
    short = short_entry if has_short_entry else None, short_exit if has_short_exit else None
    levels = draw(st.binary(min_size=2 * n, max_size=2 * n)) if draw(st.booleans()) else b""
    stop, target = (
        None if has_none else _near(rows, part, step * tick)
        for has_none, part in ((not levels or draw(st.booleans()), levels[:n]), (not levels, levels[n:]))
    )
    return ohlc(*rows), replace(make_signals(entry, exit_, *short), stop=stop, target=target)


def _near(rows: Sequence[Sequence[float]], moves: bytes, step: float) -> FloatArray:
    """Prices on either side of the closes, of which some are none."""
    moved = [
        math.nan if move < 50 else row[3] + zigzag(move, 4) * step / 4 for row, move in zip(rows, moves, strict=True)
    ]
    return np.array(moved)
