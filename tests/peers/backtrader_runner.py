"""Run backtrader on our bars and signals, under settings that correspond to our rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import backtrader
import numpy as np

from backtests.engine import Rules
from strategies.bars import Bars, FloatArray, Signals
from tests.peers.decisions import Decisions, decisions_of
from tests.peers.trades import PeerTrade


def trades_of(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[PeerTrade], FloatArray]:
    """Return what backtrader trades, and the value of its broker at the close of every bar."""
    cerebro, book = cerebro_of(bars, signals, rules)
    cerebro.run()
    return book.trades, np.array(book.equity)


def cerebro_of(bars: Bars, signals: Signals, rules: Rules) -> tuple[Any, Book]:
    """Return a run that has not been started, and the book that it will fill."""
    # The broker of backtrader is fed by a strategy, so most of what a preset says is how its users write one:
    # a market order on the close of the signal, and a stop and a limit order once that has filled.
    cerebro = backtrader.Cerebro(stdstats=False, tradehistory=True)
    cerebro.broker.set_cash(rules.cash)
    cerebro.broker.set_slippage_perc(rules.slippage_pct / 100, slip_open=True, slip_out=True)
    cerebro.broker.addcommissioninfo(_Fees(commission=rules.fee_pct / 100, fixed=rules.fixed_fee))
    cerebro.adddata(_Feed(bars=bars))
    book = Book(bars=bars, decisions=decisions_of(signals, rules), rules=rules)
    cerebro.addstrategy(_Follow, book=book)
    return cerebro, book


@dataclass(slots=True)
class Book:
    """What a strategy is given, and what it notes."""

    bars: Bars
    decisions: Decisions
    rules: Rules
    trades: list[PeerTrade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)


class _Feed(backtrader.feed.DataBase):  # type: ignore[misc]
    params = (("bars", None),)

    def start(self) -> None:
        super().start()
        self.number = 0

    def _load(self) -> bool:
        bars, number = self.p.bars, self.number
        if number == len(bars):
            return False
        self.lines.datetime[0] = backtrader.date2num(datetime.fromtimestamp(int(bars.time[number]), UTC))
        for name in ("open", "high", "low", "close", "volume"):
            getattr(self.lines, name)[0] = getattr(bars, name)[number]
        self.lines.openinterest[0] = 0.0
        self.number += 1
        return True


class _Fees(backtrader.CommInfoBase):  # type: ignore[misc]
    params = (("fixed", 0.0), ("stocklike", True), ("commtype", backtrader.CommInfoBase.COMM_PERC), ("percabs", True))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return float(abs(size) * price * self.p.commission + (self.p.fixed if size else 0.0))


class _Follow(backtrader.Strategy):  # type: ignore[misc]
    """Follow the signals of a book: one position at a time, its stops cancelled before it is left."""

    params = (("book", None),)

    def __init__(self) -> None:
        self.book: Book = self.p.book
        self.rules = self.book.rules
        self.stops: list[Any] = []
        self.unprotected: Any = None

    def next(self) -> None:
        number = len(self) - 1
        self.book.equity.append(self.broker.getvalue())
        if number == len(self.book.bars) - 1:
            self._note_what_is_open(number)
        said, side = self.book.decisions, int(np.sign(self.position.size))
        if (side > 0 and said.leave_long[number]) or (side < 0 and said.leave_short[number]):
            self._leave()
        self._enter(int(side <= 0 and said.enter_long[number]) - int(side >= 0 and said.enter_short[number]))
        # Not before the exit is decided: orders of this very bar cannot be cancelled yet.
        if self.unprotected is not None:
            self._protect(self.unprotected)

    def _enter(self, side: int) -> None:
        if side == 0:
            return
        # With a position that is about to be left, as with none, the value of the account is what there will be.
        size = self.broker.getvalue() * self.rules.size_pct / 100 / self.data.close[0]
        size = float(math.floor(size)) if self.rules.whole_units else size
        if size > 0:
            (self.buy if side == 1 else self.sell)(size=size, name="entry")

    def _leave(self) -> None:
        for order in self.stops:
            self.cancel(order)
        self.close(name="signal")
        self.unprotected = None

    def _protect(self, order: Any) -> None:
        """Put a stop and a target around the price at which an order filled: whichever fills cancels the other."""
        self.stops, self.unprotected = [], None
        rules, side = self.rules, 1 if order.isbuy() else -1
        price = order.executed.price if rules.stop_base == "fill" else order.created.pclose
        leave = self.sell if order.isbuy() else self.buy
        wanted: list[tuple[str, dict[str, Any]]] = []
        if rules.stop_loss_pct is not None:
            level = price * (1 - side * rules.stop_loss_pct / 100)
            wanted.append(("stop", {"exectype": backtrader.Order.Stop, "price": level}))
        if rules.trailing_stop_pct is not None:
            part = rules.trailing_stop_pct / 100
            wanted.append(("trail", {"exectype": backtrader.Order.StopTrail, "trailpercent": part}))
        if rules.take_profit_pct is not None:
            level = price * (1 + side * rules.take_profit_pct / 100)
            wanted.append(("target", {"exectype": backtrader.Order.Limit, "price": level}))
        for name, how in wanted:
            first = self.stops[0] if self.stops else None
            self.stops.append(leave(size=abs(order.executed.size), name=name, oco=first, **how))

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed and order.info.name == "entry":
            self.unprotected = order

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            exit_ = trade.history[-1].event
            self._note(trade, trade.barclose - 1, exit_.price, trade.pnlcomm, exit_.order.info.name)

    def _note_what_is_open(self, number: int) -> None:
        if self.position.size:
            trade, close = self._trades[self.data][0][-1], self.data.close[0]
            self._note(trade, number, close, trade.size * (close - trade.price) - trade.commission, "open")

    def _note(self, trade: Any, exit_bar: int, exit_price: float, pnl: float, reason: str) -> None:
        entry = trade.history[0].event
        self.book.trades.append(
            PeerTrade(
                entry_bar=trade.baropen - 1,
                exit_bar=exit_bar,
                side=1 if trade.long else -1,
                entry_price=entry.price,
                exit_price=exit_price,
                units=abs(entry.size),
                fees=trade.commission,
                pnl=pnl,
                exit_reason=reason,
                is_open=reason == "open",
            )
        )
