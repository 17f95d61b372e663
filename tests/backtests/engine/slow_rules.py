"""The simulation under any rules once more: slowly, in plain Python, one bar after the other.

Written from the texts of the rules, not from the kernels. What a rule says is one method here, named for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from backtests.engine.rules import Rules
from strategies.bars import Bars, FloatArray, Signals

# Two amounts this close are one amount that was computed in two ways.
ROUNDING = 1e-12
# A price this close to a level may lie on either side of it, as rounding has it.
NEAR = 1e-9


@dataclass(frozen=True)
class SlowTrade:
    """One trade, with the fields of the engine's TRADE, and the reason as a word."""

    entry_bar: int
    exit_bar: int
    entry_time: int
    exit_time: int
    bars_held: int
    side: int
    exit_reason: str
    entry_price: float
    exit_price: float
    units: float
    fees: float
    slippage: float
    borrow: float
    pnl: float
    return_pct: float
    mae_pct: float
    mfe_pct: float


class Order(NamedTuple):
    """What signals ask for: to leave the position that is held, and to enter one of a side (0 is none)."""

    leave: bool = False
    enter: int = 0


class Stop(NamedTuple):
    """A price at which a position is left, and why."""

    price: float
    reason: str


@dataclass
class Position:
    """What is held, and what its stops need to know."""

    side: int
    units: float
    entry_bar: int
    entry_price: float
    committed: float
    fees: float
    slippage: float
    base: float
    best: float | None
    atr: float
    atr_stop: float | None = None
    first_trail: float | None = None
    stop_level: float = math.nan
    target_level: float = math.nan
    borrow: float = 0.0
    prices: list[float] = field(default_factory=list)


def slow_atr(high: list[float], low: list[float], close: list[float], n: int) -> list[float]:
    """Wilder's average true range; NaN before index n."""
    ranges = [
        max(high[t], close[t - 1]) - min(low[t], close[t - 1]) if t else math.nan  # from the second bar on
        for t in range(len(close))
    ]
    averages = [math.nan] * len(close)
    for t in range(n, len(close)):
        averages[t] = sum(ranges[1 : n + 1]) / n if t == n else averages[t - 1] + (ranges[t] - averages[t - 1]) / n
    return averages


class SlowSimulation:
    """One simulation: an account, at most one position, and what has happened to them so far."""

    def __init__(self, bars: Bars, signals: Signals, rules: Rules, bars_per_year: float = math.nan) -> None:
        self.rules, self.bars_per_year = rules, bars_per_year
        self.time, self.open, self.high = bars.time.tolist(), bars.open.tolist(), bars.high.tolist()
        self.low, self.close = bars.low.tolist(), bars.close.tolist()
        self.entry, self.exit = signals.entry.tolist(), signals.exit.tolist()
        self.short_entry = self.exit if signals.short_entry is None else signals.short_entry.tolist()
        self.short_exit = self.entry if signals.short_exit is None else signals.short_exit.tolist()
        self.stops, self.targets = self.levels(signals.stop), self.levels(signals.target)
        self.atr = slow_atr(self.high, self.low, self.close, rules.atr_bars)
        self.last = len(self.close) - 1
        self.fee, self.slip = rules.fee_pct / 100, rules.slippage_pct / 100
        self.cash = rules.cash
        self.position: Position | None = None
        self.is_ruined = False
        self.exit_bar: int | None = None
        self.stop_bar: int | None = None
        self.trades: list[SlowTrade] = []
        self.equity: list[float] = []
        self.is_near = False

    def levels(self, prices: FloatArray | None) -> list[float]:
        return [math.nan] * len(self.close) if prices is None else prices.tolist()

    def run(self) -> SlowSimulation:
        """Go through all bars."""
        pending = Order()
        for t in range(len(self.close)):
            is_over = t == self.last and self.rules.at_end == "last_open"
            if self.rules.fill == "next_open":
                self.trade(t, pending, t - 1, self.open[t])
                self.look_within(t)
            else:
                self.look_within(t)
                if is_over:
                    pass  # the open at which a position is left came before this close
                elif self.rules.fill == "same_close":
                    self.trade(t, self.order(t), t, self.close[t])
                else:
                    self.trade(t, pending, t - 1, self.close[t])
            self.end_bar(t)
            pending = self.order(t)
        return self

    # What signals ask for.

    def order(self, t: int) -> Order:
        """What the signals on the close of bar t ask for, as things stand at that close."""
        if t < self.rules.skip_bars or (self.rules.stop_bar_signals == "ignore" and self.stop_bar == t):
            return Order()
        wants = {1: self.entry[t] and not self.exit[t], -1: self.short_entry[t] and not self.short_exit[t]}
        if self.rules.direction == "long":
            wants[-1] = False
        if self.rules.direction == "short":
            wants[1] = False
        if wants[1] and wants[-1]:
            wants = {1: False, -1: False}
        if self.position is None:
            return Order(enter=wants[1] - wants[-1])
        side = self.position.side
        own_entry, own_exit = self.entry[t], self.exit[t]
        if side < 0:
            own_entry, own_exit = self.short_entry[t], self.short_exit[t]
        leave = own_exit and (not own_entry or self.rules.collision == "exit")
        return Order(leave=leave or wants[-side], enter=-side if wants[-side] else 0)

    def trade(self, t: int, order: Order, signal_bar: int, price: float) -> None:
        """Carry out an order at a price of bar t, and leave what has been held for too long."""
        is_late = self.rules.time_stop_bars is not None and self.position is not None
        if self.position is not None and order.leave:
            self.leave(t, price, "signal", is_close=self.rules.fill != "next_open")
        elif self.position is not None and is_late and t == self.position.entry_bar + (self.rules.time_stop_bars or 0):
            self.leave(t, price, "time", is_close=self.rules.fill != "next_open")
        if self.position is None and order.enter and self.may_enter(t):
            self.enter(t, order.enter, signal_bar, price)

    def may_enter(self, t: int) -> bool:
        delay = self.rules.reentry_delay
        if self.is_ruined or (t == self.last and self.rules.at_end == "last_open"):
            return False
        return self.exit_bar is None or delay == 0 or t > self.exit_bar + delay

    # How large a position is.

    def amount(self, equity: float, signal_bar: int) -> float:
        """The money of a position."""
        if self.rules.sizing == "equity":
            return equity * self.rules.size_pct / 100
        if self.rules.sizing == "cash":
            return min(self.rules.size_cash, equity)
        n = self.rules.volatility_bars
        if signal_bar < n:
            return 0.0
        closes = self.close[signal_bar - n : signal_bar + 1]
        returns = [after / before - 1 for before, after in pairwise(closes)]
        mean = math.fsum(returns) / n
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / (n - 1))
        volatility = deviation * math.sqrt(self.bars_per_year)
        wanted = self.rules.volatility_pct / 100
        return equity * (wanted / volatility if volatility > wanted else 1.0)

    def sized(self, side: int, signal_bar: int, price: float) -> float:
        """The units of a position that would be entered near a price."""
        equity = self.cash
        if self.rules.size_price == "signal_close":
            price = self.close[signal_bar]
            equity = self.equity[signal_bar] if signal_bar < len(self.equity) else self.cash
        amount = equity if self.rules.sizing == "units" else self.amount(equity, signal_bar)
        slipped = price * (1 + side * self.slip)
        if self.rules.size_costs == "on_top":
            units = amount / price
        elif self.rules.size_costs == "included":
            units = (amount - self.rules.fixed_fee) / (slipped * (1 + self.fee))
        else:
            units = self.per_unit(equity, amount, slipped + price * self.fee)
        if self.rules.sizing == "units":
            may_be_refused = self.rules.size_costs != "included" and self.is_checked(side)
            units = self.rules.size_units if may_be_refused else min(units, self.rules.size_units)
        if self.rules.whole_units:
            self.compare(units, round(units))
            units = float(math.floor(units + min(ROUNDING * units, 1e-3)))
        return units

    def per_unit(self, equity: float, amount: float, price: float) -> float:
        """Of all equity a hair less; the fixed fee is one of a unit, of which the share of equity is bought."""
        share = 1.0
        if self.rules.sizing == "equity":
            share = min(self.rules.size_pct / 100, 1 - 2**-52)
            amount = equity * share
        unit = price + self.rules.fixed_fee / share
        return amount // unit if self.rules.whole_units else amount / unit

    def is_checked(self, side: int) -> bool:
        """Whether an entry of a side may be refused for want of cash."""
        return {"off": False, "signal_and_fill": side > 0}.get(self.rules.cash_check, True)

    def is_refused(self, side: int, units: float, price: float, signal_bar: int) -> bool:
        """Whether there is too little cash for an entry near a price."""
        filled = price * (1 + side * self.slip)
        if not self.is_checked(side):
            return False
        if self.rules.cash_check == "value":
            return self.exceeds(units * filled, self.cash)
        if self.rules.cash_check == "signal_and_fill":
            filled = max(filled, self.close[signal_bar])
        charged = price if self.rules.size_costs == "per_unit" else filled
        return self.exceeds(units * filled + units * charged * self.fee + self.rules.fixed_fee, self.cash)

    def cost(self, units: float, price: float) -> float:
        return units * price * (1 + self.fee) + self.rules.fixed_fee

    def exceeds(self, amount: float, cash: float) -> bool:
        self.compare(amount, cash)
        return amount > cash * (1 + ROUNDING)

    # Entering and leaving.

    def enter(self, t: int, side: int, signal_bar: int, price: float) -> None:
        filled = price * (1 + side * self.slip)
        units = self.sized(side, signal_bar, price)
        if units <= 0 or self.is_refused(side, units, price, signal_bar):
            return
        committed = self.cost(units, filled)
        if abs(committed - self.cash) <= ROUNDING * self.cash:
            committed = self.cash
        fees = units * filled * self.fee + self.rules.fixed_fee
        self.cash = self.cash - committed if side > 0 else self.cash + units * filled - fees
        base = {"fill": filled, "entry_close": self.close[t], "signal_close": self.close[signal_bar]}
        self.position = Position(
            side=side,
            units=units,
            entry_bar=t,
            entry_price=filled,
            committed=committed,
            fees=fees,
            slippage=units * price * self.slip,
            base=base[self.rules.stop_base],
            best=None if self.rules.trail_from == "entry_bar_close" else base[self.rules.stop_base],
            atr=self.atr[signal_bar],
            prices=[filled],
            stop_level=self.stops[signal_bar],
            target_level=self.targets[signal_bar],
        )
        self.tighten(self.position)
        self.position.first_trail = self.trail(self.position)

    def leave(self, t: int, price: float, reason: str, *, is_close: bool = False) -> None:
        """Leave the position at a price of bar t that slips as the reason has it."""
        held = self.position
        assert held is not None
        slips = self.rules.slippage_on == "both" and reason not in {"target", "open"}
        if reason in {"stop", "trail"}:
            slips = slips and self.rules.stop_slippage
        filled = price * (1 - held.side * self.slip) if slips else price
        fees = held.units * filled * self.fee + self.rules.fixed_fee if reason != "open" else 0.0
        if reason != "open":
            self.cash += held.side * held.units * filled - fees
            self.position, self.exit_bar = None, t
            # What is left of an account that has lost nearly everything is rounding.
            self.is_near |= 0 < abs(self.cash) < 1e-6 * self.rules.cash
        if is_close and (t > held.entry_bar or self.rules.fill == "next_open"):
            held.prices += [self.low[t], self.high[t]]
        moves = [100 * held.side * (seen / held.entry_price - 1) for seen in (*held.prices, filled)]
        pnl = held.side * held.units * (filled - held.entry_price) - held.fees - fees - held.borrow
        self.trades.append(
            SlowTrade(
                entry_bar=held.entry_bar,
                exit_bar=t,
                entry_time=self.time[held.entry_bar],
                exit_time=self.time[t],
                bars_held=t - held.entry_bar,
                side=held.side,
                exit_reason=reason,
                entry_price=held.entry_price,
                exit_price=filled,
                units=held.units,
                fees=held.fees + fees,
                slippage=held.slippage + (held.units * price * self.slip if slips else 0.0),
                borrow=held.borrow,
                pnl=pnl,
                return_pct=100 * pnl / held.committed,
                mae_pct=min(0.0, *moves),
                mfe_pct=max(0.0, *moves),
            )
        )

    # Stops and targets within a bar. They are told for a bought position; for a sold one the prices are mirrored.

    def look_within(self, t: int) -> None:
        """Leave the position if bar t meets its stop or target; at the very end, at the last open."""
        held = self.position
        if held is None:
            return
        is_entry_bar = held.entry_bar == t
        if not is_entry_bar or self.rules.stops_from == "entry_bar":
            met = self.met(held, t)
            if met is not None:
                self.stop_bar = t
                self.leave(t, met.price, met.reason)
                return
        if t == self.last and self.rules.at_end == "last_open":
            self.leave(t, self.open[t], "end")

    def met(self, held: Position, t: int) -> Stop | None:
        """At which price and why bar t ends the position, or None."""
        side, rules = held.side, self.rules
        best, worst = self.extremes(side, t)
        before = self.trail(held)
        if rules.trail_from == "bar" and (before is None or self.compare(worst, side * before) > 0):
            self.follow(held, side * best)
        stop, target, trail = self.stop(held), self.target(held), self.trail(held)
        moved_now = trail != before and stop is not None and stop.reason == "trail"
        # A stop that the bar itself moved was not there when it opened.
        opened = side * self.open[t]
        is_gap = stop is not None and not moved_now and self.compare(opened, side * stop.price) <= 0
        met_stop = None if stop is None else self.met_stop(stop, t, side=side, is_gap=is_gap)
        met_target = None if target is None else self.met_target(target, t, side=side)
        if met_stop is not None and met_target is not None:
            has_moved = rules.trail_from == "bar" and trail != held.first_trail and met_stop.reason == "trail"
            opens_beyond_target = target is not None and opened >= side * target
            is_stop = self.comes_first(t, side, has_moved, opens_beyond_target, is_gap)
            met_stop, met_target = (met_stop, None) if is_stop else (None, met_target)
        if met_stop is not None and moved_now and t == held.entry_bar:
            # It is not known that the bar rose before it fell: it is left no better than from the open.
            from_open = self.trailing(held, self.open[t])
            assert from_open is not None
            return Stop(side * max(worst, side * from_open), "trail")
        return met_stop or met_target

    def comes_first(self, t: int, side: int, has_moved: bool, opens_beyond_target: bool, is_gap: bool) -> bool:
        """Whether the stop is taken of a stop and a target that one bar meets."""
        if self.rules.bar_path == "stop_always":
            return not has_moved
        if is_gap or opens_beyond_target:
            return is_gap
        if self.rules.bar_path == "stop_first":
            return True
        is_high_first: bool = self.high[t] - self.open[t] < self.open[t] - self.low[t]
        return is_high_first != (side > 0)

    def met_stop(self, stop: Stop, t: int, *, side: int, is_gap: bool) -> Stop | None:
        best, worst = self.extremes(side, t)
        level = side * stop.price
        if self.compare(worst, level) > 0:
            return None
        is_inside = self.rules.gap_fill == "inside" and self.compare(best, level) >= 0
        return Stop(self.open[t], stop.reason) if is_gap and not is_inside else stop

    def met_target(self, target: float, t: int, *, side: int) -> Stop | None:
        best, worst = self.extremes(side, t)
        level = side * target
        if not self.is_beyond(best, level):
            return None
        if side * self.open[t] <= level:
            return Stop(target, "target")
        return Stop(self.open[t] if self.rules.gap_fill == "open" else side * max(worst, level), "target")

    def extremes(self, side: int, t: int) -> tuple[float, float]:
        """The best and the worst price of bar t for a side, mirrored for a sold position."""
        return (self.high[t], self.low[t]) if side > 0 else (-self.low[t], -self.high[t])

    def is_beyond(self, price: float, level: float) -> bool:
        side = self.compare(price, level)
        return side > 0 if self.rules.target_of == "net" else side >= 0

    def compare(self, price: float, level: float) -> int:
        """Which of two is larger, as the sign of their difference; notes if rounding may have decided it."""
        if 0 < abs(price - level) <= NEAR * abs(level):
            self.is_near = True
        return (price > level) - (price < level)

    def stop(self, held: Position) -> Stop | None:
        """The tighter of stop-loss and trailing stop."""
        trail, share = self.trail(held), self.rules.stop_loss_pct
        stops = [] if share is None else [Stop(held.base * (1 - held.side * share / 100), "stop")]
        if not math.isnan(held.stop_level):
            stops.append(Stop(held.stop_level, "stop"))
        if trail is not None:
            stops.append(Stop(trail, "trail"))
        return max(stops, key=lambda stop: held.side * stop.price) if stops else None

    def trail(self, held: Position) -> float | None:
        """Where the trailing stop stands: where its best price so far and its best ATR so far have brought it."""
        levels = [level for level in (held.atr_stop, self.share_trail(held.side, held.best)) if level is not None]
        return held.side * max(held.side * level for level in levels) if levels else None

    def share_trail(self, side: int, best: float | None) -> float | None:
        share = self.rules.trailing_stop_pct
        return None if share is None or best is None else best * (1 - side * share / 100)

    def trailing(self, held: Position, price: float) -> float | None:
        """Where the trailing stop would stand if this were the best price."""
        levels = [self.share_trail(held.side, price)]
        if self.rules.trailing_atr is not None and not math.isnan(held.atr):
            levels.append(price - held.side * self.rules.trailing_atr * held.atr)
        return held.side * max(held.side * level for level in levels if level is not None)

    def target(self, held: Position) -> float | None:
        """The nearer of take-profit and the target of the signal."""
        targets = [each for each in (self.take_profit(held), held.target_level) if each is not None]
        known = [each for each in targets if not math.isnan(each)]
        return held.side * min(held.side * each for each in known) if known else None

    def take_profit(self, held: Position) -> float | None:
        if self.rules.take_profit_pct is None:
            return None
        side, profit = held.side, self.rules.take_profit_pct / 100
        if self.rules.target_of == "price":
            return held.base * (1 + side * profit)
        opened = held.base * (1 + side * self.fee)
        return opened * (1 + side * profit) / (1 - side * self.fee)

    def follow(self, held: Position, price: float) -> None:
        """Take a price into account that the trailing stop follows."""
        held.best = price if held.best is None else held.side * max(held.side * held.best, held.side * price)
        self.tighten(held)

    def tighten(self, held: Position) -> None:
        """Move the trailing stop of average true ranges, if that is closer."""
        if self.rules.trailing_atr is None or held.best is None or math.isnan(held.atr):
            return
        stop = held.best - held.side * self.rules.trailing_atr * held.atr
        held.atr_stop = stop if held.atr_stop is None else held.side * max(held.side * held.atr_stop, held.side * stop)

    # The close of a bar.

    def end_bar(self, t: int) -> None:
        """Value the account at the close of bar t, and do what is due at the very end."""
        if self.position is not None and t == self.last and self.rules.at_end == "close":
            self.leave(t, self.close[t], "end", is_close=True)
        held = self.position
        if held is not None and held.side < 0 and self.rules.borrow_pct > 0:
            cost = held.units * self.close[t] * self.rules.borrow_pct / 100 / self.bars_per_year
            held.borrow += cost
            self.cash -= cost
        worth = self.cash + (held.side * held.units * self.close[t] if held is not None else 0.0)
        if held is not None and worth <= 0:
            self.leave(t, self.close[t], "ruin", is_close=True)
            self.is_ruined = True
            worth, held = self.cash, None
        self.equity.append(worth)
        if held is not None:
            self.see(held, t)
        if held is not None and t == self.last:
            self.leave(t, self.close[t], "open")

    def see(self, held: Position, t: int) -> None:
        """Note the prices of a bar on whose close the position is held."""
        held.atr = self.atr[t]
        is_whole = t > held.entry_bar or self.rules.fill == "next_open"
        best, worst = (self.high[t], self.low[t]) if held.side > 0 else (self.low[t], self.high[t])
        if is_whole:
            held.prices += [best, worst]
        if self.rules.trail_from in {"close", "entry_bar_close"}:
            self.follow(held, self.close[t])
        elif is_whole:
            self.follow(held, best)
        else:
            self.tighten(held)
