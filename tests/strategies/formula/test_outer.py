"""Weeks and months: which bars they are made of, and when they are known to be over."""

from __future__ import annotations

import pytest

from strategies.formula import Flat
from tests.builders import DAY_S, MONDAY_S, make_bars
from tests.strategies.formula.markets import HOUR_S, Answers, ask, coins, flat_of, stocks, weekdays, without
from tests.strategies.formula.references import Columns, above, ago, on_outer_bars


def closes_at(times: list[int], market: str, *, interval_s: int = DAY_S) -> Flat:
    """One symbol whose closes count its bars from 1."""
    bars = make_bars([float(number + 1) for number in range(len(times))], step_s=interval_s)
    moved = type(bars)(
        **{name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")},
        time=make_bars([1.0] * len(times)).time * 0 + times,
    )
    return flat_of([moved], market, interval_s=interval_s)


def days(*numbers: int) -> list[int]:
    """Days counted from Monday, 1 January 2024."""
    return [MONDAY_S + number * DAY_S for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "market", "expected"),
    [
        # Two weeks of an exchange: the first is over with its Friday.
        ((0, 1, 2, 3, 4, 7, 8), "stocks", [None] * 4 + [5.0] * 3),
        # Without its Friday nobody knows on Thursday that it is over.
        ((0, 1, 2, 3, 7, 8, 11), "stocks", [None] * 4 + [4.0, 4.0, 7.0]),
        # Bars of a weekend belong to the week that follows.
        ((4, 5, 6, 7, 11), "stocks", [1.0, 1.0, 1.0, 1.0, 5.0]),
        # A week in which nothing was traded is none.
        ((4, 21, 25), "stocks", [1.0, 1.0, 3.0]),
        # Coins trade on Sundays.
        ((4, 5, 6, 7, 12, 13), "crypto", [None, None, 3.0, 3.0, 3.0, 6.0]),
        # Of an unknown market it is not known which days it trades on.
        ((3, 4, 7, 11, 14), "", [None, None, 2.0, 2.0, 4.0]),
    ],
)
def test_a_week_is_known_when_no_bar_of_it_can_come(numbers: tuple[int, ...], market: str, expected: Answers) -> None:
    flat = closes_at(days(*numbers), market)
    assert ask("weekly(close)", flat) == expected


def test_a_month_is_over_with_its_last_trading_day() -> None:
    # Wednesday 31 January; of March the last trading day is Friday 29; then Monday 1 April.
    flat = closes_at(days(29, 30, 31, 87, 88, 91), "stocks")
    assert ask("monthly(close)", flat) == [None, 2.0, 2.0, 3.0, 5.0, 5.0]
    assert ask("monthly(close)", closes_at(days(30, 31, 88, 90, 91), "crypto")) == [1.0, 1.0, 2.0, 4.0, 4.0]


def test_hours_of_coins_end_a_week_and_hours_of_an_exchange_do_not() -> None:
    times = [MONDAY_S + 6 * DAY_S + number * HOUR_S for number in range(22, 27)]
    coin = closes_at(times, "crypto", interval_s=HOUR_S)
    assert ask("weekly(close)", coin) == [None, 2.0, 2.0, 2.0, 2.0]
    times = [MONDAY_S + 4 * DAY_S + number * HOUR_S for number in (20, 21, 92, 93)]
    # An exchange's last hour of Friday looks like any other hour.
    assert ask("weekly(close)", closes_at(times, "stocks", interval_s=HOUR_S)) == [None, None, 2.0, 2.0]


def test_the_bars_of_a_week_have_its_open_high_low_close_and_volume() -> None:
    flat = flat_of([make_bars([3.0, 9.0, 1.0, 4.0, 5.0, 6.0], opens=[2.0, 3, 9, 1, 4, 5], volume=[1.0, 2, 3, 4, 5, 6])])
    for name, value in {"open": 2.0, "high": 9.0, "low": 1.0, "close": 5.0, "volume": 15.0}.items():
        assert ask(f"weekly({name})", flat)[-1] == value


def test_bars_ago_within_are_weeks_and_without_are_days() -> None:
    flat = closes_at(weekdays(15), "stocks")
    assert ask("weekly(close[1])", flat)[8:] == [None, 5.0, 5.0, 5.0, 5.0, 5.0, 10.0]
    assert ask("weekly(close)[1]", flat)[8:] == [5.0, 5.0, 10.0, 10.0, 10.0, 10.0, 10.0]


def test_another_symbols_weeks_are_its_own() -> None:
    flat = closes_at(days(0, 3, 4, 8), "stocks")
    spy = {"SPY": closes_at(days(0, 3, 7, 8), "stocks")}
    assert ask('symbol("SPY", weekly(close))', flat, spy) == [None, None, None, 2.0]


@pytest.mark.parametrize("outer", ["weekly", "monthly"])
@pytest.mark.parametrize("market", ["stocks", "crypto", ""])
def test_weeks_and_months_are_those_of_the_calendar(outer: str, market: str) -> None:
    bars = [*stocks(8, n_bars=70), without(coins(9, n_bars=70)[0], range(15, 40))]
    found = ask(f"{outer}(close > open[1])", flat_of(bars, market))
    expected = [
        value
        for each in bars
        for value in on_outer_bars(Columns(each), lambda c: above(c.close, ago(c.open, 1)), outer=outer, market=market)
    ]
    assert found == expected


@pytest.mark.parametrize("market", ["stocks", "crypto"])
def test_so_they_are_for_hours(market: str) -> None:
    bars = [without(each, range(50, 97)) for each in coins(10, n_bars=220, step_s=HOUR_S)]
    found = ask("weekly(high)", flat_of(bars, market, interval_s=HOUR_S))
    expected = [
        value
        for each in bars
        for value in on_outer_bars(Columns(each), lambda c: c.high, market=market, interval_s=HOUR_S)
    ]
    assert found == expected
