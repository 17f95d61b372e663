from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.template.loader import render_to_string

from backtests.runs.execute import CURVE_POINTS
from backtests.runs.statistics import FIGURE_KEYS, ResultRow
from backtests.streams.figures import NO_VALUE
from backtests.streams.rows import SPARK_HEIGHT, render_rows, sparklines
from tests.backtests.streams.frames import Element, tree

ATTACK = "<script>alert('1')</script>&\"\n\ndata: x"


def curve(*values: float) -> bytes:
    """Return a curve that goes through these values."""
    positions = np.linspace(0, len(values) - 1, CURVE_POINTS)
    return np.interp(positions, np.arange(len(values)), values).astype("<f4").tobytes()


def result(**fields: Any) -> ResultRow:
    given: dict[str, Any] = {
        "sequence": 7,
        "ticker": "AAA",
        "name": "Triple A",
        "sector": "Energy",
        "reason": "",
        "elapsed_us": 120,
        "return_pct": 12.34,
        "buy_hold_return_pct": -5.67,
        "trades": 1234,
        "win_rate_pct": 66.6,
        "max_drawdown_pct": -22.2,
        "sharpe": 1.234,
        "net_profit": 1234.0,
        "curve": curve(1.0, 1.2),
    }
    return ResultRow(**{**given, **fields})


def failed(**fields: Any) -> ResultRow:
    nothing: dict[str, Any] = dict.fromkeys((*FIGURE_KEYS, "net_profit"))
    return result(**{"reason": "too short", "curve": b"", **nothing, **fields})


def row_of(shown: ResultRow) -> Element:
    (html,) = render_rows([shown])
    (row,) = tree(html).children
    assert row.tag == "tr"
    return row


def cells(row: Element) -> list[str]:
    return [cell.text for cell in row.children]


def test_a_row_shows_every_figure() -> None:
    assert cells(row_of(result())) == [
        "7", "AAATriple A", "", "+12.3 %", "−5.7 %", "1,234", "67 %", "−22.2 %", "1.23",
    ]  # fmt: skip


def test_a_row_can_be_found_by_ticker_and_number() -> None:
    row = row_of(result())
    assert row.attributes == {"data-ticker": "AAA", "data-sequence": "7"}


def test_a_row_has_a_cell_for_every_column_of_the_head() -> None:
    head = tree(render_to_string("backtests/_results_head.html", {"columns": [{"key": key} for key in FIGURE_KEYS]}))
    assert len(row_of(result()).children) == len(head.all("th"))
    spans = [int(cell.attributes.get("colspan", "1")) for cell in row_of(failed()).children]
    assert sum(spans) == len(head.all("th"))


def test_the_tone_is_that_of_the_figure() -> None:
    row = row_of(result(return_pct=-1.0, buy_hold_return_pct=0.0))
    assert [cell.attributes["class"] for cell in row.children[3:5]] == ["return down", "hold flat"]
    assert row.all("svg")[0].attributes["class"] == "down"


@pytest.mark.parametrize(
    ("key", "cell"),
    [("buy_hold_return_pct", 4), ("trades", 5), ("win_rate_pct", 6), ("max_drawdown_pct", 7), ("sharpe", 8)],
)
def test_a_figure_without_a_value_is_a_dash(key: str, cell: int) -> None:
    shown = cells(row_of(result(**{key: None})))
    assert [number for number, text in enumerate(shown) if text == NO_VALUE] == [cell]


def test_a_failed_symbol_shows_its_reason_and_no_figures() -> None:
    row = row_of(failed(reason="no bars in the range"))
    assert row.attributes == {"data-ticker": "AAA", "data-sequence": "7", "data-failed": "true"}
    assert cells(row) == ["7", "AAATriple A", "No result no bars in the range"]


def test_rows_keep_their_order_and_their_own_curves() -> None:
    shown = [
        result(sequence=1, curve=curve(1.0, 2.0)),
        failed(sequence=2),
        result(sequence=3, curve=curve(1.0, 0.5)),
        result(sequence=4, curve=curve(1.0, 2.0)),
    ]
    rows = [tree(html).children[0] for html in render_rows(shown)]
    points = [line.attributes["points"] for row in rows for line in row.all("polyline")]
    assert [row.attributes["data-sequence"] for row in rows] == ["1", "2", "3", "4"]
    assert len(points) == 3
    assert points[0] == points[2] != points[1]
    assert render_rows([]) == []


@pytest.mark.parametrize("shown", [result, failed])
@pytest.mark.parametrize("field", ["ticker", "name", "reason"])
def test_text_from_outside_is_shown_as_text(shown: Any, field: str) -> None:
    (html,) = render_rows([shown(**{"reason": "" if shown is result else "bad", field: ATTACK})])
    assert "\n" not in html
    row = tree(html)
    assert row.all("script") == []
    if not (shown is result and field == "reason"):
        assert "<script>alert('1')</script>&\" data: x" in row.text


@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n", "\u2028", "\x0b"])
def test_a_row_is_one_line_whatever_is_in_it(break_: str) -> None:
    text = f"a{break_}b"
    for html in render_rows([result(name=text, ticker=text), failed(reason=text)]):
        assert len(html.splitlines()) == 1


def heights(points: str) -> list[int]:
    pairs = [point.split(",") for point in points.split(" ")]
    assert [int(x) for x, _ in pairs] == list(range(CURVE_POINTS))
    return [int(y) for _, y in pairs]


@pytest.mark.parametrize(
    "values",
    [(1.0, 1.1), (1.0, 0.0), (1.0, 1e9), (0.5, 0.9), (3.0, 2.0), (1.0, 0.999999), (1.0, 2.0, 0.1, 5.0)],
    ids=str,
)
def test_a_sparkline_stays_inside_its_box_and_uses_all_of_it(values: tuple[float, ...]) -> None:
    (points,), (baseline,) = sparklines([curve(*values)])
    reached = [*heights(points), int(baseline)]
    assert min(reached) == 2
    assert max(reached) == SPARK_HEIGHT - 2


def test_a_sparkline_rises_with_the_equity_and_starts_at_the_cash() -> None:
    (points,), (baseline,) = sparklines([curve(1.0, 3.0)])
    assert heights(points) == sorted(heights(points), reverse=True)
    assert heights(points)[0] == int(baseline) == SPARK_HEIGHT - 2
    assert heights(points)[-1] == 2


def test_the_baseline_lies_at_the_cash_when_the_equity_never_does() -> None:
    (_,), (baseline,) = sparklines([curve(0.5, 0.8)])
    assert baseline == "2"
    (_,), (baseline,) = sparklines([curve(1.5, 2.0)])
    assert baseline == str(SPARK_HEIGHT - 2)


def test_a_flat_curve_lies_in_the_middle() -> None:
    (points,), (baseline,) = sparklines([curve(1.0, 1.0)])
    assert set(heights(points)) == {SPARK_HEIGHT // 2}
    assert baseline == str(SPARK_HEIGHT // 2)


def test_curves_drawn_together_are_those_drawn_alone() -> None:
    curves = [curve(1.0, 2.0), curve(1.0, 1.0), curve(1.0, 0.2, 4.0)]
    points, baselines = sparklines(curves)
    alone = [sparklines([one]) for one in curves]
    assert points == [lines[0] for lines, _ in alone]
    assert baselines == [base[0] for _, base in alone]
    assert sparklines([]) == ([], [])
