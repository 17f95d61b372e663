"""Rules as fields: what was sent, what was left out, and what a preset changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from backtests.engine import PRESETS, RULES, Rule, Rules, preset_rules
from backtests.engine.rule_text import parsed, written
from backtests.rule_fields import RULE_FIELDS, preset_note, with_preset
from tests.builders import another_value


def page(preset: str, **changed: Any) -> dict[str, str]:
    """What a page that shows this preset's rules sends, with these values changed; a box without a tick is not sent."""
    values = {**asdict(preset_rules(preset, {})), **changed}
    sent = {rule.key: written(rule, values[rule.key]) for rule in RULES if values[rule.key] is not False}
    return {"preset_shown": preset, "preset": preset, **sent}


def rules_of(sent: dict[str, str]) -> Rules:
    filled = with_preset(sent)
    return Rules.of({rule.key: RULE_FIELDS[rule.key].clean(filled.get(rule.key, "off")) for rule in RULES})


@pytest.mark.parametrize("preset", ["", *PRESETS])
def test_a_page_that_is_sent_as_it_is_means_its_preset(preset: str) -> None:
    assert rules_of(page(preset)) == preset_rules(preset, {})


@pytest.mark.parametrize("shown", ["", *PRESETS])
@pytest.mark.parametrize("chosen", ["", *PRESETS])
def test_a_page_of_one_preset_sent_with_another_means_the_chosen_one(shown: str, chosen: str) -> None:
    assert rules_of({**page(shown), "preset": chosen}) == preset_rules(chosen, {})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_what_the_user_has_changed_outlasts_the_choice_of_a_preset(rule: Rule) -> None:
    own = another_value(rule)
    for preset in PRESETS:
        sent = {**page("", **{rule.key: own}), "preset": preset}
        assert parsed(rule, with_preset(sent).get(rule.key, "off")) == own


def test_cash_and_costs_of_the_user_stay_and_untouched_ones_follow() -> None:
    own = rules_of({**page("", cash=500.0, slippage_pct=0.2), "preset": "freqtrade"})
    assert own == preset_rules("freqtrade", {"cash": 500.0, "slippage_pct": 0.2})
    assert rules_of({**page(""), "preset": "freqtrade"}).slippage_pct == 0.0


def test_what_cannot_be_read_stays_to_be_refused() -> None:
    assert with_preset({**page(""), "stop_loss_pct": "5,0", "preset": "vectorbt"})["stop_loss_pct"] == "5,0"


def test_what_a_program_sends_counts_and_the_rest_is_the_presets() -> None:
    sent = {"preset": "freqtrade", "slippage_pct": "0.05", "stop_loss_pct": "3"}
    assert rules_of(sent) == preset_rules("freqtrade", {"slippage_pct": 0.05, "stop_loss_pct": 3.0})
    assert rules_of({}) == Rules()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_note_of_a_preset_names_all_that_it_sets(preset: str) -> None:
    assert len(preset_note(preset)) == len(PRESETS[preset].values)
    assert preset_note("") == preset_note("unknown") == []
