"""The simulation under the rules that most runs have: bought units only, at the next open, until a signal to leave."""

from __future__ import annotations

from backtests.engine import coded as by
from backtests.engine.coded import CODED_IN
from backtests.engine.scanning import _fetch, _fill, _highest, _hold, _lowest, _next_true
from backtests.engine.sizes import _committed, _sized
from backtests.engine.trades import OPEN, SIGNAL, TRADES_OUT
from strategies.indicators.kernel import BOOLS, F64, FLOATS, FLOATS_OUT, I64, INTS, kernel


@kernel((BOOLS, BOOLS, I64, TRADES_OUT), borrows=True)
def _find_trades(entry, exit_, heard_from, trades):  # type: ignore[no-untyped-def]
    """Set the bars of every trade and return their number; one that is still held at the end exits after it.

    Signals before the bar ``heard_from`` are none.
    """
    n = len(entry)
    n_trades = 0
    t = _next_true(entry, heard_from)
    # A signal on the last bar fills nothing.
    while t < n - 1:
        if exit_[t]:
            t = _next_true(entry, t + 1)
            continue
        trades[n_trades].entry_bar = t + 1
        t = _next_true(exit_, t + 1)
        trades[n_trades].exit_bar = min(t + 1, n)
        n_trades += 1
        t = _next_true(entry, t + 1)
    return n_trades


@kernel((INTS, FLOATS, FLOATS, FLOATS, FLOATS, BOOLS, BOOLS, CODED_IN, F64, TRADES_OUT, FLOATS_OUT), borrows=True)
def _simulate_plain(  # type: ignore[no-untyped-def]
    time, open_, high, low, close, entry, exit_, rules, bars_a_year, trades, equity
):
    """Fill trades and equity and return the number of trades: what ``_simulate_general`` gives for plain rules.

    It goes from trade to trade, not from bar to bar. Where an entry is not filled, or leaves a debt, the signals alone
    do not say which trades there are: then it returns -1, and the general one has to do it.
    """
    rule = rules[0]
    n = len(close)
    cash = rule.cash
    fee = rule.fee_pct
    slippage = rule.slippage_pct
    exit_slippage = slippage if rule.slippage_on == 0 else 0.0
    takes_all = rule.sizing == by.EQUITY and rule.size_pct == 1.0 and rule.size_price == 0 and not rule.whole_units
    takes_all &= rule.size_costs == by.COSTS_INCLUDED and rule.fixed_fee == 0.0 and rule.cash_check == by.CHECK_FILL
    n_trades = _find_trades(entry, exit_, rule.skip_bars, trades)
    # It never is: to ask keeps the compiler from leaving the reading out.
    if _fetch(trades[:n_trades], time, open_, high, low) < 0.0:
        return 0
    flat_from = 0
    for i in range(n_trades):
        trade = trades[i]
        first = trade.entry_bar
        last = trade.exit_bar
        _fill(cash, equity[flat_from:first])
        flat_from = last
        price = open_[first] * (1.0 + slippage)
        if takes_all:
            units = cash / (price * (1.0 + fee))
            committed = cash
        else:
            units = _sized(rule, 1, cash, cash, open_[first], close, first - 1, bars_a_year)
            committed = _committed(rule, units, price, cash)
            if not units > 0.0 or committed > cash:
                return -1
        rest = cash - committed
        trade.entry_time = time[first]
        trade.side = 1
        trade.entry_price = price
        trade.units = units
        trade.fees = units * price * fee + rule.fixed_fee
        trade.slippage = units * open_[first] * slippage
        trade.borrow = 0.0
        if last < n:
            exit_price = open_[last] * (1.0 - exit_slippage)
            value = units * exit_price
            change = value * (1.0 - fee) - rule.fixed_fee
            trade.exit_reason = SIGNAL
            trade.fees += value * fee + rule.fixed_fee
            trade.slippage += units * open_[last] * exit_slippage
        else:
            exit_price = close[n - 1]
            change = units * exit_price
            trade.exit_reason = OPEN
            trade.exit_bar = n - 1
        cash = rest + change
        if cash <= 0.0:
            return -1
        trade.exit_time = time[trade.exit_bar]
        trade.bars_held = trade.exit_bar - first
        trade.exit_price = exit_price
        trade.pnl = change - committed
        trade.return_pct = 100.0 * trade.pnl / committed
        _hold(rest, units, close[first:last], equity[first:last])
        trade.mae_pct = 100.0 * (min(_lowest(low[first:last]), exit_price, price) / price - 1.0)
        trade.mfe_pct = 100.0 * (max(_highest(high[first:last]), exit_price, price) / price - 1.0)
    _fill(cash, equity[flat_from:n])
    return n_trades
