"""The preset freqtrade: the same trades as freqtrade's backtesting, and where they differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtests.engine import PRESETS, RULES_BY_KEY, preset_rules
from strategies.bars import Signals
from tests.peers.comparison import both_of, differences, is_noticed
from tests.peers.freqtrade_runner import Unsupported, trades_in_ticks, trades_of
from tests.peers.markets import CALM, STEADY, Case, Variation, cases, drawn, four_signals, variations

PRESET = PRESETS["freqtrade"].rules
FREE = replace(PRESET, fee_pct=0.0)
# What no trade shows: there is no slippage in freqtrade, and a metric.
NOT_IN_TRADES = {"slippage_pct", "days_a_year"}
# A position sold short can lose more than the account; see the tests of what differs.
RUINED = {"doubling", "doubling while sold"}
CASES = [case for case in cases() if len(case.bars) > 1]
SAFE = [case for case in CASES if case.name not in RUINED]
BY_NAME = {case.name: case for case in CASES}


def _without_what_freqtrade_lacks(variation: Variation) -> Variation:
    return Variation(variation.name, {**variation.values, "slippage_pct": 0.0, "fixed_fee": 0.0})


VARIATIONS = [
    *map(_without_what_freqtrade_lacks, variations()),
    Variation("all equity", {"size_pct": 100.0, "fee_pct": 0.25}),
]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_trades_are_those_of_freqtrade(variation: Variation) -> None:
    # With both directions, signals of a sold position's own differ; see the tests of what differs.
    direction = variation.values.get("direction", "long")
    fit = {"long": [*CASES, *four_signals()], "short": [*SAFE, *four_signals()], "both": SAFE}[direction]
    assert not differences(trades_of, PRESET, variation, fit)


@pytest.mark.parametrize("key", sorted(set(PRESETS["freqtrade"].values) - NOT_IN_TRADES))
def test_every_rule_of_the_preset_is_needed(key: str) -> None:
    changed = preset_rules("freqtrade", {key: RULES_BY_KEY[key].default})
    assert is_noticed(trades_of, PRESET, changed, VARIATIONS[::-1], SAFE[::2])


@pytest.mark.parametrize("case", [case for case in cases() if len(case.bars) == 1], ids=lambda case: case.name)
def test_nothing_is_traded_on_a_single_bar(case: Case) -> None:
    assert trades_of(case.bars, case.signals, PRESET)[0] == []


@pytest.mark.parametrize(
    "values",
    [{"slippage_pct": 0.1}, {"fixed_fee": 1.0}, {"stop_loss_pct": 5.0, "trailing_stop_pct": 3.0}],
    ids=["slippage", "fixed fee", "stop and trailing stop"],
)
def test_what_freqtrade_does_not_know_is_not_compared(values: dict[str, float]) -> None:
    with pytest.raises(Unsupported):
        both_of(trades_of, BY_NAME["no signal"], preset_rules("freqtrade", values))


# What differs. docs/presets.md tells each of these.


def test_freqtrade_rounds_prices_to_the_decimals_of_the_bars() -> None:
    rows = [CALM, CALM, (128.01, 128.01, 128.01, 128.01), (128.01, 129.0, 118.0, 126.0)]
    case = drawn("stop between two ticks", rows)
    rules = replace(FREE, stop_loss_pct=6.25)
    (ours,), (theirs,) = both_of(trades_of, case, rules)
    assert ours.exit_price == pytest.approx(120.009375, abs=1e-9)
    assert theirs.exit_price == pytest.approx(120.009375, abs=1e-9)
    (_,), (theirs,) = both_of(trades_in_ticks, case, rules)
    assert theirs.exit_price == 120.01


def test_an_entry_of_the_other_side_leaves_nothing_in_freqtrade() -> None:
    bars = drawn("calm", [CALM, CALM, STEADY, CALM, CALM, CALM, CALM]).bars
    flags = {name: np.zeros(len(bars), dtype=bool) for name in ("entry", "exit", "short_entry", "short_exit")}
    flags["entry"][1] = flags["short_entry"][3] = True
    case = Case("sold while bought", bars, Signals(**flags))
    ours, theirs = both_of(trades_of, case, replace(FREE, direction="both"))
    assert [(trade.side, trade.entry_bar, trade.exit_bar) for trade in ours] == [(1, 2, 4), (-1, 4, 6)]
    assert [(trade.side, trade.entry_bar, trade.exit_bar) for trade in theirs] == [(1, 2, 6)]


def test_freqtrade_holds_on_to_a_sold_position_that_lost_more_than_the_account() -> None:
    (ours,), (theirs,) = both_of(trades_of, BY_NAME["doubling while sold"], replace(FREE, direction="short"))
    assert (ours.exit_reason, ours.exit_bar, ours.exit_price) == ("ruin", 3, 256.0)
    assert (theirs.exit_reason, theirs.exit_bar, theirs.exit_price) == ("end", 6, 128.0)
