"""Who is told of what a schedule has found: an e-mail, a webhook, and the page's bell.

Runs that a schedule has started tell of their end themselves, as all runs do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from backtests.delivery import Message, start_delivery
from backtests.models import Universe
from backtests.runs.chunks import writing
from backtests.schedules.models import Outcome
from backtests.streams import figures

RECENT = timedelta(days=7)
# More new matches than these are counted in a mail, and listed by the page that it leads to.
SHOWN = 40


def notify_outcomes() -> list[threading.Thread]:
    """Tell whoever wants to know of outcomes that are news; return the threads that do it."""
    is_wanted = ~Q(schedule__notify_email="") | ~Q(schedule__notify_url="")
    untold = Outcome.objects.filter(is_wanted, is_news=True, notified_at=None)
    tellers = []
    for outcome in untold.select_related("schedule", "screen_run", "run").order_by("pk"):
        with writing():
            is_mine = Outcome.objects.filter(pk=outcome.pk, notified_at=None).update(notified_at=timezone.now())
        if is_mine:
            tellers.append(start_delivery(message_about(outcome)))
    return tellers


def told_of(outcome: Outcome) -> str:
    """Return what there is to say in a few words."""
    if outcome.error:
        return "could not be asked"
    if not outcome.schedule.is_screen:
        run = outcome.run
        return f"{run.get_state_display().lower()}, {run.n_done:,} of {run.n_symbols:,} symbols" if run else "deleted"
    if outcome.is_first:
        return _counted(outcome.n_matches, "match", "matches")
    return _counted(len(outcome.new), "new match", "new matches")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def content_of(outcome: Outcome) -> dict[str, Any]:
    """Return what a webhook is sent."""
    schedule = outcome.schedule
    asked = "screen.matches" if schedule.is_screen else "run.started"
    shared = {
        "type": "schedule.failed" if outcome.error else asked,
        "schedule": schedule.pk,
        "kind": schedule.kind,
        "name": schedule.name,
        "universe": schedule.universe,
        "interval": schedule.interval,
        "url": f"{settings.PUBLIC_URL}{outcome.link() or reverse('schedules')}",
    }
    if outcome.error:
        return {**shared, "error": outcome.error}
    if not schedule.is_screen:
        return {**shared, "job_id": outcome.run_id, "total": outcome.n_tested}
    return {
        **shared,
        "formula": schedule.asked.get("formula", ""),
        "as_of": _day(outcome.bar_time),
        "since": _day(outcome.since),
        "tested": outcome.n_tested,
        "matches": outcome.matches,
        "new": outcome.new,
        "gone": outcome.gone,
    }


def _day(time: Any) -> str | None:
    return f"{time:%Y-%m-%d}" if time else None


def message_about(outcome: Outcome) -> Message:
    """Return what is told of an outcome, to whom its schedule names."""
    schedule, content = outcome.schedule, content_of(outcome)
    return Message(
        about=f"schedule {schedule.pk}",
        email=schedule.notify_email,
        url=schedule.notify_url,
        subject=f"{schedule.name} on {names_of([outcome])[schedule.universe]}: {told_of(outcome)}",
        body=f"{_text(outcome)}\n\n{content['url']}\n",
        content=content,
    )


def _text(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error
    on = f" on {_day(outcome.bar_time)}" if outcome.bar_time else ""
    lines = [f"{_counted(outcome.n_matches, 'match', 'matches')}{on}."]
    if not outcome.is_first:
        lines[0] = f"{told_of(outcome).capitalize()} since {_day(outcome.since)}, of {lines[0]}"
    for row in outcome.new[:SHOWN]:
        change = figures.signed_pct(row["change_pct"], 2)
        lines.append(f"  {row['symbol']:<10} {row['close']:>12,.2f} {change:>9}  {row['name']}")
    if len(outcome.new) > SHOWN:
        lines.append(f"  and {len(outcome.new) - SHOWN:,} more")
    if outcome.gone:
        lines.append(f"No longer: {', '.join(outcome.gone[:SHOWN])}{' ...' if len(outcome.gone) > SHOWN else ''}.")
    return "\n".join(lines)


def unseen_outcomes(owner: Any) -> QuerySet[Outcome]:
    """Return the news of an owner's schedules (None in the local mode) that were not looked at since."""
    news = Outcome.objects.filter(is_news=True, seen_at=None, schedule__owner=owner)
    recent = news.filter(asked_at__gte=timezone.now() - RECENT)
    return recent.select_related("schedule", "screen_run", "run").defer("matches").order_by("-asked_at", "-pk")


def names_of(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Return the names of the universes of outcomes by slug, which is all that is left of one that is gone."""
    slugs = {outcome.schedule.universe for outcome in outcomes}
    return {slug: slug for slug in slugs} | dict(Universe.objects.filter(slug__in=slugs).values_list("slug", "name"))


@dataclass(frozen=True, slots=True)
class News:
    """An outcome in the bell: what it says, and where its answer is."""

    pk: int
    what: str
    universe: str
    said: str
    asked_at: datetime
    address: str


def news_of(outcomes: Iterable[Outcome]) -> list[News]:
    """Return outcomes as the bell shows them."""
    found = list(outcomes)
    names = names_of(found)
    return [
        News(
            outcome.pk,
            outcome.schedule.name,
            names[outcome.schedule.universe],
            told_of(outcome),
            outcome.asked_at,
            outcome.link() or f"{reverse('schedules')}#schedule-{outcome.schedule_id}",
        )
        for outcome in found
    ]


def mark_outcomes_seen(owner: Any, screen_run_id: str | None = None) -> int:
    """Note that an owner has looked at the answer of an outcome, or at all of them."""
    unseen = Outcome.objects.filter(is_news=True, seen_at=None, schedule__owner=owner)
    if screen_run_id is not None:
        unseen = unseen.filter(screen_run_id=screen_run_id)
    with writing():
        return unseen.update(seen_at=timezone.now())
