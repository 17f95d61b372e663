"""The simulation under any rules, bar by bar.

Each bar has two steps. One trades what the signals say, at the open or at the close; the other looks whether a stop or
a target lies within the bar. A fill at the open comes before what happens within the bar, one at the close after it.
"""

from __future__ import annotations

import numpy as np

from backtests.engine import coded as by
from backtests.engine import trades as why
from backtests.engine.coded import CODED_IN
from backtests.engine.scanning import _either, _fetch, _fetch_all, _highest, _hold, _lowest, _next_true
from backtests.engine.sizes import RULES_IN, _committed, _sized
from backtests.engine.trades import TRADES_OUT
from strategies.indicators.kernel import BOOL, BOOLS, F64, FLOATS, FLOATS_OUT, I64, INTS, kernel

RECORD_OUT = TRADES_OUT.dtype


@kernel((RULES_IN, F64, F64, F64, I64, F64, F64, F64, F64, BOOL, BOOL))
def _met(  # type: ignore[no-untyped-def]
    rule, open_, high, low, side, base, own_stop, own_target, trail, has_moved, moved_now
):
    """Return the price at which a stop or target within the bar is traded and why, or the reason "open" for neither.

    ``own_stop`` and ``own_target`` are the prices that came with the signal, NaN without. ``has_moved`` tells of a
    trailing stop that follows the bar itself that it is no longer where it was at the entry, and ``moved_now`` that
    this very bar has moved it.
    """
    worst = low if side > 0 else high
    best = high if side > 0 else low
    stop = -np.inf * side
    reason = why.STOP
    if rule.stop_loss_pct > 0.0:
        stop = base * (1.0 - side * rule.stop_loss_pct)
    # Of NaN neither is true.
    if side * own_stop > side * stop:
        stop = own_stop
    if side * trail > side * stop:
        stop = trail
        reason = why.TRAIL
    target = np.inf * side
    if rule.take_profit_pct > 0.0:
        target = base * (1.0 + side * rule.take_profit_pct)
    if rule.target_of == 1:
        target *= (1.0 + side * rule.fee_pct) / (1.0 - side * rule.fee_pct)
    if side * own_target < side * target:
        target = own_target
    meets_stop = side * worst <= side * stop
    meets_target = side * best > side * target if rule.target_of == 1 else side * best >= side * target
    # A stop that the bar itself has moved was not there when it opened.
    opens_beyond_stop = side * open_ <= side * stop and not (moved_now and reason == why.TRAIL)
    opens_beyond_target = side * open_ >= side * target
    if meets_stop and meets_target:
        if rule.bar_path == by.STOP_ALWAYS:
            meets_stop = not (has_moved and reason == why.TRAIL)
        elif opens_beyond_target and not opens_beyond_stop:
            meets_stop = False
        elif rule.bar_path == by.NEARER_EXTREME and not opens_beyond_stop:
            # Of two extremes that are equally near the low comes first.
            high_first = high - open_ < open_ - low
            meets_stop = high_first != (side > 0)
    if meets_stop:
        if rule.gap_fill == 1:
            return (stop if side * best >= side * stop else open_), reason
        return (open_ if opens_beyond_stop else stop), reason
    if meets_target:
        if rule.gap_fill == 1:
            return (target if side * worst <= side * target else worst), why.TARGET
        return (open_ if opens_beyond_target else target), why.TARGET
    return 0.0, why.OPEN


@kernel((RULES_IN, I64, F64, F64, F64))
def _trailed(rule, side, extreme, atr, trail):  # type: ignore[no-untyped-def]
    """Return the trailing stop, which follows the best price and never goes back."""
    if rule.trailing_stop_pct > 0.0:
        level = extreme * (1.0 - side * rule.trailing_stop_pct)
        trail = level if side * level > side * trail else trail
    if rule.trailing_atr > 0.0 and not np.isnan(atr):
        level = extreme - side * rule.trailing_atr * atr
        trail = level if side * level > side * trail else trail
    return trail


@kernel((RECORD_OUT, RULES_IN, I64, F64, F64, I64, F64, F64))
def _enter(trade, rule, t, price, filled, side, units, committed):  # type: ignore[no-untyped-def]
    """Open a trade and return by how much the cash changes."""
    value = units * filled
    trade.entry_bar = t
    trade.side = side
    trade.entry_price = filled
    trade.units = units
    trade.fees = value * rule.fee_pct + rule.fixed_fee
    trade.slippage = units * price * rule.slippage_pct
    trade.borrow = 0.0
    return value * (1.0 - rule.fee_pct) - rule.fixed_fee if side < 0 else -committed


@kernel((RECORD_OUT, RULES_IN, I64, F64, F64, F64, I64))
def _leave(trade, rule, t, price, slippage, committed, reason):  # type: ignore[no-untyped-def]
    """Close a trade and return by how much the cash changes."""
    filled = price * (1.0 - trade.side * slippage)
    value = trade.units * filled
    trade.exit_bar = t
    trade.exit_price = filled
    trade.exit_reason = reason
    trade.fees += value * rule.fee_pct + rule.fixed_fee
    trade.slippage += trade.units * price * slippage
    if trade.side > 0:
        change = value * (1.0 - rule.fee_pct) - rule.fixed_fee
        trade.pnl = change - committed
    else:
        change = -(value * (1.0 + rule.fee_pct) + rule.fixed_fee)
        sold = trade.units * trade.entry_price * (1.0 - rule.fee_pct) - rule.fixed_fee
        trade.pnl = sold + change - trade.borrow
    trade.return_pct = 100.0 * trade.pnl / committed
    return change


@kernel((RECORD_OUT, RULES_IN, I64, F64, F64))
def _mark(trade, rule, t, price, committed):  # type: ignore[no-untyped-def]
    """Value a position that is still held at the last close, without the costs of leaving."""
    value = trade.units * price
    trade.exit_bar = t
    trade.exit_price = price
    trade.exit_reason = why.OPEN
    if trade.side > 0:
        trade.pnl = value - committed
    else:
        trade.pnl = trade.units * trade.entry_price * (1.0 - rule.fee_pct) - rule.fixed_fee - value - trade.borrow
    trade.return_pct = 100.0 * trade.pnl / committed


@kernel((RECORD_OUT, FLOATS, FLOATS, I64, I64))
def _excursions(trade, high, low, end, at_open):  # type: ignore[no-untyped-def]
    """Set how far the price went against and for a position, on bars held from open to close and at its fills."""
    first = trade.entry_bar if at_open else trade.entry_bar + 1
    lowest = min(_lowest(low[first:end]), trade.entry_price, trade.exit_price) / trade.entry_price - 1.0
    highest = max(_highest(high[first:end]), trade.entry_price, trade.exit_price) / trade.entry_price - 1.0
    trade.mae_pct = 100.0 * (lowest if trade.side > 0 else 0.0 - highest)
    trade.mfe_pct = 100.0 * (highest if trade.side > 0 else 0.0 - lowest)


_IN = (INTS, FLOATS, FLOATS, FLOATS, FLOATS, BOOLS, BOOLS, BOOLS, BOOLS, FLOATS, FLOATS, FLOATS, CODED_IN, F64)


@kernel((*_IN, TRADES_OUT, FLOATS_OUT))
def _simulate_general(  # type: ignore[no-untyped-def]
    time, open_, high, low, close, entry, exit_, short_entry, short_exit, stops, targets, atr, rules, bars_a_year,
    trades, equity,
):  # fmt: skip
    """Fill trades and equity and return the number of trades."""
    rule = rules[0]
    n = len(close)
    at_open = rule.fill == by.NEXT_OPEN
    lag = 0 if rule.fill == by.SAME_CLOSE else 1
    cash = rule.cash
    n_trades = 0
    side = 0
    units = committed = base = extreme = trail = placed = 0.0
    own_stop = own_target = np.nan
    entered = 0
    may_enter_from = 0
    stopped = -1
    exit_slippage = rule.slippage_pct if rule.slippage_on == 0 else 0.0
    is_ruined = False
    # A long position without a rule that looks at every bar is left by a signal only.
    looks = rule.stop_loss_pct + rule.take_profit_pct + rule.trailing_stop_pct + rule.trailing_atr + rule.time_stop_bars
    is_quiet = looks == 0.0 and len(stops) == 0 and len(targets) == 0
    # Signals that may change something while there is no position, and while there is a long one.
    enters, leaves = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    if rule.direction != by.SHORT:
        _either(entry, enters, enters)
        _either(exit_, leaves, leaves)
    if rule.direction != by.LONG:
        _either(short_entry, enters, enters)
        _either(short_entry, leaves, leaves)

    # It never is: to ask keeps the compiler from leaving the reading out.
    if at_open and _fetch_all(open_) < 0.0:
        return 0
    t = -1
    while t < n - 1:
        t += 1
        if side == 0 or (side > 0 and is_quiet and cash >= 0.0):
            # Until the next signal nothing happens; with no debt a long position is not ruined either.
            wakes = enters if side == 0 else leaves
            due = min(_next_true(wakes, max(t - lag, 0)) + lag, n - 1)
            if due > t:
                _hold(cash, side * units, close[t:due], equity[t:due])
                t = due
        side_before = side
        stopped_before = stopped
        decided = t - lag
        for step in range(2):
            if side != 0 and (step == 1) == at_open:
                # Within the bar: what the price meets of stops and target.
                if t == entered and not (at_open and rule.stops_from == 0):
                    continue
                has_moved = moved_now = False
                if rule.trail_from == by.TRAIL_BAR:
                    if side * trail < side * (low[t] if side > 0 else high[t]):
                        reached = max(extreme, high[t]) if side > 0 else min(extreme, low[t])
                        moved = _trailed(rule, side, reached, atr[t - 1], trail)
                        moved_now = moved != trail
                        trail = moved
                    has_moved = trail != placed
                price, reason = _met(
                    rule, open_[t], high[t], low[t], side, base, own_stop, own_target, trail, has_moved, moved_now
                )
                if reason == why.OPEN:
                    continue
                if reason == why.TRAIL and moved_now and t == entered:
                    # The bar rose before it fell, or never reached its high: it is left no better than from the open.
                    fallen = _trailed(rule, side, open_[t], atr[t - 1], -np.inf * side)
                    price = max(low[t], fallen) if side > 0 else min(high[t], fallen)
                trade = trades[n_trades]
                slip = exit_slippage if rule.stop_slippage and reason != why.TARGET else 0.0
                cash += _leave(trade, rule, t, price, slip, committed, reason)
                trade.bars_held = t
                side = 0
                n_trades += 1
                may_enter_from = t + rule.reentry_delay + min(rule.reentry_delay, 1)
                stopped = t
            elif (step == 0) == at_open and decided >= rule.skip_bars and not is_ruined:
                if t == n - 1 and rule.at_end == by.LAST_OPEN and not at_open:
                    # The open at which a position is left comes before this close.
                    continue
                # At the open or the close: what the signals say.
                is_heard = decided != (stopped if lag == 0 else stopped_before) or rule.stop_bar_signals == 0
                price = open_[t] if at_open else close[t]
                goes_long = goes_short = leaves_long = leaves_short = False
                if is_heard and rule.direction != by.SHORT:
                    goes_long = entry[decided] and not exit_[decided]
                    leaves_long = exit_[decided] and not (rule.collision == 1 and entry[decided])
                if is_heard and rule.direction != by.LONG:
                    goes_short = short_entry[decided] and not short_exit[decided]
                    leaves_short = short_exit[decided] and not (rule.collision == 1 and short_entry[decided])
                if goes_long and goes_short:
                    # Entries that contradict each other count for neither.
                    goes_long = goes_short = False
                held = side_before if rule.fill == by.NEXT_CLOSE else side
                reason = why.OPEN
                if (side > 0 and (leaves_long or goes_short)) or (side < 0 and (leaves_short or goes_long)):
                    reason = why.SIGNAL
                elif side != 0 and rule.time_stop_bars > 0 and t - entered >= rule.time_stop_bars:
                    reason = why.TIME
                if reason != why.OPEN:
                    trade = trades[n_trades]
                    cash += _leave(trade, rule, t, price, exit_slippage, committed, reason)
                    trade.bars_held = t if at_open else t + 1
                    side = 0
                    n_trades += 1
                    may_enter_from = t + rule.reentry_delay + min(rule.reentry_delay, 1)
                wanted = 0
                if goes_long and held <= 0:
                    wanted = 1
                if goes_short and held >= 0:
                    wanted = -1
                if rule.at_end == by.LAST_OPEN and t == n - 1:
                    wanted = 0
                if wanted != 0 and side == 0 and t >= may_enter_from:
                    filled = price * (1.0 + wanted * rule.slippage_pct)
                    worth = equity[decided] if rule.size_price == 1 and decided < t else cash
                    units = _sized(rule, wanted, worth, cash, price, close, decided, bars_a_year)
                    if units > 0.0:
                        side = wanted
                        entered = t
                        committed = _committed(rule, units, filled, cash)
                        cash += _enter(trades[n_trades], rule, t, price, filled, side, units, committed)
                        base = filled
                        if rule.stop_base == by.BASE_ENTRY_CLOSE:
                            base = close[t]
                        elif rule.stop_base == by.BASE_SIGNAL_CLOSE:
                            base = close[decided]
                        own_stop = stops[decided] if len(stops) > 0 else np.nan
                        own_target = targets[decided] if len(targets) > 0 else np.nan
                        extreme = base if rule.trail_from != by.TRAIL_ENTRY_BAR_CLOSE else -np.inf * side
                        trail = _trailed(rule, side, extreme, atr[decided], -np.inf * side)
                        placed = trail
        if t == n - 1 and side != 0 and rule.at_end != by.MARK:
            trade = trades[n_trades]
            at_close = rule.at_end == by.CLOSE
            cash += _leave(trade, rule, t, close[t] if at_close else open_[t], exit_slippage, committed, why.END)
            trade.bars_held = t + 1 if at_close else t
            side = 0
            n_trades += 1
        if side < 0 and rule.borrow_pct > 0.0:
            borrow = units * close[t] * rule.borrow_pct / bars_a_year
            trades[n_trades].borrow += borrow
            cash -= borrow
        equity[t] = cash + side * units * close[t]
        if side != 0 and equity[t] <= 0.0:
            trade = trades[n_trades]
            cash += _leave(trade, rule, t, close[t], exit_slippage, committed, why.RUIN)
            trade.bars_held = t + 1
            side = 0
            n_trades += 1
            is_ruined = True
            equity[t] = cash
        if side != 0:
            # What the bar reached moves the trailing stop of the next one: within a bar the order is not known.
            follows_close = rule.trail_from in (by.TRAIL_CLOSE, by.TRAIL_ENTRY_BAR_CLOSE)
            if t > entered or at_open or follows_close:
                reached = close[t]
                if not follows_close:
                    reached = high[t] if side > 0 else low[t]
                extreme = max(extreme, reached) if side > 0 else min(extreme, reached)
            trail = _trailed(rule, side, extreme, atr[t], trail)
    if side != 0:
        trade = trades[n_trades]
        _mark(trade, rule, n - 1, close[n - 1], committed)
        trade.bars_held = n
        n_trades += 1
    # It never is: to ask keeps the compiler from leaving the reading out.
    if _fetch(trades[:n_trades], time, open_, high, low) < 0.0:
        return 0
    for i in range(n_trades):
        trade = trades[i]
        # Until here it says at which bar the position was no longer held from open to close.
        _excursions(trade, high, low, trade.bars_held, at_open)
        trade.entry_time = time[trade.entry_bar]
        trade.exit_time = time[trade.exit_bar]
        trade.bars_held = trade.exit_bar - trade.entry_bar
    return n_trades
