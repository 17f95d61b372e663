"""Run backtesting.py under Trawl's rules, and tell its trades as Trawl tells its own.

The library leaves sizing, stops and what a signal does to its user's Strategy; the one here is the usual one: orders
of all equity, with stops in the order, measured from the close of the signal, and a trailing stop that is moved on
every close as ``backtesting.lib.TrailingStrategy`` moves its own.
"""

from __future__ import annotations

import warnings
from typing import Any

import backtesting.backtesting
import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from backtests.engine import Rules
from strategies.bars import Bars, FloatArray, Signals
from tests.peers.trades import PeerTrade

# A bar of progress for every run would drown what a test says.
backtesting.backtesting._tqdm = lambda steps, **_: steps


class SignalsStrategy(Strategy):  # type: ignore[misc]
    """Trade precomputed signals under rules; both are set by ``run``."""

    rules: Rules
    signals: Signals

    def init(self) -> None:
        self.leaving: dict[int, int] = {}
        self.last_held: set[int] = set()
        # Sold short, a position is entered where a long one would be left, unless the signals say otherwise.
        signals = self.signals
        self.short_entry = signals.exit if signals.short_entry is None else signals.short_entry
        self.short_exit = signals.entry if signals.short_exit is None else signals.short_exit

    def next(self) -> None:
        now = len(self.data) - 1
        self.last_held = {id(trade) for trade in self.trades}
        self._move_stops()
        wanted, held = self._wanted(now), int(np.sign(self.position.size))
        if held:
            if not (wanted == -held or self._is_left(now, held)):
                return
            self.leaving |= {id(trade): now for trade in self.trades}
            self.position.close()
        if wanted not in {0, held}:
            self._enter(wanted)

    def _wanted(self, now: int) -> int:
        """Return the side to enter; signals that contradict each other enter none."""
        long = self.rules.direction != "short" and self.signals.entry[now] and not self.signals.exit[now]
        short = self.rules.direction != "long" and self.short_entry[now] and not self.short_exit[now]
        return int(long) - int(short)

    def _is_left(self, now: int, held: int) -> bool:
        entry, leave = (self.signals.entry, self.signals.exit) if held == 1 else (self.short_entry, self.short_exit)
        return bool(leave[now] and not (self.rules.collision == "ignore" and entry[now]))

    def _enter(self, side: int) -> None:
        close, rules = float(self.data.Close[-1]), self.rules
        order: dict[str, float] = {}
        if rules.take_profit_pct is not None:
            order["tp"] = close * (1 + side * rules.take_profit_pct / 100)
        stops = [close * (1 - side * pct / 100) for pct in (rules.stop_loss_pct, rules.trailing_stop_pct) if pct]
        if stops:
            order["sl"] = max(stops) if side == 1 else min(stops)
        if rules.sizing == "units":
            order["size"] = rules.size_units
        elif rules.size_pct < 100:
            order["size"] = rules.size_pct / 100
        (self.buy if side == 1 else self.sell)(**order)

    def _move_stops(self) -> None:
        if self.rules.trailing_stop_pct is None:
            return
        for trade in self.trades:
            side = 1 if trade.is_long else -1
            stop = float(self.data.Close[-1]) * (1 - side * self.rules.trailing_stop_pct / 100)
            if side * (stop - trade.sl) > 0:
                trade.sl = stop


def trades_of(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[PeerTrade], FloatArray]:
    """Return what backtesting.py trades, with what it leaves open, and its equity at every close."""
    stats = stats_of(bars, signals, rules)
    equity = stats["_equity_curve"]["Equity"].to_numpy(dtype=float)
    strategy = stats["_strategy"]
    trades = [_closed(trade, strategy, bars, rules, equity) for trade in strategy.closed_trades]
    return [*trades, *(_open(trade, bars, rules) for trade in strategy.trades)], equity


def stats_of(bars: Bars, signals: Signals, rules: Rules) -> Any:
    """Return backtesting.py's own result."""
    _refuse_unknown(rules)
    prices = {name.title(): np.array(getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")}
    strategy = type("Run", (SignalsStrategy,), {"rules": rules, "signals": signals})
    with warnings.catch_warnings():
        # It warns of prices above the cash, of orders that it cannot afford and of trades that stay open, divides by
        # numbers of trades that may be zero, and calls what newer versions of pandas will not have any more.
        warnings.simplefilter("ignore")
        return Backtest(
            pd.DataFrame(prices, index=pd.to_datetime(bars.time, unit="s")),
            strategy,
            cash=rules.cash,
            commission=(rules.fixed_fee, rules.fee_pct / 100),
            spread=rules.slippage_pct / 100,
            trade_on_close=rules.fill == "same_close",
            finalize_trades=rules.at_end == "last_open",
        ).run()


def _refuse_unknown(rules: Rules) -> None:
    if not rules.whole_units:
        raise NotImplementedError("backtesting.py trades whole units only")
    if rules.sizing not in {"equity", "units"} or rules.trailing_atr or rules.time_stop_bars or rules.reentry_delay:
        raise NotImplementedError("the strategy here has no such rule")


def _fee(rules: Rules, units: float, price: float) -> float:
    return rules.fixed_fee + units * price * rules.fee_pct / 100


def _closed(trade: Any, strategy: Any, bars: Bars, rules: Rules, equity: FloatArray) -> PeerTrade:
    return PeerTrade(
        entry_bar=int(trade.entry_bar),
        exit_bar=int(trade.exit_bar),
        side=1 if trade.is_long else -1,
        entry_price=float(trade.entry_price),
        exit_price=float(trade.exit_price),
        units=float(abs(trade.size)),
        fees=float(trade._commissions),
        pnl=float(trade.pl),
        exit_reason=_reason(trade, strategy, bars, rules, equity),
    )


def _reason(trade: Any, strategy: Any, bars: Bars, rules: Rules, equity: FloatArray) -> str:
    if id(trade) in strategy.leaving:
        return "signal"
    if equity[trade.exit_bar] == 0.0:
        return "ruin"
    if id(trade) in strategy.last_held and trade.exit_bar == len(bars) - 1:
        return "end"
    side = 1 if trade.is_long else -1
    against = bars.low if trade.is_long else bars.high
    if trade.sl is None or side * (against[trade.exit_bar] - trade.sl) > 0:
        return "target"
    if rules.stop_loss_pct is None:
        return "trail"
    signalled = float(bars.close[trade.entry_bar - 1])
    is_first = trade.sl == signalled * (1 - side * rules.stop_loss_pct / 100)
    return "stop" if is_first else "trail"


def _open(trade: Any, bars: Bars, rules: Rules) -> PeerTrade:
    units, last = float(abs(trade.size)), float(bars.close[-1])
    fee = _fee(rules, units, float(trade.entry_price))
    return PeerTrade(
        entry_bar=int(trade.entry_bar),
        exit_bar=len(bars) - 1,
        side=1 if trade.is_long else -1,
        entry_price=float(trade.entry_price),
        exit_price=last,
        units=units,
        fees=fee,
        pnl=float(trade.size * (last - trade.entry_price)) - fee,
        exit_reason="open",
        is_open=True,
    )
