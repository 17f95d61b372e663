"""Rules as people write and read them: values from text and as text, and which rules wait for another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtests.engine.rule import Rule

OFF = ("", "off", "none")
SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}

# Rules without effect unless another one has a certain value, or is on: any of these conditions will do.
ONLY_IF: Mapping[str, tuple[str, ...]] = {
    "borrow_pct": ("direction=short", "direction=both"),
    "size_pct": ("sizing=equity",),
    "size_cash": ("sizing=cash",),
    "size_units": ("sizing=units",),
    "volatility_pct": ("sizing=volatility",),
    "volatility_bars": ("sizing=volatility",),
    "atr_bars": ("trailing_atr",),
    "target_of": ("take_profit_pct",),
    "stop_base": ("stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "trailing_atr"),
    "stops_from": ("stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "trailing_atr"),
    "trail_from": ("trailing_stop_pct", "trailing_atr"),
    "bar_path": ("take_profit_pct",),
    "gap_fill": ("stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "trailing_atr"),
    "stop_bar_signals": ("stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "trailing_atr"),
    "stop_slippage": ("stop_loss_pct", "trailing_stop_pct", "trailing_atr"),
}


def has_effect(key: str, values: Mapping[str, Any]) -> bool:
    """Return whether a rule can change anything under these values of the others."""
    conditions = (condition.partition("=") for condition in ONLY_IF.get(key, ()))
    met = [values[other] == wanted if equals else values[other] is not None for other, equals, wanted in conditions]
    return any(met) or not met


def parsed(rule: Rule, text: str) -> Any:
    """Return the value that somebody has written for a rule, or raise RulesError saying what was expected.

    Nothing, ``off`` and ``none`` switch a rule off that may be off; a switch takes on, off, true, false, yes and no.
    """
    text = text.strip()
    word = text.lower()
    if rule.kind == "choice":
        return rule.clean(text)
    if rule.kind == "switch":
        return rule.clean(SWITCHES.get(word, text))
    if rule.may_be_off and word in OFF:
        return None
    try:
        value: object = float(text) if len(text) <= 40 else text[:40]
    except ValueError:
        value = text
    return rule.clean(value)


def written(rule: Rule, value: Any) -> str:
    """Return a value as ``parsed`` reads it back; that of a rule that is off is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def worded(rule: Rule, value: Any) -> str:
    """Return a value in words, with its unit: 0.1 %, 14 bars, off, at the open of the next bar.

    A run of another version of the engine may hold values that this one does not know; they stay as they are.
    """
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return rule.choices.get(value, str(value))
    number = f"{value:,.10g}"
    if rule.unit in {"money", "ratio", ""}:
        return number
    unit = rule.unit.removesuffix("s") if value == 1 else rule.unit
    return f"{number} {unit}"


def allowed(rule: Rule) -> str:
    """Return the values that a rule takes: a range, words, on or off."""
    if rule.kind == "choice":
        return ", ".join(rule.choices)
    if rule.kind == "switch":
        return "on, off"
    return f"{_bound(rule.low)} to {_bound(rule.high)}" + (", off" if rule.may_be_off else "")


def _bound(value: float) -> str:
    return f"{value:,.0f}" if 1_000 <= abs(value) <= 1_000_000 else f"{value:g}"
