"""Formulas made of choices: from the numbers that a fuzzer gives come texts, wild ones and valid ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from strategies.formula.functions import ALIASES, FIELDS, FUNCTIONS, TEXTS
from strategies.params import Int

# A whole number from 0 up to, and without, the given one.
Choose = Callable[[int], int]

SIGNS = ("(", ")", "[", "]", ",", ".", "=", ":", ";", "\n", "+", "-", "*", "/", "^", ">", "<", ">=", "<=", "==", "!=")
WORDS = (
    "if",
    "then",
    "else",
    "and",
    "or",
    "not",
    "between",
    "in",
    "true",
    "false",
    "enter:",
    "exit:",
    "stop:",
    "a",
    "b",
)
NUMBERS = ("0", "1", "2", "3", "20", "0.5", "1e15", "1e-300", "2000", "999999999999", ".5", "7.")
ODD = (
    "'Energy'",
    '"SPY"',
    '""',
    "#",
    "'",
    "\x00",
    "é",
    "\u2028",
    "٣",
    "@",
    "%",
    "&",
    "\r\n",
    "\t",
    "1" * 60,
    "_",
    "\\",
)
NAMES = (*FIELDS, *TEXTS, *FUNCTIONS, *ALIASES)
CALLS = tuple(function.example for function in FUNCTIONS.values())
OPENINGS = tuple(f"{name}(" for name in (*FUNCTIONS, *ALIASES))
TOKENS = (*SIGNS, *WORDS, *NUMBERS, *ODD, *NAMES, *CALLS, *OPENINGS)

_TOKEN = re.compile(r"\s+|\w+|[<>=!]=|.", re.DOTALL)

NUMBER_FUNCTIONS = ("abs", "sqrt", "log", "exp", "sign", "floor")
INDICATED = [function for function in FUNCTIONS.values() if function.indicator]


def wild(choose: Choose) -> str:
    """A text of the language's own tokens in any order, now and then one of them many times."""
    pieces: list[str] = []
    for _ in range(1 + choose(40)):
        token = TOKENS[choose(len(TOKENS))]
        times = 1 if choose(12) else 1 + choose(400)
        pieces += [token] * times
    return ("", " ")[choose(2)].join(pieces)[:4100]


def short(choose: Choose) -> str:
    """A formula of a few words without a mistake."""
    return condition(choose, 1 + choose(2)) if choose(3) else number(choose, 2)


def valid(choose: Choose) -> str:
    """A formula without a mistake: names, sections and parameters as they come."""
    names = [f"a = {number(choose, 2)}", f"b = {condition(choose, 2)}", "n = param(5, 1, 30)"][: choose(4)]
    if choose(3) == 0:
        sections = [f"{name}: {condition(choose, 3)}" for name in ("enter", "exit", "short", "cover")]
        n_sections = (1, 2, 4)[choose(3)]
        stop = f"{number(choose, 2)} + volume" if n_sections < 4 and choose(2) else "5"
        return "\n".join([*names, *sections[:n_sections], f"stop: {stop}"])
    return "\n".join([*names, condition(choose, 4) if choose(3) else number(choose, 4)])


def slipped(choose: Choose, text: str) -> str:
    """A formula with a few slips: a token is lost, doubled, moved, or another one."""
    tokens = _TOKEN.findall(text)
    for _ in range(1 + choose(3)):
        place = choose(len(tokens) + 1)
        kind = choose(5)
        if kind == 0:
            tokens[place : place + 1] = []
        elif kind == 1:
            tokens[place:place] = tokens[place : place + 1 + choose(3)]
        elif kind == 2:
            tokens[place:place] = [TOKENS[choose(len(TOKENS))]]
        elif kind == 3:
            tokens[place : place + 1] = [TOKENS[choose(len(TOKENS))]]
        else:
            tokens[place : place + 2] = tokens[place : place + 2][::-1]
    return "".join(tokens)[:4100]


def number(choose: Choose, depth: int) -> str:
    if depth <= 0:
        return tuple(FIELDS)[choose(len(FIELDS))]
    inner, test = partial(number, choose, depth - 1), partial(condition, choose, depth - 1)
    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"({inner()} {'+-*/^'[choose(5)]} {fixed(choose)})",
        lambda: f"({fixed(choose)} {'+-*/'[choose(4)]} {inner()})",
        lambda: f"({inner()} {'+-*/^'[choose(5)]} {inner()})",
        lambda: f"-{inner()}",
        lambda: f"{NUMBER_FUNCTIONS[choose(len(NUMBER_FUNCTIONS))]}({inner()})",
        lambda: f"{('min', 'max')[choose(2)]}({inner()}, {fixed(choose)}, {inner()})",
        lambda: f"({inner()})[{choose(9)}]",
        lambda: f"(if {test()} then {inner()} else {inner()})",
        lambda: f"{('sum', 'change')[choose(2)]}({inner()}, {1 + choose(60)})",
        lambda: f"count({test()}, {1 + choose(60)})",
        lambda: f"since({test()})",
        lambda: f"value_when({test()}, {inner()})",
        lambda: indicator(choose, inner),
        lambda: indicator(choose, inner),
        lambda: f"{('rank', 'percentile')[choose(2)]}({tuple(FIELDS)[choose(len(FIELDS))]})",
        lambda: f"{('weekly', 'monthly')[choose(2)]}({plain(choose, depth - 1)})",
        lambda: f'symbol("SPY", {plain(choose, depth - 1)})',
    )
    return kinds[choose(len(kinds))]()


def plain(choose: Choose, depth: int) -> str:
    """A number that may stand within weekly(...) and symbol(...)."""
    if depth <= 0:
        return tuple(FIELDS)[choose(len(FIELDS))]
    inner = partial(plain, choose, depth - 1)
    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"({inner()} {'+-*/'[choose(4)]} {inner()})",
        lambda: f"({inner()})[{choose(5)}]",
        lambda: indicator(choose, inner),
    )
    return kinds[choose(len(kinds))]()


def condition(choose: Choose, depth: int) -> str:
    if depth <= 0:
        return f"{tuple(FIELDS)[choose(len(FIELDS))]} > {fixed(choose)}"
    inner, value = partial(condition, choose, depth - 1), partial(number, choose, depth - 1)
    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"({value()} {('>', '<', '>=', '<=', '==', '!=')[choose(6)]} {value()})",
        lambda: f"({value()} < {value()} <= {fixed(choose)})",
        lambda: f"({value()} between {fixed(choose)} and {value()})",
        lambda: f"({inner()} {('and', 'or')[choose(2)]} {inner()})",
        lambda: f"(not {inner()})",
        lambda: f"(if {inner()} then {inner()} else {inner()})",
        lambda: f"{('within', 'throughout')[choose(2)]}({1 + choose(60)}, {inner()})",
        lambda: f"{('crossover', 'crossunder')[choose(2)]}({value()}, {value()})",
        lambda: f"{('rising', 'falling')[choose(2)]}({value()}, {1 + choose(5)})",
        lambda: ("sector == 'Energy'", "ticker not in ('S1', 'X')", "true", "market != 'crypto'")[choose(4)],
        lambda: f"({inner()})[{choose(9)}]",
    )
    return kinds[choose(len(kinds))]()


def fixed(choose: Choose) -> str:
    return ("0", "1", "2", "0.5", "100", "-3", "1e9", "1e-9")[choose(8)]


def indicator(choose: Choose, inner: Callable[[], str]) -> str:
    function = INDICATED[choose(len(INDICATED))]
    assert function.indicator is not None
    given = [inner() for item in function.arguments if item.kind == "number"]
    for item in function.indicator.parameters[: choose(4)]:
        low, high = item.low, min(item.high, item.low + 60)
        value = low + choose(int(high - low) + 1) if isinstance(item, Int) else item.default
        given.append(f"{item.key}={value}")
    part = f".{function.outputs[choose(len(function.outputs))]}" if len(function.outputs) > 1 else ""
    return f"{function.key}({', '.join(given)}){part}"
