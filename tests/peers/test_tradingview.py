"""The preset tradingview: the same trades and equity as Pine Script run by PyneCore, and where they differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backtests.engine import PRESETS, RULES_BY_KEY, preset_rules, simulate
from tests.peers.comparison import both_of, difference, differences, is_noticed, theirs_of
from tests.peers.markets import CALM, STEADY, Case, Variation, cases, drawn, four_signals, variations
from tests.peers.tradingview_runner import Unsupported, trades_of

# Of all equity, it refuses every entry that opens above the close of its signal. It knows no slippage in percent.
OWN = {"size_pct": 95.0, "slippage_pct": 0.0}
PRESET = preset_rules("tradingview", OWN)
FREE = replace(PRESET, fee_pct=0.0)
# What no such trade shows: PyneCore has no monthly Sharpe ratio to compare with, and what an entry may cost with its
# fee has a test of its own, because it differs.
NOT_IN_TRADES = {"sharpe", "risk_free_pct", "cash_check"}
# Positions can lose more than the account; see the tests of what differs.
RUINED = {"doubling", "doubling while sold", "halving"}
CASES = [case for case in (*cases(), *four_signals()) if len(case.bars) > 1]
SAFE = [case for case in CASES if case.name not in RUINED]
BY_NAME = {case.name: case for case in CASES}


def _without_what_tradingview_lacks(variation: Variation) -> Variation:
    """Leave out slippage, one of two fees, and the margin of a sold position; see the tests of what differs."""
    values = {**variation.values, "slippage_pct": 0.0}
    if values.get("fixed_fee"):
        values["fee_pct"] = 0.0
    if values.get("direction", "long") != "long":
        values["cash_check"] = "off"
    return Variation(variation.name, values)


AT_CLOSE = {"fill": "same_close", "fee_pct": 0.1}
VARIATIONS = [
    *map(_without_what_tradingview_lacks, variations()),
    Variation("at the close", AT_CLOSE),
    Variation("at the close, stop and target", {**AT_CLOSE, "stop_loss_pct": 6.25, "take_profit_pct": 12.5}),
]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_trades_and_equity_are_those_of_pine_script(variation: Variation) -> None:
    fit = CASES if variation.values.get("direction", "long") == "long" else SAFE
    assert not differences(trades_of, PRESET, variation, fit)


@pytest.mark.parametrize("key", sorted({*PRESETS["tradingview"].values, "size_pct"} - NOT_IN_TRADES))
def test_every_rule_of_the_preset_is_needed(key: str) -> None:
    changed = preset_rules("tradingview", {**OWN, key: RULES_BY_KEY[key].default})
    assert is_noticed(trades_of, PRESET, changed, VARIATIONS, SAFE)


@pytest.mark.parametrize("case", [case for case in cases() if len(case.bars) == 1], ids=lambda case: case.name)
def test_nothing_is_traded_on_a_single_bar(case: Case) -> None:
    assert trades_of(case.bars, case.signals, PRESET)[0] == []


@pytest.mark.parametrize("values", [{"slippage_pct": 0.1}, {"fixed_fee": 1.0}], ids=["slippage", "both fees"])
def test_what_tradingview_does_not_know_is_not_compared(values: dict[str, float]) -> None:
    with pytest.raises(Unsupported):
        both_of(trades_of, BY_NAME["no signal"], preset_rules("tradingview", {**OWN, **values}))


# What differs. docs/presets.md tells each of these.


def test_tradingview_cuts_a_sold_position_that_the_account_does_not_cover() -> None:
    # 9 500 are sold of 10 000. At a high of 134.4 they are worth 9 975, the account 9 525: 450 too little, 4 x 450 cut.
    case = drawn("sold into a rise", [CALM, CALM, STEADY, (128, 134.4, 128, 130), CALM], entry=(), leave=(1,))
    rules = replace(FREE, direction="short")
    (ours,), theirs = both_of(trades_of, case, rules)
    assert (ours.units, ours.exit_reason) == (74.21875, "open")
    assert [trade.exit_bar for trade in theirs] == [3, 4]
    assert theirs[0].units == pytest.approx(4 * 450 / 134.4)
    without = replace(rules, cash_check="off")
    assert difference(case, without, theirs_of(trades_of, case, without)) is None


def test_tradingview_cuts_at_once_what_a_fee_leaves_uncovered() -> None:
    # All equity with its fee at 128 is 77.97 units. At 128.06 they still cost less than 10 000, and with the fee more.
    case = drawn("opens a little higher", [CALM, CALM, (128.06, 128.1, 128, 128), CALM])
    rules = replace(FREE, size_pct=100.0, fee_pct=0.2)
    (ours,), theirs = both_of(trades_of, case, rules)
    assert ours.exit_reason == "open"
    assert [(trade.entry_bar, trade.exit_bar) for trade in theirs] == [(2, 2), (2, 3)]
    assert sum(trade.units for trade in theirs) == pytest.approx(ours.units)
    assert len(simulate(case.bars, case.signals, replace(rules, cash_check="fill")).trades) == 0


def test_tradingview_reverses_into_what_it_then_cuts() -> None:
    # The loss leaves 8 367 to buy 74.2 units at 150. We leave and buy nothing; it buys, and cuts 4 x the 2 766 missing.
    rows = [CALM, CALM, STEADY, STEADY, (150, 150, 150, 150), (150, 150, 150, 150)]
    case = drawn("gap against a reversal", rows, entry=(3,), leave=(1,))
    ours, theirs = both_of(trades_of, case, replace(FREE, direction="both"))
    assert [(trade.side, trade.exit_bar) for trade in ours] == [(-1, 4)]
    assert [(trade.side, trade.exit_bar) for trade in theirs] == [(-1, 4), (1, 4), (1, 5)]
    assert theirs[1].units == pytest.approx(4 * (150 * 74.21875 - (10_000 - 22 * 74.21875)) / 150)


def test_tradingview_leaves_at_a_close_that_the_trailing_stop_of_that_close_lies_beyond() -> None:
    rows = [CALM, STEADY, (128, 144, 128, 130), (130, 131, 121, 130), CALM]
    case = drawn("high, then close far below", rows)
    (ours,), (theirs,) = both_of(trades_of, case, replace(FREE, fill="same_close", trailing_stop_pct=6.25))
    assert (ours.exit_bar, ours.exit_price) == (3, 130.0)
    assert (theirs.exit_bar, theirs.exit_price) == (2, 130.0)


def test_tradingview_reverses_at_the_close_by_the_equity_before_the_fee_of_leaving() -> None:
    case = drawn("calm", [STEADY] * 5, leave=(3,))
    rules = replace(PRESET, direction="both", fill="same_close", cash_check="off")
    (_, ours), (_, theirs) = both_of(trades_of, case, rules)
    fee = 0.001 * 128 * 0.95 * 10_000 / 128.128
    assert theirs.units == pytest.approx(0.95 * (10_000 - fee) / 128.128)
    assert ours.units == pytest.approx(0.95 * (10_000 - 2 * fee) / 128.128)


def test_tradingview_goes_on_after_a_loss_of_more_than_the_account() -> None:
    case = BY_NAME["doubling while sold"]
    (ours,), (theirs,) = both_of(trades_of, case, replace(FREE, direction="short", cash_check="off"))
    assert (ours.exit_reason, ours.exit_bar) == ("ruin", 3)
    assert (theirs.exit_reason, theirs.exit_bar) == ("open", 6)
