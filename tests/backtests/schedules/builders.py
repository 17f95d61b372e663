"""Schedules and the imports that make them due."""

from __future__ import annotations

from typing import Any

from backtests.models import NewBars, Symbol, Universe
from backtests.prices.store import write_bars
from backtests.schedules.looking import ask_due, ask_now
from backtests.schedules.making import Notice, schedule_screen
from backtests.schedules.models import Outcome, Schedule
from backtests.screens.asking import Asked, checked_screen, store
from tests.backtests.schedules.conftest import N_BARS
from tests.builders import DAY_S, MONDAY_S, make_bars

RISING = "close > close[1]"


def make_schedule(
    universe: Universe, formula: str = RISING, *, owner: Any = None, is_asked: bool = True, **notice: Any
) -> Schedule:
    """Save the schedule of a screen; as on the page, it is asked once, so that there is something to compare with."""
    request, name = checked_screen(Asked(formula, universe.slug))
    made = schedule_screen(store(request, name, owner), Notice(**notice), owner=owner)
    if is_asked:
        ask_now(made.pk)
    return read(made)


def read(schedule: Schedule) -> Schedule:
    return Schedule.objects.get(pk=schedule.pk)


def import_day(closes: dict[str, float], *, day: int = N_BARS, interval: str = "1d") -> None:
    """Store one more bar of some symbols, as an import does."""
    rows = [
        (Symbol.objects.get(ticker=ticker), make_bars([close], start_s=MONDAY_S + day * DAY_S))
        for ticker, close in closes.items()
    ]
    write_bars(rows, interval=interval, source="test")


def ask_all(*, is_settled: bool = True) -> list[Outcome]:
    return list(ask_due(is_settled=is_settled))


def newest(schedule: Schedule) -> Outcome:
    return schedule.outcomes.order_by("-pk")[0]


def noted() -> list[str]:
    """Return the tickers whose newest bars are noted, in the order of the notes."""
    names = dict(Symbol.objects.values_list("pk", "ticker"))
    return [names[pk] for note in NewBars.objects.order_by("pk") for pk in note.symbol_ids]
