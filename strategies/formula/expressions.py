"""What the parts of an expression mean: names, arithmetic, comparisons, conditions and bars ago."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from lark import Token

from strategies.formula.building import Building, Value, elementwise, wanted, whole_number
from strategies.formula.calls import called
from strategies.formula.errors import FormulaError, Place, did_you_mean, shortened
from strategies.formula.functions import ELSEWHERE, FIELDS, NAMES, TEXTS, find_function
from strategies.formula.limits import LARGEST_NUMBER
from strategies.formula.program import Kind, Scope
from strategies.formula.syntax import Syntax, place_of

_ARITHMETIC = {"PLUS": "add", "MINUS": "subtract", "TIMES": "multiply", "OVER": "divide"}
_COMPARISONS = {">": "above", "<": "below", ">=": "at_least", "<=": "at_most", "==": "equal", "!=": "unequal"}


def value_of(building: Building, tree: Any) -> Value:
    """Return what an expression gives, on the bars that the building looks at."""
    place = place_of(tree)
    with building.deeper(place):
        return _MEANINGS[str(tree.data)](building, tree, place)


def _number(_building: Building, tree: Syntax, place: Place) -> Value:
    text = str(tree.children[0])
    number = float(text)
    if not number <= LARGEST_NUMBER:
        raise FormulaError(f"numbers go up to {LARGEST_NUMBER:,.0f}", place)
    return Value("number", place, constant=number)


def _text(_building: Building, tree: Syntax, place: Place) -> Value:
    return Value("text", place, constant=str(tree.children[0])[1:-1])


def _name(building: Building, tree: Syntax, place: Place) -> Value:
    name = str(tree.children[0]).lower()
    if name in building.values:
        return Value("number", place, constant=float(building.values[name]))
    if name in building.names:
        known = building.known.get((name, building.scope))
        if known is None:
            known = building.known[name, Scope()]
            # What is the same on all bars needs no second look.
            if not known.is_constant:
                known = value_of(building, building.names[name].expression)
            building.known[name, building.scope] = known
        return Value(known.kind, place, known.step, known.constant)
    if name in FIELDS:
        return _field(building, name, place)
    if name in TEXTS:
        return building.step("fact", (), "text", place, name)
    if name in {"true", "false"}:
        return building.step("constant", (), "condition", place, name == "true")
    function = find_function(name)
    if function is not None:
        raise FormulaError(f"`{name}` is a function", place, hint=f"write {function.example}")
    hint = did_you_mean(name, (*NAMES, *building.names, *building.parameters), ELSEWHERE)
    if name in building.names_below:
        hint = "a name can be used on the lines below the one that gives it"
    raise FormulaError(f"`{shortened(name)}` is not known", place, hint=hint)


def _field(building: Building, name: str, place: Place) -> Value:
    if name == "typical":
        parts = [_field(building, each, place) for each in ("high", "low", "close")]
        total = reduce(lambda one, other: building.step("add", (one, other), "number", place), parts)
        return building.step("divide", (total, Value("number", place, constant=3.0)), "number", place)
    if name == "turnover":
        parts = [_field(building, each, place) for each in ("close", "volume")]
        return building.step("multiply", (parts[0], parts[1]), "number", place)
    return building.step("field", (), "number", place, name)


def _arithmetic(building: Building, tree: Syntax, place: Place) -> Value:
    first, *rest = tree.children
    value = wanted(value_of(building, first), "number", "what is computed with")
    for sign, child in zip(rest[::2], rest[1::2], strict=True):
        assert isinstance(sign, Token)
        other = wanted(value_of(building, child), "number", f"what stands after {sign}")
        value = elementwise(building, _ARITHMETIC[sign.type], (value, other), place)
    return value


def _power(building: Building, tree: Syntax, place: Place) -> Value:
    base, _, exponent = tree.children
    pair = (
        wanted(value_of(building, base), "number", "what stands before ^"),
        wanted(value_of(building, exponent), "number", "what stands after ^"),
    )
    return elementwise(building, "power", pair, place)


def _minus(building: Building, tree: Syntax, place: Place) -> Value:
    return elementwise(
        building, "negative", (wanted(value_of(building, tree.children[-1]), "number", "what stands after -"),), place
    )


def _plus(building: Building, tree: Syntax, _place: Place) -> Value:
    return wanted(value_of(building, tree.children[-1]), "number", "what stands after +")


def _comparison(building: Building, tree: Syntax, place: Place) -> Value:
    first, *rest = tree.children
    values = [value_of(building, child) for child in (first, *rest[1::2])]
    signs = [str(sign) for sign in rest[::2]]
    for value, child in zip(values, (first, *rest[1::2]), strict=True):
        building.note(value, child)
    parts = [
        _compared(building, sign, one, other, place)
        for sign, one, other in zip(signs, values[:-1], values[1:], strict=True)
    ]
    return _joined(building, "and", parts, place)


def _compared(building: Building, sign: str, one: Value, other: Value, place: Place) -> Value:
    if "text" in {one.kind, other.kind}:
        return _text_compared(building, sign, one, other, place)
    for value in (one, other):
        wanted(value, "number", f"what is compared with {sign}")
    if one.is_constant and other.is_constant:
        raise FormulaError("this compares two fixed numbers, and is always the same", place)
    return building.step(_COMPARISONS[sign], (one, other), "condition", place)


def _text_compared(building: Building, sign: str, one: Value, other: Value, place: Place) -> Value:
    fact, text = (other, one) if one.is_constant else (one, other)
    if sign not in {"==", "!="}:
        raise FormulaError(f"texts are compared with == and !=, not with {sign}", place)
    if fact.kind != "text" or fact.is_constant or not (text.kind == "text" and text.is_constant):
        raise FormulaError(
            f"{', '.join(TEXTS)} are compared with a text in quotes, and nothing else is", place,
            hint='write sector == "Energy"',
        )  # fmt: skip
    return building.step("is_in" if sign == "==" else "is_not_in", (fact,), "condition", place, str(text.constant))


def _membership(building: Building, tree: Syntax, place: Place) -> Value:
    first, *texts = tree.children
    fact = value_of(building, first)
    if fact.kind != "text" or fact.is_constant:
        raise FormulaError(f"only {', '.join(TEXTS)} can be in a list of texts", fact.place)
    operation = "is_in" if tree.data == "membership" else "is_not_in"
    return building.step(operation, (fact,), "condition", place, *sorted({str(text)[1:-1] for text in texts}))


def _between(building: Building, tree: Syntax, place: Place) -> Value:
    value, low, high = (wanted(value_of(building, child), "number", "what between compares") for child in tree.children)
    if value.is_constant:
        raise FormulaError("what stands before between must change from bar to bar", value.place)
    for each, child in zip((value, low, high), tree.children, strict=True):
        building.note(each, child)
    parts = [
        building.step("at_least", (value, low), "condition", place),
        building.step("at_most", (value, high), "condition", place),
    ]
    return _joined(building, "and", parts, place)


def _conjunction(building: Building, tree: Syntax, place: Place) -> Value:
    return _joined(building, "and", _conditions(building, tree, "and"), place)


def _disjunction(building: Building, tree: Syntax, place: Place) -> Value:
    return _joined(building, "or", _conditions(building, tree, "or"), place)


def _conditions(building: Building, tree: Syntax, word: str) -> list[Value]:
    return [wanted(value_of(building, child), "condition", f"what `{word}` joins") for child in tree.children]


def _joined(building: Building, word: str, parts: list[Value], place: Place) -> Value:
    return reduce(lambda one, other: building.step(word, (one, other), "condition", place), parts)


def _negated(building: Building, tree: Syntax, place: Place) -> Value:
    value = wanted(value_of(building, tree.children[-1]), "condition", "what stands after not")
    return building.step("not", (value,), "condition", place)


def _choice(building: Building, tree: Syntax, place: Place) -> Value:
    condition, then, otherwise = (value_of(building, child) for child in tree.children)
    wanted(condition, "condition", "what stands after if")
    if then.kind == "text" or otherwise.kind == "text":
        raise FormulaError("if chooses between numbers or between conditions, not texts", place)
    if then.kind != otherwise.kind:
        raise FormulaError(
            f"then and else must give the same kind; then gives a {then.kind}, else a {otherwise.kind}", place
        )
    kind: Kind = then.kind
    return building.step("choose", (condition, then, otherwise), kind, place)


def _ago(building: Building, tree: Syntax, place: Place) -> Value:
    value, bars = value_of(building, tree.children[0]), value_of(building, tree.children[1])
    if bars.is_constant and bars.kind == "number" and bars.constant < 0:
        raise FormulaError("a formula knows no later bars", bars.place, hint="[1] is one bar ago")
    n_bars = whole_number(bars, "how many bars ago", low=0)
    if value.kind == "text":
        raise FormulaError("a text is the same on all bars", place)
    if value.is_constant or n_bars == 0:
        return value
    return building.step("ago", (value,), value.kind, place, n_bars)


def _call(building: Building, tree: Syntax, place: Place) -> Value:
    return called(building, tree, place, output=None, value_of=value_of)


def _output(building: Building, tree: Syntax, place: Place) -> Value:
    source, name = tree.children
    assert isinstance(name, Token)
    if isinstance(source, Token) or source.data != "call":
        raise FormulaError("only what a function gives has parts, as in macd(close).signal", place_of(name))
    return called(building, source, place, output=name, value_of=value_of)


_MEANINGS: dict[str, Callable[[Building, Syntax, Place], Value]] = {
    "number": _number,
    "text": _text,
    "name": _name,
    "sum": _arithmetic,
    "product": _arithmetic,
    "power": _power,
    "minus": _minus,
    "plus": _plus,
    "comparison": _comparison,
    "between": _between,
    "membership": _membership,
    "exclusion": _membership,
    "conjunction": _conjunction,
    "disjunction": _disjunction,
    "negated": _negated,
    "choice": _choice,
    "ago": _ago,
    "call": _call,
    "output": _output,
}
