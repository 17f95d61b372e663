"""A parameter is declared once and refuses by name every value that it cannot take."""

from __future__ import annotations

import math
from typing import Any

import pytest

from strategies.base import Strategy
from strategies.errors import ParameterError, StrategyError
from strategies.params import Float, Int


class Example(Strategy):
    """Do nothing,
    on two lines.

    And with a second paragraph.
    """

    key = "example"
    label = "Example"

    length = Int(10, low=2, high=20, help="Bars")
    band_width = Float(1.5, low=0.5, high=2.5, label="Width", help="Deviations")


class Longer(Example):
    """Add one parameter and change another."""

    key = "longer"

    extra = Int(1, low=1, high=3, help="More")
    length = Int(12, low=2, high=30, help="Bars")


NO_NUMBER: list[Any] = ["", "ten", "1O", "nan", "inf", None, True, False, [3], (3,), b"3", 3j, {}, object()]
NOT_FINITE = [math.nan, math.inf, -math.inf, 10**400, "9" * 400]


def refusal(**values: Any) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        Example(**values)
    return caught.value


def test_parameters_have_their_defaults() -> None:
    assert Example().values == {"length": 10, "band_width": 1.5}


def test_parameters_take_values_within_their_bounds() -> None:
    for length in (2, 3, 19, 20):
        assert Example(length=length).length == length
    for width in (0.5, 0.50001, 2.5):
        assert Example(band_width=width).band_width == width


@pytest.mark.parametrize(("given", "expected"), [("7", 7), (7.0, 7), ("7.0", 7), (" 7 ", 7)])
def test_a_whole_number_may_come_as_text_or_decimal(given: Any, expected: int) -> None:
    length = Example(length=given).length
    assert length == expected
    assert type(length) is int


@pytest.mark.parametrize(("given", "expected"), [("0.75", 0.75), (2, 2.0), ("1e0", 1.0)])
def test_a_number_may_come_as_text_or_whole(given: Any, expected: float) -> None:
    width = Example(band_width=given).band_width
    assert width == expected
    assert type(width) is float


@pytest.mark.parametrize("value", NO_NUMBER + NOT_FINITE, ids=lambda value: repr(value)[:20])
def test_what_is_no_number_is_refused_by_name(value: Any) -> None:
    error = refusal(length=value)
    assert (error.name, str(error)) == ("length", f"length: {error.problem}")
    assert error.problem.startswith("must be a whole number; it is ")
    error = refusal(band_width=value)
    assert error.name == "band_width"
    assert error.problem.startswith("must be a number; it is ")
    assert len(error.problem) < 500


@pytest.mark.parametrize("value", [1, 21, -5, 0, "1", 10**9, 1.0])
def test_a_whole_number_outside_its_bounds_is_refused_with_them(value: Any) -> None:
    assert refusal(length=value).problem == f"must be from 2 to 20; it is {value}"


@pytest.mark.parametrize("value", [0.4999, 2.5001, 0, -1.5, "9"])
def test_a_number_outside_its_bounds_is_refused_with_them(value: Any) -> None:
    assert refusal(band_width=value).problem == f"must be from 0.5 to 2.5; it is {value}"


@pytest.mark.parametrize("value", [2.5, "2.5", 19.999])
def test_a_fraction_is_no_whole_number(value: Any) -> None:
    assert refusal(length=value).problem == f"must be a whole number; it is {value}"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    error = refusal(lenght=5)
    assert error.name == "lenght"
    assert error.problem == "is not a parameter of example; its parameters are: length, band_width"


def test_a_strategy_without_parameters_says_so() -> None:
    class Bare(Strategy):
        key = "bare"

    with pytest.raises(ParameterError, match="its parameters are: none"):
        Bare(length=5)


def test_a_value_is_checked_when_it_is_set_later_too() -> None:
    example = Example()
    with pytest.raises(ParameterError, match=r"^length: must be from 2 to 20"):
        example.length = 99
    assert example.length == 10
    example.length = 5
    assert example.values["length"] == 5


def test_instances_do_not_share_values() -> None:
    first, second = Example(length=3), Example()
    assert (first.length, second.length) == (3, 10)


def test_a_parameter_knows_how_it_is_shown() -> None:
    length, width = Example.length, Example.band_width
    assert (length.key, length.label, length.kind, length.help) == ("length", "Length", "int", "Bars")
    assert (width.key, width.label, width.kind) == ("band_width", "Width", "float")
    assert Longer.extra.label == "Extra"


def test_parameters_stand_in_declared_order_and_are_inherited() -> None:
    assert list(Example.parameters()) == ["length", "band_width"]
    assert list(Longer.parameters()) == ["length", "band_width", "extra"]
    assert Longer().values == {"length": 12, "band_width": 1.5, "extra": 1}
    assert Example.parameters()["length"].high == 20


@pytest.mark.parametrize("default", [1, 21])
def test_a_default_outside_its_bounds_cannot_be_declared(default: int) -> None:
    with pytest.raises(ValueError, match=f"the default {default} must lie between 2 and 20"):
        Int(default, low=2, high=20, help="Bars")


def test_help_is_the_first_paragraph_on_one_line() -> None:
    assert Example.help() == "Do nothing, on two lines."


def test_a_strategy_without_a_rule_cannot_be_asked_for_signals() -> None:
    with pytest.raises(NotImplementedError):
        Example().signals(None)  # type: ignore[arg-type]


def test_a_parameter_error_is_one_of_this_package() -> None:
    assert issubclass(ParameterError, StrategyError)
