from __future__ import annotations

from typing import Any

import pytest

from backtests.engine import PRESETS, RULES
from backtests.models import Run
from backtests.streams.assumptions import assumptions_of, preset_label, rule_facts_of
from tests.builders import make_bars, make_run, store_universe

pytestmark = pytest.mark.django_db


def run(**fields: Any) -> Run:
    return make_run(store_universe("Test", {"AAA": make_bars([1.0] * 60)}), **fields)


def test_every_rule_is_told_with_its_value_and_meaning() -> None:
    told = assumptions_of(run(rules={"stop_loss_pct": 5.0}))
    assert [(item.key, item.label, item.meaning) for item in told] == [
        (rule.key, rule.label, rule.help) for rule in RULES
    ]
    by_key = {item.key: item for item in told}
    assert by_key["stop_loss_pct"].value == "5 %"
    assert by_key["fill"].value == "at the open of the next bar"
    assert [item.key for item in told if not item.is_default] == ["stop_loss_pct"]
    assert by_key["size_cash"].is_idle
    assert not by_key["stop_base"].is_idle


def test_default_rules_need_no_words() -> None:
    assert rule_facts_of(run(rules={"cash": 5.0, "fee_pct": 0.0, "slippage_pct": 1.0})) == []


def test_what_differs_is_told_and_whose_it_is() -> None:
    facts = rule_facts_of(run(preset="vectorbt", rules={"stop_loss_pct": 5.0, "sharpe": "bar"}))
    assert facts[0].text == "rules of vectorbt"
    assert [fact.text for fact in facts if fact.is_own] == [
        "Stop-loss: 5 %",
        "Sharpe ratio: of bars, made annual by the square root of their number in a year",
    ]
    assert "Fill: at the close that gave the signal" in [fact.text for fact in facts if not fact.is_own]


def test_what_has_no_effect_is_not_told() -> None:
    texts = [fact.text for fact in rule_facts_of(run(preset="vectorbt"))]
    assert not [text for text in texts if text.startswith(("Stop base", "Borrow cost"))]


def test_a_run_of_another_version_can_be_read() -> None:
    old = Run(preset="gone", rules={"fill": "at_noon", "forgotten": 3})
    assert preset_label(old) == "gone"
    told = {item.key: item.value for item in assumptions_of(old)}
    assert (told["fill"], told["cash"], told["forgotten"]) == ("at_noon", "10,000", "3")
    assert [fact.text for fact in rule_facts_of(old)] == ["rules of gone", "Fill: at_noon"]


@pytest.mark.parametrize("key", PRESETS)
def test_a_preset_is_called_by_its_label(key: str) -> None:
    assert preset_label(Run(preset=key)) == PRESETS[key].label
