"""How large a position is under each rule and choice, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from backtests.engine.errors import RulesError
from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from strategies.bars import Bars, Signals
from tests.backtests.engine.references import fields, fills, make_signals, ohlc, signals_on

CASH = 1000.0
FREE: dict[str, Any] = {"cash": CASH, "fee_pct": 0.0, "slippage_pct": 0.0, "borrow_pct": 0.0}
QUARTER: dict[str, Any] = {"cash": CASH, "fee_pct": 25.0, "slippage_pct": 25.0, "borrow_pct": 0.0}

# The signal is given at a close of 80, and filled at an open of 100 or a close of 125.
BARS = ohlc((80.0, 80.0, 80.0, 80.0), (100.0, 125.0, 100.0, 125.0), (128.0, 128.0, 128.0, 128.0))
BUY, SELL = signals_on(3, entry=[0]), signals_on(3, short_entry=[0])


def units(values: dict[str, Any], signals: Signals = BUY, bars: Bars = BARS, **more: Any) -> float | None:
    """The units of the one trade, or None if there is none."""
    outcome = simulate(bars, signals, Rules(**{**values, **more}), bars_per_year=4)
    assert len(outcome.trades) <= 1
    return fields(outcome)["units"] if len(outcome.trades) else None


# Of what a size is computed


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"sizing": "equity"}, 10.0),
        ({"sizing": "equity", "size_pct": 50.0}, 5.0),
        ({"sizing": "cash", "size_cash": 250.0}, 2.5),
        ({"sizing": "cash", "size_cash": 5000.0}, 10.0),
        ({"sizing": "units", "size_units": 2.5}, 2.5),
        ({"sizing": "units", "size_units": 50.0}, 10.0),
    ],
)
def test_a_size_is_never_larger_than_the_account(rules: dict[str, Any], expected: float) -> None:
    assert units(FREE, **rules) == expected
    assert units(FREE, SELL, direction="short", **rules) == expected


def test_a_share_of_equity_is_of_what_there_is_by_then() -> None:
    bars = ohlc(*[(price, price, price, price) for price in (100.0, 100.0, 200.0, 200.0, 200.0)])
    outcome = simulate(bars, signals_on(5, entry=[0, 2], exit=[1]), Rules(**FREE, size_pct=50.0))
    assert outcome.trades["units"].tolist() == [5.0, 3.75]  # 500 / 100, then half of 1500 / 200
    assert outcome.trades["return_pct"].tolist() == [100.0, 0.0]
    assert outcome.equity.tolist() == [1000.0, 1000.0, 1500.0, 1500.0, 1500.0]


# Closes with returns of 1/4 and -1/4: their deviation (n - 1) is 1/4 times the square root of 2, and with two bars
# a year the annual volatility is 1/2.
SWINGING = ohlc(*[(price, price, price, price) for price in (64.0, 80.0, 60.0, 64.0, 64.0)])


@pytest.mark.parametrize(("wanted", "share"), [(25.0, 0.5), (50.0, 1.0), (100.0, 1.0), (12.5, 0.25)])
def test_a_size_by_volatility(wanted: float, share: float) -> None:
    rules = Rules(**FREE, sizing="volatility", volatility_pct=wanted, volatility_bars=2)
    trade = fields(simulate(SWINGING, signals_on(5, entry=[2]), rules, bars_per_year=2))
    assert trade["units"] == pytest.approx(share * CASH / 64.0, rel=1e-14)


def test_volatility_needs_as_many_returns_before_the_signal() -> None:
    rules = Rules(**FREE, sizing="volatility", volatility_bars=3)
    assert fills(simulate(SWINGING, signals_on(5, entry=[2]), rules, bars_per_year=2)) == []
    assert fills(simulate(SWINGING, signals_on(5, entry=[3]), rules, bars_per_year=2)) == [(4, 4, "open")]


def test_prices_that_do_not_move_take_all_equity() -> None:
    bars = ohlc(*[(50.0, 50.0, 50.0, 50.0)] * 5)
    rules = Rules(**FREE, sizing="volatility", volatility_bars=2, volatility_pct=0.01)
    assert fields(simulate(bars, signals_on(5, entry=[3]), rules, bars_per_year=252))["units"] == 20.0


def test_volatility_needs_the_bars_of_a_year() -> None:
    with pytest.raises(RulesError, match=r"^sizing: needs bars_per_year, the bars of a year; it is nan$"):
        simulate(BARS, BUY, Rules(sizing="volatility"))


# Which costs are part of it. The price is 100, filled at 125 with its slippage, and the fee on top of that a quarter.


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"size_costs": "included"}, 1000.0 / (125.0 * 1.25)),
        ({"size_costs": "included", "fixed_fee": 375.0}, 625.0 / (125.0 * 1.25)),
        ({"size_costs": "on_top", "cash_check": "off"}, 10.0),
        ({"size_costs": "on_top", "cash_check": "off", "fixed_fee": 375.0}, 10.0),
        ({"size_costs": "per_unit"}, 1000.0 / (125.0 + 25.0)),
        ({"size_costs": "per_unit", "fixed_fee": 50.0}, 1000.0 / (125.0 + 25.0 + 50.0)),
        ({"size_costs": "per_unit", "fixed_fee": 25.0, "size_pct": 50.0}, 500.0 / (125.0 + 25.0 + 50.0)),
        ({"size_costs": "per_unit", "fixed_fee": 50.0, "whole_units": True}, 4.0),  # a hair less than 5
        ({"size_costs": "per_unit", "fixed_fee": 50.0, "whole_units": True, "cash": 1001.0}, 5.0),
    ],
)
def test_which_costs_a_size_includes(rules: dict[str, Any], expected: float) -> None:
    assert units({**QUARTER, **rules}) == pytest.approx(expected, rel=1e-14)


def test_a_short_is_sized_at_the_price_at_which_it_is_sold() -> None:
    assert units(QUARTER, SELL, direction="short") == 1000.0 / (75.0 * 1.25)


def test_costs_on_top_come_out_of_the_rest_of_the_cash() -> None:
    """Half of 1000 buys 5 units at 100; they cost 125 each and a quarter of that as a fee."""
    rules = Rules(**QUARTER, size_pct=50.0, size_costs="on_top")
    outcome = simulate(BARS, BUY, rules)
    trade = fields(outcome)
    assert (trade["units"], trade["fees"], trade["slippage"]) == (5.0, 156.25, 125.0)
    assert outcome.equity.tolist() == [CASH, 1000.0 - 781.25 + 5 * 125.0, 1000.0 - 781.25 + 5 * 128.0]
    assert trade["return_pct"] == pytest.approx(100 * (640.0 - 781.25) / 781.25, rel=1e-15)


def test_a_fixed_fee_above_the_amount_leaves_nothing_to_trade() -> None:
    assert units(FREE, fixed_fee=1000.0) is None
    assert units(FREE, fixed_fee=999.0) == 0.01


# Whole units


@pytest.mark.parametrize(
    ("cash", "expected"), [(1000.0, 10.0), (1099.0, 10.0), (999.0, 9.0), (100.0, 1.0), (99.0, None)]
)
def test_whole_units_are_rounded_down(cash: float, expected: float | None) -> None:
    assert units({**FREE, "cash": cash}, whole_units=True) == expected


def test_what_is_whole_but_for_rounding_is_whole() -> None:
    """29.4 / 4.9 is one unit in the last place below 6."""
    bars = ohlc(*[(4.9, 4.9, 4.9, 4.9)] * 2)
    assert 0.7 / 0.1 < 7
    bars = ohlc(*[(0.1, 0.1, 0.1, 0.1)] * 2)
    assert units({**FREE, "cash": 0.7}, signals_on(2, entry=[0]), bars, whole_units=True) == 7.0


def test_cash_that_whole_units_leave_over_stays() -> None:
    outcome = simulate(BARS, BUY, Rules(**{**FREE, "cash": 1099.0}, whole_units=True))
    assert outcome.equity.tolist() == [1099.0, 99.0 + 1250.0, 99.0 + 1280.0]


# Of which price: the signal's close is 80, the fill 100


def test_a_size_that_is_decided_at_the_close_of_the_signal() -> None:
    rules: dict[str, Any] = {"size_price": "signal_close", "size_pct": 40.0}
    assert units(FREE, **rules) == 5.0  # 400 / 80
    assert units(QUARTER, **rules) == 400.0 / (80.0 * 1.25 * 1.25)
    assert units(QUARTER, size_costs="on_top", **rules) == 5.0


def test_equity_at_the_close_of_the_signal_is_that_before_a_reversal() -> None:
    """10 units of 100 are worth 1600 at the close that reverses them, and sold for 1280 at the open after it."""
    bars = ohlc((100.0,) * 4, (100.0, 160.0, 100.0, 160.0), (128.0, 128.0, 128.0, 128.0))
    signals = make_signals([1, 0, 0], [0, 1, 0])
    rules: dict[str, Any] = {**FREE, "direction": "both", "cash_check": "off", "size_pct": 50.0}
    sizes = [
        simulate(bars, signals, Rules(**rules, size_price=size_price, size_costs="on_top")).trades["units"].tolist()
        for size_price in ("fill", "signal_close")
    ]
    assert sizes == [[5.0, 0.5 * 1140.0 / 128.0], [5.0, 0.5 * 1300.0 / 160.0]]


# When an entry is refused


@pytest.mark.parametrize(
    ("check", "at_most"),
    [
        ("fill", 4.0),  # 1000 / (125 * 2)
        ("value", 8.0),  # 1000 / 125
        ("off", 10.0),  # the account, before costs
        ("signal_and_fill", 4.0),
    ],
)
def test_an_entry_that_costs_too_much(check: str, at_most: float) -> None:
    """Of units at 100, filled at 125 with 25 % of slippage, and as much again as a fee: 250 each."""
    dear: dict[str, Any] = {**FREE, "slippage_pct": 25.0, "fee_pct": 50.0, "size_costs": "on_top", "sizing": "units"}
    price = {"fill": 187.5, "signal_and_fill": 187.5, "value": 125.0, "off": 0.0}[check]
    limit = CASH / price if price else 10.0
    assert units(dear, cash_check=check, size_units=limit) == limit
    refused = units(dear, cash_check=check, size_units=limit * 1.001)
    assert refused == (10.0 if check == "off" else None)


@pytest.mark.parametrize(("check", "expected"), [("fill", 10.0), ("signal_and_fill", None)])
def test_a_purchase_may_also_cost_too_much_at_the_close_of_its_signal(check: str, expected: float | None) -> None:
    falling = ohlc((125.0,) * 4, (100.0,) * 4, (100.0,) * 4)
    assert units(FREE, BUY, falling, cash_check=check) == expected
    assert units(FREE, BUY, falling, cash_check=check, size_pct=80.0) == 8.0


@pytest.mark.parametrize(
    ("check", "expected"), [("fill", None), ("signal_and_fill", 10.0), ("value", None), ("off", 10.0)]
)
def test_which_checks_are_of_sales_too(check: str, expected: float | None) -> None:
    """12 units of 80 are decided, and sold at 100: more than the account."""
    rules: dict[str, Any] = {"direction": "short", "size_costs": "on_top", "cash_check": check}
    assert units(FREE, SELL, sizing="units", size_units=12.0, **rules) == expected


def test_a_fill_above_the_close_of_the_signal_is_refused_where_that_decides_the_size() -> None:
    """All equity at 80 is 12.5 units, which cost 1250 at 100."""
    rules: dict[str, Any] = {"size_price": "signal_close"}
    assert units(FREE, **rules) is None
    assert units(FREE, **rules, cash_check="value") is None
    outcome = simulate(BARS, BUY, Rules(**FREE, **rules, cash_check="off"))
    assert fields(outcome)["units"] == 12.5
    assert outcome.equity.tolist() == [CASH, -250.0 + 12.5 * 125.0, -250.0 + 12.5 * 128.0]


def test_an_entry_that_is_refused_does_not_keep_a_position_from_being_reversed_out_of() -> None:
    bars = ohlc((80.0,) * 4, (100.0,) * 4, (200.0,) * 4)
    signals = make_signals([1, 0, 0], [0, 1, 0])
    rules = Rules(**FREE, direction="both", sizing="units", size_units=10.0, size_costs="on_top", cash_check="value")
    assert fills(simulate(bars, signals, rules)) == [(1, 2, "signal"), (2, 2, "open")]
    assert fills(simulate(bars, signals, Rules(**FREE, direction="both", fixed_fee=600.0))) == [(1, 2, "signal")]
