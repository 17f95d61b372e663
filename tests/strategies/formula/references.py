"""The language once more, slowly and in plain Python: a list holds a value for each bar, None where it is unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from strategies.bars import Bars
from tests.builders import DAY_S
from tests.strategies.indicators.slow_levels import slow_outputs

Values = Sequence[Any]

FIELDS = ("open", "high", "low", "close", "volume")


class Columns:
    """The bars of one symbol as plain lists, and how one asks for its indicators."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.time: list[int] = bars.time.tolist()
        self.open, self.high, self.low, self.close, self.volume = (
            list(getattr(bars, name).tolist()) for name in FIELDS
        )

    def __len__(self) -> int:
        return len(self.time)

    def indicator(self, key: str, inputs: str, part: int = 0, **settings: float) -> list[Any]:
        """An output of an indicator of fields, by its slow twin."""
        found = slow_outputs(key, [getattr(self.bars, name) for name in inputs.split()], **settings)[part]
        return [None if math.isnan(value) else value for value in found.tolist()]


def each(compute: Callable[..., Any], *series: Values) -> list[Any]:
    """A computation bar by bar, unknown where one of its values is."""
    return [None if None in row else compute(*row) for row in zip(*series, strict=True)]


def ago(values: Values, n_bars: int) -> list[Any]:
    return [values[t - n_bars] if t >= n_bars else None for t in range(len(values))]


def both(one: Values, other: Values) -> list[Any]:
    return [False if False in row else None if None in row else True for row in zip(one, other, strict=True)]


def either(one: Values, other: Values) -> list[Any]:
    return [True if True in row else None if None in row else False for row in zip(one, other, strict=True)]


def negated(values: Values) -> list[Any]:
    return [None if value is None else not value for value in values]


def chosen(condition: Values, then: Values, otherwise: Values) -> list[Any]:
    rows = zip(condition, then, otherwise, strict=True)
    return [None if which is None else one if which else other for which, one, other in rows]


def windows(values: Values, n_bars: int) -> list[list[Any]]:
    """The last so many values of each bar, None standing for those before the first."""
    padded = [*[None] * (n_bars - 1), *values]
    return [padded[t : t + n_bars] for t in range(len(values))]


def within(n_bars: int, values: Values) -> list[Any]:
    return [True if True in rows else None if None in rows else False for rows in windows(values, n_bars)]


def throughout(n_bars: int, values: Values) -> list[Any]:
    return [False if False in rows else None if None in rows else True for rows in windows(values, n_bars)]


def count(values: Values, n_bars: int) -> list[Any]:
    return [None if None in rows else float(rows.count(True)) for rows in windows(values, n_bars)]


def total(values: Values, n_bars: int) -> list[Any]:
    return [None if None in rows else math.fsum(rows) for rows in windows(values, n_bars)]


def since(values: Values) -> list[Any]:
    found: list[Any] = []
    for t in range(len(values)):
        hits = [t - before for before in range(t + 1) if values[before] is True]
        found.append(float(min(hits)) if hits else None)
    return found


def value_when(condition: Values, values: Values) -> list[Any]:
    return [None if bars is None else values[t - int(bars)] for t, bars in enumerate(since(condition))]


def above(one: Values, other: Values) -> list[Any]:
    return each(lambda a, b: a > b, one, other)


def over(values: Values, level: float) -> list[Any]:
    return each(lambda value: value > level, values)


def crossover(one: Values, other: Values) -> list[Any]:
    return each(
        lambda a, b, before, other_before: a > b and before <= other_before, one, other, ago(one, 1), ago(other, 1)
    )


def rising(values: Values, n_bars: int) -> list[Any]:
    return throughout(n_bars, above(values, ago(values, 1)))


def on_outer_bars(
    columns: Columns,
    compute: Callable[[Columns], list[Any]],
    *,
    outer: str = "weekly",
    market: str = "stocks",
    interval_s: int = DAY_S,
) -> list[Any]:
    """What is computed on weekly or monthly bars, as of the last that is over at the end of each bar."""
    found: list[Any] = []
    for t in range(len(columns)):
        groups: dict[Any, list[int]] = {}
        for number in range(t + 1):
            groups.setdefault(_key(columns.time[number], outer, market), []).append(number)
        keys = list(groups)
        follows = _key(columns.time[t] + interval_s, outer, market)
        is_told = market == "crypto" or (market == "stocks" and interval_s == DAY_S)
        if not (is_told and follows != keys[-1]):
            keys = keys[:-1]
        values = compute(_gathered(columns, [groups[key] for key in keys])) if keys else []
        found.append(values[-1] if values else None)
    return found


def _key(time_s: int, outer: str, market: str) -> tuple[int, int]:
    day = datetime.fromtimestamp(time_s, UTC).date()
    while market != "crypto" and day.isoweekday() > 5:
        day += timedelta(days=1)
    return day.isocalendar()[:2] if outer == "weekly" else (day.year, day.month)


def _gathered(columns: Columns, groups: list[list[int]]) -> Columns:
    return Columns(
        Bars.of(
            time=[columns.time[group[0]] for group in groups],
            open=[columns.open[group[0]] for group in groups],
            high=[max(columns.high[t] for t in group) for group in groups],
            low=[min(columns.low[t] for t in group) for group in groups],
            close=[columns.close[group[-1]] for group in groups],
            volume=[math.fsum(columns.volume[t] for t in group) for group in groups],
        )
    )


def of_another(columns: Columns, other: Columns, values: Values) -> list[Any]:
    """Values of another symbol's bars, as of its last bar that does not begin later than each of these."""
    found: list[Any] = []
    for time_s in columns.time:
        places = [place for place, other_s in enumerate(other.time) if other_s <= time_s]
        found.append(values[places[-1]] if places else None)
    return found


def among(market: Sequence[Columns], values: Sequence[Values], compute: Callable[..., Any]) -> list[list[Any]]:
    """A value of each bar from its own one and those of all symbols at the same time."""
    at: dict[int, list[Any]] = {}
    for columns, own in zip(market, values, strict=True):
        for time_s, value in zip(columns.time, own, strict=True):
            if value is not None:
                at.setdefault(time_s, []).append(value)
    return [
        [None if value is None else compute(value, at[time_s]) for time_s, value in zip(columns.time, own, strict=True)]
        for columns, own in zip(market, values, strict=True)
    ]


def place_from_above(value: float, all_values: list[float]) -> float:
    return 1.0 + sum(other > value for other in all_values)


def share_below(value: float, all_values: list[float]) -> float | None:
    others = len(all_values) - 1
    return 100.0 * sum(other < value for other in all_values) / others if others else None
