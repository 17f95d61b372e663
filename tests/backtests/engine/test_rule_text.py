"""Rules as people write and read them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from backtests.engine import PRESETS, RULES, RULES_BY_KEY, Rule, Rules, RulesError, simulate
from backtests.engine.rule_text import ONLY_IF, allowed, has_effect, parsed, worded, written
from strategies.library.rsi import Rsi
from tests.builders import another_value, make_market


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_what_is_written_is_read_back(rule: Rule) -> None:
    for value in (rule.default, another_value(rule), *rule.choices):
        assert parsed(rule, f" {written(rule, value)} ") == value


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.may_be_off], ids=lambda rule: rule.key)
@pytest.mark.parametrize("text", ["", "off", "none", " OFF "])
def test_a_rule_that_may_be_off_is_switched_off(rule: Rule, text: str) -> None:
    assert parsed(rule, text) is None


@pytest.mark.parametrize("text", ["on", "true", "Yes"])
def test_a_switch_takes_words(text: str) -> None:
    assert parsed(RULES_BY_KEY["whole_units"], text) is True
    assert parsed(RULES_BY_KEY["whole_units"], {"on": "off", "true": "false"}.get(text, "No")) is False


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("cash", "", "must be a number; it is ''"),
        ("cash", "off", "must be a number; it is 'off'"),
        ("cash", "nan", "must be a number; it is nan"),
        ("fee_pct", "51", "must be from 0 to 50; it is 51"),
        ("stop_loss_pct", "5,0", "must be a number or off; it is '5,0'"),
        ("atr_bars", "2.5", "must be a whole number; it is 2.5"),
        ("atr_bars", "9" * 5000, f"must be a whole number; it is '{'9' * 40}'"),
        ("whole_units", "maybe", "must be true or false; it is 'maybe'"),
        ("fill", "off", "must be one of next_open, same_close, next_close; it is 'off'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_expected(key: str, text: str, problem: str) -> None:
    with pytest.raises(RulesError) as caught:
        parsed(RULES_BY_KEY[key], text)
    assert (caught.value.name, caught.value.problem) == (key, problem)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("cash", 1234567.5, "1,234,567.5"),
        ("fee_pct", 0.1, "0.1 %"),
        ("stop_loss_pct", None, "off"),
        ("time_stop_bars", 1, "1 bar"),
        ("time_stop_bars", 20, "20 bars"),
        ("days_a_year", 365, "365 days"),
        ("trailing_atr", 2.5, "2.5"),
        ("whole_units", True, "yes"),
        ("whole_units", False, "no"),
        ("fill", "next_open", "at the open of the next bar"),
        ("fill", "at_noon", "at_noon"),
    ],
)
def test_a_value_in_words(key: str, value: Any, words: str) -> None:
    assert worded(RULES_BY_KEY[key], value) == words


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("fee_pct", "0 to 50"),
        ("stop_loss_pct", "0.001 to 1,000, off"),
        ("time_stop_bars", "1 to 1,000,000, off"),
        ("cash", "0.01 to 1e+12"),
        ("whole_units", "on, off"),
        ("fill", "next_open, same_close, next_close"),
    ],
)
def test_what_a_rule_takes(key: str, text: str) -> None:
    assert allowed(RULES_BY_KEY[key]) == text


def outcome(values: dict[str, Any]) -> bytes:
    found = []
    for bars in make_market(5, n_symbols=2, n_bars=250, shape="gaps").values():
        result = simulate(bars, Rsi(period=4, low=40, high=60).signals(bars), Rules.of(values), bars_per_year=252)
        found += [result.trades.tobytes(), np.ascontiguousarray(result.equity).tobytes()]
    return b"".join(found)


# Everything that another rule waits for, so that a rule alone is left without effect.
ALL_ON = {
    "direction": "both",
    "stop_loss_pct": 4.0,
    "take_profit_pct": 4.0,
    "trailing_stop_pct": 5.0,
    "trailing_atr": 2.0,
}


@pytest.mark.parametrize("key", ONLY_IF)
def test_a_rule_without_effect_changes_nothing(key: str) -> None:
    waits_for = {condition.partition("=")[0] for condition in ONLY_IF[key]}
    idle: dict[str, Any] = {name: value for name, value in ALL_ON.items() if name not in waits_for}
    if "sizing" in waits_for:
        idle["sizing"] = "cash" if key != "size_cash" else "equity"
    values = asdict(Rules.of(idle))
    assert not has_effect(key, values)
    for other in RULES_BY_KEY[key].choices or (another_value(RULES_BY_KEY[key]),):
        if (key, other) == ("stop_base", "entry_close"):
            continue  # Not known from the entry on.
        assert outcome({**values, key: other}) == outcome(values)


@pytest.mark.parametrize("key", ONLY_IF)
def test_each_condition_gives_a_rule_its_effect_back(key: str) -> None:
    assert set(ONLY_IF) <= set(RULES_BY_KEY)
    for condition in ONLY_IF[key]:
        name, equals, wanted = condition.partition("=")
        assert not equals or wanted in RULES_BY_KEY[name].choices
        assert has_effect(key, {**asdict(Rules()), name: wanted if equals else 5.0})


def test_a_rule_that_waits_for_none_always_has_an_effect() -> None:
    assert all(has_effect(rule.key, asdict(Rules())) for rule in RULES if rule.key not in ONLY_IF)


def test_the_values_of_presets_can_be_written() -> None:
    for preset in PRESETS.values():
        for key, value in preset.values.items():
            assert parsed(RULES_BY_KEY[key], written(RULES_BY_KEY[key], value)) == value
