"""The kernel that computes the metrics of ``METRICS``."""

from __future__ import annotations

import math

import numpy as np

from backtests.engine.coded import CODED_IN, coded
from backtests.engine.errors import EngineError
from backtests.engine.returns import ROUNDING, _moments, _sharpe, _sums, _tail
from backtests.engine.rules import Rules
from backtests.engine.simulate import check_annual_factor, check_kind
from backtests.engine.table import METRICS
from backtests.engine.trades import OPEN, TRADE, TRADES_OUT, Outcome
from strategies.bars import Bars, FloatArray
from strategies.indicators.kernel import F64, FLOATS, FLOATS_OUT, INTS, kernel


def measure(bars: Bars, outcome: Outcome, rules: Rules, *, bars_per_year: float) -> FloatArray:
    """Return the value of every metric.

    Parameters
    ----------
    bars : Bars, n of them, at least 2
    outcome : Outcome of a simulation on these bars
    rules : Rules of that simulation
    bars_per_year : float
        The annual factor of the market and interval, positive.

    Returns
    -------
    float64, shape (len(METRICS),)
        In the order of METRICS; NaN where a metric is undefined. Times are seconds since 1970 UTC.

    Raises
    ------
    EngineError
        If an argument is of another kind, bars and outcome differ in length, trades are not on these bars one after
        another, the rules have another cash, or the annual factor is not positive.
    """
    check_kind("bars", bars, Bars)
    check_kind("outcome", outcome, Outcome)
    check_kind("rules", rules, Rules)
    if len(bars) != len(outcome.equity) or len(bars) < 2:
        raise EngineError(f"metrics need 2 bars or more and their equity; got {len(bars)} and {len(outcome.equity)}")
    check_annual_factor(bars_per_year)
    _check_trades(outcome, len(bars))
    # Equity starts as cash; only a fill at the very first close may change it before.
    if outcome.equity[0] != rules.cash and not (len(outcome.trades) and outcome.trades["entry_bar"][0] == 0):
        raise EngineError(f"rules: cash is {rules.cash:g}, but the outcome began with {outcome.equity[0]:g}")
    values = np.empty(len(METRICS))
    _measure(bars.time, bars.close, outcome.equity, outcome.trades, coded(rules).record, bars_per_year, values)
    return values


def _check_trades(outcome: Outcome, n_bars: int) -> None:
    if outcome.equity.dtype != np.float64 or outcome.trades.dtype != TRADE:
        raise EngineError(
            f"outcome must hold equity as float64 and trades as TRADE; it holds {outcome.equity.dtype} and "
            f"{outcome.trades.dtype}"
        )
    entries, exits = outcome.trades["entry_bar"], outcome.trades["exit_bar"]
    follow = (entries[1:] >= exits[:-1]).all() and (entries <= exits).all()
    if len(entries) and not (follow and entries[0] >= 0 and exits[-1] < n_bars):
        raise EngineError(f"outcome: its trades must follow one another on bars 0 to {n_bars - 1}")


@kernel((FLOATS, FLOATS_OUT), borrows=True)
def _bar_returns(equity, returns):  # type: ignore[no-untyped-def]
    for t in range(len(returns)):
        returns[t] = equity[t + 1] / equity[t] - 1.0


@kernel((FLOATS, TRADES_OUT, F64, FLOATS_OUT, FLOATS_OUT), borrows=True)
def _follow(equity, trades, cash, returns, values):  # type: ignore[no-untyped-def]
    """Set the metrics of peaks and drawdowns; fill the returns of the bars on which equity moves.

    Returns how many returns there are, and the mean of equity. What equity lacks to its peak is divided by the peak
    once a drawdown is over, not on every bar of it.
    """
    n = len(equity)
    moving = 0
    total = 0.0
    peak = cash
    rounding = peak * ROUNDING
    depth = squares = deepest = depths = ulcer = 0.0
    below = longest = bars_below = n_drawdowns = 0
    flat_from = 0
    for i in range(len(trades) + 1):
        # A position that follows another at once shares the bar on which they change.
        first = max(trades[i].entry_bar, flat_from) if i < len(trades) else n
        if first > flat_from:
            count = first - flat_from
            total += count * equity[flat_from]
            lacks = peak - equity[flat_from]
            if lacks > rounding:
                squares += count * lacks * lacks
                below += count
                depth = max(depth, lacks)
        if i == len(trades):
            break
        end = trades[i].exit_bar + 1
        start = max(first, 1)
        if end > start:
            _bar_returns(equity[start - 1 : end], returns[moving : moving + end - start])
            moving += end - start
        for t in range(first, end):
            total += equity[t]
            lacks = peak - equity[t]
            if lacks > rounding:
                squares += lacks * lacks
                below += 1
                depth = max(depth, lacks)
            else:
                if below > 0:
                    n_drawdowns += 1
                    depths += depth / peak
                    deepest = max(deepest, depth / peak)
                    ulcer += squares / (peak * peak)
                    longest = max(longest, below)
                    bars_below += below
                    depth = squares = 0.0
                    below = 0
                if lacks < 0.0:
                    peak = equity[t]
                    rounding = peak * ROUNDING
        flat_from = max(end, flat_from)
    if below > 0:
        n_drawdowns += 1
        depths += depth / peak
        deepest = max(deepest, depth / peak)
        ulcer += squares / (peak * peak)
        longest = max(longest, below)
        bars_below += below
    values[5] = peak
    values[16] = 0.0 - 100.0 * deepest
    values[17] = -100.0 * depths / n_drawdowns if n_drawdowns > 0 else np.nan
    values[18] = longest
    values[19] = bars_below / n_drawdowns if n_drawdowns > 0 else np.nan
    values[43] = 100.0 * np.sqrt(ulcer / n)
    return moving, total / n


@kernel((FLOATS, INTS, FLOATS, CODED_IN, F64, FLOATS_OUT))
def _measure_returns(moved, time, equity, rules, bars_a_year, values):  # type: ignore[no-untyped-def]
    """Set the metrics of bar returns: those that moved, and as many zeros as make one for every bar but the first."""
    n = len(equity) - 1
    resting = n - len(moved)
    gains, losses, squares = _sums(moved)
    mean = (gains + losses) / n
    downside = np.sqrt(squares / n)
    second, third, fourth = _moments(moved, mean)
    second += resting * mean * mean
    third -= resting * mean * mean * mean
    fourth += resting * mean * mean * mean * mean
    deviation = np.sqrt(second / (n - 1)) if n > 1 else np.nan
    varies = deviation > ROUNDING
    root = np.sqrt(bars_a_year)
    values[11] = 100.0 * deviation * root
    values[12] = _sharpe(time, equity, rules, bars_a_year, mean, deviation)
    values[13] = mean / downside * root if downside > ROUNDING else np.nan
    values[15] = gains / -losses if downside > ROUNDING else np.nan
    values[39] = values[40] = values[41] = values[42] = values[46] = np.nan
    if n > 1:
        at_risk, beyond = _tail(moved, n, -losses)
        values[39] = 100.0 * at_risk
        values[40] = 100.0 * beyond
    if varies:
        variance = second / n
        skew = third / n / variance**1.5
        kurtosis = fourth / n / (variance * variance) - 3.0
        ratio = mean / deviation
        spread = 1.0 - skew * ratio + (kurtosis + 2.0) / 4.0 * ratio * ratio
        values[41] = skew
        values[42] = kurtosis
        if spread > ROUNDING:
            values[46] = 50.0 * (1.0 + math.erf(ratio * np.sqrt((n - 1.0) / spread) / np.sqrt(2.0)))


@kernel((TRADES_OUT, F64, FLOATS_OUT), borrows=True)
def _measure_trades(trades, n_bars, values):  # type: ignore[no-untyped-def]
    """Set the metrics of trades."""
    closed = wins = losses = held = longest = in_trades = 0
    win_streak = loss_streak = most_wins = most_losses = 0
    profit = loss = total = bought = total_return = adverse = favourable = fees = slippage = borrow = 0.0
    best = -np.inf
    worst = np.inf
    for i in range(len(trades)):
        trade = trades[i]
        fees += trade.fees
        slippage += trade.slippage
        borrow += trade.borrow
        if trade.exit_reason == OPEN:
            held += n_bars - trade.entry_bar
            continue
        duration = trade.bars_held
        held += duration
        in_trades += duration
        longest = max(longest, duration)
        closed += 1
        total_return += trade.return_pct
        best = max(best, trade.return_pct)
        worst = min(worst, trade.return_pct)
        adverse += trade.mae_pct
        favourable += trade.mfe_pct
        total += trade.pnl
        bought += trade.units * trade.entry_price
        is_win = trade.return_pct > 100.0 * ROUNDING
        is_loss = trade.return_pct < -100.0 * ROUNDING
        win_streak = win_streak + 1 if is_win else 0
        loss_streak = loss_streak + 1 if is_loss else 0
        most_wins = max(most_wins, win_streak)
        most_losses = max(most_losses, loss_streak)
        if is_win:
            wins += 1
            profit += trade.pnl
        elif is_loss:
            losses += 1
            loss -= trade.pnl
    mean = total / closed if closed > 0 else np.nan
    squares = 0.0
    for i in range(len(trades)):
        if trades[i].exit_reason != OPEN:
            squares += (trades[i].pnl - mean) ** 2
    values[3] = 100.0 * held / n_bars
    values[20] = closed
    values[21] = len(trades) - closed
    some = closed > 0
    values[22] = 100.0 * wins / closed if some else np.nan
    values[23] = best if some else np.nan
    values[24] = worst if some else np.nan
    values[25] = total_return / closed if some else np.nan
    values[26] = longest if some else np.nan
    values[27] = in_trades / closed if some else np.nan
    values[28] = profit / loss if losses > 0 else np.nan
    values[29] = mean
    deviation = np.sqrt(squares / (closed - 1)) if closed > 1 else 0.0
    values[30] = np.sqrt(closed) * mean / deviation if deviation * closed > ROUNDING * bought else np.nan
    both = wins > 0 and losses > 0
    payoff = (profit / wins) / (loss / losses) if both else np.nan
    share = wins / closed if some else np.nan
    values[31] = 100.0 * (share - (1.0 - share) / payoff) if both else np.nan
    values[32] = payoff
    values[33] = fees
    values[34] = slippage
    values[35] = borrow
    values[37] = most_wins
    values[38] = most_losses
    values[44] = adverse / closed if some else np.nan
    values[45] = favourable / closed if some else np.nan


@kernel((TRADES_OUT,), borrows=True)
def _traded(trades):  # type: ignore[no-untyped-def]
    """Return the value bought and sold."""
    traded = 0.0
    for i in range(len(trades)):
        trade = trades[i]
        traded += trade.units * trade.entry_price
        if trade.exit_reason != OPEN:
            traded += trade.units * trade.exit_price
    return traded


@kernel((INTS, FLOATS, FLOATS, TRADES_OUT, CODED_IN, F64, FLOATS_OUT))
def _measure(time, close, equity, trades, rules, bars_a_year, values):  # type: ignore[no-untyped-def]
    n = len(equity)
    cash = rules[0].cash
    final = equity[n - 1]
    growth = final / cash
    hold = 100.0 * (close[n - 1] / close[0] - 1.0)
    cagr = 100.0 * (growth ** (bars_a_year / (n - 1.0)) - 1.0) if growth > 0.0 else np.nan
    values[0] = time[0]
    values[1] = time[n - 1]
    values[2] = n
    values[4] = final
    values[6] = final - cash
    values[7] = 100.0 * (growth - 1.0)
    values[8] = hold
    values[9] = values[7] - hold
    values[10] = cagr if np.isfinite(cagr) else np.nan
    # Equity moves only from the bar of an entry to that of its exit; every other bar returns nothing and is left out.
    returns = np.empty(n - 1)
    moving, mean_equity = _follow(equity, trades, cash, returns, values)
    _measure_returns(returns[:moving], time, equity, rules, bars_a_year, values)
    calmar = values[10] / -values[16] if values[16] < 0.0 else np.nan
    values[14] = calmar if np.isfinite(calmar) else np.nan
    _measure_trades(trades, n, values)
    traded = _traded(trades)
    values[36] = traded / 2.0 / mean_equity / (n / bars_a_year) if mean_equity > 0.0 else np.nan
