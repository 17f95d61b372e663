"""The simulation once more, slowly and in plain Python, and random markets to compare on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from backtests.engine.rules import Rules
from strategies.bars import Bars, Signals
from tests.builders import make_bars

# A compile or a busy machine is no failure, and a finding belongs in a test, not in a file beside the code.
examples = settings(deadline=None, database=None, max_examples=150)


@dataclass(frozen=True)
class SlowTrade:
    """One trade, with the fields of the engine's TRADE."""

    entry_bar: int
    exit_bar: int
    entry_time: int
    exit_time: int
    entry_price: float
    exit_price: float
    units: float
    fees: float
    slippage: float
    pnl: float
    return_pct: float
    is_open: int


def fill_bars(entry: Sequence[bool], exit_: Sequence[bool]) -> list[int]:
    """The bars on which something is bought, sold, bought and so on."""
    fills: list[int] = []
    for t in range(len(entry) - 1):
        is_held = len(fills) % 2 == 1
        if (is_held and exit_[t]) or (not is_held and entry[t] and not exit_[t]):
            fills.append(t + 1)
    return fills


def slow_simulate(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[SlowTrade], list[float]]:
    """First when something fills, then at what price, then what the account is worth on each bar."""
    times, opens, closes = bars.time.tolist(), bars.open.tolist(), bars.close.tolist()
    fills = fill_bars(signals.entry.tolist(), signals.exit.tolist())
    trades: list[SlowTrade] = []
    equity = [rules.cash] * len(closes)
    cash = rules.cash
    for bought, sold in zip(fills[::2], [*fills[1::2], None], strict=False):
        buy_price = opens[bought] * (1 + rules.slippage)
        units = cash / (buy_price * (1 + rules.fee))
        last = len(closes) if sold is None else sold
        equity[bought:last] = [units * close for close in closes[bought:last]]
        fees, slippage = units * buy_price * rules.fee, units * opens[bought] * rules.slippage
        if sold is None:
            exit_bar, exit_price = len(closes) - 1, closes[-1]
            worth = units * exit_price
        else:
            exit_bar, exit_price = sold, opens[sold] * (1 - rules.slippage)
            worth = units * exit_price * (1 - rules.fee)
            fees += units * exit_price * rules.fee
            slippage += units * opens[sold] * rules.slippage
            equity[sold:] = [worth] * (len(closes) - sold)
        trades.append(
            SlowTrade(
                entry_bar=bought,
                exit_bar=exit_bar,
                entry_time=times[bought],
                exit_time=times[exit_bar],
                entry_price=buy_price,
                exit_price=exit_price,
                units=units,
                fees=fees,
                slippage=slippage,
                pnl=worth - cash,
                return_pct=100 * (worth - cash) / cash,
                is_open=int(sold is None),
            )
        )
        cash = worth
    return trades, equity


def make_signals(entry: Sequence[Any], exit: Sequence[Any]) -> Signals:  # noqa: A002 - the trade's own word
    """Signals from zeros and ones."""
    return Signals(entry=np.array(entry, dtype=np.bool_), exit=np.array(exit, dtype=np.bool_))


def signals_on(n_bars: int, *, entry: Sequence[int] = (), exit: Sequence[int] = ()) -> Signals:  # noqa: A002
    """Signals that stand on these bars alone."""
    return make_signals([t in entry for t in range(n_bars)], [t in exit for t in range(n_bars)])


def random_signals(seed: int, n_bars: int, share: float = 0.2) -> Signals:
    """Signals that stand on a share of the bars."""
    random = np.random.default_rng(seed)
    return Signals(entry=random.random(n_bars) < share, exit=random.random(n_bars) < share)


@st.composite
def markets(draw: st.DrawFn, max_bars: int = 40) -> tuple[Bars, Signals]:
    """Bars at any price with signals on any of them."""
    n_bars = draw(st.integers(2, max_bars))
    price = st.floats(0.01, 10_000.0)
    opens, closes = (draw(st.lists(price, min_size=n_bars, max_size=n_bars)) for _ in range(2))
    entry, exit_ = (draw(st.lists(st.booleans(), min_size=n_bars, max_size=n_bars)) for _ in range(2))
    return make_bars(closes, opens=opens), make_signals(entry, exit_)


def shares(high: float = 0.05) -> st.SearchStrategy[float]:
    """A fee or a slippage, often none."""
    return st.one_of(st.just(0.0), st.floats(1e-6, high))


all_rules = st.builds(Rules, cash=st.floats(1.0, 1e7), fee=shares(), slippage=shares())
