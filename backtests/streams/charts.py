"""The pictures of a run as numbers: where every bar and point lies, and what it says to those who cannot see it.

Templates draw them as SVG without any inline style. Every picture has the same height and about the width that it is
shown at, so that its text is as large as that around it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from backtests.runs.statistics import RunStatistics
from backtests.streams import figures

WIDTH, HEIGHT = 400, 168
LEFT, RIGHT, TOP, BOTTOM = 6, 394, 8, 146
GUTTER = 50  # where the labels of the curves' heights stand
N_BINS = 20
MOST_SECTORS = 12
SECTOR_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram. ``label`` says what it counts."""

    x: str
    y: str
    width: str
    height: str
    tone: str
    label: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many symbols had which return."""

    bars: list[Bar]
    zero: str
    low: str
    high: str
    most: str
    summary: str


@dataclass(frozen=True, slots=True)
class Equity:
    """The curve of an equal part in every symbol, and that of buying and holding the same symbols."""

    points: str
    area: str
    start: str
    hold_points: str
    hold_end: str
    tone: str
    low: str
    high: str
    final: str
    hold_final: str
    n_symbols: str
    summary: str


@dataclass(frozen=True, slots=True)
class Sector:
    """The mean return of a sector's symbols, as a bar from the middle of its line."""

    name: str
    n_symbols: str
    mean: str
    tone: str
    x: str
    width: str


def histogram_of(statistics: RunStatistics) -> Histogram | None:
    """Return the histogram of the returns so far; its first and last bar hold all that lies beyond."""
    ordered = statistics.sorted_returns
    if not ordered:
        return None
    # The few that are far off would leave all others in one bar.
    low, high = ordered[int(0.02 * (len(ordered) - 1))], ordered[math.ceil(0.98 * (len(ordered) - 1))]
    step = _nice_step((high - low) / N_BINS)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    edges = [step * number for number in range(first, last + 1)]
    places = [0, *(bisect_left(ordered, edge) for edge in edges[1:-1]), len(ordered)]
    counts = [after - before for before, after in pairwise(places)]
    most, width = max(counts), (RIGHT - LEFT) / len(counts)
    named = [_signed(edge, step) for edge in edges]
    labels = [f"{after} to {before}" for after, before in pairwise(named)]
    if ordered[0] < edges[0]:
        labels[0] = f"below {named[1]}"
    if ordered[-1] >= edges[-1]:
        labels[-1] = f"{named[-2]} and more"
    bars = [
        Bar(
            x=f"{LEFT + number * width + 0.5:.1f}",
            y=f"{BOTTOM - _height(n / most):.1f}",
            width=f"{max(1.0, width - 1):.1f}",
            height=f"{_height(n / most):.1f}",
            tone="up" if edges[number] >= 0 else "down",
            label=f"{labels[number]}: {n:,}",
        )
        for number, n in enumerate(counts)
        if n
    ]
    zero = LEFT - first * width if first <= 0 <= last else None
    return Histogram(
        bars=bars,
        zero="" if zero is None else f"{zero:.1f}",
        low=named[0] if ordered[0] >= edges[0] else labels[0],
        high=named[-1] if ordered[-1] < edges[-1] else labels[-1],
        most=f"{most:,}",
        summary=(
            f"Histogram of {len(ordered):,} returns from {figures.signed_pct(ordered[0])} to "
            f"{figures.signed_pct(ordered[-1])}, median {figures.signed_pct(statistics.median_return_pct)}"
        ),
    )


def _height(share: float) -> float:
    # One symbol of ten thousand is still seen.
    return max(1.5, share * (BOTTOM - TOP))


def _signed(edge: float, step: float) -> str:
    return figures.signed_pct(edge, max(0, -math.floor(math.log10(step) + 1e-9)))


def _nice_step(least: float) -> float:
    """Return the next number of 1, 2 or 5 times a power of ten: the edges stay where they are while rows arrive."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * (1 - 1e-9))


def equity_of(statistics: RunStatistics) -> Equity | None:
    """Return the equal-weight equity curve of the symbols that have a result, and that of holding them.

    Where only the end of holding is known, it is a mark at the right edge and not an invented line.
    """
    curve, hold_curve = statistics.average_curve, statistics.average_hold_curve
    if curve is None:
        return None
    values = curve.tolist()
    hold = [] if hold_curve is None else hold_curve.tolist()
    hold_pct = statistics.average_hold_return_pct
    hold_end = [] if hold_pct is None else [1.0 + hold_pct / 100]
    shown = [1.0, *values, *hold, *hold_end]
    scale = _Scale(min(shown), max(shown))
    final_pct = 100 * (values[-1] - 1)
    final, hold_final = figures.signed_pct(final_pct), figures.signed_pct(hold_pct)
    points, n_symbols = scale.points(values), f"{len(statistics.returns):,}"
    return Equity(
        points=points,
        area=f"{GUTTER},{scale.y(1.0)} {points} {RIGHT},{scale.y(1.0)}",
        start=scale.y(1.0),
        hold_points=scale.points(hold),
        hold_end=scale.y(hold_end[0]) if hold_end else "",
        tone=figures.tone(final_pct),
        low=figures.signed_pct(100 * (scale.low - 1), 0),
        high=figures.signed_pct(100 * (scale.high - 1), 0),
        final=final,
        hold_final=hold_final,
        n_symbols=n_symbols,
        summary=f"Equity of an equal part in each of {n_symbols} symbols: it ends at {final}, "
        f"buying and holding them ends at {hold_final}",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a value lies in a picture that reaches from the lowest to the highest."""

    low: float
    high: float

    def y(self, value: float) -> str:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return f"{BOTTOM - share * (BOTTOM - TOP):.1f}"

    def points(self, values: Sequence[float]) -> str:
        step = (RIGHT - GUTTER) / (len(values) - 1) if len(values) > 1 else 0.0
        return " ".join(f"{GUTTER + number * step:.1f},{self.y(value)}" for number, value in enumerate(values))


def sectors_of(statistics: RunStatistics) -> list[Sector]:
    """Return the sectors by mean return, best first; the largest of them if there are many, none if there is one."""
    means = statistics.sector_means()
    if len(means) < 2:
        return []
    largest = sorted(means, key=lambda sector: -sector[1])[:MOST_SECTORS]
    widest = max(abs(mean) for _, _, mean in largest) or 1.0
    middle = SECTOR_WIDTH / 2
    sectors = []
    for name, n_symbols, mean in sorted(largest, key=lambda sector: -sector[2]):
        width = abs(mean) / widest * middle
        sectors.append(
            Sector(
                name=name,
                n_symbols=f"{n_symbols:,}",
                mean=figures.signed_pct(mean),
                tone=figures.tone(mean),
                x=f"{middle if mean >= 0 else middle - width:.1f}",
                width=f"{width:.1f}",
            )
        )
    return sectors
