"""Where bars and points lie, by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from backtests.runs.execute import CURVE_POINTS
from backtests.runs.statistics import RunStatistics
from backtests.streams.charts import (
    BOTTOM,
    GUTTER,
    LEFT,
    MOST_SECTORS,
    N_BINS,
    RIGHT,
    TOP,
    equity_of,
    histogram_of,
    sectors_of,
)
from tests.backtests.runs.test_statistics import make_row


def with_returns(*returns: float) -> RunStatistics:
    return RunStatistics().add(make_row(f"T{number}", value) for number, value in enumerate(returns))


def curve(first: float, last: float) -> bytes:
    """A straight line between two values."""
    return bytes(np.linspace(first, last, CURVE_POINTS).astype("<f4").tobytes())


def heights(points: str) -> list[float]:
    return [float(point.split(",")[1]) for point in points.split()]


def test_without_a_result_there_is_no_picture() -> None:
    nothing = RunStatistics().add([make_row("AAA", None)])
    assert histogram_of(nothing) is None
    assert equity_of(nothing) is None
    assert sectors_of(nothing) == []


def test_a_histogram_counts_every_symbol_once() -> None:
    random = np.random.default_rng(1)
    for n_symbols in (1, 2, 3, 50, 2000):
        statistics = with_returns(*(40 * random.standard_normal(n_symbols)).tolist())
        histogram = histogram_of(statistics)
        assert histogram is not None
        counts = [int(bar.label.rsplit(": ", 1)[1].replace(",", "")) for bar in histogram.bars]
        assert sum(counts) == n_symbols
        assert max(counts) == int(histogram.most.replace(",", ""))
        assert len(counts) <= N_BINS + 2


def test_the_bars_of_a_histogram_by_hand() -> None:
    # From -20 to 20 in steps of 2: the tallest bar holds two symbols, the bar of 20 begins where that of 18 ends.
    histogram = histogram_of(with_returns(-20.0, 0.0, 1.9, 20.0))
    assert histogram is not None
    assert [bar.label for bar in histogram.bars] == ["−20 % to −18 %: 1", "0 % to +2 %: 2", "+20 % to +22 %: 1"]
    assert [bar.tone for bar in histogram.bars] == ["down", "up", "up"]
    width = (RIGHT - LEFT) / 21
    assert [float(bar.x) for bar in histogram.bars] == pytest.approx(
        [LEFT + 0.5, LEFT + 10 * width + 0.5, LEFT + 20 * width + 0.5], abs=0.06
    )
    tallest = BOTTOM - TOP
    assert [float(bar.height) for bar in histogram.bars] == [tallest / 2, tallest, tallest / 2]
    assert all(float(bar.y) + float(bar.height) == BOTTOM for bar in histogram.bars)
    assert float(histogram.zero) == pytest.approx(LEFT + 10 * width, abs=0.06)
    assert (histogram.low, histogram.high) == ("−20 %", "+22 %")


def test_the_few_that_are_far_off_do_not_flatten_the_others() -> None:
    histogram = histogram_of(with_returns(*(float(number % 40) for number in range(400)), 90_000.0, -99.0))
    assert histogram is not None
    assert len(histogram.bars) >= 15
    assert histogram.bars[-1].label == "+38 % and more: 21"
    assert histogram.bars[0].label.startswith("below +2 %")
    assert histogram.high.endswith("and more")


@pytest.mark.parametrize("value", [0.0, -5.0, 12.5])
def test_symbols_that_are_all_the_same_are_one_bar(value: float) -> None:
    histogram = histogram_of(with_returns(value, value, value))
    assert histogram is not None
    (bar,) = histogram.bars
    assert bar.label.endswith(": 3")


def test_bars_keep_their_edges_while_rows_arrive() -> None:
    statistics = with_returns(*(float(number % 40) for number in range(200)))
    before = histogram_of(statistics)
    after = histogram_of(statistics.add(make_row(f"U{number}", float(number % 40)) for number in range(200)))
    assert before is not None
    assert after is not None
    assert [bar.x for bar in before.bars] == [bar.x for bar in after.bars]


def test_the_equity_curve_is_the_mean_of_all_curves() -> None:
    rows = [
        make_row("AAA", 50.0, 100.0, curve=curve(1.0, 1.5), hold_curve=curve(1.0, 2.0)),
        make_row("BBB", -10.0, 0.0, curve=curve(1.0, 0.9), hold_curve=curve(1.0, 1.0)),
    ]
    equity = equity_of(RunStatistics().add(rows))
    assert equity is not None
    assert (equity.final, equity.hold_final, equity.tone) == ("+20.0 %", "+50.0 %", "up")
    # From 1.0 at the bottom to 1.5 at the top.
    assert heights(equity.points)[0] == BOTTOM == float(equity.start)
    assert heights(equity.points)[-1] == pytest.approx(BOTTOM - 0.4 * (BOTTOM - TOP), abs=0.06)
    assert heights(equity.hold_points)[-1] == TOP == float(equity.hold_end)
    places = [float(point.split(",")[0]) for point in equity.points.split()]
    assert (len(places), places[0], places[-1]) == (CURVE_POINTS, GUTTER, RIGHT)
    assert "it ends at +20.0 %" in equity.summary
    assert "of 2 symbols" in equity.summary


def test_where_only_the_end_of_holding_is_known_no_line_is_invented() -> None:
    rows = [
        make_row("AAA", 50.0, 100.0, curve=curve(1.0, 1.5), hold_curve=curve(1.0, 2.0)),
        make_row("OLD", -10.0, 0.0, curve=curve(1.0, 0.9)),
    ]
    equity = equity_of(RunStatistics().add(rows))
    assert equity is not None
    assert equity.hold_points == ""
    assert float(equity.hold_end) == TOP


def test_a_flat_curve_lies_in_the_middle() -> None:
    equity = equity_of(RunStatistics().add([make_row("AAA", 0.0, 0.0, curve=curve(1.0, 1.0))]))
    assert equity is not None
    assert set(heights(equity.points)) == {(TOP + BOTTOM) / 2}
    assert not re.search(r"nan|inf", equity.points)


def test_sectors_are_bars_from_the_middle_best_first() -> None:
    rows = [
        make_row("AAA", 10.0, sector="Energy"),
        make_row("BBB", 30.0, sector="Energy"),
        make_row("CCC", -10.0, sector="Health"),
    ]
    energy, health = sectors_of(RunStatistics().add(rows))
    assert (energy.name, energy.n_symbols, energy.mean, energy.x, energy.width) == (
        "Energy", "2", "+20.0 %", "50.0", "50.0",
    )  # fmt: skip
    assert (health.name, health.mean, health.x, health.width, health.tone) == (
        "Health", "−10.0 %", "25.0", "25.0", "down",
    )  # fmt: skip


def test_of_many_sectors_the_largest_are_shown_and_one_alone_is_not() -> None:
    rows = [make_row(f"T{n}", float(n), sector=f"S{n // 2}") for n in range(40)]
    rows += [make_row("U", 1.0, sector="S7")]
    shown = sectors_of(RunStatistics().add(rows))
    assert len(shown) == MOST_SECTORS
    assert "S7" in {sector.name for sector in shown}
    assert sectors_of(RunStatistics().add(rows[:2])) == []
