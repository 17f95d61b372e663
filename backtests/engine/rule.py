"""How one rule is declared: what a form, a check, a page of documentation and an export need to know of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backtests.engine.errors import RulesError

Group = Literal["Costs", "Fills", "Size", "Exits", "Metrics"]
Unit = Literal["money", "%", "bars", "units", "ratio", "days", ""]
Kind = Literal["number", "whole", "switch", "choice"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it is called, which values it takes, and what each of them means.

    ``low`` and ``high`` bound a number, both included. ``choices`` maps each value of a choice to its meaning. A rule
    that ``may_be_off`` takes None as well, which switches it off.
    """

    key: str
    label: str
    group: Group
    kind: Kind
    default: float | int | bool | str | None
    help: str
    unit: Unit = ""
    low: float = -math.inf
    high: float = math.inf
    choices: Mapping[str, str] = field(default_factory=dict)
    may_be_off: bool = False

    def clean(self, value: Any) -> Any:
        """Return ``value`` as this rule holds it, or raise RulesError saying what was expected and what came."""
        if value is None and self.may_be_off:
            return None
        if self.kind == "switch":
            if not isinstance(value, bool):
                raise RulesError(self.key, f"must be true or false; it is {value!r}")
            return value
        if self.kind == "choice":
            if not isinstance(value, str) or value not in self.choices:
                raise RulesError(self.key, f"must be one of {', '.join(self.choices)}; it is {value!r}")
            return value
        return self._number(value)

    def _number(self, value: Any) -> float | int:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # A whole number beyond every float is no error of math.isfinite, which would raise its own.
        if not (is_number and abs(value) <= sys.float_info.max):
            wanted = "a whole number" if self.kind == "whole" else "a number"
            raise RulesError(self.key, f"must be {wanted}{self._or_off()}; it is {value!r}")
        if self.kind == "whole" and value != int(value):
            raise RulesError(self.key, f"must be a whole number{self._or_off()}; it is {value!r}")
        if not self.low <= value <= self.high:
            bounds = f"from {_plain(self.low)} to {_plain(self.high)}"
            raise RulesError(self.key, f"must be {bounds}{self._or_off()}; it is {_plain(value)}")
        return int(value) if self.kind == "whole" else float(value)

    def _or_off(self) -> str:
        return " or off" if self.may_be_off else ""


def _plain(value: float) -> str:
    """Return a number without needless digits and with separators where it is long."""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10_000 else f"{value:g}"


def number(default: float | None, label: str, group: Group, unit: Unit, low: float, high: float, text: str) -> Any:
    """Declare a field of Rules that holds a number; one whose default is None may be off."""
    declared = {"label": label, "group": group, "kind": "number", "unit": unit, "low": low, "high": high}
    return field(default=default, metadata={**declared, "help": text, "may_be_off": default is None})


def whole(default: int | None, label: str, group: Group, unit: Unit, low: int, high: int, text: str) -> Any:
    """Declare a field of Rules that holds a whole number; one whose default is None may be off."""
    declared = {"label": label, "group": group, "kind": "whole", "unit": unit, "low": low, "high": high}
    return field(default=default, metadata={**declared, "help": text, "may_be_off": default is None})


def switch(label: str, group: Group, text: str, *, default: bool = False) -> Any:
    """Declare a field of Rules that is on or off."""
    return field(default=default, metadata={"label": label, "group": group, "kind": "switch", "help": text})


def choice(label: str, group: Group, text: str, choices: Mapping[str, str]) -> Any:
    """Declare a field of Rules that is one of a few words; the first is the default."""
    declared = {"label": label, "group": group, "kind": "choice", "help": text, "choices": choices}
    return field(default=next(iter(choices)), metadata=declared)
