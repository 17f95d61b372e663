"""Costs and fills under each rule and choice, worked out by hand on a few bars. Every figure is exact in binary."""

from __future__ import annotations

from typing import Any

import pytest

from backtests.engine.errors import RulesError
from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from tests.backtests.engine.references import fields, fills, make_signals, ohlc, signals_on

CASH = 1000.0
FREE: dict[str, Any] = {"cash": CASH, "fee_pct": 0.0, "slippage_pct": 0.0, "borrow_pct": 0.0}

# Opens, highs, lows and closes of five bars: up to 200 and back to 125.
BARS = ohlc(
    (100.0, 100.0, 100.0, 100.0),
    (125.0, 150.0, 120.0, 128.0),
    (160.0, 200.0, 160.0, 200.0),
    (200.0, 208.0, 100.0, 160.0),
    (128.0, 130.0, 120.0, 125.0),
)
IN_AND_OUT = signals_on(5, entry=[0], exit=[2])


def free(**values: Any) -> Rules:
    return Rules(**{**FREE, **values})


# Costs


def test_cash_is_what_there_is_before_the_first_trade() -> None:
    outcome = simulate(BARS, IN_AND_OUT, free(cash=2000.0))
    assert outcome.equity.tolist() == [2000.0, 16.0 * 128.0, 16.0 * 200.0, 3200.0, 3200.0]


def test_a_fixed_fee_is_paid_for_every_fill_and_out_of_the_size() -> None:
    trade = fields(simulate(BARS, IN_AND_OUT, free(cash=1010.0, fixed_fee=10.0)))
    assert (trade["units"], trade["fees"], trade["pnl"]) == (8.0, 20.0, 8.0 * 200.0 - 10.0 - 1010.0)


def test_a_position_still_held_has_paid_one_fixed_fee() -> None:
    trade = fields(simulate(BARS, signals_on(5, entry=[0]), free(cash=1010.0, fixed_fee=10.0)))
    assert (trade["fees"], trade["pnl"]) == (10.0, 8.0 * 125.0 - 1010.0)


@pytest.mark.parametrize(("slippage_on", "sold_at"), [("both", 150.0), ("entry", 200.0)])
def test_which_fills_slip(slippage_on: str, sold_at: float) -> None:
    trade = fields(simulate(BARS, IN_AND_OUT, free(slippage_pct=25.0, slippage_on=slippage_on)))
    assert (trade["entry_price"], trade["units"], trade["exit_price"]) == (156.25, 6.4, sold_at)
    assert trade["slippage"] == 6.4 * 31.25 + 6.4 * (200.0 - sold_at)
    assert trade["pnl"] == 6.4 * sold_at - CASH


def test_borrowing_costs_a_share_of_the_value_at_every_close_at_which_a_short_is_held() -> None:
    """8 units, 8 bars a year, 100 %: an eighth of their value at the closes 128 and 200, nothing at the exit."""
    rules = free(direction="short", borrow_pct=100.0)
    outcome = simulate(BARS, signals_on(5, short_entry=[0], short_exit=[2]), rules, bars_per_year=8)
    trade = fields(outcome)
    assert trade["borrow"] == 128.0 + 200.0
    assert trade["pnl"] == 1000.0 - 8.0 * 200.0 - 328.0
    assert outcome.equity.tolist() == [CASH, 2000 - 128 - 1024, 2000 - 328 - 1600, 72.0, 72.0]


def test_borrowing_needs_the_bars_of_a_year_only_if_it_costs_something() -> None:
    signals = signals_on(5, short_entry=[0])
    with pytest.raises(RulesError, match=r"^borrow_pct: needs bars_per_year, the bars of a year; it is nan$"):
        simulate(BARS, signals, free(direction="short", borrow_pct=1.0))
    outcome = simulate(BARS, signals, free(direction="short"))
    assert outcome.equity.tolist() == [1000.0, 976.0, 400.0, 720.0, 1000.0]


def test_a_bought_position_borrows_nothing() -> None:
    outcome = simulate(BARS, IN_AND_OUT, free(borrow_pct=1000.0))
    assert (fields(outcome)["borrow"], outcome.equity[-1]) == (0.0, 1600.0)


# Fills


@pytest.mark.parametrize(
    ("fill", "entry", "exit_"),
    [
        ("next_open", (1, 125.0), (3, 200.0)),
        ("same_close", (0, 100.0), (2, 200.0)),
        ("next_close", (1, 128.0), (3, 160.0)),
    ],
)
def test_where_a_signal_fills(fill: str, entry: tuple[int, float], exit_: tuple[int, float]) -> None:
    trade = fields(simulate(BARS, IN_AND_OUT, free(fill=fill)))
    assert (trade["entry_bar"], trade["entry_price"]) == entry
    assert (trade["exit_bar"], trade["exit_price"]) == exit_


@pytest.mark.parametrize(("fill", "last"), [("next_open", []), ("same_close", [(4, 4, "open")]), ("next_close", [])])
def test_a_signal_on_the_last_close_fills_only_there(fill: str, last: list[Any]) -> None:
    assert fills(simulate(BARS, signals_on(5, entry=[4]), free(fill=fill))) == last


def test_at_the_next_close_the_position_counts_as_it_was_at_the_signal() -> None:
    """Bought at the close of bar 1, whose exit signal leaves it; the entry of bar 1 finds it held."""
    signals = make_signals([1, 1, 0, 0, 0], [0, 0, 0, 0, 0])
    assert fills(simulate(BARS, signals, free(fill="next_close"))) == [(1, 4, "open")]
    signals = make_signals([1, 0, 0, 0, 0], [0, 1, 0, 0, 0])
    assert fills(simulate(BARS, signals, free(fill="next_close"))) == [(1, 2, "signal")]


@pytest.mark.parametrize(
    ("direction", "sides"),
    [("long", [(1, 3, 1)]), ("short", [(3, 4, -1)]), ("both", [(1, 3, 1), (3, 4, -1)])],
)
def test_which_positions_may_be_held(direction: str, sides: list[Any]) -> None:
    trades = simulate(BARS, IN_AND_OUT, free(direction=direction)).trades
    assert [(trade["entry_bar"], trade["exit_bar"], trade["side"]) for trade in trades] == sides


def test_a_short_by_hand() -> None:
    """Sold at 160 for 1000, bought back at 128, with a quarter of fee and slippage on either side."""
    rules = free(direction="short", fee_pct=25.0, slippage_pct=25.0)
    outcome = simulate(BARS, signals_on(5, short_entry=[1], short_exit=[3]), rules)
    sold, bought, units = 120.0, 160.0, 1000.0 / (120.0 * 1.25)
    trade = fields(outcome)
    assert (trade["side"], trade["entry_price"], trade["exit_price"]) == (-1, sold, bought)
    assert trade["units"] == units
    assert trade["fees"] == pytest.approx(units * 70.0, rel=1e-15)
    assert trade["slippage"] == pytest.approx(units * 72.0, rel=1e-15)
    assert trade["pnl"] == pytest.approx(units * (90.0 - 200.0), rel=1e-15)
    assert trade["return_pct"] == pytest.approx(trade["pnl"] / 10.0, rel=1e-15)
    assert outcome.equity.tolist() == pytest.approx(
        [CASH, CASH, CASH + units * (90.0 - 200.0), CASH + units * (90.0 - 160.0), CASH + units * (90.0 - 200.0)]
    )


def test_a_reversal_leaves_and_enters_at_one_fill() -> None:
    outcome = simulate(BARS, make_signals([1, 0, 1, 0, 0], [0, 1, 0, 0, 0]), free(direction="both"))
    assert fills(outcome) == [(1, 2, "signal"), (2, 3, "signal"), (3, 4, "open")]
    assert outcome.trades["side"].tolist() == [1, -1, 1]
    assert outcome.trades["units"].tolist() == [8.0, 8.0, 4.8]  # 1000 / 125, 1280 / 160, (1280 - 320) / 200
    assert outcome.trades["pnl"].tolist() == [280.0, -320.0, 4.8 * -75.0]


@pytest.mark.parametrize(
    ("short", "last"),
    [
        ({"short_entry": [2], "short_exit": []}, [(1, 3, "signal"), (3, 4, "open")]),
        ({"short_entry": [2], "short_exit": [2]}, [(1, 4, "open")]),
        ({"short_entry": [], "short_exit": [2]}, [(1, 4, "open")]),
    ],
)
def test_an_entry_of_the_other_side_reverses_unless_its_own_exit_stands(short: Any, last: list[Any]) -> None:
    assert fills(simulate(BARS, signals_on(5, entry=[0], **short), free(direction="both"))) == last


def test_entries_of_both_sides_at_once_do_nothing() -> None:
    """On bar 0 while nothing is held, and on bar 2 while a long position is."""
    signals = signals_on(5, entry=[0, 1, 2], short_entry=[0, 2], short_exit=[])
    outcome = simulate(BARS, signals, free(direction="both"))
    assert fills(outcome) == [(2, 4, "open")]


def test_an_entry_that_its_own_exit_takes_back_does_not_keep_the_other_side_out() -> None:
    signals = signals_on(5, entry=[0], exit=[0], short_entry=[0], short_exit=[])
    assert simulate(BARS, signals, free(direction="both")).trades["side"].tolist() == [-1]


@pytest.mark.parametrize(("collision", "last"), [("exit", (1, 3, "signal")), ("ignore", (1, 4, "open"))])
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_entry_and_exit_together_while_held(direction: str, collision: str, last: Any) -> None:
    flags = [1, 0, 1, 0, 0], [0, 0, 1, 0, 0]
    signals = make_signals(*flags) if direction != "short" else make_signals([0] * 5, [0] * 5, *flags)
    assert fills(simulate(BARS, signals, free(direction=direction, collision=collision))) == [last]


@pytest.mark.parametrize("collision", ["exit", "ignore"])
def test_entry_and_exit_together_while_nothing_is_held(collision: str) -> None:
    assert fills(simulate(BARS, make_signals([1] * 5, [1] * 5), free(collision=collision))) == []


@pytest.mark.parametrize(("delay", "entries"), [(0, [1, 2]), (1, [1, 4]), (2, [1])])
def test_how_soon_after_an_exit_something_is_entered(delay: int, entries: list[int]) -> None:
    """The long position is left at the open of bar 2, at which a short one could be entered."""
    bought = signals_on(5, entry=[0], exit=[1], short_entry=[1, 3], short_exit=[])
    outcome = simulate(BARS, bought, free(direction="both", reentry_delay=delay))
    assert outcome.trades["entry_bar"].tolist() == entries


@pytest.mark.parametrize(("skip", "entries"), [(0, [1]), (1, [2]), (2, [3]), (5, [])])
def test_how_many_first_bars_do_not_count(skip: int, entries: list[int]) -> None:
    outcome = simulate(BARS, signals_on(5, entry=range(5)), free(skip_bars=skip))
    assert outcome.trades["entry_bar"].tolist() == entries


# What one bar may hold


def test_how_far_the_price_went_for_and_against_a_position() -> None:
    """The bar of an exit at the open counts with its exit price only: its low of 100 is not the position's."""
    trade = fields(simulate(BARS, IN_AND_OUT, free()))
    assert (trade["mae_pct"], trade["mfe_pct"]) == pytest.approx((-4.0, 60.0))  # 120 and 200 to 125
    trade = fields(simulate(BARS, signals_on(5, entry=[0]), free()))
    assert (trade["mae_pct"], trade["mfe_pct"]) == pytest.approx((-20.0, 66.4))  # 100 and 208 to 125


def test_a_position_filled_at_a_close_has_not_seen_the_bar_of_its_entry() -> None:
    trade = fields(simulate(BARS, signals_on(5, entry=[1], exit=[2]), free(fill="same_close")))
    assert (trade["mae_pct"], trade["mfe_pct"]) == (0.0, 56.25)  # 200 to 128; the low of 120 came before
    trade = fields(simulate(BARS, signals_on(5, entry=[2], exit=[3]), free(fill="same_close")))
    assert (trade["mae_pct"], trade["mfe_pct"]) == pytest.approx((-50.0, 4.0))  # 100 and 208 to 200: held to the close


def test_how_far_the_price_went_for_and_against_a_short() -> None:
    signals = signals_on(5, short_entry=[0], short_exit=[2])
    trade = fields(simulate(BARS, signals, free(direction="short")))
    assert (trade["mae_pct"], trade["mfe_pct"]) == pytest.approx((-60.0, 4.0))


def test_the_furthest_prices_include_the_fills_with_their_slippage() -> None:
    """Bought at 156.25 and sold at 150, on bars from 120 to 200; then to 96 at the open of bar 4."""
    trade = fields(simulate(BARS, signals_on(5, entry=[2], exit=[3]), free(slippage_pct=25.0)))
    assert (trade["entry_price"], trade["exit_price"]) == (250.0, 96.0)
    assert (trade["mae_pct"], trade["mfe_pct"]) == pytest.approx((-61.6, 0.0))
