from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from backtests.models import Interval
from backtests.runs.errors import RequestRefused
from backtests.runs.request import RunRequest, bounds_s, check_request
from strategies.models import Strategy
from strategies.registry import strategies
from tests.builders import make_bars, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _universes() -> None:
    store_universe("Stocks", {"AAA": make_bars([1.0, 2.0])})
    store_universe("Coins", {"BTC": make_bars([1.0, 2.0])}, market="crypto")


def asked(**fields: Any) -> RunRequest:
    return RunRequest(**{"strategy": "rsi", "universe": "stocks", **fields})


def refusal(**fields: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        check_request(asked(**fields))
    assert str(caught.value) == f"{caught.value.field}: {caught.value.problem}"
    return caught.value


def test_a_request_is_returned_with_its_keys_looked_up() -> None:
    dates = {"start_date": date(2020, 1, 1), "end_date": date(2020, 1, 1)}
    checked = check_request(asked(parameters={"period": "10"}, cash=500.0, fee_pct=0.2, slippage_pct=0.0, **dates))
    assert checked.strategy.values == {"period": 10, "low": 30.0, "high": 70.0}
    assert (checked.strategy_row.key, checked.universe.slug, checked.interval) == ("rsi", "stocks", "1d")
    assert (checked.rules.cash, checked.rules.fee, checked.rules.slippage) == (500.0, 0.002, 0.0)
    assert (checked.start_date, checked.end_date) == (date(2020, 1, 1), date(2020, 1, 1))


@pytest.mark.parametrize("interval", Interval.values)
def test_every_interval_may_be_asked_for(interval: str) -> None:
    assert check_request(asked(interval=interval)).interval == interval


def test_an_unknown_strategy_is_refused_with_the_valid_ones() -> None:
    error = refusal(strategy="nope")
    assert (error.field, error.problem) == ("strategy", f"'nope' is unknown; valid are: {', '.join(strategies())}")


def test_a_strategy_that_is_switched_off_is_refused() -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False)
    error = refusal()
    assert error.field == "strategy"
    assert error.problem.startswith("'rsi' is switched off; valid are: ")
    assert "rsi" not in error.problem.split("valid are: ")[1].split(", ")


def test_a_strategy_whose_rule_is_gone_is_refused() -> None:
    Strategy.objects.create(key="gone", label="Gone")
    assert refusal(strategy="gone").problem.startswith("'gone' is unknown")


def test_without_an_active_strategy_none_is_valid() -> None:
    Strategy.objects.update(is_active=False)
    assert refusal().problem == "'rsi' is switched off; valid are: none"


def test_an_unknown_universe_is_refused_with_the_stored_ones() -> None:
    error = refusal(universe="nope")
    assert (error.field, error.problem) == ("universe", "'nope' is unknown; valid are: coins, stocks")


def test_an_unknown_interval_is_refused_with_the_valid_ones() -> None:
    error = refusal(interval="2d")
    assert (error.field, error.problem) == (
        "interval",
        f"must be one of {', '.join(Interval.values)}; it is '2d'",
    )


def test_dates_that_cross_are_refused() -> None:
    error = refusal(start_date=date(2021, 1, 1), end_date=date(2020, 12, 31))
    assert error.field == "start_date"
    assert error.problem == "must not be after the end date 2020-12-31; it is 2021-01-01"


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_cash_must_be_a_positive_number(value: float) -> None:
    error = refusal(cash=value)
    assert error.field == "cash"
    assert error.problem.startswith(("must be from 0.01", "must be a number; it is"))


@pytest.mark.parametrize("field", ["fee_pct", "slippage_pct"])
@pytest.mark.parametrize("value", [-0.01, 50.01, math.nan, math.inf, -math.inf])
def test_costs_must_be_from_0_to_50_percent(field: str, value: float) -> None:
    error = refusal(**{field: value})
    assert (error.field, error.problem) == (field, f"must be from 0 to 50 percent; it is {value:g}")


@pytest.mark.parametrize("field", ["fee_pct", "slippage_pct"])
@pytest.mark.parametrize("value", [0, 0.0, 50, 50.0])
def test_costs_may_be_at_their_bounds(field: str, value: float) -> None:
    assert check_request(asked(**{field: value}))


def test_an_unknown_parameter_is_refused_with_the_valid_ones() -> None:
    error = refusal(parameters={"speed": 3})
    assert error.field == "speed"
    assert error.problem == "is not a parameter of rsi; its parameters are: period, low, high"


@pytest.mark.parametrize("value", [1, 201, 2.5, "x", "nan", "inf", None, True, [3]])
def test_a_parameter_out_of_its_bounds_is_refused_by_name(value: object) -> None:
    assert refusal(parameters={"period": value}).field == "period"


def test_parameters_that_do_not_fit_together_are_refused() -> None:
    error = refusal(parameters={"low": 80})
    assert (error.field, error.problem) == ("low", "must be smaller than high; 80 is not below 70")


def test_dates_are_whole_days_in_utc() -> None:
    assert bounds_s(date(1970, 1, 2), date(1970, 1, 2)) == (86_400, 172_800)
    assert bounds_s(None, None) == (None, None)


def test_after_the_last_day_of_all_comes_nothing() -> None:
    start, end = bounds_s(date.min, date.max)
    assert start is not None
    assert start < 0
    assert end is None
