"""What a formula is once it is understood: numbered steps, each computed once, and which of them it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from strategies.formula.errors import Place
from strategies.params import Float, Int

Kind = Literal["number", "condition", "text"]
DAY_S = 86_400
OuterInterval = Literal["weekly", "monthly"]
SectionName = Literal["enter", "exit", "short", "cover", "stop", "target"]


class Scope(NamedTuple):
    """Which bars a step is computed on: those of another symbol if one is named, and of which interval.

    An empty ticker is the symbol itself, an empty interval that of its bars.
    """

    ticker: str = ""
    outer: OuterInterval | Literal[""] = ""


class Step(NamedTuple):
    """One computation. Equal steps are one.

    Attributes
    ----------
    operation : str
        Its key in :data:`strategies.formula.operations.OPERATIONS`, or that of an indicator with the number of its
        output behind a colon.
    inputs : tuple of int
        The numbers of the steps before it whose results it takes.
    constants : tuple of int, float or str
        What else it takes.
    scope : Scope
    kind : str
        What it gives.
    """

    operation: str
    inputs: tuple[int, ...]
    constants: tuple[int | float | str, ...]
    scope: Scope
    kind: Kind


@dataclass(frozen=True, slots=True)
class Part:
    """A result that has a name: a line of the formula, or a part of a condition that a screen shows as a column."""

    label: str
    step: int
    kind: Kind
    place: Place


@dataclass(frozen=True, slots=True)
class Program:
    """A formula, checked and ready to be computed.

    Attributes
    ----------
    text : str
    steps : tuple of Step
        In the order in which they can be computed.
    answer : Part or None
        The condition or number that the formula asks for, if it is no strategy.
    sections : dict of str to Part
        ``enter``, ``exit``, ``short`` and ``cover`` of a strategy, and ``stop`` and ``target`` that are prices; empty
        for others.
    levels : dict of str to float
        ``stop`` and ``target`` of a strategy that are percentages of the entry price.
    named : tuple of Part
        The named values in the order of the text.
    columns : tuple of Part
        What a screen shows of every symbol: named numbers, and those that conditions are made of.
    parameters : tuple of Int or Float
        Its knobs in the order of the text, with default and bounds.
    values : dict of str to number
        The values of the parameters that the steps were made for.
    """

    text: str
    steps: tuple[Step, ...]
    answer: Part | None = None
    sections: dict[str, Part] = field(default_factory=dict)
    levels: dict[str, float] = field(default_factory=dict)
    named: tuple[Part, ...] = ()
    columns: tuple[Part, ...] = ()
    parameters: tuple[Int | Float, ...] = ()
    values: dict[str, int | float] = field(default_factory=dict)

    @property
    def is_strategy(self) -> bool:
        """Whether it says when to enter, and not only what matches."""
        return bool(self.sections)

    @property
    def fields(self) -> frozenset[str]:
        """The columns of bars that the steps need."""
        return frozenset(str(step.constants[0]) for step in self.steps if step.operation == "field")

    @property
    def tickers(self) -> tuple[str, ...]:
        """The other symbols whose bars it needs, in the order of their first mention."""
        return tuple(dict.fromkeys(step.scope.ticker for step in self.steps if step.scope.ticker))

    @property
    def compares_symbols(self) -> bool:
        """Whether a symbol's values depend on those of all others."""
        return any(step.operation in {"rank", "percentile"} for step in self.steps)

    @property
    def reach(self) -> float:
        """How many daily bars before the last one its values there depend on; infinite if on all."""
        return self.reach_on(DAY_S)

    def reach_on(self, interval_s: int) -> float:
        """Return how many bars before the last one its values on that one depend on; infinite if on all.

        What an average started from counts until it weighs less than 1e-9. The bars of symbols that the formula names
        are not cut: on those that it is asked for a bar may be missing, and so reach back further on theirs.

        Parameters
        ----------
        interval_s : int
            How long a bar is, in seconds: the shorter, the more of them are in a week.
        """
        from strategies.formula.reach import reach_of

        reaches: list[float] = []
        for step in self.steps:
            reaches.append(reach_of(step, [reaches[number] for number in step.inputs], interval_s))
        return max((reaches[part.step] for part in self.asked), default=0)

    @property
    def asked(self) -> tuple[Part, ...]:
        """Every part that somebody may want the result of."""
        answers = (self.answer,) if self.answer else ()
        return (*answers, *self.sections.values(), *self.named, *self.columns)
