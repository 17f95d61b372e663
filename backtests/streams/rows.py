"""Results as table rows.

The row template is rendered once, with a mark in place of every figure, and cut at the marks; a row is then a join of
the pieces. That is ten times faster than rendering the template, and leaves one template for page and stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape

import numpy as np
from django.template.loader import render_to_string

from backtests.runs.execute import CURVE_POINTS
from backtests.runs.statistics import ResultRow
from backtests.streams import figures

SPARK_HEIGHT = 40

_FIELDS = (
    "sequence", "ticker", "name", "points", "baseline", "tone", "return", "hold_tone", "hold",
    "trades", "win_rate", "drawdown", "sharpe",
)  # fmt: skip
_FAILED_FIELDS = ("sequence", "ticker", "name", "reason")
_MARK = "\x02{}\x03"


def render_rows(rows: Sequence[ResultRow]) -> list[str]:
    """Return the HTML of each result's table row, each on one line."""
    good = [row for row in rows if row.return_pct is not None]
    sparks = iter(zip(*sparklines([row.curve for row in good]), strict=True))
    result, failure = _pieces("backtests/_row.html", _FIELDS), _pieces("backtests/_row_failed.html", _FAILED_FIELDS)
    html = []
    for row in rows:
        if row.return_pct is None:
            values = {
                "sequence": str(row.sequence),
                "ticker": _text(row.ticker),
                "name": _text(row.name),
                "reason": _text(row.reason),
            }
            html.append(_join(failure, values))
        else:
            html.append(_join(result, _figures(row, *next(sparks))))
    return html


def sparklines(curves: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """Return the points of each curve for an SVG polyline, and the height at which each curve's 1 (the cash) lies.

    A point is two digits for x, two for y, so that the points of all curves are one array of characters.
    """
    if not curves:
        return [], []
    values = np.frombuffer(b"".join(curves), dtype="<f4").reshape(len(curves), CURVE_POINTS).astype(np.float64)
    low = np.minimum(values.min(axis=1), 1.0)[:, None]
    high = np.maximum(values.max(axis=1), 1.0)[:, None]
    span = np.where(high > low, high - low, 1.0)
    heights = (SPARK_HEIGHT - 2 - (values - low) / span * (SPARK_HEIGHT - 4)).round().astype(np.int64)
    flat = (high == low)[:, 0]
    heights[flat] = SPARK_HEIGHT // 2
    characters = np.empty((len(curves), CURVE_POINTS, 6), dtype=np.uint8)
    x = np.arange(CURVE_POINTS)
    for column, digit in enumerate((x // 10 + 48, x % 10 + 48, 44, heights // 10 + 48, heights % 10 + 48, 32)):
        characters[:, :, column] = digit
    text = characters.tobytes().decode("ascii")
    width = CURVE_POINTS * 6
    baselines = (SPARK_HEIGHT - 2 - (1.0 - low) / span * (SPARK_HEIGHT - 4)).round().astype(np.int64)[:, 0]
    baselines[flat] = SPARK_HEIGHT // 2
    return [text[i * width : (i + 1) * width - 1] for i in range(len(curves))], [str(y) for y in baselines.tolist()]


def _figures(row: ResultRow, points: str, baseline: str) -> dict[str, str]:
    return {
        "sequence": str(row.sequence),
        "ticker": _text(row.ticker),
        "name": _text(row.name),
        "points": points,
        "baseline": baseline,
        "tone": figures.tone(row.return_pct),
        "return": figures.signed_pct(row.return_pct),
        "hold_tone": figures.tone(row.buy_hold_return_pct),
        "hold": figures.signed_pct(row.buy_hold_return_pct),
        "trades": figures.count(row.trades),
        "win_rate": figures.pct(row.win_rate_pct),
        "drawdown": figures.signed_pct(row.max_drawdown_pct),
        "sharpe": figures.ratio(row.sharpe),
    }


def _text(value: str) -> str:
    # A line break would end the stream's line, and with it the row.
    return " ".join(escape(value).split())


@cache
def _pieces(template: str, names: tuple[str, ...]) -> list[str]:
    """Return the rendered template cut at its marks: text and field names in turn."""
    html = render_to_string(template, {"row": {name: _MARK.format(name) for name in names}})
    one_line = re.sub(r"\s*\n\s*", "", html)
    return re.split("\x02(.*?)\x03", one_line)


def _join(pieces: list[str], values: Mapping[str, str]) -> str:
    filled = pieces.copy()
    filled[1::2] = [values[name] for name in pieces[1::2]]
    return "".join(filled)
