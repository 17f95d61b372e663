"""Charts as the page shows them: a figure for each symbol, with its pictures and what they say in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from django.template.loader import render_to_string
from django.urls import reverse

from backtests.prices.importers.rows import INTERVAL_S
from backtests.screens.candles import FEWEST_SLOTS, Candles, draw, draw_pane, pane_range, range_of
from backtests.screens.charting import Chart, moment_of, title_of
from backtests.screens.overlays import Lines, lines_of
from backtests.screens.table import number
from backtests.streams.fragments import one_line
from strategies.formula import Program
from strategies.formula.program import DAY_S

# So many prices and days stand along the sides of a large chart.
TICKS = 5


def figures_of(charts: Iterable[Chart], *, run_id: str = "") -> list[dict[str, Any]]:
    """Return the symbols of charts, each with its pictures or reasons; those of a screen lead to their symbol."""
    figures: dict[str, dict[str, Any]] = {}
    for chart in charts:
        address = reverse("screen-symbol", args=[run_id, chart.ticker]) if run_id else ""
        figure = figures.setdefault(
            chart.ticker, {"ticker": chart.ticker, "name": chart.name, "address": address, "charts": []}
        )
        figure["charts"].append(
            {"title": title_of(chart.resolution), "svg": _svg(chart), "reason": chart.reason, "chart": chart}
        )
    return list(figures.values())


def drawn_figures(charts: Sequence[Chart], *, run_id: str) -> dict[str, bytes]:
    """Return the figure of each symbol as it is sent, on one line."""
    return {
        figure["ticker"]: one_line(render_to_string("screens/_charts.html", {"figures": [figure]})).encode()
        for figure in figures_of(charts, run_id=run_id)
    }


def large_figure(charts: Sequence[Chart], program: Program) -> dict[str, Any]:
    """Return the figure of one symbol with scales at the sides, and with panes for the lines that are no prices."""
    (figure,) = figures_of(charts)
    lines = lines_of(program)
    for each in figure["charts"]:
        candles: Candles | None = each["chart"].candles
        if candles is not None and len(candles):
            each |= {
                "prices": _scale(*range_of(candles)),
                "days": _days(each["chart"], candles),
                "panes": _panes(each, lines),
            }
    return figure


def legend_of(program: Program) -> list[str]:
    """Return what the lines over the candles are, in the order of their colours."""
    return [part.label for part in lines_of(program).prices]


def _svg(chart: Chart) -> str:
    return draw(chart.candles, label=escape(_told(chart, chart.candles))) if chart.candles is not None else ""


def _told(chart: Chart, candles: Candles) -> str:
    """Return what a chart shows, for those who do not see it."""
    told = f"{chart.ticker}, {title_of(chart.resolution)} candles"
    if not len(candles):
        return told
    first, last = (_moment(chart, int(time_s)) for time_s in (candles.time[0], candles.time[-1]))
    told += f" from {first} to {last}, last close"
    told += f" {number(float(candles.close[-1]))}, between {' and '.join(map(number, range_of(candles)))}"
    if candles.entries is not None and candles.exits is not None:
        return f"{told}; {int(candles.entries.sum())} bars with an entry, {int(candles.exits.sum())} with an exit"
    if candles.marks is None:
        return told
    matching = np.flatnonzero(candles.marks)
    if not len(matching):
        return f"{told}; no match among {len(candles)} bars"
    last = _moment(chart, int(candles.time[matching[-1]]))
    return f"{told}; {len(matching)} of {len(candles)} bars match, the last on {last}"


def _moment(chart: Chart, time_s: int) -> str:
    return moment_of(time_s, INTERVAL_S.get(chart.resolution, DAY_S))


def _scale(low: float, high: float) -> list[str]:
    return [number(float(value)) for value in np.linspace(high, low, TICKS)]


def _days(chart: Chart, candles: Candles) -> list[str]:
    places = np.linspace(0, max(len(candles), FEWEST_SLOTS) - 1, TICKS).astype(int).tolist()
    return [_moment(chart, int(candles.time[place])) if place < len(candles) else "" for place in places]


def _panes(figure: dict[str, Any], lines: Lines) -> list[dict[str, Any]]:
    candles, title = figure["chart"].candles, f"{figure['chart'].ticker}, {figure['title']}"
    panes = []
    for part, values in zip(lines.others, candles.panes, strict=False):
        low, high = pane_range(values)
        last = number(float(values[-1]) if np.isfinite(values[-1]) else None)
        label = escape(f"{title} {part.label}: now {last}, between {number(low)} and {number(high)}")
        panes.append({"label": part.label, "svg": draw_pane(values, label=label), "scale": [number(high), number(low)]})
    return panes
