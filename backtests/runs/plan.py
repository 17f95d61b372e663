"""What a run will test, and how it is cut into chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from django.db.models import Max, Min, Q, Sum

from backtests.models import Interval, PriceBlock, Universe
from backtests.runs.request import bounds_s

# A chunk is saved and shown as a whole: few enough symbols to look alive, few enough bars to take some 20 ms and no
# memory to speak of.
MOST_SYMBOLS = 128
MOST_BARS = 400_000


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much a run would test: symbols of the universe, those with bars enough, bars, first and last time."""

    n_symbols: int
    n_testable: int
    n_bars: int
    first_time: datetime | None
    last_time: datetime | None


def coverage(
    universe: Universe,
    *,
    interval: str,
    start_date: date | None = None,
    end_date: date | None = None,
    least_bars: int = 1,
) -> Coverage:
    """Return exactly what a run would test: whole blocks by their rows, the ones at the ends by their times.

    Symbols with fewer than ``least_bars`` bars in the range cannot be tested, and their bars do not count.
    """
    blocks = PriceBlock.objects.filter(symbol__universes=universe, interval=interval)
    start_s, end_s = bounds_s(start_date, end_date)
    inside, partial = _inside_and_partial(start_s, end_s)
    spans: dict[int, list[tuple[int, datetime, datetime]]] = {}
    whole = blocks.filter(inside).order_by().values("symbol_id")
    for row in whole.annotate(n=Sum("n_bars"), first=Min("first_time"), last=Max("last_time")):
        spans.setdefault(row["symbol_id"], []).append((row["n"], row["first"], row["last"]))
    for symbol_id, column in blocks.filter(partial).values_list("symbol_id", "time"):
        time = np.frombuffer(column, dtype="<i8")
        first = 0 if start_s is None else int(np.searchsorted(time, start_s))
        last = len(time) if end_s is None else int(np.searchsorted(time, end_s))
        if last > first:
            ends = [datetime.fromtimestamp(int(time[index]), UTC) for index in (first, last - 1)]
            spans.setdefault(symbol_id, []).append((last - first, ends[0], ends[1]))
    testable = [parts for parts in spans.values() if sum(n for n, _, _ in parts) >= least_bars]
    return Coverage(
        n_symbols=universe.symbols.count(),
        n_testable=len(testable),
        n_bars=sum(n for parts in testable for n, _, _ in parts),
        first_time=min((first for parts in testable for _, first, _ in parts), default=None),
        last_time=max((last for parts in testable for _, _, last in parts), default=None),
    )


def _inside_and_partial(start_s: int | None, end_s: int | None) -> tuple[Q, Q]:
    """Return the conditions of blocks that lie within the range, and of those that reach into it from outside."""
    inside, partial = Q(), Q(pk__in=[])
    if start_s is not None:
        start = datetime.fromtimestamp(start_s, UTC)
        inside &= Q(first_time__gte=start)
        partial |= Q(first_time__lt=start, last_time__gte=start)
    if end_s is not None:
        end = datetime.fromtimestamp(end_s, UTC)
        inside &= Q(last_time__lt=end)
        partial |= Q(first_time__lt=end, last_time__gte=end)
    return inside, partial


def stored_intervals(universe: Universe | None) -> list[str]:
    """Return the intervals that a universe has bars of, daily first, then from short to long."""
    stored = PriceBlock.objects.filter(symbol__universes=universe).order_by()
    found = set(stored.values_list("interval", flat=True).distinct())
    ordered = [str(value) for value in Interval.values if value in found]
    return sorted(ordered, key=lambda interval: interval != Interval.DAY_1)


def chunks_of(symbol_ids: Sequence[int], *, bars_per_symbol: float) -> list[list[int]]:
    """Cut symbols into chunks of 1, 2, 4, 8 ... so that the first row is immediate, up to the size that is worth it."""
    largest = max(1, min(MOST_SYMBOLS, int(MOST_BARS / max(1.0, bars_per_symbol))))
    chunks, first, size = [], 0, 1
    while first < len(symbol_ids):
        chunks.append(list(symbol_ids[first : first + size]))
        first += size
        size = min(size * 2, largest)
    return chunks
