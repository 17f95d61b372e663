"""What every row of the table promises, a new one from the moment it stands there."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

import numpy as np
import pytest

import strategies.indicators
from strategies.bars import FloatArray
from strategies.errors import IndicatorError
from strategies.indicators.declaration import Indicator
from strategies.indicators.table import INDICATORS
from strategies.params import Float, Int
from tests.strategies.indicators.references import frozen, make_inputs, outputs_of

NAN = math.nan
EACH = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda row: row.key)
N_BARS = 260

BAD_WHOLE = [0, -3, 2.0, 2.5, "20", None, True, NAN, 10**30]
BAD_DECIMAL = [-1.0, math.inf, NAN, "2", None, True]
POSITIVE = {
    "natr": ["close"],
    "historical_volatility": ["series"],
    "parkinson": ["low"],
    "beta": ["series", "other"],
}


def settings(indicator: Indicator) -> list[dict[str, Any]]:
    """The defaults, and each parameter at its lowest, at a middling value and beyond the series."""
    choices: list[dict[str, Any]] = [{}]
    for item in indicator.parameters:
        middling = 31 if isinstance(item, Int) else (item.low + item.default) / 2
        choices += [{item.key: value} for value in (item.low, middling, item.high)]
    return choices


def given_inputs(indicator: Indicator, inputs: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: inputs[name] for name in indicator.inputs}


def same(ours: tuple[FloatArray, ...], theirs: tuple[FloatArray, ...]) -> None:
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


def refused(indicator: Indicator, inputs: dict[str, Any], message: str, **changed: Any) -> None:
    with pytest.raises(IndicatorError, match=f"^{indicator.key}: {message}"):
        indicator.function(*(inputs[name] for name in indicator.inputs), **{**indicator.values(), **changed})


def called(name: str) -> str:
    return "the series" if name == "series" else name


@EACH
def test_values_stand_from_the_first_valid_bar_to_the_last(indicator: Indicator) -> None:
    inputs = make_inputs(3, N_BARS)
    for given in settings(indicator):
        outputs = outputs_of(indicator, inputs, **given)
        assert len(outputs) == len(indicator.outputs)
        for values, first in zip(outputs, indicator.first_valid(**given), strict=True):
            assert values.shape == (N_BARS,)
            assert values.dtype == np.float64
            assert values.flags.c_contiguous
            np.testing.assert_array_equal(np.isfinite(values), np.arange(N_BARS) >= first, err_msg=str(given))


@EACH
def test_short_series_have_values_of_their_length(indicator: Indicator) -> None:
    firsts = indicator.first_valid()
    edges = {number for first in firsts for number in (first - 1, first, first + 1)}
    periods = {number for value in indicator.values().values() for number in (value - 1, value, value + 1)}
    for n_bars in sorted({0, 1, 2, 3} | {int(number) for number in edges | periods if 0 <= number < N_BARS}):
        short = {name: values[:n_bars] for name, values in make_inputs(3, N_BARS).items()}
        for values, first in zip(outputs_of(indicator, short), firsts, strict=True):
            np.testing.assert_array_equal(np.isfinite(values), np.arange(n_bars) >= first)


@EACH
def test_no_value_knows_the_future(indicator: Indicator) -> None:
    inputs = make_inputs(5, N_BARS)
    whole = outputs_of(indicator, inputs)
    other = make_inputs(6, N_BARS, "gaps")
    for n_bars in (*range(1, 90, 8), 150, N_BARS - 1):
        cut = {name: values[:n_bars] for name, values in inputs.items()}
        changed = {
            name: frozen(np.concatenate([values[:n_bars], 3 * other[name][n_bars:]])) for name, values in inputs.items()
        }
        same(outputs_of(indicator, cut), tuple(values[:n_bars] for values in whole))
        same(tuple(values[:n_bars] for values in outputs_of(indicator, changed)), tuple(v[:n_bars] for v in whole))


@EACH
def test_the_inputs_are_left_as_they_were_and_give_the_same_again(indicator: Indicator) -> None:
    inputs = make_inputs(7, N_BARS)
    first = outputs_of(indicator, inputs)
    writable = {name: values.copy() for name, values in inputs.items()}
    outputs = outputs_of(indicator, writable)
    same(outputs, first)
    for name, values in writable.items():
        np.testing.assert_array_equal(values, inputs[name])
        assert not any(np.shares_memory(values, output) for output in outputs)
    for output in outputs:
        output[:] = 0.0
    same(outputs_of(indicator, writable), first)


@EACH
def test_strided_arrays_lists_and_whole_numbers_are_taken(indicator: Indicator) -> None:
    inputs = {name: np.floor(values) for name, values in make_inputs(8, N_BARS).items()}
    strided = {name: np.repeat(values, 2)[::2] for name, values in inputs.items()}
    whole = {name: values.astype(np.int64) for name, values in inputs.items()}
    lists = {name: values.tolist() for name, values in inputs.items()}
    expected = outputs_of(indicator, inputs)
    kinds: list[dict[str, Any]] = [strided, whole, lists]
    for given in kinds:
        same(outputs_of(indicator, given), expected)


@EACH
def test_leading_nan_shift_the_first_valid_bar(indicator: Indicator) -> None:
    inputs = make_inputs(9, N_BARS)
    expected = outputs_of(indicator, {name: values[13:] for name, values in inputs.items()})
    for late in indicator.inputs:
        gaps = {name: 13 if name == late else 5 for name in inputs}
        shifted = {
            name: frozen(np.concatenate([np.full(gaps[name], NAN), values[gaps[name] :]]))
            for name, values in inputs.items()
        }
        for ours, theirs in zip(outputs_of(indicator, shifted), expected, strict=True):
            assert np.isnan(ours[:13]).all()
            np.testing.assert_array_equal(ours[13:], theirs)


@EACH
def test_inputs_that_never_start_give_nothing(indicator: Indicator) -> None:
    empty: dict[str, Any] = {name: np.full(40, NAN) for name in indicator.inputs}
    for values in outputs_of(indicator, empty):
        assert values.shape == (40,)
        assert np.isnan(values).all()


@EACH
def test_a_bad_value_of_an_input_is_refused_by_name(indicator: Indicator) -> None:
    inputs = given_inputs(indicator, make_inputs(10, 60))
    for name, values in inputs.items():
        for bad in (NAN, math.inf, -math.inf):
            broken = values.copy()
            broken[40] = bad
            refused(indicator, {**inputs, name: broken}, rf"{called(name)} must be finite; it is {bad} on bar 40$")
        broken = values.copy()
        broken[40] = -2e100
        refused(indicator, {**inputs, name: broken}, rf"{called(name)} must be at most 1e\+100 in size; it is -2e\+100")
        infinite_first = values.copy()
        infinite_first[0] = math.inf
        refused(indicator, {**inputs, name: infinite_first}, rf"{called(name)} must be finite; it is inf on bar 0$")
        table = np.ones((4, 4))
        refused(indicator, {**inputs, name: table}, rf"{called(name)} must have one dimension; it has 2$")
        refused(indicator, {**inputs, name: np.float64(3.0)}, rf"{called(name)} must have one dimension; it has 0$")
        for words in ("close", ["a", "b"], None, [None, 1.0], [[1.0], [1.0, 2.0]], values.astype("datetime64[s]")):
            refused(indicator, {**inputs, name: words}, rf"{called(name)} must hold numbers")


@EACH
def test_inputs_of_other_lengths_are_refused_by_name(indicator: Indicator) -> None:
    inputs = given_inputs(indicator, make_inputs(10, 60))
    if len(inputs) == 1:
        return
    for name, values in inputs.items():
        message = rf"the inputs must have one length; they have .*{name} 59"
        refused(indicator, {**inputs, name: values[:-1]}, message)


@EACH
def test_values_that_bars_cannot_have_are_refused_by_name(indicator: Indicator) -> None:
    inputs = given_inputs(indicator, make_inputs(10, 60))
    rules = [(name, 0.0, "must be above zero") for name in POSITIVE.get(indicator.key, [])]
    rules += [("low", 1e6, "must not be above high")] if {"low", "high"} <= set(inputs) else []
    rules += [("volume", -1.0, "must not be negative")] if "volume" in inputs else []
    for name, value, rule in rules:
        broken = inputs[name].copy()
        broken[30] = value
        refused(indicator, {**inputs, name: broken}, rf"{called(name)} {rule}; bar 30 breaks this$")


@EACH
def test_a_bad_parameter_is_refused_by_name(indicator: Indicator) -> None:
    inputs = given_inputs(indicator, make_inputs(10, 60))
    for item in indicator.parameters:
        bad: list[Any] = [*BAD_WHOLE, item.low - 1] if isinstance(item, Int) else [*BAD_DECIMAL]
        for value in bad:
            refused(indicator, inputs, rf"{item.key} must be .*; it is {re.escape(repr(value))}$", **{item.key: value})
        # NumPy's own numbers are numbers.
        kind = np.int64 if isinstance(item, Int) else np.float64
        chosen: dict[str, Any] = {**indicator.values(), item.key: kind(item.default)}
        indicator.function(*inputs.values(), **chosen)


@EACH
def test_the_function_is_the_one_declared(indicator: Indicator) -> None:
    declared = [*indicator.inputs, *(item.key for item in indicator.parameters)]
    assert list(inspect.signature(indicator.function).parameters) == declared
    assert getattr(strategies.indicators, indicator.key) is indicator.function
    text = inspect.getdoc(indicator.function) or ""
    assert len(text.split("\n")[0]) > 20
    assert text.split("\n\n")[0].endswith(".")
    for part in ("Parameters", "array", "errors"):
        assert part.lower() in text.lower().replace("float64, shape", "array").replace("raises", "errors"), part


@EACH
def test_a_row_says_everything(indicator: Indicator) -> None:
    for text in (indicator.label, indicator.formula, indicator.source, indicator.seed, indicator.undefined):
        assert text.strip() == text != ""
        assert "|" not in text
    assert len({output.key for output in indicator.outputs}) == len(indicator.outputs) > 0
    for item in indicator.parameters:
        assert isinstance(item, Int | Float)
        assert item.key
        assert item.help
        assert not item.help.endswith(".")
