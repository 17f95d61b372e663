"""Candles as compact SVG: a chart of 300 bars with volume, overlays and a mark is some 16 KB.

Everything is drawn in units of a picture of 600 x 200, as paths by colour: rising and falling bodies, wicks and
volume. Styles are in static/css/screens.css.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies.bars import BoolArray, FloatArray, IntArray

WIDTH, HEIGHT = 600, 200
PRICE_BOTTOM, VOLUME_TOP = 158, 164
TOP = 6
PANE_HEIGHT = 60
# A difference of larger values may be more than a computer holds.
LARGEST = 1e300
# A chart of fewer bars does not fill the picture.
FEWEST_SLOTS = 60


@dataclass(frozen=True, slots=True)
class Candles:
    """What one chart shows: bars of one interval, lines over and below them, and on which the formula was true."""

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    overlays: tuple[FloatArray, ...] = ()
    panes: tuple[FloatArray, ...] = ()
    marks: BoolArray | None = None
    entries: BoolArray | None = None
    exits: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.time)


def draw(candles: Candles, *, label: str) -> str:
    """Return the chart as an SVG element; ``label``, which is escaped already, says what it shows."""
    n_bars = len(candles)
    if n_bars == 0:
        return f'<p class="no-chart">No bars for {label}.</p>'
    step, x = WIDTH / max(n_bars, FEWEST_SLOTS), _places(n_bars)
    low, high = range_of(candles)
    y = {name: _heights(getattr(candles, name), low, high) for name in ("open", "high", "low", "close")}
    rises = candles.close >= candles.open
    parts = [
        f'<svg class="candles" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}">',
        *_bars(x, y, rises, width=step * 0.7),
        *_volumes(x, candles.volume, rises, width=step * 0.7),
    ]
    for number, line in enumerate(candles.overlays):
        parts.append(f'<path class="line line-{number}" d="{_line(x, _heights(line, low, high), line)}"/>')
    if candles.marks is not None:
        parts += _marks("mark", x, y["low"], candles.marks)
    if candles.entries is not None and candles.exits is not None:
        parts += _marks("entry", x, y["low"], candles.entries)
        parts += _marks("exit", x, y["high"], candles.exits)
    return "".join([*parts, "</svg>"])


def range_of(candles: Candles) -> tuple[float, float]:
    """Return the prices at the bottom and the top of a chart."""
    low, high = float(candles.low.min()), float(candles.high.max())
    return (low, high) if high > low else (low * 0.99, high * 1.01 or 1.0)


def draw_pane(values: FloatArray, *, label: str) -> str:
    """Return a line with a scale of its own, to stand below a chart of as many bars."""
    values = np.where(np.abs(values) < LARGEST, values, np.nan)
    low, high = pane_range(values)
    shares = (np.nan_to_num(values, nan=low) - low) / (high - low)
    heights = np.round(PANE_HEIGHT - 3 - shares * (PANE_HEIGHT - 6)).astype(np.int64)
    return (
        f'<svg class="pane" viewBox="0 0 {WIDTH} {PANE_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}"><path class="line" d="{_line(_places(len(values)), heights, values)}"/></svg>'
    )


def pane_range(values: FloatArray) -> tuple[float, float]:
    """Return the values at the bottom and the top of a pane; of none that is known any."""
    known = values[np.abs(values) < LARGEST]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _places(n_bars: int) -> FloatArray:
    places: FloatArray = np.round((np.arange(n_bars) + 0.5) * (WIDTH / max(n_bars, FEWEST_SLOTS)), 1)
    return places


def _heights(values: FloatArray, low: float, high: float) -> IntArray:
    shares = np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), -0.05, 1.05)
    heights: IntArray = np.round(PRICE_BOTTOM - shares * (PRICE_BOTTOM - TOP)).astype(np.int64)
    return heights


def _bars(x: FloatArray, y: dict[str, IntArray], rises: BoolArray, *, width: float) -> list[str]:
    top, bottom = np.minimum(y["open"], y["close"]), np.maximum(y["open"], y["close"])
    bottom = np.maximum(bottom, top + 1)
    parts = []
    for tone, chosen in (("up", rises), ("down", ~rises)):
        parts.append(f'<path class="wick {tone}" d="{_strokes(x, y["high"], y["low"], chosen)}"/>')
        parts.append(
            f'<path class="body {tone}" stroke-width="{max(width, 0.8):.1f}" d="{_strokes(x, top, bottom, chosen)}"/>'
        )
    return parts


def _volumes(x: FloatArray, volume: FloatArray, rises: BoolArray, *, width: float) -> list[str]:
    most = float(volume.max())
    if most <= 0:
        return []
    top = np.round(HEIGHT - (HEIGHT - VOLUME_TOP) * volume / most).astype(np.int64)
    bottom = np.full(len(x), HEIGHT)
    return [
        f'<path class="volume {tone}" stroke-width="{max(width, 0.8):.1f}" d="{_strokes(x, top, bottom, chosen)}"/>'
        for tone, chosen in (("up", rises), ("down", ~rises))
    ]


def _strokes(x: FloatArray, first: IntArray, last: IntArray, chosen: BoolArray) -> str:
    columns = zip(x[chosen].tolist(), first[chosen].tolist(), last[chosen].tolist(), strict=True)
    return "".join([f"M{left:g} {top}V{bottom}" for left, top, bottom in columns])


def _line(x: FloatArray, y: IntArray, values: FloatArray) -> str:
    """Return a line through the known values, broken where one is unknown."""
    known = ~np.isnan(values)
    begins = known & ~np.concatenate(([False], known[:-1]))
    columns = zip(x[known].tolist(), y[known].tolist(), begins[known].tolist(), strict=True)
    return "".join([f"{'M' if begin else 'L'}{left:g} {top}" for left, top, begin in columns])


def _marks(kind: str, x: FloatArray, y: IntArray, marks: BoolArray) -> list[str]:
    """Return triangles under the marked bars; those of exits stand on top of theirs and point down."""
    columns: Sequence[tuple[float, int]] = list(zip(x[marks].tolist(), y[marks].tolist(), strict=True))
    if not columns:
        return []
    if kind == "exit":
        path = "".join([f"M{left:g} {max(top - 3, TOP)}l-3 -6h6z" for left, top in columns])
    else:
        path = "".join([f"M{left:g} {min(bottom + 3, PRICE_BOTTOM)}l-3 6h6z" for left, bottom in columns])
    return [f'<path class="{kind}" d="{path}"/>']
