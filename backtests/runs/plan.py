"""What a run will test, and how it is cut into chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from django.db.models import Max, Min, Q, Sum

from backtests.models import Interval, PriceBlock, Universe
from backtests.runs.request import bounds_s

# A chunk is saved and shown as a whole: few enough symbols to look alive, few enough bars to take about 50 ms.
MOST_SYMBOLS = 128
MOST_BARS = 1_500_000


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much a run would test: symbols of the universe, those with bars in the range, bars, first and last time."""

    n_symbols: int
    n_with_bars: int
    n_bars: int
    first_time: datetime | None
    last_time: datetime | None


def coverage(
    universe: Universe, *, interval: str, start_date: date | None = None, end_date: date | None = None
) -> Coverage:
    """Return exactly what a run would test: whole blocks by their rows, the ones at the ends by their times."""
    blocks = PriceBlock.objects.filter(symbol__universes=universe, interval=interval)
    start_s, end_s = bounds_s(start_date, end_date)
    inside, partial = Q(), Q(pk__in=[])
    if start_s is not None:
        start = datetime.fromtimestamp(start_s, UTC)
        inside &= Q(first_time__gte=start)
        partial |= Q(first_time__lt=start, last_time__gte=start)
    if end_s is not None:
        end = datetime.fromtimestamp(end_s, UTC)
        inside &= Q(last_time__lt=end)
        partial |= Q(first_time__lt=end, last_time__gte=end)
    whole = blocks.filter(inside).aggregate(n=Sum("n_bars"), first=Min("first_time"), last=Max("last_time"))
    is_ranged = start_s is not None or end_s is not None
    symbols = set(blocks.filter(inside).values_list("symbol_id", flat=True)) if is_ranged else None
    n_bars, times = whole["n"] or 0, [time for time in (whole["first"], whole["last"]) if time]
    for symbol_id, column in blocks.filter(partial).values_list("symbol_id", "time"):
        time = np.frombuffer(column, dtype="<i8")
        first = 0 if start_s is None else int(np.searchsorted(time, start_s))
        last = len(time) if end_s is None else int(np.searchsorted(time, end_s))
        if last > first and symbols is not None:
            symbols.add(symbol_id)
            n_bars += last - first
            times += [datetime.fromtimestamp(int(time[index]), UTC) for index in (first, last - 1)]
    return Coverage(
        n_symbols=universe.symbols.count(),
        n_with_bars=blocks.values("symbol_id").distinct().count() if symbols is None else len(symbols),
        n_bars=n_bars,
        first_time=min(times, default=None),
        last_time=max(times, default=None),
    )


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
