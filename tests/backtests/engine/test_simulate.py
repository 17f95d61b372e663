"""The simulation under plain rules: trades worked out by hand, against a slow reference, and what holds for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.engine.errors import EngineError, TooShort
from backtests.engine.rules import Rules
from backtests.engine.simulate import MIN_BARS, simulate
from backtests.engine.trades import OPEN, SIGNAL, TRADE, Outcome
from strategies.bars import Bars, Signals
from strategies.errors import SignalsError
from tests.backtests.engine.references import (
    all_rules,
    examples,
    fields,
    fills,
    make_signals,
    markets,
    random_signals,
    shares,
    signals_on,
)
from tests.backtests.engine.slow_rules import SlowSimulation
from tests.builders import DAY_S, MONDAY_S, SHAPES, make_bars, make_market

# Costs of a quarter on every side make every figure below exact in binary.
CASH = 1000.0
QUARTER = 0.25
RULES = Rules(cash=CASH, fee_pct=25.0, slippage_pct=25.0)
FREE = Rules(cash=CASH, fee_pct=0.0, slippage_pct=0.0)

# Bought at the open of bar 1, sold at the open of bar 3.
OPENS = [90.0, 100.0, 120.0, 200.0, 300.0]
CLOSES = [100.0, 110.0, 150.0, 250.0, 280.0]
BUY_PRICE = 125.0  # 100 * 1.25
UNITS = 6.4  # 1000 / (125 * 1.25)
SALE_PRICE = 150.0  # 200 * 0.75
PROCEEDS = 720.0  # 6.4 * 150 * 0.75
FEES = 440.0  # 6.4 * 125 * 0.25 + 6.4 * 150 * 0.25
SLIPPAGE = 480.0  # 6.4 * 100 * 0.25 + 6.4 * 200 * 0.25


def five_bars() -> Bars:
    return make_bars(CLOSES, opens=OPENS)


def assert_same(outcome: Outcome, bars: Bars, signals: Signals, rules: Rules) -> None:
    slow = SlowSimulation(bars, signals, rules).run()
    np.testing.assert_allclose(outcome.equity, slow.equity, rtol=1e-12)
    assert len(outcome.trades) == len(slow.trades)
    for number, expected in enumerate(slow.trades):
        # A gain near nothing is a difference of two large sums: it is held to the money that was at work.
        spent = expected.units * expected.entry_price
        held_to = {"pnl": spent, "return_pct": 100.0, "mae_pct": 100.0, "mfe_pct": 100.0}
        for name, value in fields(outcome, number).items():
            wanted = getattr(expected, name)
            if isinstance(wanted, float):
                near = math.isclose(value, wanted, rel_tol=1e-12, abs_tol=1e-12 * held_to.get(name, 0.0))
                assert near, (number, name, value, wanted)
            else:
                assert value == wanted, (number, name)


def test_a_trade_by_hand() -> None:
    outcome = simulate(five_bars(), signals_on(5, entry=[0], exit=[2]), RULES)
    assert outcome.trades.dtype == TRADE
    assert len(outcome.trades) == 1
    assert fields(outcome) == {
        "entry_bar": 1,
        "exit_bar": 3,
        "entry_time": MONDAY_S + DAY_S,
        "exit_time": MONDAY_S + 3 * DAY_S,
        "bars_held": 2,
        "side": 1,
        "exit_reason": "signal",
        "entry_price": BUY_PRICE,
        "exit_price": SALE_PRICE,
        "units": UNITS,
        "fees": FEES,
        "slippage": SLIPPAGE,
        "borrow": 0.0,
        "pnl": PROCEEDS - CASH,
        "return_pct": -28.0,
        "mae_pct": pytest.approx(-20.0, rel=1e-14),
        "mfe_pct": pytest.approx(20.0, rel=1e-14),
    }
    assert outcome.equity.tolist() == [CASH, UNITS * 110, UNITS * 150, PROCEEDS, PROCEEDS]


def test_a_trade_with_the_default_costs_by_hand() -> None:
    outcome = simulate(five_bars(), signals_on(5, entry=[0], exit=[2]), Rules())
    units = 10_000.0 / (100.05 * 1.001)
    proceeds = units * 199.9 * 0.999
    trade = fields(outcome)
    assert trade["entry_price"] == pytest.approx(100.05, rel=1e-15)
    assert trade["exit_price"] == pytest.approx(199.9, rel=1e-15)
    assert trade["units"] == pytest.approx(units, rel=1e-14)
    assert trade["fees"] == pytest.approx(units * (0.10005 + 0.1999), rel=1e-14)
    assert trade["slippage"] == pytest.approx(units * (0.05 + 0.1), rel=1e-14)
    assert trade["pnl"] == pytest.approx(proceeds - 10_000.0, rel=1e-14)
    assert trade["return_pct"] == pytest.approx((proceeds - 10_000.0) / 100.0, rel=1e-14)


def test_without_costs_the_price_is_the_open_and_nothing_is_lost() -> None:
    outcome = simulate(five_bars(), signals_on(5, entry=[0], exit=[2]), FREE)
    trade = fields(outcome)
    assert (trade["entry_price"], trade["exit_price"], trade["units"]) == (100.0, 200.0, 10.0)
    assert (trade["fees"], trade["slippage"], trade["pnl"], trade["return_pct"]) == (0.0, 0.0, 1000.0, 100.0)
    assert outcome.equity.tolist() == [1000.0, 1100.0, 1500.0, 2000.0, 2000.0]


def test_a_fee_alone_and_slippage_alone_by_hand() -> None:
    signals = signals_on(5, entry=[0], exit=[2])
    fee = fields(simulate(five_bars(), signals, Rules(cash=CASH, fee_pct=25.0, slippage_pct=0.0)))
    assert (fee["entry_price"], fee["units"], fee["fees"], fee["slippage"]) == (100.0, 8.0, 200.0 + 400.0, 0.0)
    assert fee["pnl"] == 8.0 * 200.0 * 0.75 - CASH
    slip = fields(simulate(five_bars(), signals, Rules(cash=CASH, fee_pct=0.0, slippage_pct=25.0)))
    assert (slip["entry_price"], slip["units"], slip["fees"], slip["slippage"]) == (125.0, 8.0, 0.0, 200.0 + 400.0)
    assert slip["pnl"] == 8.0 * 150.0 - CASH


def test_no_signal_means_no_trade() -> None:
    outcome = simulate(five_bars(), signals_on(5), RULES)
    assert len(outcome.trades) == 0
    assert outcome.equity.tolist() == [CASH] * 5


def test_a_signal_on_the_last_bar_fills_nothing() -> None:
    assert fills(simulate(five_bars(), signals_on(5, entry=[4]), RULES)) == []
    assert fills(simulate(five_bars(), signals_on(5, entry=[0], exit=[4]), RULES)) == [(1, 4, "open")]


def test_a_signal_on_the_last_bar_but_one_fills_on_the_last() -> None:
    outcome = simulate(five_bars(), signals_on(5, entry=[3]), FREE)
    assert fills(outcome) == [(4, 4, "open")]
    assert fields(outcome)["entry_price"] == 300.0
    assert outcome.equity.tolist() == [1000.0] * 4 + [1000.0 / 300.0 * 280.0]
    assert fills(simulate(five_bars(), signals_on(5, entry=[0], exit=[3]), FREE)) == [(1, 4, "signal")]


def test_a_position_at_the_end_is_marked_to_the_last_close_without_exit_costs() -> None:
    outcome = simulate(five_bars(), signals_on(5, entry=[0]), RULES)
    worth = UNITS * 280.0
    assert fields(outcome) == {
        "entry_bar": 1,
        "exit_bar": 4,
        "entry_time": MONDAY_S + DAY_S,
        "exit_time": MONDAY_S + 4 * DAY_S,
        "bars_held": 3,
        "side": 1,
        "exit_reason": "open",
        "entry_price": BUY_PRICE,
        "exit_price": 280.0,
        "units": UNITS,
        "fees": UNITS * BUY_PRICE * QUARTER,
        "slippage": UNITS * 100.0 * QUARTER,
        "borrow": 0.0,
        "pnl": worth - CASH,
        "return_pct": pytest.approx(79.2, rel=1e-14),
        "mae_pct": pytest.approx(-20.0, rel=1e-14),
        "mfe_pct": pytest.approx(140.0, rel=1e-14),
    }
    assert outcome.equity[-1] == worth


def test_the_whole_account_goes_into_the_next_trade() -> None:
    outcome = simulate(five_bars(), signals_on(5, entry=[0, 2], exit=[1, 3]), FREE)
    assert fills(outcome) == [(1, 2, "signal"), (3, 4, "signal")]
    assert fields(outcome, 0)["pnl"] == 200.0
    assert fields(outcome, 1)["units"] == 1200.0 / 200.0
    assert fields(outcome, 1)["return_pct"] == 50.0
    assert outcome.equity.tolist() == [1000.0, 1100.0, 1200.0, 6.0 * 250.0, 1800.0]


@pytest.mark.parametrize("entry", [[1, 0, 1, 1, 0], [1, 1, 1, 1, 1]])
def test_a_sale_and_a_purchase_do_not_fall_on_one_bar(entry: list[int]) -> None:
    outcome = simulate(five_bars(), make_signals(entry, [0, 1, 0, 0, 0]), FREE)
    assert fills(outcome) == [(1, 2, "signal"), (3, 4, "open")]


def test_when_both_signals_stand_the_exit_wins_while_in() -> None:
    assert fills(simulate(five_bars(), make_signals([1, 0, 1, 0, 0], [0, 0, 1, 0, 0]), FREE)) == [(1, 3, "signal")]


def test_when_both_signals_stand_nothing_happens_while_out() -> None:
    assert fills(simulate(five_bars(), make_signals([1, 1, 1, 1, 1], [1, 1, 1, 1, 1]), FREE)) == []
    assert fills(simulate(five_bars(), make_signals([1, 1, 0, 0, 0], [1, 0, 0, 0, 0]), FREE)) == [(2, 4, "open")]


def test_an_entry_while_in_and_an_exit_while_out_do_nothing() -> None:
    assert fills(simulate(five_bars(), signals_on(5, entry=[1, 2, 3], exit=[0]), FREE)) == [(2, 4, "open")]
    assert fills(simulate(five_bars(), signals_on(5, exit=[0, 1, 2, 3]), FREE)) == []


def test_a_gap_fills_at_the_open_beyond_it() -> None:
    """The close that gave the signal is no price that anybody could have had."""
    bars = make_bars([100.0, 200.0, 200.0, 50.0], opens=[100.0, 190.0, 200.0, 40.0])
    outcome = simulate(bars, signals_on(4, entry=[0], exit=[2]), FREE)
    trade = fields(outcome)
    assert (trade["entry_price"], trade["exit_price"]) == (190.0, 40.0)
    assert outcome.equity.tolist() == [1000.0, 1000 / 190 * 200, 1000 / 190 * 200, 1000 / 190 * 40]


def test_two_bars_are_enough() -> None:
    outcome = simulate(make_bars([10.0, 30.0], opens=[10.0, 20.0]), signals_on(2, entry=[0]), FREE)
    assert fills(outcome) == [(1, 1, "open")]
    assert outcome.equity.tolist() == [1000.0, 1500.0]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_bars_are_too_short(n: int) -> None:
    assert MIN_BARS == 2
    with pytest.raises(TooShort, match=rf"^a simulation needs at least 2 bars; there are {n}$") as caught:
        simulate(make_bars([10.0] * n), signals_on(n), RULES)
    assert isinstance(caught.value, EngineError)


@pytest.mark.parametrize(
    "wrong", [np.zeros(4, dtype=np.bool_), np.zeros((5, 1), dtype=np.bool_), np.zeros(5), np.zeros(5, dtype=np.uint8)]
)
def test_signals_that_do_not_fit_are_refused_by_name(wrong: Any) -> None:
    right = np.zeros(5, dtype=np.bool_)
    with pytest.raises(SignalsError, match=r"^entry must be bool of shape \(5,\)"):
        simulate(five_bars(), Signals(entry=wrong, exit=right), RULES)
    with pytest.raises(SignalsError, match=r"^exit must be bool of shape \(5,\)"):
        simulate(five_bars(), Signals(entry=right, exit=wrong), RULES)
    for rules in (RULES, Rules(direction="both")):
        with pytest.raises(SignalsError, match=r"^short_entry must be bool of shape \(5,\)"):
            simulate(five_bars(), Signals(right, right, short_entry=wrong), rules)
        with pytest.raises(SignalsError, match=r"^short_exit must be bool of shape \(5,\)"):
            simulate(five_bars(), Signals(right, right, short_exit=wrong), rules)


def test_strided_and_read_only_signals_are_taken() -> None:
    wide = np.repeat(np.array([1, 0, 0, 0, 0], dtype=np.bool_), 2)
    frozen = np.array([0, 0, 1, 0, 0], dtype=np.bool_)
    frozen.flags.writeable = False
    assert fills(simulate(five_bars(), Signals(entry=wide[::2], exit=frozen), RULES)) == [(1, 3, "signal")]


def test_the_inputs_are_left_as_they_were() -> None:
    bars, signals = make_market(1, n_symbols=1)["S0"], random_signals(1, 300)
    copies = [getattr(bars, name).copy() for name in bars.__slots__], signals.entry.copy(), signals.exit.copy()
    simulate(bars, signals, RULES)
    assert all(np.array_equal(getattr(bars, name), copy) for name, copy in zip(bars.__slots__, copies[0], strict=True))
    assert np.array_equal(signals.entry, copies[1])
    assert np.array_equal(signals.exit, copies[2])


def test_an_outcome_depends_on_nothing_but_its_inputs() -> None:
    bars, signals = make_market(2, n_symbols=1)["S0"], random_signals(2, 300)
    first, second = simulate(bars, signals, Rules()), simulate(bars, signals, Rules())
    assert first.trades.tobytes() == second.trades.tobytes()
    assert first.equity.tobytes() == second.equity.tobytes()


def test_as_many_trades_as_bars_allow() -> None:
    n = 5001
    bars = make_market(3, n_symbols=1, n_bars=n)["S0"]
    every = make_signals([t % 2 == 0 for t in range(n)], [t % 2 == 1 for t in range(n)])
    outcome = simulate(bars, every, Rules(fee_pct=1e-3, slippage_pct=1e-3))
    assert fills(outcome) == [(t, t + 1, "signal") for t in range(1, n, 2)]
    assert_same(outcome, bars, every, Rules(fee_pct=1e-3, slippage_pct=1e-3))


def test_an_entry_signal_on_every_bar_buys_once() -> None:
    bars = make_market(3, n_symbols=1, n_bars=500)["S0"]
    assert fills(simulate(bars, make_signals([1] * 500, [0] * 500), Rules())) == [(1, 499, "open")]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.7])
def test_the_outcome_is_that_of_the_slow_reference_on_seeded_markets(shape: Any, share: float) -> None:
    for seed in range(4):
        for number, bars in enumerate(make_market(seed, n_symbols=3, n_bars=400, shape=shape).values()):
            signals = random_signals(10 * seed + number, 400, share)
            for rules in (Rules(), FREE, Rules(cash=1.0, fee_pct=2.0, slippage_pct=0.0)):
                assert_same(simulate(bars, signals, rules), bars, signals, rules)


@examples
@given(market=markets(), rules=all_rules)
def test_the_outcome_is_that_of_the_slow_reference(market: tuple[Bars, Signals], rules: Rules) -> None:
    assert_same(simulate(*market, rules), *market, rules)


@examples
@given(market=markets(), rules=all_rules)
def test_trades_follow_each_other(market: tuple[Bars, Signals], rules: Rules) -> None:
    bars, signals = market
    trades = simulate(bars, signals, rules).trades
    for number, trade in enumerate(trades):
        assert signals.entry[trade["entry_bar"] - 1]
        is_open = trade["exit_reason"] == OPEN
        assert is_open or (trade["exit_reason"] == SIGNAL and signals.exit[trade["exit_bar"] - 1])
        assert is_open <= (number == len(trades) - 1)
        assert trade["entry_bar"] < trade["exit_bar"] or is_open
        assert number == 0 or trades[number - 1]["exit_bar"] < trade["entry_bar"]
        assert (trade["entry_time"], trade["exit_time"]) == tuple(bars.time[[trade["entry_bar"], trade["exit_bar"]]])


@examples
@given(market=markets(), rules=all_rules, more=shares(40.0), cost=st.sampled_from(["fee_pct", "slippage_pct"]))
def test_more_cost_is_never_more_equity(market: tuple[Bars, Signals], rules: Rules, more: float, cost: str) -> None:
    costs = {"cash": rules.cash, "fee_pct": rules.fee_pct, "slippage_pct": rules.slippage_pct}
    dearer = Rules(**{**costs, cost: getattr(rules, cost) + more})
    cheap, dear = simulate(*market, rules), simulate(*market, dearer)
    assert fills(cheap) == fills(dear)
    assert (dear.equity <= cheap.equity * (1 + 1e-12)).all()


@examples
@given(market=markets(), rules=all_rules, factor=st.floats(0.01, 100.0))
def test_twice_the_cash_is_twice_the_profit(market: tuple[Bars, Signals], rules: Rules, factor: float) -> None:
    richer = Rules(cash=rules.cash * factor, fee_pct=rules.fee_pct, slippage_pct=rules.slippage_pct)
    first, second = simulate(*market, rules), simulate(*market, richer)
    np.testing.assert_allclose(second.equity, first.equity * factor, rtol=1e-11)
    np.testing.assert_allclose(second.trades["return_pct"], first.trades["return_pct"], rtol=1e-9, atol=1e-9)
