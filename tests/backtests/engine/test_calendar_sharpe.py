"""Months and years of the Sharpe ratio are those of the calendar, however the bars lie in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.engine.returns import _month
from tests.backtests.engine.accounts import CASH, account, assert_values, idle, measured
from tests.backtests.engine.metric_references import SHARPES, Account
from tests.backtests.engine.references import examples, random_signals, signals_on
from tests.builders import DAY_S, make_bars, make_market

CALENDAR = ("monthly", "yearly")
HOUR_S = 3600
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Years around the epoch, around those that are leap years or are none, and around the edges of what has happened.
YEARS = (1583, 1600, 1700, 1899, 1900, 1904, 1968, 1969, 1970, 1971, 1972, 1999, 2000, 2023, 2024, 2099, 2100, 2400)


def seconds(year: int, month: int, day: int = 1, second: int = 0) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - EPOCH) // timedelta(seconds=1) + second


def month_after(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)


BOUNDARIES = [seconds(*month_after(year, month)) for year in YEARS for month in range(1, 13)]


def held(times: Sequence[int], closes: Sequence[float], **rules: Any) -> Account:
    """An account that holds from the first close to the last one, on bars at these times."""
    bars = replace(make_bars(closes), time=np.array(times, dtype=np.int64))
    return account(bars, signals_on(len(closes), entry=[0]), fill="same_close", **rules)


def traded(times: Sequence[int], *, seed: int = 5, **rules: Any) -> Account:
    """An account that trades here and there on bars at these times."""
    bars = make_market(seed, n_symbols=1, n_bars=len(times), price=50.0)["S0"]
    placed = replace(bars, time=np.array(times, dtype=np.int64))
    return account(placed, random_signals(seed, len(times), 0.3), **rules)


def assert_as_the_calendar(times: Sequence[int]) -> int:
    """The ratio of months and years is that of the reference; return how many have a value."""
    n_values = 0
    for sharpe in CALENDAR:
        for item in (
            traded(times, sharpe=sharpe, risk_free_pct=3.0),
            traded(times, seed=6, sharpe=sharpe, direction="both", fill="same_close", fee_pct=0.2),
        ):
            wanted = SHARPES[sharpe](item)
            assert measured(item)["sharpe"] == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)
            n_values += not math.isnan(wanted)
    return n_values


# By hand: 0.2 and 0.4 of two periods have a mean of 0.3 and a deviation (n) of 0.1


@pytest.mark.parametrize("gap", [1, 60, HOUR_S, DAY_S])
def test_a_month_ends_with_the_last_bar_before_midnight_of_the_first(gap: int) -> None:
    for first in BOUNDARIES:
        assert_values(held([first - 2 * gap, first - gap, first], [100, 120, 168], sharpe="monthly"), sharpe=3)
        assert_values(held([first - gap, first, first + gap], [100, 140, 140], sharpe="monthly"), sharpe=1)
        # All within one month: there is one return, and it does not vary.
        for start in (first, first - 3 * gap):
            item = held([start, start + gap, start + 2 * gap], [100, 120, 168], sharpe="monthly")
            assert math.isnan(measured(item)["sharpe"])


@pytest.mark.parametrize("gap", [1, HOUR_S, DAY_S])
def test_a_year_ends_with_the_last_bar_before_midnight_of_new_year(gap: int) -> None:
    for year in YEARS:
        for month in range(1, 13):
            first = seconds(year, month)
            item = held([first - 2 * gap, first - gap, first], [100, 120, 168], sharpe="yearly")
            if month == 1:
                assert_values(item, sharpe=3)
            else:
                assert math.isnan(measured(item)["sharpe"])


def test_the_29th_of_february_is_a_day_of_leap_years() -> None:
    for year in range(1896, 2108):
        last = seconds(year, 3) - 1
        is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        # The 28th, then a day later: of February in leap years, of March in others.
        times = [last - 40 * DAY_S, seconds(year, 2, 28), seconds(year, 2, 28) + DAY_S]
        returns = [0.0, 0.68] if is_leap else [0.0, 0.2, 0.4]
        assert_values(held(times, [100, 120, 168], sharpe="monthly"), sharpe=float(np.mean(returns) / np.std(returns)))


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("year", [1903, 1904, 2024, 2025])
def test_the_last_day_of_a_month_is_its_own(year: int, month: int) -> None:
    last = seconds(*month_after(year, month)) - DAY_S
    assert_values(held([last - DAY_S, last, last + DAY_S], [100, 120, 168], sharpe="monthly"), sharpe=3)
    for late in (0, DAY_S - 1):
        item = held([last - 27 * DAY_S, last - DAY_S, last + late], [100, 120, 168], sharpe="monthly")
        assert math.isnan(measured(item)["sharpe"])


@pytest.mark.parametrize(
    ("n_months", "of_years"),
    [
        (1, [0.68]),
        (2, [0.68]),
        (5, [0.2, 0.4]),  # April, September, and February of the next year
        (11, [0.0, 0.2, 0.4]),  # April, March and February
        *((n_months, [0.0, 0.2, 0.4]) for n_months in (12, 13, 24, 120, 1200)),
    ],
)
def test_months_and_years_without_a_bar_are_left_out(n_months: int, of_years: list[float]) -> None:
    for year in (1895, 1969, 2023):
        months = [(year + number // 12, number % 12 + 1) for number in (3, 3 + n_months, 3 + 2 * n_months)]
        for day in (1, 15, 28):
            times = [seconds(*month, day) for month in months]
            # The first month, or year, ends where it began.
            for sharpe, returns in (("monthly", [0.0, 0.2, 0.4]), ("yearly", of_years)):
                wanted = float(np.mean(returns) / np.std(returns)) if len(returns) > 1 else math.nan
                assert_values(held(times, [100, 120, 168], sharpe=sharpe), sharpe=wanted)


def test_what_remains_of_a_risk_free_rate_for_a_month_is_a_twelfth() -> None:
    first = seconds(1969, 12)
    times, closes = [first - 2, first - 1, first], [100, 120, 168]
    assert_values(held(times, closes, sharpe="monthly", risk_free_pct=12), sharpe=2.9)
    first = seconds(1970, 1)
    assert_values(held([first - 2, first - 1, first], closes, sharpe="yearly", risk_free_pct=12), sharpe=1.8)


def test_an_account_below_zero_has_no_returns_from_there_on() -> None:
    # Sold at 10, bought back at 25 in the third month, when 1000 − 1500 are left.
    times = [seconds(2023, month, 28) for month in (11, 12)] + [seconds(2024, month) for month in (1, 2, 3)]
    bars = replace(make_bars([10.0, 10.0, 25.0, 25.0, 25.0]), time=np.array(times))
    item = account(bars, signals_on(5, exit=[0]), direction="short", fill="same_close", sharpe="monthly")
    assert item.equity == [CASH, CASH, -500.0, -500.0, -500.0]
    returns = [0.0, 0.0, -1.5]
    assert_values(item, sharpe=float(np.mean(returns) / np.std(returns)))


@pytest.mark.parametrize("sharpe", CALENDAR)
def test_an_account_that_never_moves_has_no_ratio(sharpe: str) -> None:
    assert math.isnan(measured(idle(800, sharpe=sharpe))["sharpe"])


# Against plain Python


@pytest.mark.parametrize("start", [(1899, 11, 30), (1967, 12, 31), (1999, 2, 28), (2023, 12, 1), (2099, 1, 31)])
@pytest.mark.parametrize(
    ("n_bars", "step_s"),
    [(1500, DAY_S), (1500, HOUR_S), (900, 12 * HOUR_S + 1), (300, 7 * DAY_S), (120, 30 * DAY_S), (60, 365 * DAY_S)],
)
def test_even_bars_lie_in_their_months(start: tuple[int, int, int], n_bars: int, step_s: int) -> None:
    for offset in (0, -1, HOUR_S * 9 + 1800):
        begin = seconds(*start, offset)
        assert assert_as_the_calendar(range(begin, begin + n_bars * step_s, step_s)) > 0


@pytest.mark.parametrize("offset", [-DAY_S, -1, 0, 1, 27 * DAY_S, 28 * DAY_S, 29 * DAY_S, 30 * DAY_S])
def test_one_bar_a_month_lies_in_its_own(offset: int) -> None:
    firsts = [seconds(year, month, 1, offset) for year in range(1960, 1981) for month in range(1, 13)]
    for step in (1, 2, 3, 5, 12, 13):
        assert assert_as_the_calendar(firsts[::step]) == 4
    # Now and then one is missing, and now and then two are there.
    random = np.random.default_rng(1)
    some = sorted({time + extra for time in firsts for extra in (0, 1, DAY_S) if random.random() < 0.3})
    assert assert_as_the_calendar(some) == 4


@pytest.mark.parametrize("seed", range(12))
def test_bars_at_any_distance_lie_in_their_months(seed: int) -> None:
    random = np.random.default_rng(seed)
    # From seconds to half a year, most of them short or most of them long.
    gaps = np.exp(random.uniform(0.0, math.log(180 * DAY_S), 400) * random.choice([0.8, 0.95, 1.0])).astype(np.int64)
    start = int(random.integers(seconds(1800, 1), seconds(2050, 1)))
    assert_as_the_calendar((start + np.cumsum(1 + gaps)).tolist())


@st.composite
def near_boundaries(draw: st.DrawFn) -> list[int]:
    """Times on either side of boundaries of months, in order."""
    boundaries = draw(st.lists(st.sampled_from(BOUNDARIES), min_size=1, max_size=12))
    aside = st.sampled_from([-31 * DAY_S, -DAY_S, -HOUR_S, -1, 0, 1, HOUR_S, DAY_S, 27 * DAY_S, 28 * DAY_S, 31 * DAY_S])
    times = {boundary + draw(aside) for boundary in boundaries for _ in range(3)}
    return sorted({*times, min(times) - 1})


@examples
@given(times=near_boundaries())
def test_bars_around_boundaries_lie_in_their_months(times: list[int]) -> None:
    assert_as_the_calendar(times)


def test_a_day_belongs_to_the_month_that_the_calendar_says() -> None:
    day = datetime(1584, 1, 1, tzinfo=UTC)
    while day.year < 2410:
        for second in (0, DAY_S - 1):
            number, until = _month((day - EPOCH).days * DAY_S + second)
            # Whatever months are counted from, they are in order and years begin with January.
            assert (number // 12, number % 12) == (day.year, day.month - 1)
            assert until == seconds(day.year, day.month, 1, 28 * DAY_S)
        day += timedelta(days=1 if day.day > 27 or day.day == 1 else 5)
