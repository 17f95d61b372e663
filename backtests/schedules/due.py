"""Which schedules are due, and whose turn it is to ask them.

1. An import notes the symbols whose newest bar has come or changed, in its own transaction: ``write_bars``.
2. ``mark_due``  makes of these notes schedules that are due, once no more has been imported for a while.
3. ``claim``     leases one that is due to this process. Of several processes one gets it; what a killed one has left
   is free at once for those of its machine, and for all others when its lease is over.
4. ``finish``    saves the outcome and gives the lease back, unless that has been taken away meanwhile; ``postpone``
   gives it back without one.

An import that comes while a schedule is asked makes it due once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from backtests.models import NewBars, Universe
from backtests.runs.chunks import PROCESS, is_dead, writing
from backtests.schedules.models import Outcome, Schedule

# Files of one symbol each are imported one after the other: they are one import if no more time lies between two, and
# together they hold nobody up for longer than so many times that.
MOST_SETTLES = 10
# As often is tried what breaks off, as when the process is killed; then that is the outcome.
MOST_ATTEMPTS = 3
# Longer than a formula may take.
LEASES = 4
KEPT_OUTCOMES = 30
RETRY_S = 60.0
GIVEN_BACK: dict[str, Any] = {"leased_until": None, "worker": "", "attempts": 0}


def mark_due() -> int:
    """Make the schedules due whose symbols have new bars; return how many."""
    if not NewBars.objects.exists():
        return 0
    now = timezone.now()
    with writing(), transaction.atomic():
        # Of two processes at the same moment the second passes over what the first has locked.
        skip = connection.features.has_select_for_update_skip_locked
        notes = list(NewBars.objects.select_for_update(skip_locked=skip).order_by("pk"))
        new: dict[str, set[int]] = {}
        for note in notes:
            new.setdefault(note.interval, set()).update(note.symbol_ids)
        is_kept = Q(owner=None) | Q(owner__is_active=True)
        waiting = Schedule.objects.filter(is_kept, is_on=True, interval__in=new).values_list("pk", flat=True)
        rows = Schedule.objects.select_for_update().filter(pk__in=list(waiting)).order_by("pk")
        universes = _tickers_of({schedule.universe for schedule in rows})
        due = [
            schedule
            for schedule in rows
            if _concerns(schedule, universes.get(schedule.universe), new[schedule.interval])
        ]
        for schedule in due:
            schedule.due_since = schedule.due_since or now
            latest = schedule.due_since + timedelta(seconds=MOST_SETTLES * settings.SETTLE_S)
            schedule.due_at = min(now + timedelta(seconds=settings.SETTLE_S), latest)
            schedule.save(update_fields=["due_since", "due_at"])
        NewBars.objects.filter(pk__in=[note.pk for note in notes]).delete()
    return len(due)


def _tickers_of(slugs: Collection[str]) -> dict[str, dict[int, str]]:
    """Return the symbols of universes, with one query for each however many schedules ask it."""
    found = Universe.objects.filter(slug__in=slugs)
    return {universe.slug: dict(universe.symbols.values_list("pk", "ticker")) for universe in found}


def _concerns(schedule: Schedule, universe: Mapping[int, str] | None, symbol_ids: Collection[int]) -> bool:
    """Return whether one of the symbols is asked by a schedule; one whose universe is gone has that to say."""
    if universe is None:
        return True
    tickers = {universe[symbol_id] for symbol_id in symbol_ids if symbol_id in universe}
    return not tickers.isdisjoint(schedule.tickers) if schedule.tickers else bool(tickers)


def free_schedules(*, is_settled: bool = True) -> list[int]:
    """Return the schedules that are due and that nobody is asking, the longest due first.

    Whoever does not care whether more is imported at the moment, does not wait until it ``is_settled``.
    """
    now = timezone.now()
    ready = Schedule.objects.filter(_is_ready(now, is_settled=is_settled))
    return list(ready.order_by("due_since", "pk").values_list("pk", flat=True))


def _is_ready(now: datetime, *, is_settled: bool) -> Q:
    # What lies farther ahead than anything does was set before the clock was put back.
    farthest = now + timedelta(seconds=2 * max(MOST_SETTLES * settings.SETTLE_S, RETRY_S))
    is_due = Q(due_at__lte=now) | Q(due_at__gt=farthest) if is_settled else Q(due_at__isnull=False)
    # A lease that is over or was given back by nobody is one that broke off; one beyond any was made by another clock.
    is_over = Q(leased_until__lt=now) | Q(leased_until__gt=now + 2 * _lease())
    return (is_due & Q(is_on=True, leased_until=None)) | is_over


def _lease() -> timedelta:
    return timedelta(seconds=LEASES * settings.LEASE_S)


def claim(schedule_id: int, *, is_settled: bool = True, is_wished: bool = False) -> Schedule | None:
    """Lease a schedule to this process; None if another one has it, or if it need not be asked.

    One whose owner wishes it now need not be due, nor on.
    """
    now = timezone.now()
    ready = _is_ready(now, is_settled=is_settled)
    if is_wished:
        ready |= Q(leased_until=None)
    with writing():
        is_mine = Schedule.objects.filter(ready, pk=schedule_id).update(
            worker=PROCESS,
            leased_until=now + _lease(),
            due_since=None,
            due_at=None,
            attempts=F("attempts") + 1,
        )
    return Schedule.objects.select_related("owner").filter(pk=schedule_id).first() if is_mine else None


def give_up_dead() -> int:
    """Free the schedules that processes of this machine were asking when they died; return how many."""
    leased = Schedule.objects.filter(leased_until__isnull=False).exclude(worker=PROCESS)
    dead = [
        worker for worker in leased.values_list("worker", flat=True).distinct().order_by("worker") if is_dead(worker)
    ]
    if not dead:
        return 0
    with writing():
        return leased.filter(worker__in=dead).update(leased_until=timezone.now() - timedelta(seconds=1))


def finish(schedule: Schedule, outcome: Outcome) -> bool:
    """Save what a schedule has found and give its lease back; return False if it is no longer this process's."""
    with writing(), transaction.atomic():
        if not _mine(schedule).update(**GIVEN_BACK, asked_at=outcome.asked_at, error=outcome.error):
            return False
        if not (schedule.notify_email or schedule.notify_url):
            # Nobody is told later of what was found before they wanted to know.
            outcome.notified_at = outcome.asked_at
        outcome.save()
        kept = schedule.outcomes.order_by("-pk").values_list("pk", flat=True)[:KEPT_OUTCOMES]
        schedule.outcomes.exclude(pk__in=list(kept)).delete()
    return True


def postpone(schedule: Schedule, error: str) -> bool:
    """Give back the lease of a schedule that cannot be asked just now, to be asked a little later."""
    again = timezone.now() + timedelta(seconds=RETRY_S)
    with writing():
        return bool(_mine(schedule).update(**GIVEN_BACK, error=error, due_since=again, due_at=again))


def _mine(schedule: Schedule) -> QuerySet[Schedule]:
    return Schedule.objects.filter(pk=schedule.pk, worker=PROCESS, leased_until=schedule.leased_until)
