"""From a tree to a program: names, kinds and bounds are checked here, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark import Token

from strategies.errors import ParameterError
from strategies.formula.building import Building, Named, Value, wanted
from strategies.formula.calls import parameter_of
from strategies.formula.errors import FormulaError, did_you_mean
from strategies.formula.expressions import value_of
from strategies.formula.functions import ALIASES, FIELDS, FUNCTIONS, TEXTS
from strategies.formula.limits import MOST_COLUMNS, MOST_PARAMETERS
from strategies.formula.program import Part, Program, Scope
from strategies.formula.syntax import Syntax, parse, place_of

SECTIONS = ("enter", "exit", "short", "cover")
LEVELS = ("stop", "target")
_TAKEN = {*FIELDS, *TEXTS, *FUNCTIONS, *ALIASES, *SECTIONS, *LEVELS, "true", "false", "param"}


def compile_formula(text: str, values: Mapping[str, Any] | None = None) -> Program:
    """Return a formula's program.

    Parameters
    ----------
    text : str
        At most 4,000 characters.
    values : mapping of str to number, optional
        Values of its parameters; those that are not given have their default.

    Raises
    ------
    FormulaError
        If it cannot be read, means nothing or asks for too much; it names line, column and what was expected.
    ParameterError
        If a given value belongs to no parameter or is outside its bounds.
    """
    building = Building(text, dict(values or {}))
    answer: Part | None = None
    sections: dict[str, Part] = {}
    levels: dict[str, float] = {}
    statements = parse(text).children
    building.names_below = {name for each in statements if (name := _name_given(each))}
    for statement in statements:
        assert not isinstance(statement, Token)
        if statement.data == "named":
            _name(building, statement)
        elif statement.data == "section":
            _section(building, statement, sections, levels)
        elif answer is not None:
            raise FormulaError(
                "a formula has one answer, and this is a second one", place_of(statement),
                hint="join conditions with and, or give this a name: trend = ...",
            )  # fmt: skip
        else:
            answer = _answer(building, statement)
    _fits(answer, sections, levels, building, statements)
    # A named number that is always the same becomes a step here: the steps are complete only after this.
    named, columns = _named_parts(building), _columns(building)
    return Program(
        text=text,
        steps=tuple(building.steps),
        answer=answer,
        sections=sections,
        levels=levels,
        named=named,
        columns=columns,
        parameters=tuple(building.parameters.values()),
        values=building.values,
    )


def _name_given(statement: Syntax | Token) -> str:
    is_named = not isinstance(statement, Token) and statement.data == "named"
    return str(statement.children[0]).lower() if is_named and not isinstance(statement, Token) else ""


def _answer(building: Building, statement: Syntax) -> Part:
    value = value_of(building, _child(statement))
    if value.kind == "text":
        raise FormulaError(
            "a formula asks for a condition or a number; this is a text", value.place,
            hint='compare it, as in sector == "Energy"',
        )  # fmt: skip
    return _part(building, _text_of(building, statement), value)


def _child(statement: Syntax) -> Any:
    return statement.children[-1]


def _name(building: Building, statement: Syntax) -> None:
    token = statement.children[0]
    assert isinstance(token, Token)
    name, place = token.lower(), place_of(token)
    if name in _TAKEN:
        hint = f"to compare, write {name} == ..." if name in FIELDS or name in TEXTS else "choose another name"
        raise FormulaError(f"`{name}` has a meaning already", place, hint=hint)
    if name in building.names or name in building.parameters:
        raise FormulaError(f"`{name}` has been named before", place)
    expression = _child(statement)
    if _is_parameter(expression):
        if len(building.parameters) >= MOST_PARAMETERS:
            raise FormulaError(f"a formula has at most {MOST_PARAMETERS} parameters; this is one more", place)
        parameter = parameter_of(building, name, expression, value_of)
        building.parameters[name] = parameter
        building.values[name] = parameter.clean(building.given.get(name, parameter.default))
        return
    # Understood here, too, so that a mistake is told where it stands, though nobody may use it.
    value = value_of(building, expression)
    building.names[name] = Named(expression, place)
    building.known[name, building.scope] = value


def _is_parameter(expression: Any) -> bool:
    return (
        not isinstance(expression, Token)
        and expression.data == "call"
        and str(expression.children[0]).lower() == "param"
    )


def _section(building: Building, statement: Syntax, sections: dict[str, Part], levels: dict[str, float]) -> None:
    token = statement.children[0]
    assert isinstance(token, Token)
    name, place = token.lower(), place_of(token)
    if name not in (*SECTIONS, *LEVELS):
        hint = did_you_mean(name, (*SECTIONS, *LEVELS)) or "a named value is written with =, as in trend = close > open"
        raise FormulaError(f"`{name}:` is no part of a strategy", place, hint=hint)
    if name in sections or name in levels:
        raise FormulaError(f"`{name}:` stands here a second time", place)
    value = value_of(building, _child(statement))
    if name in SECTIONS:
        sections[name] = _part(building, name, wanted(value, "condition", f"`{name}:`"))
        return
    wanted(value, "number", f"`{name}:`")
    if not value.is_constant:
        # A price of its own on each bar.
        sections[name] = _part(building, name, value)
        return
    if not 0 < value.constant <= 1000:
        raise FormulaError(
            f"`{name}:` must be a percentage of the entry price above 0, such as 8 or a parameter, or a price, such as "
            "lowest(low, 20)", value.place
        )  # fmt: skip
    levels[name] = float(value.constant)


def _part(building: Building, label: str, value: Value) -> Part:
    return Part(label, building.number_of(value), value.kind, value.place)


def _text_of(building: Building, statement: Syntax) -> str:
    meta = statement.meta
    return " ".join(building.text[meta.start_pos : meta.end_pos].split())


def _named_parts(building: Building) -> tuple[Part, ...]:
    known = {name: building.known[name, Scope()] for name in building.names}
    return tuple(_part(building, name, value) for name, value in known.items() if value.kind != "text")


def _columns(building: Building) -> tuple[Part, ...]:
    """Return what a screen shows: named numbers, then those that conditions are made of, each once."""
    named = {name: building.known[name, Scope()] for name in building.names}
    columns = {
        value.step: Part(name, value.step, "number", value.place)
        for name, value in named.items()
        if value.kind == "number" and not value.is_constant
    }
    for value, written in building.compared:
        if value.step not in columns:
            columns[value.step] = Part(written, value.step, "number", value.place)
    return tuple(columns.values())[:MOST_COLUMNS]


def _fits(
    answer: Part | None,
    sections: dict[str, Part],
    levels: dict[str, float],
    building: Building,
    statements: list[Any],
) -> None:
    if unknown := sorted(set(building.given) - set(building.parameters)):
        known = ", ".join(building.parameters) or "none"
        raise ParameterError(unknown[0], f"is not a parameter of this formula; its parameters are: {known}")
    if sections or levels:
        _is_a_strategy(answer, sections, statements)
    elif answer is None:
        told = "it names values and asks nothing; end it with a condition such as close > open"
        raise FormulaError(told, place_of(statements[-1]))


def _is_a_strategy(answer: Part | None, sections: dict[str, Part], statements: list[Any]) -> None:
    if answer is not None:
        raise FormulaError(
            "a strategy says what this is for", answer.place, hint="write enter: or exit: before it, or give it a name"
        )
    if "enter" not in sections and "short" not in sections:
        first = next(each.children[0] for each in statements if each.data == "section")
        raise FormulaError(f"a strategy with `{first.lower()}:` also needs `enter:` or `short:`", place_of(first))
    for leaving, entering in (("exit", "enter"), ("cover", "short")):
        if leaving in sections and entering not in sections:
            raise FormulaError(f"`{leaving}:` needs `{entering}:`", sections[leaving].place)
    for name in LEVELS:
        if name in sections and "enter" in sections and "short" in sections:
            raise FormulaError(
                f"a price as `{name}:` suits one side, and this strategy buys and sells short", sections[name].place,
                hint="give a percentage, such as 5, or make two strategies of it",
            )  # fmt: skip
