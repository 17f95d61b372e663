"""Run vectorbt under Trawl's rules, and tell its trades as Trawl tells its own.

A rule that ``Portfolio.from_signals`` has no setting for is refused, so that no test compares under another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import vectorbt

from backtests.engine import Rules
from strategies.bars import Bars, BoolArray, FloatArray, Signals
from tests.peers.trades import PeerTrade

FREQUENCY = "1D"


def trades_of(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[PeerTrade], FloatArray]:
    """Return what vectorbt trades, and its value at every close."""
    portfolio = portfolio_of(bars, signals, rules)
    records = portfolio.exit_trades.values
    equity = np.asarray(portfolio.value(), dtype=float).reshape(-1)
    return [_trade(record, bars, rules) for record in records], equity


def portfolio_of(bars: Bars, signals: Signals, rules: Rules) -> Any:
    """Return vectorbt's own result."""
    _refuse_unknown(rules)
    index = pd.to_datetime(bars.time, unit="s")
    prices = {name: pd.Series(np.array(getattr(bars, name)), index=index) for name in ("open", "high", "low", "close")}
    return vectorbt.Portfolio.from_signals(
        **prices,
        **{name: pd.Series(flags, index=index) for name, flags in _signals(signals, rules).items()},
        init_cash=rules.cash,
        fees=rules.fee_pct / 100,
        fixed_fees=rules.fixed_fee,
        slippage=rules.slippage_pct / 100,
        freq=FREQUENCY,
        **_size(rules),
        **_stops(rules),
    )


def _signals(signals: Signals, rules: Rules) -> dict[str, BoolArray]:
    # Sold short, a position is entered where a long one would be left, unless the signals say otherwise.
    short_entry = signals.exit if signals.short_entry is None else signals.short_entry
    short_exit = signals.entry if signals.short_exit is None else signals.short_exit
    entries_and_exits: dict[str, BoolArray] = {}
    if rules.direction != "short":
        entries_and_exits |= {"entries": signals.entry, "exits": signals.exit}
    if rules.direction != "long":
        entries_and_exits |= {"short_entries": short_entry, "short_exits": short_exit}
    return entries_and_exits


def _size(rules: Rules) -> dict[str, Any]:
    size: dict[str, Any] = {}
    if rules.whole_units:
        size["size_granularity"] = 1.0
    if rules.sizing == "units":
        size["size"] = rules.size_units
    elif rules.size_pct < 100:
        size |= {"size": rules.size_pct / 100, "size_type": "percent"}
    return size


def _stops(rules: Rules) -> dict[str, Any]:
    stops: dict[str, Any] = {}
    if rules.trailing_stop_pct is not None:
        stops |= {"sl_stop": rules.trailing_stop_pct / 100, "sl_trail": True}
    elif rules.stop_loss_pct is not None:
        stops["sl_stop"] = rules.stop_loss_pct / 100
    if rules.take_profit_pct is not None:
        stops["tp_stop"] = rules.take_profit_pct / 100
    return stops


def _refuse_unknown(rules: Rules) -> None:
    if rules.stop_loss_pct is not None and rules.trailing_stop_pct is not None:
        raise NotImplementedError("vectorbt has one stop, which trails or does not")
    if rules.sizing not in {"equity", "units"} or (rules.size_pct < 100 and rules.direction == "both"):
        raise NotImplementedError("vectorbt has no reversal by a share of equity, and other sizes are not set up here")
    if rules.time_stop_bars is not None or rules.trailing_atr is not None or rules.reentry_delay or rules.skip_bars:
        raise NotImplementedError("vectorbt has no such rule")


def _trade(record: Any, bars: Bars, rules: Rules) -> PeerTrade:
    is_open = record["status"] == 0
    side = 1 if record["direction"] == 0 else -1
    entry_bar, exit_bar = int(record["entry_idx"]), int(record["exit_idx"])
    return PeerTrade(
        entry_bar=entry_bar,
        exit_bar=exit_bar,
        side=side,
        entry_price=float(record["entry_price"]),
        exit_price=float(record["exit_price"]),
        units=float(record["size"]),
        fees=float(record["entry_fees"] + record["exit_fees"]),
        pnl=float(record["pnl"]),
        exit_reason="open" if is_open else _reason(bars, rules, side, entry_bar, exit_bar),
        is_open=bool(is_open),
    )


def _reason(bars: Bars, rules: Rules, side: int, entry_bar: int, exit_bar: int) -> str:
    """Return which level the bar of the exit reached: vectorbt does not tell why it left."""
    close = float(bars.close[entry_bar])
    against, towards = (bars.low, bars.high) if side == 1 else (bars.high, bars.low)
    best = [close]
    if rules.trailing_stop_pct is not None:
        best += towards[entry_bar + 1 : exit_bar].tolist()
    word, stop_pct = ("trail", rules.trailing_stop_pct) if rules.trailing_stop_pct else ("stop", rules.stop_loss_pct)
    if stop_pct is not None:
        stop = max(side * price for price in best) * side * (1 - side * stop_pct / 100)
        if side * (against[exit_bar] - stop) <= 0:
            return word
    target_pct = rules.take_profit_pct
    if target_pct is not None and side * (towards[exit_bar] - close * (1 + side * target_pct / 100)) >= 0:
        return "target"
    return "signal"
