"""What calls of functions mean: which argument is which, whether it fits, and the steps that it leads to."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from lark import Token

from strategies.errors import ParameterError
from strategies.formula.building import Building, Value, elementwise, wanted, whole_number
from strategies.formula.errors import FormulaError, Place, did_you_mean, shortened
from strategies.formula.functions import ALIASES, ELSEWHERE, FIELDS, FUNCTIONS, Function, find_function
from strategies.formula.limits import LARGEST_NUMBER, MOST_ARGUMENTS, MOST_SYMBOLS
from strategies.formula.program import OuterInterval, Scope
from strategies.formula.syntax import Syntax, place_of
from strategies.params import Float, Int

ValueOf = Callable[[Building, Any], Value]
Bound = dict[str, Any]


def called(building: Building, tree: Syntax, place: Place, *, output: Token | None, value_of: ValueOf) -> Value:
    """Return what a call gives; ``output`` is the name of the part that is wanted of it."""
    token = tree.children[0]
    assert isinstance(token, Token)
    function = find_function(token.lower())
    if function is None:
        known = [key for key in (*FUNCTIONS, *ALIASES) if key != "param"]
        hint = f"write {token.lower()}[1] for one bar ago" if token.lower() in FIELDS else ""
        hint = hint or did_you_mean(token, known, ELSEWHERE)
        raise FormulaError(f"`{shortened(token)}` is no function", place_of(token), hint=hint)
    bound, more = _bind(function, tree, place)
    if function.key in {"weekly", "monthly"}:
        value = _on_outer_bars(building, function, bound, place, value_of)
    elif function.key == "symbol":
        value = _on_another_symbol(building, bound, place, value_of)
    elif function.key == "param":
        raise FormulaError(
            "a parameter stands alone on its line, with a name", place, hint="write fast = param(20, 5, 60)"
        )
    elif function.indicator is not None:
        return _indicator(building, function, bound, place, output=output, value_of=value_of)
    else:
        values = _values(building, function, bound, value_of)
        values += [wanted(value_of(building, each), "number", f"what `{function.key}` takes") for each in more]
        value = _own(building, function, values, place)
    if output is not None:
        raise FormulaError(f"`{function.key}` gives one value, without parts", place_of(output))
    return value


def _bind(function: Function, tree: Syntax, place: Place) -> tuple[Bound, list[Any]]:
    """Return the expression of each argument by name, and those that a function of many takes beyond."""
    bound: Bound = {}
    more: list[Any] = []
    given = tree.children[1:]
    if len(given) > MOST_ARGUMENTS:
        raise FormulaError(f"a function takes at most {MOST_ARGUMENTS} arguments; this one got {len(given)}", place)
    for index, item in enumerate(given):
        if not isinstance(item, Token) and item.data == "keyword":
            name = _keyword(function, item)
            expression = item.children[1]
        elif any(not isinstance(before, Token) and before.data == "keyword" for before in given[:index]):
            raise FormulaError("arguments with a name come after those without", place_of(item))
        elif index < len(function.arguments):
            name, expression = function.arguments[index].name, item
        elif function.many:
            more.append(item)
            continue
        else:
            raise FormulaError(
                f"`{function.key}` takes {_count(function)}; this is one more", place_of(item),
                hint=f"it is written {function.signature}",
            )  # fmt: skip
        if name in bound:
            raise FormulaError(f"`{name}` is given twice", place_of(item))
        bound[name] = expression
    missing = [item.name for item in function.arguments if item.name not in bound and item.default is None]
    if missing:
        raise FormulaError(f"`{function.key}` needs {' and '.join(missing)}", place, hint=f"write {function.example}")
    return bound, more


def _keyword(function: Function, item: Syntax) -> str:
    token = item.children[0]
    assert isinstance(token, Token)
    names = [argument.name for argument in function.arguments]
    if token.lower() not in names:
        known = ", ".join(names) or "none"
        hint = did_you_mean(token, names)
        raise FormulaError(f"`{function.key}` has no argument `{token}`; it has: {known}", place_of(token), hint=hint)
    return token.lower()


def _count(function: Function) -> str:
    n_arguments = len(function.arguments)
    return "no arguments" if n_arguments == 0 else f"at most {n_arguments} argument{'s' if n_arguments > 1 else ''}"


def _values(building: Building, function: Function, bound: Bound, value_of: ValueOf) -> list[Value | int]:
    """Return the arguments in declared order: values, and whole numbers of bars."""
    values: list[Value | int] = []
    hint = f"it is written {function.signature}" if len(function.arguments) > 1 else ""
    for argument in function.arguments:
        what = f"`{argument.name}` of `{function.key}`"
        if argument.name not in bound:
            assert argument.default is not None
            values.append(int(argument.default))
            continue
        value = value_of(building, bound[argument.name])
        if argument.kind == "bars":
            values.append(whole_number(value, what, low=int(argument.low), high=argument.high, hint=hint))
            continue
        values.append(wanted(value, "condition" if argument.kind == "condition" else "number", what, hint=hint))
        if function.gives == "condition":
            building.note(value, bound[argument.name])
    return values


def _own(building: Building, function: Function, given: list[Any], place: Place) -> Value:
    key = function.key
    if key in {"rank", "percentile"}:
        _compares_all(building, key, place)
    if key in {"abs", "sqrt", "log", "exp", "sign", "floor"}:
        return elementwise(building, key, tuple(given), place)
    if key in {"min", "max"}:
        chosen: Value = reduce(lambda one, other: elementwise(building, key, (one, other), place), given)
        return chosen
    if key in {"rising", "falling"}:
        series, n_bars = _changing(given[0], f"`series` of `{key}`"), given[1]
        before = building.step("ago", (series,), "number", place, 1)
        moved = building.step("above" if key == "rising" else "below", (series, before), "condition", place)
        return moved if n_bars == 1 else building.step("throughout", (moved,), "condition", place, n_bars)
    if key == "change":
        before = building.step("ago", (_changing(given[0], "`series` of `change`"),), "number", place, given[1])
        return building.step("subtract", (given[0], before), "number", place)
    values = tuple(item for item in given if isinstance(item, Value))
    numbers = tuple(item for item in given if not isinstance(item, Value))
    if values[0].kind == "number":
        _changing(values[0], f"`{function.arguments[0].name}` of `{key}`")
    return building.step(key, values, function.gives, place, *numbers)


def _compares_all(building: Building, key: str, place: Place) -> None:
    """Refuse what compares symbols on bars that only one of them has, or that are not over at the same time."""
    ticker, outer = building.scope
    if outer:
        raise FormulaError(f"`{key}` cannot stand within `{outer}`", place, hint=f"write {key}({outer}(...))")
    if ticker:
        raise FormulaError(f"`{key}` cannot stand within `symbol`: it compares all symbols", place)


def _changing(value: Value, what: str) -> Value:
    if value.is_constant:
        raise FormulaError(f"{what} must change from bar to bar; this is a fixed number", value.place)
    return value


def _indicator(
    building: Building, function: Function, bound: Bound, place: Place, *, output: Token | None, value_of: ValueOf
) -> Value:
    indicator = function.indicator
    assert indicator is not None
    inputs: list[Value] = []
    for name in indicator.inputs:
        if name in bound:
            what = f"`{name}` of `{function.key}`"
            inputs.append(_changing(wanted(value_of(building, bound[name]), "number", what), what))
        else:
            inputs.append(building.step("field", (), "number", place, name))
    settings = _settings(building, function, bound, value_of)
    index = _index_of(function, place, output)
    return building.step(f"{indicator.key}:{index}", tuple(inputs), "number", place, *settings)


def _settings(building: Building, function: Function, bound: Bound, value_of: ValueOf) -> list[int | float]:
    assert function.indicator is not None
    given: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for item in function.indicator.parameters:
        if item.key in bound:
            value = value_of(building, bound[item.key])
            what = f"`{item.key}` of `{function.key}`"
            if wanted(value, "number", what).constant is None:
                raise FormulaError(f"{what} must be a fixed number or a parameter", value.place)
            number = value.constant
            given[item.key], places[item.key] = int(number) if number == int(number) else number, value.place
    try:
        return list(function.indicator.values(**given).values())
    except ParameterError as error:
        raise FormulaError(f"`{error.name}` of `{function.key}` {error.problem}", places[error.name]) from None


def _index_of(function: Function, place: Place, output: Token | None) -> int:
    """Return the number of the wanted output; of several, the one called as the function need not be named."""
    names = function.outputs
    if output is not None:
        if len(names) == 1 or output.lower() not in names:
            known = f"its parts are: {', '.join(names)}" if len(names) > 1 else "it gives one value, without parts"
            hint = did_you_mean(output, names) if len(names) > 1 else ""
            raise FormulaError(f"`{function.key}` has no part `{output}`; {known}", place_of(output), hint=hint)
        return names.index(output.lower())
    assert function.indicator is not None
    own = function.indicator.key
    if len(names) > 1 and own not in names:
        raise FormulaError(
            f"`{function.key}` gives several values: {', '.join(names)}", place, hint=f"write {function.example}"
        )
    return names.index(own) if len(names) > 1 else 0


def _on_outer_bars(building: Building, function: Function, bound: Bound, place: Place, value_of: ValueOf) -> Value:
    outer: OuterInterval = "weekly" if function.key == "weekly" else "monthly"
    if building.scope.outer:
        raise FormulaError(f"`{outer}` cannot stand within `{building.scope.outer}`", place)
    with building.looking_at(Scope(building.scope.ticker, outer)):
        value = value_of(building, bound["value"])
    if value.kind == "text" or value.is_constant:
        raise FormulaError(f"what `{outer}` takes must change from bar to bar", value.place)
    return building.step("from_outer", (value,), value.kind, place, outer)


def _on_another_symbol(building: Building, bound: Bound, place: Place, value_of: ValueOf) -> Value:
    named = _ticker(building, bound["ticker"], value_of)
    if named.kind != "text" or not named.is_constant or not named.constant.strip():
        raise FormulaError('`ticker` of `symbol` must be a text in quotes, such as "SPY"', named.place)
    ticker = str(named.constant).strip().upper()
    if building.scope.outer:
        outer = building.scope.outer
        raise FormulaError(f"`symbol` cannot stand within `{outer}`", place, hint=f"write symbol(..., {outer}(...))")
    if building.scope.ticker:
        raise FormulaError("`symbol` cannot stand within `symbol`", place)
    tickers = {step.scope.ticker for step in building.steps if step.scope.ticker} | {ticker}
    if len(tickers) > MOST_SYMBOLS:
        raise FormulaError(f"a formula names at most {MOST_SYMBOLS} other symbols; this is one more", place)
    with building.looking_at(Scope(ticker, building.scope.outer)):
        value = value_of(building, bound["value"])
    if value.kind == "text" or value.is_constant:
        raise FormulaError("what `symbol` takes must change from bar to bar", value.place)
    return building.step("from_symbol", (value,), value.kind, place, ticker)


def _ticker(building: Building, tree: Any, value_of: ValueOf) -> Value:
    if tree.data == "name" and str(tree.children[0]).lower() not in building.names:
        # SPY without quotes: what is missing is not a name.
        return Value("number", place_of(tree))
    return value_of(building, tree)


def parameter_of(building: Building, name: str, tree: Syntax, value_of: ValueOf) -> Int | Float:
    """Return the parameter that ``name = param(default, low, high)`` declares; whole numbers make a whole one."""
    place = place_of(tree)
    bound, _ = _bind(FUNCTIONS["param"], tree, place)
    numbers: dict[str, float] = {}
    for key, expression in bound.items():
        value = wanted(value_of(building, expression), "number", f"`{key}` of `param`")
        if value.constant is None:
            raise FormulaError(f"`{key}` of `param` must be a fixed number", value.place)
        numbers[key] = float(value.constant)
    default, low, high = numbers["default"], numbers["low"], numbers["high"]
    if not low <= default <= high or low == high or max(abs(low), abs(high)) > LARGEST_NUMBER:
        raise FormulaError(
            f"a parameter's default must lie between its low and its high; these are {default:g}, {low:g} and {high:g}",
            place,
        )
    told = name.replace("_", " ").capitalize()
    item: Int | Float
    if all(number == int(number) for number in numbers.values()):
        item = Int(int(default), low=int(low), high=int(high), help=told)
    else:
        item = Float(default, low=low, high=high, help=told)
    item.__set_name__(Function, name)
    return item
