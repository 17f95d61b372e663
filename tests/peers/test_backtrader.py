"""The preset backtrader: the same trades and equity as backtrader's broker, and where they differ."""

from __future__ import annotations

from dataclasses import replace

import backtrader
import pytest

from backtests.engine import METRICS, PRESETS, RULES_BY_KEY, measure, preset_rules, simulate
from tests.builders import make_market
from tests.peers.backtrader_runner import cerebro_of, trades_of
from tests.peers.comparison import both_of, difference, differences, is_noticed, theirs_of
from tests.peers.markets import CALM, STEADY, Case, Variation, cases, drawn, four_signals, random_signals, variations

PRESET = PRESETS["backtrader"].rules
FREE = replace(PRESET, fee_pct=0.0, slippage_pct=0.0)
# What no trade shows; a test of their own compares them.
NOT_IN_TRADES = {"sharpe", "risk_free_pct"}
# A position sold short can lose more than the account; see the tests of what differs.
RUINED = {"doubling", "doubling while sold"}
CASES = [case for case in (*cases(), *four_signals()) if len(case.bars) > 1]
SAFE = [case for case in CASES if case.name not in RUINED]
BY_NAME = {case.name: case for case in CASES}


def _without_slipping_targets(variation: Variation) -> Variation:
    """Leave out the slippage of a target, which only backtrader knows; see the tests of what differs."""
    slippage = {"slippage_pct": 0.0} if "take_profit_pct" in variation.values else {}
    return Variation(variation.name, {**variation.values, **slippage})


VARIATIONS = [
    *map(_without_slipping_targets, variations()),
    Variation(
        "bracket", {"stop_base": "signal_close", "stop_loss_pct": 3.0, "take_profit_pct": 4.0, "slippage_pct": 0}
    ),
]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_trades_and_equity_are_those_of_backtrader(variation: Variation) -> None:
    fit = CASES if variation.values.get("direction", "long") == "long" else SAFE
    assert not differences(trades_of, PRESET, variation, fit)


@pytest.mark.parametrize("key", sorted(set(PRESETS["backtrader"].values) - NOT_IN_TRADES))
def test_every_rule_of_the_preset_is_needed(key: str) -> None:
    changed = preset_rules("backtrader", {key: RULES_BY_KEY[key].default})
    assert is_noticed(trades_of, PRESET, changed, VARIATIONS, SAFE)


@pytest.mark.parametrize("case", [case for case in cases() if len(case.bars) == 1], ids=lambda case: case.name)
def test_nothing_is_traded_on_a_single_bar(case: Case) -> None:
    assert trades_of(case.bars, case.signals, PRESET)[0] == []


def test_all_equity_buys_nothing_where_there_is_a_fee() -> None:
    case = drawn("calm", [CALM, CALM, STEADY, CALM, CALM])
    assert both_of(trades_of, case, replace(FREE, size_pct=100.0, fee_pct=0.1)) == ([], [])


def test_the_sharpe_ratio_is_that_of_the_analyzer_as_it_comes() -> None:
    bars = make_market(3, n_symbols=1, n_bars=1500)["S0"]
    signals = random_signals(len(bars), 0.1, seed=3)
    cerebro, _ = cerebro_of(bars, signals, PRESET)
    cerebro.addanalyzer(backtrader.analyzers.SharpeRatio, _name="sharpe")
    theirs = cerebro.run()[0].analyzers.sharpe.get_analysis()["sharperatio"]
    values = measure(bars, simulate(bars, signals, PRESET), PRESET, bars_per_year=365)
    ours = values[[metric.key for metric in METRICS].index("sharpe")]
    assert ours == pytest.approx(theirs, rel=1e-9)


# What differs. docs/presets.md tells each of these.


def test_a_target_that_a_bar_opens_beyond_slips_in_backtrader_alone() -> None:
    case = BY_NAME["gap up through the target"]
    (ours,), (theirs,) = both_of(trades_of, case, replace(PRESET, take_profit_pct=12.5, slippage_pct=0.05))
    assert ours.exit_price == 150
    assert theirs.exit_price == pytest.approx(150 * 0.9995)


def test_backtrader_refuses_to_buy_back_what_costs_more_than_the_account_and_holds_it_on() -> None:
    case = BY_NAME["doubling while sold"]
    (ours,), (theirs,) = both_of(trades_of, case, replace(FREE, direction="short"))
    assert (ours.exit_reason, ours.exit_bar, ours.exit_price) == ("ruin", 3, 256.0)
    assert (theirs.exit_reason, theirs.exit_bar) == ("open", 6)


def test_backtrader_refuses_a_stop_wider_than_the_target_of_a_large_sold_position() -> None:
    # The margin check counts both orders as filled: 112 % and 95 % of the position, from 195 % of it in cash.
    rising = [(128, 130, 127, 129), (129, 150, 128, 149), (149, 150, 148, 149)]
    case = drawn("sold into a rise", [CALM, CALM, STEADY, *rising], entry=(), leave=(1,))
    rules = replace(FREE, direction="short", stop_loss_pct=12.0, take_profit_pct=5.0)
    (ours,), (theirs,) = both_of(trades_of, case, rules)
    assert ours.exit_reason == "stop"
    assert ours.exit_price == pytest.approx(143.36)
    assert theirs.exit_reason == "open"
    smaller = replace(rules, size_pct=80.0)
    assert difference(case, smaller, theirs_of(trades_of, case, smaller)) is None
