"""Every function that is an indicator: TA-Lib's values, plain lists' values, and what unknown values do to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategies.bars import Bars, FloatArray
from strategies.formula import Flat, compile_formula, evaluate
from strategies.formula.functions import ALIASES, FUNCTIONS, Function
from tests.builders import MONDAY_S
from tests.strategies.formula.markets import ask, flat_of, stocks
from tests.strategies.indicators.references import make_inputs
from tests.strategies.indicators.slow_levels import slow_outputs
from tests.strategies.indicators.test_talib import TWINS, as_tuple

INDICATED = [function for function in FUNCTIONS.values() if function.indicator]
EACH = pytest.mark.parametrize("function", INDICATED, ids=lambda function: function.key)


def calls(function: Function) -> list[str]:
    """The function on closes, and volumes where it takes a second series, once for each part."""
    given = ", ".join(item.name for item in function.arguments if item.kind == "number")
    inputs = given.replace("series", "close").replace("other", "volume")
    parts = [f".{name}" for name in function.outputs] if len(function.outputs) > 1 else [""]
    return [f"{function.key}({inputs}){part}" for part in parts]


def inputs_of(function: Function, bars: Bars) -> dict[str, FloatArray]:
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    # Beta wants numbers above zero, and a volume may be nothing.
    return {**columns, "series": bars.close, "other": bars.volume}


def bars_of(seed: int, n_bars: int) -> Bars:
    inputs = make_inputs(seed, n_bars)
    columns: dict[str, Any] = {name: inputs[name] for name in ("open", "close", "high", "low")}
    columns["high"] = np.maximum(columns["high"], columns["open"])
    columns["low"] = np.minimum(columns["low"], columns["open"])
    return Bars.of(time=MONDAY_S + 86_400 * np.arange(n_bars), volume=inputs["volume"] + 1.0, **columns)


def computed(text: str, flat: Flat) -> FloatArray:
    program = compile_formula(text)
    assert program.answer is not None
    return evaluate(program, flat).numbers(program.answer)


@EACH
def test_a_function_gives_what_its_plain_twin_gives(function: Function) -> None:
    assert function.indicator is not None
    bars = [bars_of(seed, 160) for seed in (1, 2)]
    flat = flat_of(bars)
    for place, text in enumerate(calls(function)):
        found = computed(text, flat)
        for number, each in enumerate(bars):
            given = [inputs_of(function, each)[name] for name in function.indicator.inputs]
            expected = slow_outputs(function.key, given, **function.indicator.values())[place]
            ours = found[number * 160 : (number + 1) * 160]
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9 * np.nanmax(np.abs(ours)), err_msg=text)


@pytest.mark.parametrize("key", TWINS)
def test_a_function_gives_what_talib_gives(key: str) -> None:
    function, twin = FUNCTIONS[key], TWINS[key]
    assert function.indicator is not None
    bars = [bars_of(seed, 1000 if twin.settled else 300) for seed in (3, 4)]
    if key in {"rolling_median", "rolling_quantile"}:
        # At even periods and places between two values TA-Lib takes one of them.
        settings: dict[str, Any] = {"period": 21} | ({"fraction": 0.75} if key == "rolling_quantile" else {})
    else:
        settings = {}
    told = "".join(f", {name}={value}" for name, value in settings.items())
    flat = flat_of(bars)
    pieces = [as_tuple(twin.call(inputs_of(function, each), **function.indicator.values(**settings))) for each in bars]
    for place, text in enumerate(calls(function)):
        if any(piece[place] is None for piece in pieces):
            continue
        found = computed(text.replace(")", f"{told})"), flat).reshape(2, -1)
        for ours, piece in zip(found, pieces, strict=True):
            theirs = piece[place]
            settled = np.isfinite(theirs) & (np.arange(len(theirs)) >= twin.settled)
            assert settled[-1]
            size = 1e-9 * np.nanmax(np.abs(theirs))
            np.testing.assert_allclose(ours[settled], theirs[settled], rtol=1e-9, atol=size, err_msg=text)


@pytest.mark.parametrize(("alias", "key"), ALIASES.items())
def test_an_alias_is_the_function(alias: str, key: str) -> None:
    text = FUNCTIONS[key].example
    assert compile_formula(text.replace(key, alias, 1)).steps == compile_formula(text).steps


@EACH
def test_settings_are_bounded_as_the_indicators_are(function: Function) -> None:
    from strategies.formula import FormulaError

    assert function.indicator is not None
    given = [item.name for item in function.arguments if item.kind == "number"]
    inputs = ", ".join("close" for _ in given)
    part = f".{function.outputs[0]}" if len(function.outputs) > 1 else ""
    for item in function.indicator.parameters:
        for value in (item.low, item.high):
            compile_formula(f"{function.key}({', '.join([*filter(None, [inputs]), f'{item.key}={value!r}'])}){part}")
        for value in (item.low - 1, item.high + 1):
            call = f"{function.key}({', '.join([*filter(None, [inputs]), f'{item.key}={value!r}'])}){part}"
            with pytest.raises(FormulaError, match=f"`{item.key}` of `{function.key}` must be from"):
                compile_formula(call)


def test_an_indicator_begins_anew_behind_a_bar_without_value() -> None:
    holes = "if close == 13 then close / 0 else close"
    closes = [10.0, 11, 12, 13, 14, 15, 16, 17]
    assert ask(f"sma({holes}, 2)", closes) == [None, 10.5, 11.5, None, None, 14.5, 15.5, 16.5]
    assert ask(f"sum({holes}, 3)", closes) == [None, None, 33.0, None, None, None, 45.0, 48.0]
    assert ask(f"obv({holes})", closes) == [1000.0, 2000.0, 3000.0, None, 1000.0, 2000.0, 3000.0, 4000.0]


def test_the_holes_of_one_symbol_are_none_of_the_next() -> None:
    first, second = stocks(3, n_symbols=2, n_bars=40)
    text = "rsi(if volume > 200000 then close else sqrt(-1 * close), 2)"
    both = ask(text, flat_of([first, second]))
    assert both == [*ask(text, flat_of([first])), *ask(text, flat_of([second]))]
    assert {value is None for value in both} == {True, False}


def test_what_needs_prices_above_zero_knows_nothing_of_others() -> None:
    found = ask("historical_volatility(close - 11.5, 2)", [12.0, 13, 14, 11, 12, 13, 14, 13])
    assert [value is None for value in found] == [True, True, False, True, True, True, False, False]


def test_numbers_that_are_too_large_for_an_indicator_are_unknown_to_it() -> None:
    assert ask("sma(close ^ 60, 2)", [10.0, 10.0, 1e3, 10.0, 10.0]) == [None, 1e60, None, None, 1e60]
