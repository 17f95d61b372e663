"""What holds on every market and under every rule, or under those that are named."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backtests.engine.rules import RULES, Rules
from backtests.engine.simulate import simulate
from backtests.engine.trades import END, EXIT_REASONS, OPEN, RUIN, SIGNAL, TIME, TRADE, Outcome
from strategies.bars import Bars, FloatArray, Signals
from tests.backtests.engine.references import any_markets, any_rules, examples, fills

YEAR = 250.0
Market = tuple[Bars, Signals]
VALUES = {rule.key: rule.default for rule in RULES}


def run(market: Market, rules: Rules) -> Outcome:
    return simulate(*market, rules, bars_per_year=YEAR)


def changed(rules: Rules, **values: Any) -> Rules:
    return Rules(**{**{key: getattr(rules, key) for key in VALUES}, **values})


def scaled(market: Market, scale: float) -> Market:
    bars, signals = market
    prices = {name: getattr(bars, name) * scale for name in ("open", "high", "low", "close")}
    levels = {name: getattr(signals, name) for name in ("stop", "target")}
    levels = {name: None if level is None else level * scale for name, level in levels.items()}
    return Bars.of(time=bars.time, volume=bars.volume, **prices), replace(signals, **levels)


def cut(market: Market, part: slice) -> Market:
    bars, signals = market
    return bars[part], signals[part]


def account(bars: Bars, rules: Rules, outcome: Outcome) -> FloatArray:
    """Equity at every close as the trades alone tell it: cash, and what is held."""
    cash, held = np.full(len(bars), rules.cash), np.zeros(len(bars))
    fee = rules.fee_pct / 100
    for trade in outcome.trades:
        first, last = trade["entry_bar"], trade["exit_bar"]
        if trade["exit_reason"] == OPEN:
            last = len(bars)
        side, units = trade["side"], trade["units"]
        cash[first:] -= units * trade["entry_price"] * (side + fee) + rules.fixed_fee
        held[first:last] += side * units
        if side < 0:
            charged = bars.close[first : last + (trade["exit_reason"] == RUIN)]
            borrow = units * charged * rules.borrow_pct / 100 / YEAR
            assert trade["borrow"] == pytest.approx(borrow.sum(), rel=1e-9)
            cash[first : first + len(charged)] -= np.cumsum(borrow)
            cash[first + len(charged) :] -= borrow.sum()
        if trade["exit_reason"] != OPEN:
            cash[last:] += units * trade["exit_price"] * (side - fee) - rules.fixed_fee
    worth: FloatArray = cash + held * bars.close
    return worth


@examples
@given(market=any_markets(), rules=any_rules())
def test_equity_is_cash_and_position_at_every_close(market: Market, rules: Rules) -> None:
    outcome = run(market, rules)
    largest = max(rules.cash, float(np.abs(outcome.equity).max()))
    np.testing.assert_allclose(outcome.equity, account(market[0], rules, outcome), rtol=1e-9, atol=1e-9 * largest)


@examples
@given(market=any_markets(), rules=any_rules())
def test_the_profits_of_all_trades_are_the_change_of_equity(market: Market, rules: Rules) -> None:
    outcome = run(market, rules)
    largest = max(rules.cash, float(np.abs(outcome.equity).max()))
    assert math.fsum(outcome.trades["pnl"]) == pytest.approx(outcome.equity[-1] - rules.cash, abs=1e-9 * largest)


@examples
@given(market=any_markets(), rules=any_rules())
def test_trades_follow_each_other(market: Market, rules: Rules) -> None:
    bars, trades = market[0], run(market, rules).trades
    n = len(bars)
    for number, trade in enumerate(trades):
        first, last, reason = trade["entry_bar"], trade["exit_bar"], trade["exit_reason"]
        assert 0 <= first <= last < n
        assert trade["bars_held"] == last - first
        assert (trade["entry_time"], trade["exit_time"]) == (bars.time[first], bars.time[last])
        assert trade["side"] in {"long": {1}, "short": {-1}, "both": {1, -1}}[rules.direction]
        assert trade["units"] > 0
        assert trade["mae_pct"] <= 0 <= trade["mfe_pct"]
        if number:
            delay = rules.reentry_delay
            assert first >= trades[number - 1]["exit_bar"] + (delay + 1 if delay else 0)
        if reason in {OPEN, END, RUIN}:
            assert number == len(trades) - 1
        assert reason not in {OPEN, END} or last == n - 1
        if reason == TIME:
            assert last - first == rules.time_stop_bars
        if reason in {SIGNAL, TIME}:
            assert first < last
        if rules.whole_units:
            assert trade["units"] == int(trade["units"])
        for name in TRADE.names or ():
            assert math.isfinite(trade[name])


@examples
@given(market=any_markets(), rules=any_rules())
def test_every_fill_is_at_a_price_of_its_bar(market: Market, rules: Rules) -> None:
    """Slippage aside."""
    bars = market[0]
    free = changed(rules, slippage_pct=0.0)
    for trade in run(market, free).trades:
        for bar, price in ((trade["entry_bar"], trade["entry_price"]), (trade["exit_bar"], trade["exit_price"])):
            assert bars.low[bar] * (1 - 1e-12) <= price <= bars.high[bar] * (1 + 1e-12)
        column = bars.open if free.fill == "next_open" else bars.close
        assert trade["entry_price"] == column[trade["entry_bar"]]
        if EXIT_REASONS[trade["exit_reason"]] in {"signal", "time"}:
            assert trade["exit_price"] == column[trade["exit_bar"]]


@examples
@given(market=any_markets(), rules=any_rules())
def test_nothing_is_lost_but_what_is_told(market: Market, rules: Rules) -> None:
    """Profit is what the prices without slippage give, less fees, slippage and the cost of borrowing."""
    for trade in run(market, rules).trades:
        moved = trade["side"] * (trade["exit_price"] - trade["entry_price"]) * trade["units"]
        spent = trade["units"] * max(trade["entry_price"], trade["exit_price"]) + trade["fees"]
        assert trade["pnl"] == pytest.approx(moved - trade["fees"] - trade["borrow"], abs=1e-9 * spent)
        assert trade["slippage"] >= 0


@examples
@given(market=any_markets(), rules=any_rules(at_end="mark"), part=st.floats(0.0, 1.0))
def test_the_past_does_not_depend_on_the_future(market: Market, rules: Rules, part: float) -> None:
    """Under every rule but what is done at the end, which only the end can decide."""
    t = max(2, int(part * len(market[0])))
    early, whole = run(cut(market, slice(0, t)), rules), run(market, rules)
    np.testing.assert_array_equal(early.equity, whole.equity[:t])
    closed = early.trades[early.trades["exit_reason"] != OPEN]
    assert closed.tobytes() == whole.trades[: len(closed)].tobytes()


# More cost is never more equity for bought positions that take a share of equity, costs included, at the price of the
# fill and in fractions: what is spent is then the same share whatever the costs are, and buys fewer units the higher
# they are. A sold position that loses would lose less if it were smaller, fewer whole units may spare a loss, and so
# may an entry that is refused. Fills must not depend on costs: stops are measured from a price without slippage.

UNMOVED = {
    "direction": "long",
    "fixed_fee": 0.0,
    "size_costs": "included",
    "size_price": "fill",
    "whole_units": False,
    "cash_check": "fill",
    "target_of": "price",
    "stop_base": "signal_close",
}
SHARES = st.sampled_from(["equity", "volatility"])


@examples
@given(
    market=any_markets(), data=st.data(), cost=st.sampled_from(["fee_pct", "slippage_pct"]), more=st.floats(1e-3, 20)
)
def test_more_cost_is_never_more_equity(market: Market, data: st.DataObject, cost: str, more: float) -> None:
    rules = data.draw(any_rules(**UNMOVED, sizing=data.draw(SHARES)))
    dearer = changed(rules, **{cost: min(50.0, getattr(rules, cost) + more)})
    cheap, dear = run(market, rules), run(market, dearer)
    assert fills(cheap) == fills(dear)
    assert (dear.equity <= cheap.equity * (1 + 1e-12)).all()


# Powers of two change no digit, so that what should be the same is the same to the last bit.


@examples
@given(market=any_markets(), data=st.data(), power=st.integers(-8, 8))
def test_the_unit_of_prices_changes_nothing_but_units(market: Market, data: st.DataObject, power: int) -> None:
    """Fractional units; and no fixed fee for every unit, which is a price of its own."""
    rules = data.draw(any_rules(whole_units=False))
    assume(rules.size_costs != "per_unit" or rules.fixed_fee == 0)
    scale = 2.0**power
    assume(1e-9 <= rules.size_units / scale <= 1e12)
    first = run(market, rules)
    second = run(scaled(market, scale), changed(rules, size_units=rules.size_units / scale))
    assert first.equity.tobytes() == second.equity.tobytes()
    trades = second.trades.copy()
    trades["units"] *= scale
    for name in ("entry_price", "exit_price"):
        trades[name] /= scale
    assert trades.tobytes() == first.trades.tobytes()


@examples
@given(market=any_markets(), data=st.data(), power=st.integers(-6, 6))
def test_the_unit_of_money_changes_nothing(market: Market, data: st.DataObject, power: int) -> None:
    """Prices and amounts in cents instead of dollars."""
    rules = data.draw(any_rules())
    scale = 2.0**power
    amounts = {name: getattr(rules, name) * scale for name in ("cash", "size_cash", "fixed_fee")}
    assume(amounts["cash"] >= 0.01 and amounts["size_cash"] >= 0.01)
    first, second = run(market, rules), run(scaled(market, scale), changed(rules, **amounts))
    assert (second.equity / scale).tobytes() == first.equity.tobytes()
    trades = second.trades.copy()
    for name in ("entry_price", "exit_price", "fees", "slippage", "borrow", "pnl"):
        trades[name] /= scale
    assert trades.tobytes() == first.trades.tobytes()


# What a simulation remembers besides cash: a position, past bars for averages, the last exit, and its own first bar.
FORGETFUL: dict[str, Any] = {
    "at_end": "mark",
    "trailing_atr": None,
    "reentry_delay": 0,
    "skip_bars": 0,
}


@examples
@given(market=any_markets(), data=st.data())
def test_two_halves_cut_at_a_flat_close_add_up(market: Market, data: st.DataObject) -> None:
    rules = data.draw(any_rules(**FORGETFUL, sizing=data.draw(st.sampled_from(["equity", "cash", "units"]))))
    bars, signals = market
    whole = run(market, rules)
    held = np.zeros(len(bars), dtype=bool)
    for trade in whole.trades:
        held[trade["entry_bar"] : trade["exit_bar"] + 1 + (trade["exit_reason"] == RUIN) * len(bars)] = True
    wants = signals.entry | signals.exit
    for flags in (signals.short_entry, signals.short_exit):
        wants = wants if flags is None else wants | flags
    flat = [t for t in range(2, len(bars) - 1) if not held[t - 1] and not held[t] and not wants[t - 1]]
    assume(flat and not (whole.trades["exit_reason"] == RUIN).any())
    t = data.draw(st.sampled_from(flat))
    assume(0.01 <= whole.equity[t - 1] <= 1e12)
    first = run(cut(market, slice(0, t)), rules)
    second = run(cut(market, slice(t, None)), changed(rules, cash=float(whole.equity[t - 1])))
    assert np.concatenate((first.equity, second.equity)).tobytes() == whole.equity.tobytes()
    later = second.trades.copy()
    later["entry_bar"] += t
    later["exit_bar"] += t
    assert first.trades.tobytes() + later.tobytes() == whole.trades.tobytes()
