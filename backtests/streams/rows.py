"""Results as table rows.

The row template is rendered once, with a mark in place of every figure, and becomes a pattern that a row's figures are
put into. That is ten times faster than rendering the template, and leaves one template for page and stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from html import escape
from urllib.parse import quote

import numpy as np
from django.template.loader import render_to_string

from backtests.runs.execute import CURVE_POINTS
from backtests.runs.statistics import ResultRow
from backtests.streams import figures

# The table shows so many rows at a time; a stream adds rows only while the first page has room.
ROWS_A_PAGE = 1000

SPARK_HEIGHT = 40
CACHED = '<span class="cached" title="Taken from an earlier run of the same thing on the same bars">cached</span>'

_FIELDS = (
    "sequence", "ticker", "name", "points", "baseline", "tone", "return", "hold_tone", "hold",
    "trades", "win_rate", "drawdown", "sharpe", "cached", "address",
)  # fmt: skip
_FAILED_FIELDS = ("sequence", "ticker", "name", "reason")
_MARK = "\x02{}\x03"


def render_rows(rows: Sequence[ResultRow]) -> list[str]:
    """Return the HTML of each result's table row, each on one line."""
    good = [row for row in rows if row.return_pct is not None]
    sparks = iter(zip(*sparklines([row.curve for row in good]), strict=True))
    result, failure = _pattern("backtests/_row.html", _FIELDS), _pattern("backtests/_row_failed.html", _FAILED_FIELDS)
    html = []
    for row in rows:
        if row.return_pct is None:
            html.append(failure.format(row.sequence, _text(row.ticker), _text(row.name), _text(row.reason)))
        else:
            html.append(result.format(*_figures(row, *next(sparks))))
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


def _figures(row: ResultRow, points: str, baseline: str) -> tuple[int | str, ...]:
    """Return the values of _FIELDS."""
    return (
        row.sequence,
        _text(row.ticker),
        _text(row.name),
        points,
        baseline,
        figures.tone(row.return_pct),
        figures.signed_pct(row.return_pct),
        figures.tone(row.buy_hold_return_pct),
        figures.signed_pct(row.buy_hold_return_pct),
        figures.count(row.trades),
        figures.pct(row.win_rate_pct),
        figures.signed_pct(row.max_drawdown_pct),
        figures.ratio(row.sharpe),
        CACHED if row.is_cached else "",
        _address(row.ticker),
    )


# Symbols are the same in all runs.
@lru_cache(maxsize=32_768)
def _text(value: str) -> str:
    # A line break would end the stream's line, and with it the row.
    return " ".join(escape(value).split())


@lru_cache(maxsize=32_768)
def _address(ticker: str) -> str:
    """Return a ticker as a part of an address."""
    return escape(quote(ticker))


@cache
def _pattern(template: str, names: tuple[str, ...]) -> str:
    """Return the rendered template with the places of its fields, by number, for ``str.format``."""
    html = render_to_string(template, {"row": {name: _MARK.format(name) for name in names}})
    one_line = re.sub(r"\s*\n\s*", "", html).replace("{", "{{").replace("}", "}}")
    return re.sub("\x02(.*?)\x03", lambda mark: f"{{{names.index(mark[1])}}}", one_line)
