"""Rules have the documented defaults and refuse by name every value that they cannot take."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from backtests.engine.errors import EngineError, RulesError
from backtests.engine.rules import Rules

NO_NUMBER: list[Any] = ["1", "", None, True, False, [1], math.nan, math.inf, -math.inf, 10**400, 1j]


def refusal(**values: Any) -> RulesError:
    with pytest.raises(RulesError) as caught:
        Rules(**values)
    return caught.value


def test_the_defaults_are_those_of_the_trading_rules() -> None:
    assert dataclasses.asdict(Rules()) == {"cash": 10_000.0, "fee": 0.001, "slippage": 0.0005}


@pytest.mark.parametrize("name", ["cash", "fee", "slippage"])
@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda value: repr(value)[:12])
def test_what_is_no_number_is_refused_by_name(name: str, value: Any) -> None:
    error = refusal(**{name: value})
    assert (error.name, error.problem) == (name, f"must be a number; it is {value!r}")
    assert str(error) == f"{name}: {error.problem}"


@pytest.mark.parametrize("cash", [0, 0.0, -1, 0.009, 1.1e12, 1e308])
def test_cash_must_be_an_amount_that_can_be_traded(cash: float) -> None:
    error = refusal(cash=cash)
    assert (error.name, error.problem) == ("cash", f"must be from 0.01 to 1,000,000,000,000; it is {cash:g}")


@pytest.mark.parametrize("name", ["fee", "slippage"])
@pytest.mark.parametrize("value", [-1e-9, 0.5 + 1e-9, 1, 50, -0.1])
def test_a_share_outside_its_range_is_refused_by_name(name: str, value: float) -> None:
    error = refusal(**{name: value})
    assert (error.name, error.problem) == (name, f"must be from 0 to 0.5 (50 %); it is {value:g}")


@pytest.mark.parametrize("name", ["fee", "slippage"])
@pytest.mark.parametrize("value", [0, 0.0, 1e-12, 0.5])
def test_a_share_inside_its_range_is_taken(name: str, value: float) -> None:
    assert getattr(Rules(**{name: value}), name) == value


@pytest.mark.parametrize("cash", [0.01, 1, 10**12])
def test_any_sensible_cash_is_taken(cash: float) -> None:
    assert Rules(cash=cash).cash == cash


def test_rules_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rules().fee = 0.0  # type: ignore[misc]


def test_equal_rules_are_one_key() -> None:
    assert Rules(fee=0.002) == Rules(fee=0.002)
    assert len({Rules(), Rules(), Rules(fee=0.002)}) == 2


def test_a_rules_error_is_one_of_the_engine() -> None:
    assert issubclass(RulesError, EngineError)
    assert issubclass(EngineError, ValueError)
