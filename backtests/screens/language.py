"""The page that explains the language of formulas, from the same tables as docs/formulas.md."""

from __future__ import annotations

from dataclasses import dataclass

from strategies.formula.functions import ALIASES, FIELDS, FUNCTIONS, OWN, SPECIAL, TEXTS, Function
from strategies.formula.page import SIGNS
from strategies.indicators.declaration import GROUPS
from strategies.indicators.page import TITLES


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be written, what it means, and an example."""

    written: str
    help: str
    example: str


@dataclass(frozen=True, slots=True)
class Section:
    """Entries of one kind. ``key`` is the anchor of its address."""

    key: str
    title: str
    entries: tuple[Entry, ...]


def _of(function: Function) -> Entry:
    names = [alias for alias, key in ALIASES.items() if key == function.key]
    told = f"{function.help}. Also called {', '.join(names)}." if names else f"{function.help}."
    parts = f" Parts: {', '.join(function.outputs)}." if len(function.outputs) > 1 else ""
    return Entry(function.signature, told.replace("..", ".") + parts, function.example)


def _sections() -> tuple[Section, ...]:
    fields = tuple(Entry(name, told, "") for name, told in {**FIELDS, **TEXTS}.items())
    signs = tuple(Entry(sign.replace("`", ""), told, example) for sign, told, example in SIGNS)
    indicators = [
        Section(
            f"indicators-{group.replace(' ', '-')}",
            TITLES[group],
            tuple(_of(each) for each in FUNCTIONS.values() if each.indicator and each.indicator.group == group),
        )
        for group in GROUPS
    ]
    return (
        Section("fields", "Fields of a bar", fields),
        Section("operators", "Operators", signs),
        Section("functions", "Functions", tuple(_of(each) for each in OWN)),
        Section("wider", "Weeks, months, other symbols, knobs", tuple(_of(each) for each in SPECIAL)),
        *indicators,
    )


SECTIONS = _sections()
