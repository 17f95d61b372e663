"""The preset ``backtesting.py`` trades as backtesting.py does, on every case and under every variation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtests.engine import RULES_BY_KEY, TooShort, simulate
from backtests.engine.presets import PRESETS
from tests.peers.backtesting_runner import stats_of, trades_of
from tests.peers.comparison import differences, is_noticed, metrics_of, varied
from tests.peers.markets import Prices, Variation, cases, drawn, four_signals, random_markets, variations
from tests.peers.trades import ours_of

PRESET = PRESETS["backtesting.py"].rules
FREE = replace(PRESET, fee_pct=0.0, slippage_pct=0.0)
STILL: Prices = (100, 100, 100, 100)

# What no trade shows: a metric, which a test of its own compares, and a rule that is idle where no exit has slippage.
NOT_IN_TRADES = {"sharpe", "stop_slippage"}

CASES = [case for case in (*cases(), *four_signals()) if len(case.bars) > 1]
BOTH_STOPS = {"stop_loss_pct": 4.0, "trailing_stop_pct": 2.5}
VARIATIONS = [
    *variations(),
    Variation("seven units", {"sizing": "units", "size_units": 7.0, "fixed_fee": 2.0}),
    Variation("short, seven units", {"direction": "short", "sizing": "units", "size_units": 7.0}),
    Variation("stop-loss and trailing stop", BOTH_STOPS),
    Variation("both, stop-loss and trailing stop", {"direction": "both", **BOTH_STOPS}),
    Variation("both, little cash", {"direction": "both", "cash": 500.0, "fixed_fee": 3.0}),
]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_trades_and_equity_are_those_of_backtesting(variation: Variation) -> None:
    # What an account owes is a difference; see the test of ruin below.
    found = differences(trades_of, PRESET, variation, CASES, least=0.0)

    assert not found, f"{len(found)} of {len(CASES)} cases differ; the first ones:\n" + "\n".join(found[:3])


@pytest.mark.parametrize("key", sorted(set(PRESETS["backtesting.py"].values) - NOT_IN_TRADES))
def test_every_rule_of_the_preset_is_needed(key: str) -> None:
    changed = varied(PRESET, Variation("default", {key: RULES_BY_KEY[key].default}))

    assert is_noticed(trades_of, PRESET, changed, VARIATIONS, CASES)


@pytest.mark.parametrize("variation", VARIATIONS[::6], ids=lambda variation: variation.name)
def test_metrics_are_those_of_backtesting(variation: Variation) -> None:
    rules = varied(PRESET, variation)
    for case in random_markets():
        if case.name.startswith("flat"):
            continue  # returns that are rounding and nothing else give any ratio
        stats = stats_of(case.bars, case.signals, rules)
        metrics = metrics_of(case, rules)
        expected = {
            "final_equity": stats["Equity Final [$]"],
            "peak_equity": stats["Equity Peak [$]"],
            "return_pct": stats["Return [%]"],
            "max_drawdown_pct": stats["Max. Drawdown [%]"],
            "sharpe": stats["Sharpe Ratio"],
            "trades": stats["# Trades"],
            "win_rate_pct": stats["Win Rate [%]"],
            "sqn": stats["SQN"],
            "kelly_pct": 100 * stats["Kelly Criterion"],
        }
        for key, value in expected.items():
            told = value if np.isfinite(value) else np.nan
            assert metrics[key] == pytest.approx(told, rel=1e-8, abs=1e-9, nan_ok=True), f"{key} of {case.name}"


def test_a_ruined_account_is_worth_nothing_there_and_owes_its_loss_here() -> None:
    rising: list[Prices] = [STILL, STILL, STILL, (100, 250, 100, 250), (250, 250, 100, 100)]
    case = drawn("ruin", rising, entry=(), leave=(1,))
    rules = replace(FREE, direction="short")

    theirs, their_equity = trades_of(case.bars, case.signals, rules)
    outcome = simulate(case.bars, case.signals, rules)

    # 99 units sold at 100 are bought back at 250, for 14,850 more, with 10,000 in the account.
    assert [(trade.exit_bar, trade.exit_price, trade.pnl, trade.exit_reason) for trade in theirs] == [
        (3, 250.0, -14_850.0, "ruin")
    ]
    assert ours_of(outcome) == theirs
    assert their_equity.tolist() == [10_000, 10_000, 10_000, 0, 0]
    assert outcome.equity.tolist() == [10_000, 10_000, 10_000, -4_850, -4_850]


def test_fractions_of_a_unit_are_traded_here_alone() -> None:
    case = drawn("fractions", [STILL] * 4)
    rules = replace(FREE, whole_units=False)

    with pytest.raises(NotImplementedError, match="whole units"):
        trades_of(case.bars, case.signals, rules)
    assert ours_of(simulate(case.bars, case.signals, rules))[0].units == pytest.approx(100)


def test_a_finalized_run_fills_the_entry_of_the_last_bar_at_its_open_there_alone() -> None:
    rising: list[Prices] = [STILL, STILL, STILL, (110, 120, 100, 115)]
    case = drawn("entry on the last bar", rising, entry=(3,))
    rules = replace(FREE, at_end="last_open")

    theirs, _ = trades_of(case.bars, case.signals, rules)

    assert [(trade.entry_bar, trade.entry_price, trade.is_open) for trade in theirs] == [(3, 110.0, True)]
    assert ours_of(simulate(case.bars, case.signals, rules)) == []


def test_a_finalized_run_closes_what_is_held_at_the_last_open() -> None:
    rising: list[Prices] = [STILL, STILL, STILL, (110, 120, 100, 115)]
    case = drawn("held at the end", rising)
    rules = replace(FREE, at_end="last_open")

    theirs, _ = trades_of(case.bars, case.signals, rules)

    assert [(trade.exit_price, trade.exit_reason) for trade in theirs] == [(110.0, "end")]
    assert ours_of(simulate(case.bars, case.signals, rules)) == theirs


def test_a_fee_of_a_tenth_and_more_is_refused_there_alone() -> None:
    case = drawn("dear fee", [STILL] * 4)
    rules = replace(FREE, fee_pct=10.0)

    with pytest.raises(AssertionError, match="commission should be between"):
        trades_of(case.bars, case.signals, rules)
    assert ours_of(simulate(case.bars, case.signals, rules))[0].units == 90


def test_one_bar_is_no_trade_there_and_refused_here() -> None:
    case = drawn("one bar", [STILL], entry=(0,))

    assert trades_of(case.bars, case.signals, FREE)[0] == []
    with pytest.raises(TooShort):
        simulate(case.bars, case.signals, FREE)
