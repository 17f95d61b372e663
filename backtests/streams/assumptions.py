"""The rules that a run assumes, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backtests.engine import PRESETS, RULES
from backtests.engine.rule_text import has_effect, worded
from backtests.models import Run

# They stand among the facts of every run.
ALWAYS_TOLD = ("cash", "fee_pct", "slippage_pct")


@dataclass(frozen=True, slots=True)
class Assumption:
    """One rule of a run: its value in words, and its default. One that is idle changes nothing, whatever it is."""

    key: str
    label: str
    value: str
    meaning: str
    default: Any
    is_default: bool
    is_idle: bool


@dataclass(frozen=True, slots=True)
class RuleFact:
    """Something that is not as it is without a word. Where a preset does not say so either, it is the user's own."""

    text: str
    is_own: bool


def assumptions_of(run: Run) -> list[Assumption]:
    """Return every rule that the run holds, in the order of the table.

    What an older engine did not know is at the default of today; what is gone from the engine keeps its key.
    """
    values = {rule.key: run.rules.get(rule.key, rule.default) for rule in RULES}
    known = [
        Assumption(
            rule.key,
            rule.label,
            worded(rule, values[rule.key]),
            rule.help,
            rule.default,
            is_default=values[rule.key] == rule.default,
            is_idle=not has_effect(rule.key, values),
        )
        for rule in RULES
    ]
    gone = sorted(set(run.rules) - set(values))
    return [*known, *(_gone(key, run.rules[key]) for key in gone)]


def _gone(key: str, value: Any) -> Assumption:
    return Assumption(key, key, str(value), "No rule of this version", None, is_default=False, is_idle=True)


def preset_label(run: Run) -> str:
    """Return what the run's preset is called, nothing without one."""
    return PRESETS[run.preset].label if run.preset in PRESETS else run.preset


def rule_facts_of(run: Run) -> list[RuleFact]:
    """Return the preset and every other rule that differs from its default or the preset and is not idle, in words."""
    preset = PRESETS[run.preset].values if run.preset in PRESETS else {}
    facts = [RuleFact(f"rules of {preset_label(run)}", is_own=False)] if run.preset else []
    for item in assumptions_of(run):
        is_own = item.key in run.rules and run.rules[item.key] != preset.get(item.key, item.default)
        if item.key not in ALWAYS_TOLD and not item.is_idle and (is_own or not item.is_default):
            facts.append(RuleFact(f"{item.label}: {item.value}", is_own))
    return facts
