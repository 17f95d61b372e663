"""What is wrong with a formula, and where it stands.

StrategyError
└── FormulaError         a formula that cannot be read, means nothing, or asks for too much
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from strategies.errors import StrategyError


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a formula: line and column counted from 1, and how many characters it has."""

    line: int
    column: int
    length: int = 1


class FormulaError(StrategyError):
    """A formula that cannot be read, means nothing, or asks for too much.

    ``problem`` says what was expected and what came, ``place`` where, ``hint`` what may have been meant.
    """

    def __init__(self, problem: str, place: Place | None = None, *, hint: str = "") -> None:
        told = f"{problem}; {hint}" if hint else problem
        super().__init__(f"line {place.line}, column {place.column}: {told}" if place else told)
        self.problem = problem
        self.place = place
        self.hint = hint

    def shown_in(self, text: str) -> str:
        """Return the message with the line of the formula, and marks under what is wrong."""
        if self.place is None:
            return str(self)
        # As the places are counted: other characters that end lines elsewhere do not here.
        lines = text.split("\n")
        line = "".join(each if each.isprintable() else " " for each in lines[min(self.place.line, len(lines)) - 1])
        # A long line is cut to what stands around the place.
        first = max(0, self.place.column - 60)
        marks = " " * (self.place.column - 1 - first) + "^" * max(1, min(self.place.length, 60))
        return f"{self}\n    {line[first : first + 120]}\n    {marks}"


def shortened(name: str) -> str:
    """Return a name as a message shows it: of a very long one its beginning."""
    return name if len(name) <= 60 else f"{name[:60]}..."


def did_you_mean(name: str, known: Iterable[str], elsewhere: Mapping[str, Iterable[str]] | None = None) -> str:
    """Return a hint that names what another language calls so, or the nearest known name, or nothing."""
    meant = [ours for ours, theirs in (elsewhere or {}).items() if name.lower() in theirs]
    near = meant or get_close_matches(name.lower()[:60], list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
