"""Finished runs that their owner has not looked at: what the bell shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from backtests.models import Run
from backtests.runs.chunks import writing

RECENT = timedelta(days=7)
MOST_SHOWN = 20


def unseen_runs(owner: Any) -> QuerySet[Run]:
    """Return the runs of an owner (None in the local mode) that ended lately and were not looked at since."""
    ended = Run.objects.filter(state__in=[Run.State.COMPLETE, Run.State.CANCELLED], seen_at__isnull=True, owner=owner)
    return ended.filter(finished_at__gte=timezone.now() - RECENT).order_by("-finished_at")


def mark_seen(owner: Any, run_id: str | None = None) -> int:
    """Note that an owner has looked at a finished run, or at all of them; return how many were new to them."""
    unseen = unseen_runs(owner)
    if run_id is not None:
        unseen = unseen.filter(pk=run_id)
    with writing():
        return unseen.order_by().update(seen_at=timezone.now())
