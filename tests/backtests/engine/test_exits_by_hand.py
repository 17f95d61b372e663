"""How a position is left under each rule and choice, worked out by hand on a few bars. Figures are exact in binary."""

from __future__ import annotations

from typing import Any

import pytest

from backtests.engine.errors import RulesError
from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from tests.backtests.engine.references import fields, fills, ohlc, signals_on

FREE: dict[str, Any] = {"cash": 1000.0, "fee_pct": 0.0, "slippage_pct": 0.0, "borrow_pct": 0.0}
Row = tuple[float, float, float, float]
Left = tuple[int, float, str]

# The signal is given at a close of 100 on bar 0 and filled at the open of bar 1, also 100. With stop and target at a
# quarter they lie at 75 and 125.
SIGNAL_BAR: Row = (100.0, 100.0, 100.0, 100.0)
QUIET: Row = (100.0, 104.0, 96.0, 100.0)
BOTH: dict[str, Any] = {"stop_loss_pct": 25.0, "take_profit_pct": 25.0}


def mirrored(row: Row) -> Row:
    """A bar that falls where this one rises: around 100, so that levels of a quarter are each other's mirror image."""
    opened, high, low, close = row
    return 200.0 - opened, 200.0 - low, 200.0 - high, 200.0 - close


def left(rules: dict[str, Any], *rows: Row, side: int = 1, signal: Row = SIGNAL_BAR, **exits: Any) -> Left:
    """Where the position is left that is entered by the signal on bar 0: bar, price, reason."""
    if side < 0:
        rules = {**rules, "direction": "short"}
        exits = {"short_entry": [0], "short_exit": [], **exits}
    bars = ohlc(signal, *rows)
    trade = fields(simulate(bars, signals_on(len(bars), **{"entry": [0], **exits}), Rules(**{**FREE, **rules})))
    return trade["exit_bar"], trade["exit_price"], trade["exit_reason"]


# Stop-loss and take-profit


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("rules", "row", "price", "reason"),
    [
        ({}, (100.0, 124.0, 76.0, 110.0), 110.0, "open"),
        ({}, (100.0, 100.0, 75.0, 80.0), 75.0, "stop"),
        ({}, (100.0, 125.0, 100.0, 120.0), 125.0, "target"),
        ({}, (60.0, 80.0, 50.0, 70.0), 60.0, "stop"),
        ({}, (150.0, 160.0, 120.0, 140.0), 150.0, "target"),
        ({"gap_fill": "inside"}, (60.0, 80.0, 50.0, 70.0), 75.0, "stop"),
        ({"gap_fill": "inside"}, (60.0, 70.0, 50.0, 65.0), 60.0, "stop"),
        ({"gap_fill": "inside"}, (150.0, 160.0, 120.0, 140.0), 125.0, "target"),
        ({"gap_fill": "inside"}, (150.0, 160.0, 140.0, 150.0), 140.0, "target"),
        ({"bar_path": "stop_first"}, (100.0, 130.0, 70.0, 110.0), 75.0, "stop"),
        ({"bar_path": "stop_first"}, (130.0, 140.0, 70.0, 110.0), 130.0, "target"),
        ({"bar_path": "stop_first"}, (60.0, 140.0, 50.0, 110.0), 60.0, "stop"),
        ({"bar_path": "stop_always"}, (100.0, 130.0, 70.0, 110.0), 75.0, "stop"),
        ({"bar_path": "stop_always"}, (130.0, 140.0, 70.0, 110.0), 75.0, "stop"),
        ({"bar_path": "stop_always"}, (130.0, 140.0, 80.0, 110.0), 130.0, "target"),
        ({"bar_path": "nearer_extreme"}, (110.0, 130.0, 70.0, 110.0), 125.0, "target"),
        ({"bar_path": "nearer_extreme"}, (90.0, 130.0, 70.0, 110.0), 75.0, "stop"),
        ({"bar_path": "nearer_extreme"}, (130.0, 190.0, 70.0, 110.0), 130.0, "target"),
        ({"bar_path": "nearer_extreme"}, (70.0, 130.0, 10.0, 110.0), 70.0, "stop"),
    ],
)
def test_stop_and_target(rules: dict[str, Any], row: Row, price: float, reason: str, side: int) -> None:
    row, price = (row, price) if side > 0 else (mirrored(row), 200.0 - price)
    assert left({**BOTH, **rules}, QUIET, row, side=side) == (2, price, reason)


@pytest.mark.parametrize(("side", "expected"), [(1, (2, 75.0, "stop")), (-1, (2, 75.0, "target"))])
def test_of_two_extremes_as_near_the_low_comes_first(side: int, expected: Left) -> None:
    row = (100.0, 130.0, 70.0, 110.0)
    assert left({**BOTH, "bar_path": "nearer_extreme"}, QUIET, row, side=side) == expected


@pytest.mark.parametrize("path", ["stop_first", "stop_always", "nearer_extreme"])
def test_a_bar_that_opens_beyond_stop_and_target_meets_the_stop(path: str) -> None:
    """The entry bar, on which neither is looked at, lifts the stop to 175, above the target of 150."""
    rules = {"trailing_stop_pct": 12.5, "take_profit_pct": 50.0, "stops_from": "next_bar", "bar_path": path}
    assert left(rules, (100.0, 200.0, 100.0, 200.0), (170.0, 190.0, 160.0, 170.0)) == (2, 170.0, "trail")


@pytest.mark.parametrize(
    ("stops_from", "expected"), [("entry_bar", (1, 75.0, "stop")), ("next_bar", (2, 70.0, "stop"))]
)
def test_from_which_bar_stops_are_looked_at(stops_from: str, expected: Left) -> None:
    falling = (100.0, 100.0, 70.0, 70.0), (70.0, 80.0, 70.0, 80.0)
    assert left({**BOTH, "stops_from": stops_from}, *falling) == expected


@pytest.mark.parametrize(("fill", "expected"), [("same_close", (1, 75.0, "stop")), ("next_close", (2, 75.0, "stop"))])
def test_a_position_filled_at_a_close_has_no_stops_on_its_entry_bar(fill: str, expected: Left) -> None:
    rows = (100.0, 100.0, 70.0, 100.0), (100.0, 100.0, 70.0, 100.0)
    assert left({**BOTH, "fill": fill}, *rows, signal=(50.0, 200.0, 50.0, 100.0)) == expected


@pytest.mark.parametrize(("base", "price"), [("fill", 93.75), ("entry_close", 120.0), ("signal_close", 75.0)])
def test_from_which_price_stops_are_measured(base: str, price: float) -> None:
    """Filled at 125 with its slippage, on a bar that closes at 160, by a signal at 100: less a quarter each."""
    rules = {"stop_loss_pct": 25.0, "slippage_pct": 25.0, "stop_slippage": False, "stops_from": "next_bar"}
    rows = (100.0, 160.0, 100.0, 160.0), (140.0, 140.0, 60.0, 60.0)
    assert left({**rules, "stop_base": base}, *rows) == (2, price, "stop")


def test_the_close_of_the_entry_bar_is_no_base_before_it_is_known() -> None:
    with pytest.raises(RulesError, match=r"^stop_base: is not known from the entry on; set stops_from to next_bar"):
        Rules(stop_base="entry_close")
    Rules(stop_base="entry_close", stops_from="next_bar")
    Rules(stop_base="entry_close", fill="same_close")


def test_a_stop_may_lie_beyond_the_open_of_the_entry_already() -> None:
    """The signal is at 100, its stop at 75, and the entry at the next open only 60: it is left there at once."""
    assert left({"stop_loss_pct": 25.0, "stop_base": "signal_close"}, (60.0, 90.0, 60.0, 90.0)) == (1, 60.0, "stop")


@pytest.mark.parametrize(
    ("rules", "price"),
    [({}, 56.25), ({"stop_slippage": False}, 75.0), ({"slippage_on": "entry"}, 75.0)],
)
def test_whether_a_stop_slips(rules: dict[str, Any], price: float) -> None:
    slipping = {**BOTH, "slippage_pct": 25.0, "stop_base": "signal_close", **rules}
    assert left(slipping, QUIET, (100.0, 100.0, 70.0, 80.0)) == (2, price, "stop")
    assert left(slipping, QUIET, (100.0, 130.0, 100.0, 120.0)) == (2, 125.0, "target")


def test_a_short_is_bought_back_dearer_where_a_stop_slips() -> None:
    rules = {**BOTH, "slippage_pct": 25.0, "stop_base": "signal_close"}
    assert left(rules, QUIET, (100.0, 130.0, 100.0, 120.0), side=-1) == (2, 156.25, "stop")


@pytest.mark.parametrize(("side", "price"), [(1, 375.0), (-1, 25.0)])
def test_a_target_of_the_profit_after_fees_lies_where_they_are_paid(side: int, price: float) -> None:
    """With a fee of a half: 100 x 1.25 x 1.5 / 0.5, and sold 100 x 0.75 x 0.5 / 1.5. To touch it is not enough."""
    rules = {"take_profit_pct": 25.0, "target_of": "net", "fee_pct": 50.0}
    touching = (100.0, max(100.0, price), min(100.0, price), 100.0)
    beyond = (100.0, max(100.0, price + 1), min(100.0, price - 1), 100.0)
    assert left(rules, touching, QUIET, side=side) == (2, 100.0, "open")
    assert left(rules, touching, beyond, side=side) == (2, price, "target")
    assert left({**rules, "target_of": "price"}, touching, beyond, side=side) == (1, 100.0 + side * 25.0, "target")


def test_a_target_after_fees_is_that_profit() -> None:
    rules = Rules(**{**FREE, "fee_pct": 50.0}, take_profit_pct=25.0, target_of="net")
    outcome = simulate(ohlc(SIGNAL_BAR, (100.0, 400.0, 100.0, 300.0)), signals_on(2, entry=[0]), rules)
    assert fields(outcome)["return_pct"] == pytest.approx(25.0, rel=1e-14)


@pytest.mark.parametrize(
    ("fill", "signals", "expected"),
    [
        ("next_open", "count", [(1, 2, "stop"), (3, 4, "open")]),
        ("next_open", "ignore", [(1, 2, "stop")]),
        ("same_close", "count", [(0, 2, "stop"), (2, 4, "open")]),
        ("same_close", "ignore", [(0, 2, "stop")]),
        ("next_close", "count", [(1, 2, "stop"), (3, 4, "open")]),
        ("next_close", "ignore", [(1, 2, "stop")]),
    ],
)
def test_the_signals_of_the_bar_of_a_stop(fill: str, signals: str, expected: list[Any]) -> None:
    bars = ohlc(SIGNAL_BAR, QUIET, (100.0, 100.0, 70.0, 100.0), QUIET, QUIET)
    rules = Rules(**FREE, stop_loss_pct=25.0, fill=fill, stop_bar_signals=signals)  # type: ignore[arg-type]
    assert fills(simulate(bars, signals_on(5, entry=[0, 2]), rules)) == expected


def test_a_stop_before_the_next_close_leaves_nothing_to_enter_again() -> None:
    """At the close of bar 1 the position was held, so that its entry signal asks for nothing, though it fills at 2."""
    bars = ohlc(SIGNAL_BAR, QUIET, (100.0, 100.0, 70.0, 100.0), QUIET)
    rules = Rules(**FREE, stop_loss_pct=25.0, fill="next_close")
    assert fills(simulate(bars, signals_on(4, entry=[0, 1]), rules)) == [(1, 2, "stop")]
    reversing = Rules(**FREE, stop_loss_pct=25.0, fill="next_close", direction="both")
    signals = signals_on(4, entry=[0], short_entry=[1], short_exit=[])
    assert fills(simulate(bars, signals, reversing)) == [(1, 2, "stop"), (2, 3, "open")]


def test_signals_stay_ignored_if_the_bar_after_has_a_stop_too() -> None:
    """The entry signal of bar 2, on which the long position is stopped, would fill at the close of bar 3."""
    bars = ohlc(SIGNAL_BAR, QUIET, (100.0, 100.0, 70.0, 100.0), (100.0, 130.0, 100.0, 100.0))
    values: dict[str, Any] = {**FREE, "stop_loss_pct": 25.0, "fill": "next_close", "direction": "both"}
    signals = signals_on(4, entry=[0, 2], short_entry=[1], short_exit=[])
    stopped = [(1, 2, "stop"), (2, 3, "stop")]
    assert fills(simulate(bars, signals, Rules(**values, stop_bar_signals="ignore"))) == stopped
    assert fills(simulate(bars, signals, Rules(**values))) == [*stopped, (3, 3, "open")]


@pytest.mark.parametrize(("delay", "entries"), [(0, [1, 3]), (1, [1, 4]), (2, [1, 5]), (3, [1])])
def test_how_soon_after_a_stop_something_is_entered(delay: int, entries: list[int]) -> None:
    bars = ohlc(SIGNAL_BAR, QUIET, (100.0, 100.0, 70.0, 100.0), QUIET, QUIET, QUIET)
    rules = Rules(**FREE, stop_loss_pct=25.0, reentry_delay=delay)
    assert simulate(bars, signals_on(6, entry=range(6)), rules).trades["entry_bar"].tolist() == entries


def test_the_prices_of_the_bar_of_a_stop_do_not_count_for_the_furthest_ones() -> None:
    bars = ohlc(SIGNAL_BAR, QUIET, (100.0, 110.0, 50.0, 100.0))
    trade = fields(simulate(bars, signals_on(3, entry=[0]), Rules(**FREE, stop_loss_pct=25.0)))
    assert (trade["mae_pct"], trade["mfe_pct"]) == pytest.approx((-25.0, 4.0))


# Trailing stops

RISING = (100.0, 160.0, 96.0, 128.0)
FALLING = (128.0, 132.0, 110.0, 112.0)


@pytest.mark.parametrize(
    ("trail_from", "rows", "expected"),
    [
        # A quarter below 160 is 120, below the close of 128 it is 96, and below the fill of 100 it is 75.
        ("extreme", (RISING, FALLING), (2, 120.0, "trail")),
        ("extreme", ((100.0, 160.0, 70.0, 128.0), FALLING), (1, 75.0, "trail")),
        ("close", (RISING, FALLING, (112.0, 112.0, 90.0, 90.0)), (3, 96.0, "trail")),
        ("close", ((100.0, 100.0, 70.0, 80.0), FALLING), (1, 75.0, "trail")),
        ("entry_bar_close", (RISING, FALLING, (112.0, 112.0, 90.0, 90.0)), (3, 96.0, "trail")),
        ("entry_bar_close", ((100.0, 100.0, 70.0, 80.0), (80.0, 80.0, 50.0, 50.0)), (2, 60.0, "trail")),
        # The bar itself moves its stop before that is looked at, unless it meets the old one.
        ("bar", (QUIET, RISING), (2, 120.0, "trail")),
        ("bar", (QUIET, (136.0, 160.0, 130.0, 140.0), (140.0, 140.0, 118.0, 120.0)), (3, 120.0, "trail")),
        ("bar", (QUIET, (100.0, 160.0, 70.0, 128.0)), (2, 78.0, "trail")),
        # On the entry bar the open is the best that is sure: 75, but not below the low.
        ("bar", (RISING, FALLING), (1, 96.0, "trail")),
        ("extreme", (QUIET, RISING), (2, 128.0, "open")),
    ],
)
def test_what_a_trailing_stop_follows(trail_from: str, rows: tuple[Row, ...], expected: Left) -> None:
    assert left({"trailing_stop_pct": 25.0, "trail_from": trail_from}, *rows) == expected


@pytest.mark.parametrize(
    ("trail_from", "rows", "expected"),
    [
        # A quarter above 64 is 80, above the close of 72 it is 90, and above the fill of 100 it is 125.
        ("extreme", ((100.0, 104.0, 64.0, 72.0), (72.0, 88.0, 72.0, 72.0)), (2, 80.0, "trail")),
        ("close", ((100.0, 104.0, 64.0, 72.0), (72.0, 92.0, 72.0, 72.0)), (2, 90.0, "trail")),
        ("entry_bar_close", ((100.0, 130.0, 100.0, 120.0), (120.0, 160.0, 120.0, 120.0)), (2, 150.0, "trail")),
        ("bar", (QUIET, (100.0, 100.0, 64.0, 72.0)), (2, 80.0, "trail")),
        ("bar", ((100.0, 104.0, 64.0, 72.0),), (1, 104.0, "trail")),
    ],
)
def test_what_the_trailing_stop_of_a_short_follows(trail_from: str, rows: tuple[Row, ...], expected: Left) -> None:
    assert left({"trailing_stop_pct": 25.0, "trail_from": trail_from}, *rows, side=-1) == expected


def test_a_trailing_stop_does_not_follow_prices_from_before_a_fill_at_the_close() -> None:
    """A quarter below the high of 200, which came before the close of 100, would be 150."""
    rules = {"trailing_stop_pct": 25.0, "fill": "same_close"}
    assert left(rules, QUIET, signal=(100.0, 200.0, 100.0, 100.0)) == (1, 100.0, "open")


def test_a_trailing_stop_through_a_gap_fills_at_the_open() -> None:
    assert left({"trailing_stop_pct": 25.0}, RISING, (100.0, 110.0, 90.0, 95.0)) == (2, 100.0, "trail")


def test_the_tighter_of_stop_loss_and_trailing_stop_counts() -> None:
    rules = {"stop_loss_pct": 12.5, "trailing_stop_pct": 25.0}
    assert left(rules, (100.0, 100.0, 80.0, 90.0)) == (1, 87.5, "stop")
    assert left(rules, RISING, FALLING) == (2, 120.0, "trail")
    assert left({**rules, "stop_loss_pct": 25.0}, (100.0, 100.0, 70.0, 90.0)) == (1, 75.0, "stop")


@pytest.mark.parametrize(
    ("path", "expected"), [("stop_always", (2, 150.0, "target")), ("stop_first", (2, 120.0, "trail"))]
)
def test_a_target_comes_before_a_stop_that_the_bar_has_moved(path: str, expected: Left) -> None:
    rules = {"trailing_stop_pct": 25.0, "take_profit_pct": 50.0, "trail_from": "bar", "bar_path": path}
    assert left(rules, QUIET, RISING) == expected


def test_a_stop_loss_comes_before_the_target_even_if_a_wider_trailing_stop_has_moved() -> None:
    rules = {"stop_loss_pct": 3.125, "trailing_stop_pct": 50.0, "take_profit_pct": 50.0}
    row = (100.0, 160.0, 90.0, 128.0)
    calm = (100.0, 104.0, 98.0, 100.0)
    assert left({**rules, "trail_from": "bar", "bar_path": "stop_always"}, calm, row) == (2, 96.875, "stop")


# Of one bar, the average true range is the true range. Bar 1 spans 4, and gives the signal.


def trailed(rules: dict[str, Any], *rows: Row, first: Row = (100.0, 102.0, 98.0, 100.0)) -> Left:
    bars = ohlc(SIGNAL_BAR, first, *rows)
    values = {**FREE, "atr_bars": 1, "trailing_atr": 2.0, **rules}
    trade = fields(simulate(bars, signals_on(len(bars), entry=[1]), Rules(**values)))
    return trade["exit_bar"], trade["exit_price"], trade["exit_reason"]


def test_a_trailing_stop_of_true_ranges_by_hand() -> None:
    """At 100 - 2 x 4 from the entry on; then at 106 - 2 x 6, since a bar that reaches 106 spans 6."""
    assert trailed({}, (100.0, 104.0, 91.0, 100.0)) == (2, 92.0, "trail")
    assert trailed({}, (100.0, 106.0, 100.0, 104.0), (104.0, 104.0, 93.0, 100.0)) == (3, 94.0, "trail")


def test_a_wider_range_does_not_loosen_a_trailing_stop() -> None:
    """The bar of the entry spans 7: 100 - 14 would be lower than the 92 of before."""
    assert trailed({}, (100.0, 100.0, 93.0, 100.0), (100.0, 100.0, 90.0, 90.0)) == (3, 92.0, "trail")


def test_a_calmer_bar_tightens_a_trailing_stop() -> None:
    """100 - 2 x 1 after a bar that spans 1, though no price was better."""
    assert trailed({}, (100.0, 100.0, 99.0, 99.5), (99.5, 100.0, 95.0, 96.0)) == (3, 98.0, "trail")


def test_a_range_that_is_not_known_yet_is_no_stop() -> None:
    rules = {"atr_bars": 3}
    assert trailed(rules, (100.0, 104.0, 10.0, 100.0), QUIET) == (3, 100.0, "open")


def test_a_stop_of_true_ranges_that_follows_the_bar() -> None:
    """Bar 2 spans 4 and leaves the stop at 102 - 8; bar 3 rises to 120 and falls through 120 - 8, or fell before."""
    rules = {"trail_from": "bar"}
    assert trailed(rules, (100.0, 102.0, 98.0, 100.0), (100.0, 120.0, 96.0, 110.0)) == (3, 112.0, "trail")
    assert trailed({}, (100.0, 102.0, 98.0, 100.0), (100.0, 120.0, 96.0, 110.0)) == (3, 110.0, "open")


def test_at_the_next_close_the_range_of_the_signal_counts_first() -> None:
    """4 of the signal's bar: 100 - 8. The bar of the entry spans 12, which would be 76."""
    rules = {"fill": "next_close"}
    assert trailed(rules, (100.0, 106.0, 94.0, 100.0), (100.0, 100.0, 90.0, 95.0)) == (3, 92.0, "trail")


# Time


@pytest.mark.parametrize(
    ("fill", "bars", "expected"),
    [
        ("next_open", 1, (2, 110.0, "time")),
        ("next_open", 2, (3, 120.0, "time")),
        ("same_close", 2, (2, 114.0, "time")),
        ("next_close", 2, (3, 124.0, "time")),
        ("next_open", 3, (3, 124.0, "open")),
    ],
)
def test_a_time_stop(fill: str, bars: int, expected: Left) -> None:
    rows = (100.0, 104.0, 100.0, 104.0), (110.0, 114.0, 110.0, 114.0), (120.0, 124.0, 120.0, 124.0)
    assert left({"time_stop_bars": bars, "fill": fill}, *rows) == expected


def test_a_signal_at_the_same_fill_has_precedence_over_the_time() -> None:
    assert left({"time_stop_bars": 1}, QUIET, QUIET, exit=[1]) == (2, 100.0, "signal")


def test_a_stop_within_the_bar_comes_before_the_time_at_its_close() -> None:
    rules = {"time_stop_bars": 1, "stop_loss_pct": 25.0, "fill": "same_close"}
    assert left(rules, (100.0, 100.0, 70.0, 90.0)) == (1, 75.0, "stop")


def test_an_entry_signal_does_not_bring_a_position_back_that_has_been_held_for_long_enough() -> None:
    bars = ohlc(*[SIGNAL_BAR] * 5)
    rules = Rules(**FREE, time_stop_bars=1)
    assert fills(simulate(bars, signals_on(5, entry=[0, 1, 2]), rules)) == [(1, 2, "time"), (3, 4, "time")]


def test_time_runs_out_on_a_bar_whose_signals_are_ignored() -> None:
    """The stop of bar 2 makes its signals ignored; what the close of that bar has entered is left one bar later."""
    bars = ohlc(SIGNAL_BAR, QUIET, (100.0, 100.0, 70.0, 100.0), QUIET, QUIET)
    values: dict[str, Any] = {**FREE, "fill": "next_close", "direction": "both", "stop_loss_pct": 25.0}
    signals = signals_on(5, entry=[0], short_entry=[1], short_exit=[])
    rules = Rules(**values, time_stop_bars=1, stop_bar_signals="ignore")
    assert fills(simulate(bars, signals, rules)) == [(1, 2, "stop"), (2, 3, "time")]


# The end

LAST = (120.0, 130.0, 110.0, 125.0)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"at_end": "mark"}, (2, 125.0, "open")),
        ({"at_end": "close"}, (2, 93.75, "end")),
        ({"at_end": "last_open"}, (2, 90.0, "end")),
        ({"at_end": "close", "slippage_on": "entry"}, (2, 125.0, "end")),
        ({"at_end": "last_open", "stop_loss_pct": 8.0}, (2, 86.25, "stop")),
        ({"at_end": "last_open", "take_profit_pct": 3.0}, (2, 128.75, "target")),
        ({"at_end": "last_open", "exit": [1]}, (2, 90.0, "signal")),
    ],
)
def test_a_position_that_is_still_held_at_the_end(rules: dict[str, Any], expected: Left) -> None:
    """Bought at 125 with its slippage of a quarter; the last bar is from 120 to 125."""
    exits = {"exit": rules.pop("exit")} if "exit" in rules else {}
    rules = {**rules, "slippage_pct": 25.0, "stops_from": "next_bar"}
    assert left(rules, (100.0, 120.0, 100.0, 120.0), LAST, **exits) == expected


def test_what_is_closed_at_the_end_pays_for_leaving() -> None:
    for at_end, fees, equity in (("mark", 200.0, 8 * 128.0), ("close", 200.0 + 256.0, 768.0)):
        rules = Rules(**{**FREE, "fee_pct": 25.0}, at_end=at_end)  # type: ignore[arg-type]
        outcome = simulate(ohlc(SIGNAL_BAR, (100.0, 128.0, 100.0, 128.0)), signals_on(2, entry=[0]), rules)
        assert (fields(outcome)["fees"], outcome.equity[-1]) == (fees, equity)


@pytest.mark.parametrize("fill", ["next_open", "same_close", "next_close"])
def test_nothing_is_entered_on_the_last_bar_if_its_open_is_the_end(fill: Any) -> None:
    bars = ohlc(*[SIGNAL_BAR] * 3)
    signals = signals_on(3, entry=[1, 2])
    wanted = [] if fill != "same_close" else [(1, 2, "end")]
    assert fills(simulate(bars, signals, Rules(**FREE, fill=fill, at_end="last_open"))) == wanted
    assert fills(simulate(bars, signals, Rules(**FREE, fill=fill, at_end="close"))) != []


def test_the_last_open_comes_before_a_signal_on_the_last_close() -> None:
    rules = {"fill": "same_close", "at_end": "last_open"}
    assert left(rules, QUIET, LAST, exit=[2]) == (2, 120.0, "end")


# Ruin


def test_a_short_that_has_lost_everything_is_closed_and_nothing_is_entered_any_more() -> None:
    """10 units sold at 100 cost 2000 at a close of 200, which is all there is. A high of 300 alone is not ruin."""
    bars = ohlc(SIGNAL_BAR, (100.0, 300.0, 100.0, 150.0), (150.0, 200.0, 150.0, 200.0), QUIET, QUIET)
    rules = Rules(**FREE, direction="short")
    outcome = simulate(bars, signals_on(5, short_entry=range(5), short_exit=[]), rules)
    assert fills(outcome) == [(1, 2, "ruin")]
    assert outcome.equity.tolist() == [1000.0, 500.0, 0.0, 0.0, 0.0]
    trade = fields(outcome)
    assert (trade["exit_price"], trade["pnl"], trade["return_pct"]) == (200.0, -1000.0, -100.0)
    assert (trade["mae_pct"], trade["mfe_pct"]) == (-200.0, 0.0)


def test_ruin_pays_for_leaving() -> None:
    """8 units sold at 100 and a fee of 200 leave 1600, which is what they cost at 200, and 400 more of a fee."""
    bars = ohlc(SIGNAL_BAR, (100.0, 200.0, 100.0, 200.0), QUIET)
    rules = Rules(**{**FREE, "fee_pct": 25.0}, direction="short")
    outcome = simulate(bars, signals_on(3, short_entry=[0], short_exit=[]), rules)
    assert fills(outcome) == [(1, 1, "ruin")]
    assert outcome.equity.tolist() == [1000.0, -400.0, -400.0]
    assert fields(outcome)["return_pct"] == -140.0


def test_borrowing_alone_may_ruin() -> None:
    bars = ohlc(SIGNAL_BAR, SIGNAL_BAR, SIGNAL_BAR, SIGNAL_BAR)
    rules = Rules(**{**FREE, "borrow_pct": 100.0}, direction="short")
    outcome = simulate(bars, signals_on(4, short_entry=[0], short_exit=[]), rules, bars_per_year=2)
    assert fills(outcome) == [(1, 2, "ruin")]
    assert (fields(outcome)["borrow"], fields(outcome)["pnl"]) == (1000.0, -1000.0)
    assert outcome.equity.tolist() == [1000.0, 500.0, 0.0, 0.0]
