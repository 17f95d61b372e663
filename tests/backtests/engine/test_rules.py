"""Every rule has the documented default and refuses by name each value that it cannot take, saying what it wants."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from backtests.engine.errors import EngineError, RulesError
from backtests.engine.presets import PRESETS, preset_rules
from backtests.engine.rule import Rule
from backtests.engine.rules import RULES, RULES_BY_KEY, Rules

NO_NUMBER: list[Any] = ["1", "", True, False, [1], math.nan, math.inf, -math.inf, 10**400, 1j, object]
NO_WORD: list[Any] = ["", "Fill", "next open", 0, 1, None, True, ["fill"], math.nan]
NO_SWITCH: list[Any] = [0, 1, None, "true", "", math.nan, []]

NUMBERS = [rule for rule in RULES if rule.kind in {"number", "whole"}]
CHOICES = [rule for rule in RULES if rule.kind == "choice"]
SWITCHES = [rule for rule in RULES if rule.kind == "switch"]


def key(rule: Rule) -> str:
    return rule.key


def text(value: Any) -> str:
    return repr(value)[:12]


def refusal(**values: Any) -> RulesError:
    with pytest.raises(RulesError) as caught:
        Rules(**values)
    assert str(caught.value) == f"{caught.value.name}: {caught.value.problem}"
    return caught.value


def wanted(rule: Rule) -> str:
    return f"{'a whole number' if rule.kind == 'whole' else 'a number'}{' or off' if rule.may_be_off else ''}"


def test_the_defaults_are_those_of_the_trading_rules() -> None:
    """What most users expect, and rather pessimistic: costs on both sides, the next open, bought units, no stops."""
    assert {name: value for name, value in dataclasses.asdict(Rules()).items() if value is not None} == {
        "cash": 10_000.0,
        "fee_pct": 0.1,
        "fixed_fee": 0.0,
        "slippage_pct": 0.05,
        "slippage_on": "both",
        "borrow_pct": 1.0,
        "fill": "next_open",
        "direction": "long",
        "collision": "exit",
        "reentry_delay": 0,
        "skip_bars": 0,
        "sizing": "equity",
        "size_pct": 100.0,
        "size_cash": 1000.0,
        "size_units": 1.0,
        "volatility_pct": 20.0,
        "volatility_bars": 20,
        "whole_units": False,
        "size_price": "fill",
        "size_costs": "included",
        "cash_check": "fill",
        "atr_bars": 14,
        "target_of": "price",
        "stop_base": "fill",
        "stops_from": "entry_bar",
        "trail_from": "extreme",
        "bar_path": "stop_first",
        "gap_fill": "open",
        "stop_bar_signals": "count",
        "stop_slippage": True,
        "at_end": "mark",
        "sharpe": "bar",
        "risk_free_pct": 0.0,
    }


def test_rules_that_may_be_off_are() -> None:
    off = {rule.key for rule in RULES if rule.may_be_off}
    assert off == {name for name, value in dataclasses.asdict(Rules()).items() if value is None}
    stops = {"stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "trailing_atr", "time_stop_bars"}
    assert off == {*stops, "days_a_year"}


@pytest.mark.parametrize("rule", NUMBERS, ids=key)
@pytest.mark.parametrize("value", NO_NUMBER, ids=text)
def test_what_is_no_number_is_refused_by_name(rule: Rule, value: Any) -> None:
    error = refusal(**{rule.key: value})
    assert (error.name, error.problem) == (rule.key, f"must be {wanted(rule)}; it is {value!r}")


@pytest.mark.parametrize("rule", [rule for rule in NUMBERS if rule.kind == "whole"], ids=key)
def test_a_fraction_is_refused_where_a_whole_number_is_wanted(rule: Rule) -> None:
    error = refusal(**{rule.key: rule.low + 0.5})
    assert (error.name, error.problem) == (rule.key, f"must be {wanted(rule)}; it is {rule.low + 0.5!r}")
    assert getattr(Rules.of({rule.key: float(rule.low)}), rule.key) == rule.low
    assert type(getattr(Rules.of({rule.key: float(rule.low)}), rule.key)) is int


@pytest.mark.parametrize("rule", NUMBERS, ids=key)
def test_a_number_outside_its_range_is_refused_by_name(rule: Rule) -> None:
    step = 1 if rule.kind == "whole" else 0
    for value in (
        rule.low - step if step else math.nextafter(rule.low, -math.inf),
        rule.high + step if step else math.nextafter(rule.high, math.inf),
        -1e300,
        1e300,
    ):
        error = refusal(**{rule.key: value})
        assert error.name == rule.key
        assert error.problem.startswith("must be from ")
        assert error.problem.endswith(f"{' or off' if rule.may_be_off else ''}; it is {shown(value)}")
        low, high = error.problem.removeprefix("must be from ").split("; ")[0].removesuffix(" or off").split(" to ")
        assert (float(low.replace(",", "")), float(high.replace(",", ""))) == (rule.low, rule.high)


def shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10_000 else f"{value:g}"


def test_a_refusal_says_what_was_wanted_and_what_came() -> None:
    assert str(refusal(fee_pct=75)) == "fee_pct: must be from 0 to 50; it is 75"
    assert str(refusal(cash=0)) == "cash: must be from 0.01 to 1,000,000,000,000; it is 0"
    assert str(refusal(fee_pct=-0.1)) == "fee_pct: must be from 0 to 50; it is -0.1"
    assert str(refusal(time_stop_bars=0)) == "time_stop_bars: must be from 1 to 1,000,000 or off; it is 0"
    assert str(refusal(whole_units="yes")) == "whole_units: must be true or false; it is 'yes'"
    assert str(refusal(fill="open")) == "fill: must be one of next_open, same_close, next_close; it is 'open'"


@pytest.mark.parametrize("rule", NUMBERS, ids=key)
def test_the_bounds_of_a_range_are_taken(rule: Rule) -> None:
    for value in (rule.low, rule.high):
        taken = getattr(Rules.of({rule.key: value}), rule.key)
        assert taken == value
        assert type(taken) is (int if rule.kind == "whole" else float)


@pytest.mark.parametrize("rule", CHOICES, ids=key)
@pytest.mark.parametrize("value", NO_WORD, ids=text)
def test_what_is_no_choice_is_refused_with_the_choices(rule: Rule, value: Any) -> None:
    error = refusal(**{rule.key: value})
    assert (error.name, error.problem) == (rule.key, f"must be one of {', '.join(rule.choices)}; it is {value!r}")


@pytest.mark.parametrize("rule", CHOICES, ids=key)
def test_every_choice_is_taken_and_the_first_is_the_default(rule: Rule) -> None:
    assert next(iter(rule.choices)) == rule.default
    for value in rule.choices:
        together = {"stops_from": "next_bar"} if value == "entry_close" else {}
        assert getattr(Rules.of({rule.key: value, **together}), rule.key) == value


@pytest.mark.parametrize("rule", SWITCHES, ids=key)
@pytest.mark.parametrize("value", NO_SWITCH, ids=text)
def test_what_is_no_switch_is_refused_by_name(rule: Rule, value: Any) -> None:
    error = refusal(**{rule.key: value})
    assert (error.name, error.problem) == (rule.key, f"must be true or false; it is {value!r}")


@pytest.mark.parametrize("rule", RULES, ids=key)
def test_a_rule_is_switched_off_by_none_only_if_it_may_be(rule: Rule) -> None:
    if rule.may_be_off:
        assert getattr(Rules.of({rule.key: None}), rule.key) is None
    else:
        assert refusal(**{rule.key: None}).name == rule.key


@pytest.mark.parametrize("rule", RULES, ids=key)
def test_a_rule_explains_itself(rule: Rule) -> None:
    assert rule.label
    assert rule.help[0].isupper()
    assert not rule.help.endswith(".")
    assert rule.default is None or rule.clean(rule.default) == rule.default
    assert all(meaning and not meaning.endswith(".") for meaning in rule.choices.values())
    assert (rule.kind == "choice") == bool(rule.choices)
    assert rule.kind not in {"number", "whole"} or -math.inf < rule.low < rule.high < math.inf


def test_rules_are_made_from_values_by_key() -> None:
    assert Rules.of({"fee_pct": 1, "fill": "same_close"}) == Rules(fee_pct=1.0, fill="same_close")
    assert Rules.of({}) == Rules()
    assert Rules.of(dataclasses.asdict(Rules(cash=5))) == Rules(cash=5)


@pytest.mark.parametrize("unknown", ["fee", "slippage", "Cash", "", "_coded"])
def test_an_unknown_rule_is_refused_with_the_known_ones(unknown: str) -> None:
    with pytest.raises(RulesError) as caught:
        Rules.of({unknown: 1})
    assert caught.value.name == unknown
    assert caught.value.problem == f"is no rule; the rules are: {', '.join(RULES_BY_KEY)}"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_a_preset_holds_valid_rules_none_of_which_is_a_default(preset: Any) -> None:
    assert preset.rules == Rules.of(dict(preset.values)) == preset_rules(preset.key, {})
    assert {key: value for key, value in preset.values.items() if RULES_BY_KEY[key].default == value} == {}
    assert preset_rules(preset.key, {"cash": 5.0}) == Rules.of({**preset.values, "cash": 5.0})


def test_a_users_own_values_come_before_those_of_a_preset() -> None:
    assert preset_rules("vectorbt", {"fill": "next_open"}).fill == "next_open"
    assert preset_rules("", {"fee_pct": 0.5}) == Rules(fee_pct=0.5)


@pytest.mark.parametrize("unknown", ["Vectorbt", "zipline", " "])
def test_an_unknown_preset_is_refused_with_the_known_ones(unknown: str) -> None:
    message = (
        rf"^preset: must be one of vectorbt, backtesting\.py, backtrader, freqtrade, tradingview; it is {unknown!r}$"
    )
    with pytest.raises(RulesError, match=message):
        preset_rules(unknown, {})


def test_rules_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rules().fee_pct = 0.0  # type: ignore[misc]


def test_equal_rules_are_one_key() -> None:
    assert Rules(fee_pct=0.2) == Rules(fee_pct=0.2)
    assert len({Rules(), Rules(), Rules(fee_pct=0.2)}) == 2


def test_a_rules_error_is_one_of_the_engine() -> None:
    assert issubclass(RulesError, EngineError)
    assert issubclass(EngineError, ValueError)
