"""The preset ``vectorbt`` trades as vectorbt does, on every case and under every variation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtests.engine import RULES_BY_KEY, TooShort, simulate
from backtests.engine.presets import PRESETS
from tests.peers.comparison import differences, fitting, is_noticed, metrics_of, theirs_of, varied
from tests.peers.markets import Prices, Variation, cases, drawn, four_signals, random_markets, variations
from tests.peers.trades import compare, ours_of
from tests.peers.vectorbt_runner import portfolio_of, trades_of

PRESET = PRESETS["vectorbt"].rules
FREE = replace(PRESET, fee_pct=0.0, slippage_pct=0.0)
STILL: Prices = (100, 100, 100, 100)

# What no trade shows: two that only count in metrics, which a test of their own compares, and one that says of a fill
# at the close what goes without saying.
NOT_IN_TRADES = {"sharpe", "days_a_year", "stops_from"}
# A position sold short can lose more than the account; see the test of ruin below.
RUINED = {"doubling", "doubling while sold"}


def _without_two_fees(variation: Variation) -> Variation:
    """Leave out the fixed fee of a reversal, which vectorbt takes once; see the test of reversals below."""
    if variation.values.get("direction") != "both":
        return variation
    return Variation(variation.name, {**variation.values, "fixed_fee": 0.0})


CASES = [case for case in (*cases(), *four_signals()) if len(case.bars) > 1]
VARIATIONS = [
    *map(_without_two_fees, variations()),
    Variation("seven units", {"sizing": "units", "size_units": 7.0}),
    Variation("short, half of equity", {"direction": "short", "size_pct": 50.0, "stop_loss_pct": 6.25}),
]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_trades_and_equity_are_those_of_vectorbt(variation: Variation) -> None:
    rules = varied(PRESET, variation)
    fit = fitting(variation, CASES)
    ruined = {case.name for case in fit if (theirs_of(trades_of, case, rules)[1] <= 0).any()}
    assert ruined <= RUINED

    found = differences(trades_of, PRESET, variation, [case for case in fit if case.name not in ruined])

    assert not found, f"{len(found)} of {len(fit)} cases differ; the first ones:\n" + "\n".join(found[:3])


@pytest.mark.parametrize("key", sorted(set(PRESETS["vectorbt"].values) - NOT_IN_TRADES))
def test_every_rule_of_the_preset_is_needed(key: str) -> None:
    changed = varied(PRESET, Variation("default", {key: RULES_BY_KEY[key].default}))

    assert is_noticed(trades_of, PRESET, changed, VARIATIONS, [case for case in CASES if case.name not in RUINED])


@pytest.mark.parametrize("variation", VARIATIONS[::5], ids=lambda variation: variation.name)
def test_metrics_are_those_of_vectorbt(variation: Variation) -> None:
    rules = varied(PRESET, variation)
    for case in random_markets():
        if case.name.startswith("flat"):
            continue  # returns that are rounding and nothing else give any ratio
        portfolio = portfolio_of(case.bars, case.signals, rules)
        closed = portfolio.trades.closed
        expected = {
            "final_equity": portfolio.final_value(),
            "return_pct": 100 * portfolio.total_return(),
            "max_drawdown_pct": 100 * portfolio.max_drawdown(),
            "sharpe": portfolio.sharpe_ratio(),
            "trades": closed.count(),
            "win_rate_pct": 100 * closed.win_rate(),
            "expectancy": closed.expectancy(),
            "profit_factor": closed.profit_factor(),
        }
        metrics = metrics_of(case, rules)
        for key, value in expected.items():
            told = value if np.isfinite(value) else np.nan
            assert metrics[key] == pytest.approx(told, rel=1e-8, abs=1e-9, nan_ok=True), f"{key} of {case.name}"


def test_a_reversal_pays_one_fixed_fee_there_and_two_here() -> None:
    case = drawn("reversal", [STILL] * 5, entry=(1,), leave=(3,))
    rules = replace(FREE, direction="both", fixed_fee=100.0)

    theirs, _ = trades_of(case.bars, case.signals, rules)
    ours = ours_of(simulate(case.bars, case.signals, rules))

    # 99 units bought for 9,900 and a fee of 100. There 98 more are sold along with them in one order for one fee;
    # here the 99 are sold for a fee of 100, and then 97 of what is left for another one.
    assert [trade.units for trade in theirs] == pytest.approx([99, 98])
    assert [trade.units for trade in ours] == pytest.approx([99, 97])
    assert sum(trade.fees for trade in theirs) == pytest.approx(200)
    assert sum(trade.fees for trade in ours) == pytest.approx(300)


def test_a_ruined_account_goes_on_there_and_stops_here() -> None:
    rising: list[Prices] = [STILL, STILL, (100, 250, 100, 250), (250, 250, 250, 250), (250, 250, 60, 60)]
    case = drawn("ruin", rising, entry=(3,), leave=(1,))
    rules = replace(FREE, direction="short")

    theirs, their_equity = trades_of(case.bars, case.signals, rules)
    outcome = simulate(case.bars, case.signals, rules)

    # 100 units sold at 100 leave 20,000 in cash, which buy back 80 of them at 250; 20 units stay sold without any cash.
    assert [(trade.units, trade.is_open) for trade in theirs] == [(80.0, False), (20.0, True)]
    assert their_equity.tolist() == [10_000, 10_000, -5_000, -5_000, -1_200]
    assert [trade.exit_reason for trade in ours_of(outcome)] == ["ruin"]
    assert outcome.equity.tolist() == [10_000, 10_000, -5_000, -5_000, -5_000]


def test_an_exit_that_does_not_pay_its_fee_is_refused_there_and_made_here() -> None:
    fallen: list[Prices] = [STILL, STILL, (100, 100, 0.01, 0.01), (0.01, 100, 0.01, 100)]
    case = drawn("worthless", fallen, entry=(0,), leave=(2,))
    rules = replace(FREE, fixed_fee=20.0)

    theirs, _ = trades_of(case.bars, case.signals, rules)
    ours = ours_of(simulate(case.bars, case.signals, rules))

    assert [(trade.exit_bar, trade.is_open) for trade in theirs] == [(3, True)]
    assert [(trade.exit_bar, trade.is_open) for trade in ours] == [(2, False)]


def test_units_sold_short_are_limited_by_the_account_here_alone() -> None:
    case = drawn("many units", [STILL] * 4, entry=(), leave=(1,))
    rules = replace(FREE, direction="short", sizing="units", size_units=150.0)

    theirs, _ = trades_of(case.bars, case.signals, rules)
    ours = ours_of(simulate(case.bars, case.signals, rules))

    assert ([trade.units for trade in theirs], [trade.units for trade in ours]) == ([150.0], [100.0])


def test_less_than_a_hundred_millionth_of_a_unit_is_refused_there_and_traded_here() -> None:
    case = drawn("dear", [(1e13, 1e13, 1e13, 1e13)] * 4)

    theirs, _ = trades_of(case.bars, case.signals, FREE)
    ours = ours_of(simulate(case.bars, case.signals, FREE))

    assert theirs == []
    assert [trade.units for trade in ours] == pytest.approx([1e-9])


def test_one_bar_is_traded_there_and_refused_here() -> None:
    case = drawn("one bar", [STILL], entry=(0,))

    theirs, _ = trades_of(case.bars, case.signals, FREE)

    assert [(trade.entry_bar, trade.is_open) for trade in theirs] == [(0, True)]
    with pytest.raises(TooShort):
        simulate(case.bars, case.signals, FREE)


def test_costs_on_the_first_bar_are_a_drawdown_here_alone() -> None:
    case = drawn("first bar", [STILL] * 4, entry=(0,))
    rules = replace(FREE, fee_pct=1.0)

    theirs = portfolio_of(case.bars, case.signals, rules)

    # Equity is below the starting cash from the first bar on: vectorbt's highest equity is that of the first close.
    assert theirs.max_drawdown() == pytest.approx(0, abs=1e-12)
    assert metrics_of(case, rules)["max_drawdown_pct"] == pytest.approx(100 / 1.01 - 100)


def test_a_stop_that_trails_takes_the_place_of_one_that_does_not() -> None:
    case = drawn("both stops", [STILL] * 4)

    with pytest.raises(NotImplementedError, match="one stop"):
        trades_of(case.bars, case.signals, replace(FREE, stop_loss_pct=5.0, trailing_stop_pct=5.0))


def test_the_comparison_names_the_first_trade_that_differs() -> None:
    case = drawn("entry and exit", [STILL] * 5, entry=(1,), leave=(3,))
    theirs, _ = trades_of(case.bars, case.signals, FREE)
    later = replace(FREE, fill="next_open", stop_base="fill")

    found = compare(ours_of(simulate(case.bars, case.signals, later)), theirs)

    assert found is not None
    assert found.startswith("trade 0: entry_bar 2 != 1, exit_bar 4 != 3")
