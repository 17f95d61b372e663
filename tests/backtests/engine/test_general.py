"""The simulation under any rules: against a slow reference, against the plain one, and what holds on every market."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtests.engine.coded import ALL_IN, PLAIN, coded
from backtests.engine.errors import EngineError
from backtests.engine.presets import PRESETS
from backtests.engine.rules import RULES, Rules
from backtests.engine.simulate import simulate
from backtests.engine.trades import EXIT_REASONS, Outcome
from strategies.bars import Bars, Signals
from tests.backtests.engine.references import (
    NUMBERS,
    TRADING_RULES,
    all_rules,
    any_markets,
    any_rules,
    examples,
    fields,
    general,
    markets,
    random_signals,
    signals_on,
    values_of,
)
from tests.backtests.engine.slow_rules import SlowSimulation
from tests.builders import SHAPES, make_bars, make_market

YEAR = 250.0
Market = tuple[Bars, Signals]

RULE_SETS = {
    "busy": Rules(direction="both", size_pct=90, stop_loss_pct=4, take_profit_pct=6, trailing_atr=2.5, reentry_delay=1),
    "short": Rules(direction="short", trailing_stop_pct=3, fill="same_close", whole_units=True, at_end="close"),
    "volatility": Rules(sizing="volatility", direction="both", fill="next_close", trail_from="close", time_stop_bars=3),
    "path": Rules(take_profit_pct=2, stop_loss_pct=2, bar_path="nearer_extreme", sizing="cash", fixed_fee=1),
    "ruin": Rules(direction="both", cash=100, fixed_fee=15, size_costs="on_top", cash_check="off", at_end="close"),
    "ruin by fees": Rules(cash=100, fixed_fee=35, size_costs="on_top", cash_check="off"),
    **{key: preset.rules for key, preset in PRESETS.items()},
    **{
        f"{key} with stops": Rules.of(
            {
                **preset.values,
                "stop_loss_pct": 3.0,
                "take_profit_pct": 4.0,
                "trailing_stop_pct": 5.0,
                "direction": "both",
            }
        )
        for key, preset in PRESETS.items()
    },
}


def differences(outcome: Outcome, slow: SlowSimulation) -> list[str]:
    """What is not as in the reference: bars, sides and reasons to the letter, numbers to nine digits."""
    found = []
    if len(outcome.trades) != len(slow.trades):
        found.append(f"{len(outcome.trades)} trades, not {len(slow.trades)}")
    largest = max(slow.rules.cash, *map(abs, slow.equity))
    for number, expected in enumerate(slow.trades[: len(outcome.trades)]):
        spent = max(expected.units * expected.entry_price, largest)
        held_to = {"pnl": spent, "return_pct": 100.0, "mae_pct": 100.0, "mfe_pct": 100.0}
        wanted = asdict(expected)
        for name, value in fields(outcome, number).items():
            same = value == wanted[name]
            if isinstance(value, float):
                same = math.isclose(value, wanted[name], rel_tol=1e-9, abs_tol=1e-9 * held_to.get(name, 0.0))
            if not same:
                found.append(f"trade {number}: {name} is {value}, not {wanted[name]}")
    if not np.allclose(outcome.equity, slow.equity, rtol=1e-9, atol=1e-9 * largest):
        found.append(f"equity is {outcome.equity.tolist()}, not {slow.equity}")
    return found


def assert_as_slow(bars: Bars, signals: Signals, rules: Rules) -> SlowSimulation:
    slow = SlowSimulation(bars, signals, rules, YEAR).run()
    found = differences(simulate(bars, signals, rules, bars_per_year=YEAR), slow)
    # Where rounding decides whether a price meets a level, either answer is right.
    assert not found or slow.is_near, found
    return slow


def test_random_rules_reach_all_of_the_table() -> None:
    assert set(NUMBERS) == {rule.key for rule in RULES if rule.kind in {"number", "whole"}} & set(TRADING_RULES)


@settings(examples, max_examples=400)
@given(market=any_markets(), rules=any_rules())
def test_the_outcome_is_that_of_the_slow_reference(market: Market, rules: Rules) -> None:
    assert_as_slow(*market, rules)


@settings(examples, max_examples=200)
@given(market=any_markets(), rules=any_rules(direction="both", fill="next_close"))
def test_reversals_at_the_next_close_are_those_of_the_slow_reference(market: Market, rules: Rules) -> None:
    assert_as_slow(*market, rules)


@settings(examples, max_examples=200)
@given(market=any_markets(), rules=any_rules(stop_loss_pct=12.5, take_profit_pct=12.5, trailing_stop_pct=12.5))
def test_stops_are_those_of_the_slow_reference(market: Market, rules: Rules) -> None:
    assert_as_slow(*market, rules)


@settings(examples, max_examples=200)
@given(market=any_markets(), rules=any_rules(trail_from="bar", trailing_atr=1.0))
def test_stops_that_follow_the_bar_are_those_of_the_slow_reference(market: Market, rules: Rules) -> None:
    assert_as_slow(*market, rules)


@pytest.mark.parametrize("rules", RULE_SETS.values(), ids=RULE_SETS)
def test_longer_markets_are_as_in_the_slow_reference(rules: Rules) -> None:
    n_trades = 0
    for shape in SHAPES:
        for number, bars in enumerate(make_market(7, n_symbols=2, n_bars=400, shape=shape).values()):
            for share in (0.03, 0.3):
                n_trades += len(assert_as_slow(bars, random_signals(number, 400, share), rules).trades)
    assert n_trades > 30


def test_the_rule_sets_leave_for_every_reason_on_both_sides() -> None:
    seen = set()
    for rules in RULE_SETS.values():
        for number, bars in enumerate(make_market(7, n_symbols=6, n_bars=300, shape="gaps").values()):
            trades = simulate(bars, random_signals(number, 300), rules, bars_per_year=YEAR).trades
            seen |= {(EXIT_REASONS[trade["exit_reason"]], int(trade["side"])) for trade in trades}
    assert seen == {(reason, side) for reason in EXIT_REASONS for side in (1, -1)}


# The plain simulation is the general one, to the last bit.


@settings(examples, max_examples=400)
@given(market=any_markets() | markets(), rules=any_rules() | all_rules)
def test_plain_rules_give_the_same_in_both_simulations(market: Market, rules: Rules) -> None:
    values = {rule.key: getattr(rules, rule.key) for rule in RULES}
    plain = Rules(**{**values, **PLAIN, "stops_from": "next_bar"})
    assert coded(plain).is_plain
    assert not coded(general(plain)).is_plain
    first, second = (simulate(*market, made, bars_per_year=YEAR) for made in (plain, general(plain)))
    assert first.trades.tobytes() == second.trades.tobytes()
    assert first.equity.tobytes() == second.equity.tobytes()


PLAIN_SETS = (
    Rules(),
    PRESETS["backtesting.py"].rules,
    PRESETS["tradingview"].rules,
    Rules(sizing="volatility", skip_bars=9, fixed_fee=1.0),
    Rules(sizing="units", size_units=3.0, cash=200.0),
    # Debts and ruin, which only the general simulation knows: the plain one has to hand over.
    Rules(cash=100.0, fixed_fee=35.0, size_costs="on_top", cash_check="off"),
)


def test_the_rules_of_the_plain_simulation_are_in_the_table() -> None:
    assert set(PLAIN) | set(ALL_IN) <= {rule.key for rule in RULES}
    assert not set(PLAIN) & set(ALL_IN)
    assert all(coded(rules).is_plain for rules in PLAIN_SETS)
    assert [coded(rules).is_all_in for rules in PLAIN_SETS] == [True, False, False, False, False, False]


@pytest.mark.parametrize("shape", SHAPES)
def test_plain_rules_give_the_same_in_both_simulations_on_seeded_markets(shape: Any) -> None:
    for number, bars in enumerate(make_market(3, n_symbols=3, n_bars=700, shape=shape).values()):
        for share in (0.01, 0.1, 0.6):
            signals = random_signals(number, 700, share)
            for rules in PLAIN_SETS:
                first, second = (simulate(bars, signals, made, bars_per_year=YEAR) for made in (rules, general(rules)))
                assert first.trades.tobytes() == second.trades.tobytes()
                assert first.equity.tobytes() == second.equity.tobytes()


@pytest.mark.parametrize("rules", [Rules(), general(Rules()), Rules(size_pct=99.5), Rules(whole_units=True)], ids=str)
def test_more_units_than_a_number_can_hold_are_an_error_in_both_simulations(rules: Rules) -> None:
    """Equity grows by sixty decimal places with every trade, and what it would buy in the end is beyond any number."""
    n = 24
    opens = [1e-30 if t % 2 else 1e30 for t in range(n)]
    market = make_bars([1.0] * n, opens=opens), signals_on(n, entry=range(0, n, 2), exit=range(1, n, 2))
    with pytest.raises(EngineError, match="equity grows beyond any number"):
        simulate(*market, rules, bars_per_year=YEAR)


@pytest.mark.parametrize("key", TRADING_RULES)
@settings(examples, max_examples=40)
@given(data=st.data())
def test_no_rule_reaches_the_plain_simulation_that_does_not_know_it(key: str, data: st.DataObject) -> None:
    market = data.draw(any_markets())
    rules = Rules(**{**({"stops_from": "next_bar"} if key == "stop_base" else {}), key: data.draw(values_of(key))})
    first, second = (simulate(*market, made, bars_per_year=YEAR) for made in (rules, general(rules)))
    assert first.trades.tobytes() == second.trades.tobytes()
    assert first.equity.tobytes() == second.equity.tobytes()


@pytest.mark.parametrize("rules", [Rules(), Rules(stop_loss_pct=50.0)], ids=["plain", "general"])
@pytest.mark.parametrize("shift", range(-304, -296))
def test_times_before_1970_are_times_like_others(rules: Rules, shift: int) -> None:
    later = make_bars([100.0] * 4)
    bars = Bars(np.array([-400, shift - 5, -292, -291]), later.open, later.high, later.low, later.close, later.volume)
    signals = signals_on(4, entry=[0], exit=[1])
    found, wanted = simulate(bars, signals, rules), simulate(later, signals, rules)
    assert len(found.trades) == 1
    np.testing.assert_array_equal(found.equity, wanted.equity)
