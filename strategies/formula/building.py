"""The state of a formula that is being understood: its steps so far, its names, and the bars that it is looking at."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from strategies.formula.costs import cost_of
from strategies.formula.errors import FormulaError, Place
from strategies.formula.limits import (
    DEEPEST_LEVELS,
    FARTHEST_AGO,
    LARGEST_NUMBER,
    MOST_COST,
    MOST_PARTS_READ,
    MOST_STEPS,
)
from strategies.formula.operations import of_constants
from strategies.formula.program import Kind, Scope, Step
from strategies.formula.syntax import Syntax
from strategies.params import Float, Int

WORDS: dict[Kind, str] = {"number": "a number", "condition": "a condition", "text": "a text"}


@dataclass(frozen=True, slots=True)
class Value:
    """What a part of a formula gives: a step of the program, or a constant."""

    kind: Kind
    place: Place
    step: int = -1
    constant: Any = None

    @property
    def is_constant(self) -> bool:
        return self.constant is not None


class Named(NamedTuple):
    """A named value: its expression, which is understood anew for the bars it is used on."""

    expression: Syntax
    place: Place


class Building:
    """A formula that is being understood."""

    def __init__(self, text: str, given: Mapping[str, Any]) -> None:
        self.text = text
        self.given = given
        self.steps: list[Step] = []
        self.scope = Scope()
        self.names: dict[str, Named] = {}
        self.names_below: set[str] = set()
        self.parameters: dict[str, Int | Float] = {}
        self.values: dict[str, int | float] = {}
        self.known: dict[tuple[str, Scope], Value] = {}
        self.compared: list[tuple[Value, str]] = []
        self.depth = 0
        self._numbers: dict[Step, int] = {}
        self._cost = 0.0
        self._n_read = 0

    def step(
        self, operation: str, inputs: tuple[Value, ...], kind: Kind, place: Place, *constants: int | float | str
    ) -> Value:
        """Return the value of a step, a new one or the equal one that is there already."""
        numbers = tuple(self.number_of(value) for value in inputs)
        step = Step(operation, numbers, constants, self.scope, kind)
        if step not in self._numbers:
            if len(self.steps) >= MOST_STEPS:
                raise FormulaError(f"a formula has at most {MOST_STEPS} different parts; here begins one more", place)
            self._cost += cost_of(step)
            if self._cost > MOST_COST:
                raise FormulaError(
                    "the windows of this formula are too many or too long to be computed in time; here they become so",
                    place,
                )
            self._numbers[step] = len(self.steps)
            self.steps.append(step)
        return Value(kind, place, self._numbers[step])

    def number_of(self, value: Value) -> int:
        """Return the number of the step that gives a value; a constant becomes one."""
        if value.step >= 0:
            return value.step
        return self.step("constant", (), value.kind, value.place, value.constant).step

    def note(self, value: Value, tree: Any) -> None:
        """Keep a number that a condition is made of: a screen shows it. Of other bars it shows the whole."""
        if value.kind == "number" and not value.is_constant and self.scope == Scope():
            written = self.text[tree.meta.start_pos : tree.meta.end_pos]
            self.compared.append((value, " ".join(re.sub("#.*", "", written).split())))

    @contextmanager
    def looking_at(self, scope: Scope) -> Iterator[None]:
        """Understand what is within on other bars."""
        before, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = before

    @contextmanager
    def deeper(self, place: Place) -> Iterator[None]:
        """Refuse what stands too deep, and names that are put in for longer ones again and again."""
        self._n_read += 1
        if self._n_read > MOST_PARTS_READ:
            raise FormulaError("this formula is too long once its names are put in; use fewer symbols or weeks", place)
        self.depth += 1
        if self.depth > DEEPEST_LEVELS:
            raise FormulaError(f"this stands more than {DEEPEST_LEVELS} levels deep; give its parts names", place)
        try:
            yield
        finally:
            self.depth -= 1


def wanted(value: Value, kind: Kind, what: str, *, hint: str = "") -> Value:
    """Return the value, or raise FormulaError if it is of another kind."""
    if value.kind == kind:
        return value
    if kind == "condition" and value.kind == "number" and not value.is_constant:
        hint = "compare it, as in close > open"
    elif kind == "number" and value.kind == "condition" and not hint:
        hint = "write if ... then 1 else 0 to make a number of it"
    raise FormulaError(f"{what} must be {WORDS[kind]}; this is {WORDS[value.kind]}", value.place, hint=hint)


def elementwise(building: Building, operation: str, values: tuple[Value, ...], place: Place) -> Value:
    """Return the value of a computation bar by bar; of constants it is done at once."""
    if not all(value.is_constant for value in values):
        return building.step(operation, values, "number", place)
    result = of_constants(operation, [value.constant for value in values])
    if not math.isfinite(result):
        raise FormulaError("this gives no number", place)
    if abs(result) > LARGEST_NUMBER:
        raise FormulaError(f"numbers go up to {LARGEST_NUMBER:,.0f}; this gives {result:g}", place)
    return Value("number", place, constant=result)


def whole_number(value: Value, what: str, *, low: int = 1, high: float = FARTHEST_AGO, hint: str = "") -> int:
    """Return the whole number that a value is, or raise FormulaError."""
    if value.kind != "number" or not value.is_constant:
        raise FormulaError(f"{what} must be a fixed whole number or a parameter", value.place, hint=hint)
    if value.constant != int(value.constant) or not low <= value.constant <= high:
        raise FormulaError(
            f"{what} must be a whole number from {low:,} to {high:,.0f}; it is {value.constant:g}", value.place
        )
    return int(value.constant)
