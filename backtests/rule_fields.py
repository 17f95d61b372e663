"""The rules as fields of a form, made of the engine's table: one for each rule, and the choice of a preset.

A preset changes what nobody has changed. A page says with ``preset_shown`` which preset the values on it are of; where
another one was chosen, each value that is still that of the page's preset becomes that of the chosen one, and each
other value is the user's own and stays. So a choice of preset means the same with and without JavaScript. Who sends no
``preset_shown`` is a program: what it sends counts, and what it leaves out is the preset's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, get_args

from django import forms

from backtests.engine import PRESETS, RULES, Rule, RulesError
from backtests.engine.presets import preset_rules
from backtests.engine.rule import Group
from backtests.engine.rule_text import ONLY_IF, allowed, parsed, worded, written

# Seen at once; the others are in their groups.
ESSENTIAL = (
    "cash",
    "fee_pct",
    "slippage_pct",
    "fill",
    "direction",
    "stop_loss_pct",
    "take_profit_pct",
    "trailing_stop_pct",
)
LONGEST_RANGE = 1_000_000


class RuleField(forms.Field):
    """One rule. What is typed is read and refused as everywhere else."""

    def __init__(self, rule: Rule) -> None:
        value = written(rule, rule.default)
        super().__init__(required=False, label=rule.label, help_text=rule.help, initial=value, widget=_widget(rule))
        self.rule = rule

    def clean(self, value: Any) -> Any:
        try:
            return parsed(self.rule, written(self.rule, value))
        except RulesError as error:
            raise forms.ValidationError(error.problem) from error

    @property
    def unit(self) -> str:
        """The unit, where it is not plain from the name."""
        return "" if self.rule.unit in {"money", "ratio"} else self.rule.unit

    @property
    def range(self) -> str:
        """The range of a number. A bound that nobody meets is no help, and too long for a phone."""
        is_number = self.rule.kind in {"number", "whole"}
        return allowed(self.rule).removesuffix(", off") if is_number and self.rule.high <= LONGEST_RANGE else ""

    @property
    def only_if(self) -> str:
        """The conditions of which one must hold for the rule to have an effect."""
        return " ".join(ONLY_IF.get(self.rule.key, ()))


class SwitchInput(forms.CheckboxInput):
    """A box whose value is written like that of every rule."""

    def __init__(self) -> None:
        super().__init__(check_test=lambda value: value in {True, "on"})

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        return data.get(name, "off")

    def format_value(self, value: Any) -> str:
        return "on"


def _widget(rule: Rule) -> forms.Widget:
    if rule.kind == "switch":
        return SwitchInput()
    if rule.kind == "choice":
        return forms.Select(choices=list(rule.choices.items()))
    # A number field of a browser keeps what it cannot read to itself, and a stop-loss of "5,0" would be off.
    attributes = {"autocomplete": "off"}
    if rule.low >= 0:
        attributes["inputmode"] = "numeric" if rule.kind == "whole" else "decimal"
    if rule.may_be_off:
        attributes["placeholder"] = "off"
    return forms.TextInput(attributes)


RULE_FIELDS = {rule.key: RuleField(rule) for rule in RULES}
GROUPS: tuple[str, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The rules of a group that are not seen at once."""

    name: str
    fields: list[forms.BoundField]
    is_open: bool

    @property
    def labels(self) -> str:
        """What is to be found in the group."""
        return ", ".join(str(field.label) for field in self.fields)


def rule_groups(form: forms.Form, preset: str) -> list[RuleGroup]:
    """Return the groups of a form; those in which the user has changed something, or is wrong, are open."""
    groups = []
    for name in GROUPS:
        rules = [rule for rule in RULES if rule.group == name and rule.key not in ESSENTIAL]
        fields = [form[rule.key] for rule in rules]
        is_open = any(not _is_still(rule, form[rule.key].value(), preset) for rule in rules)
        groups.append(RuleGroup(name, fields, is_open or any(field.errors for field in fields)))
    return groups


def preset_choices() -> list[tuple[str, str]]:
    """Return the presets for a select, none of them first."""
    return [("", "Trawl's own"), *((preset.key, preset.label) for preset in PRESETS.values())]


def preset_note(preset: str) -> list[tuple[str, str]]:
    """Return what a preset sets: each rule's label with the value in words."""
    if preset not in PRESETS:
        return []
    values = PRESETS[preset].values
    return [(rule.label, worded(rule, values[rule.key])) for rule in RULES if rule.key in values]


def with_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sent with every rule: left out ones filled in, and those of another preset changed to it."""
    chosen = str(values.get("preset", ""))
    shown = str(values.get("preset_shown", chosen))
    is_page = "preset_shown" in values
    sent = {key: values[key] for key in values}
    now = preset_values(chosen)
    for rule in RULES:
        key = rule.key
        # A box without a tick is not sent.
        is_left_out = key not in sent and not (is_page and rule.kind == "switch")
        if is_left_out or (shown != chosen and _is_still(rule, sent.get(key, "off"), shown)):
            sent[key] = written(rule, now[key])
    return sent


@lru_cache(maxsize=16)
def preset_values(preset: str) -> dict[str, Any]:
    """Return every rule of a preset by key; one that is unknown leaves them at their defaults."""
    return asdict(preset_rules(preset if preset in PRESETS else "", {}))


def _is_still(rule: Rule, value: object, preset: str) -> bool:
    try:
        return bool(parsed(rule, str(value)) == preset_values(preset)[rule.key])
    except RulesError:
        return False
