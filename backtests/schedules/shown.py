"""Schedules as their page shows them: what each asks, how it stands, what it has found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from backtests.models import Interval, ScreenRun, Universe
from backtests.schedules.making import schedules_visible_to
from backtests.schedules.models import Outcome, Schedule
from backtests.schedules.notices import told_of
from strategies.formula_strategies import find_class

HISTORY = 10
NEWEST = "newest_outcomes"
# More tickers than these are counted.
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Found:
    """An outcome in words: when, how many match, what is new and gone."""

    outcome: Outcome
    when: str
    counted: str
    compared: str
    new: str
    gone: str


@dataclass(frozen=True, slots=True)
class Card:
    """A schedule with its last outcome and those before."""

    schedule: Schedule
    universe: str
    facts: list[str]
    state: str
    state_label: str
    next: str
    last: Found | None
    earlier: list[Found]


def cards_of(schedules: QuerySet[Schedule]) -> list[Card]:
    """Return schedules as they are shown, with three queries however many there are."""
    outcomes = Outcome.objects.select_related("screen_run", "run").defer("matches").order_by("-pk")[: 1 + HISTORY]
    names = dict(Universe.objects.values_list("slug", "name"))
    found = schedules.prefetch_related(Prefetch("outcomes", queryset=outcomes, to_attr=NEWEST))
    return [_card(schedule, names.get(schedule.universe, "")) for schedule in found]


def outcome_of(run: ScreenRun, user: Any) -> Found | None:
    """Return what a schedule of a user has found, of which a screen is the answer; the newest if there are several."""
    outcomes = Outcome.objects.filter(screen_run=run, schedule__in=schedules_visible_to(user))
    newest = outcomes.select_related("schedule").order_by("-pk").first()
    return found_of(newest, newest.schedule) if newest else None


def _card(schedule: Schedule, universe: str) -> Card:
    found = [found_of(outcome, schedule) for outcome in getattr(schedule, NEWEST)]
    state, label = _state_of(schedule, universe)
    return Card(
        schedule=schedule,
        universe=universe or schedule.universe,
        facts=_facts_of(schedule),
        state=state,
        state_label=label,
        next=_next_of(schedule, universe),
        last=found[0] if found else None,
        earlier=found[1:],
    )


def _facts_of(schedule: Schedule) -> list[str]:
    facts = [str(Interval(schedule.interval).label)]
    if schedule.tickers:
        facts.append(f"{len(schedule.tickers)} chosen symbols")
    if schedule.kind == Schedule.Kind.RUN:
        facts += _parameters_of(schedule)
        if schedule.asked["start_date"]:
            facts.append(f"from {schedule.asked['start_date']}")
    else:
        facts += [f"{key} {value:g}" for key, value in schedule.asked["values"].items()]
    return facts


def _parameters_of(schedule: Schedule) -> list[str]:
    """Return the parameters of a run by their labels, in declared order; those of a strategy that is gone by key."""
    values, strategy = schedule.asked["parameters"], find_class(schedule.asked["strategy"])
    declared = strategy.parameters() if strategy else {}
    ordered = [*(key for key in declared if key in values), *(key for key in values if key not in declared)]
    return [f"{declared[key].label if key in declared else key} {values[key]:g}" for key in ordered]


def _state_of(schedule: Schedule, universe: str) -> tuple[str, str]:
    """Return the state as the pill's colour and its word."""
    if schedule.is_being_asked:
        return "running", "Being asked"
    if schedule.error or not universe:
        return "failed", "Failing" if schedule.is_on else "Failing, off"
    if not schedule.is_on:
        return "paused", "Off"
    return ("queued", "Due") if schedule.due_at is not None else ("complete", "On")


def _next_of(schedule: Schedule, universe: str) -> str:
    if not universe:
        return f"its universe {schedule.universe!r} is gone"
    if not schedule.is_on:
        return "not while it is off"
    if schedule.due_at is None:
        return "after the next import that brings new bars"
    wait_s = max(0.0, (schedule.due_at - timezone.now()).total_seconds())
    return f"in {wait_s:.0f} s, unless more is imported" if wait_s >= 1 else "now"


def found_of(outcome: Outcome, schedule: Schedule) -> Found:
    """Return an outcome in words."""
    outcome.schedule = schedule
    when = _day(outcome.bar_time) or _day(outcome.asked_at)
    if outcome.error or not schedule.is_screen:
        return Found(outcome, when, told_of(outcome), "", "", "")
    return Found(
        outcome,
        when=when,
        counted=f"{outcome.n_matches:,} of {outcome.n_tested:,} match",
        compared="" if outcome.is_first else _compared(outcome),
        new=_listed(outcome.new_tickers),
        gone=_listed(outcome.gone),
    )


def _compared(outcome: Outcome) -> str:
    parts = [f"{len(outcome.new):,} new"] if outcome.new else []
    parts += [f"{len(outcome.gone):,} gone"] if outcome.gone else []
    return f"{', '.join(parts) or 'nothing new'} since {_day(outcome.since)}"


def _listed(tickers: list[str]) -> str:
    more = f" and {len(tickers) - SHOWN} more" if len(tickers) > SHOWN else ""
    return ", ".join(tickers[:SHOWN]) + more


def _day(time: datetime | None) -> str:
    """Return a day as people read it, such as Fri 3 May 2024; of bars within a day the time, too."""
    if time is None:
        return ""
    clock = "" if (time.hour, time.minute) == (0, 0) else f"{time:, %H:%M} UTC"
    return f"{time:%a} {time.day} {time:%b %Y}{clock}"
