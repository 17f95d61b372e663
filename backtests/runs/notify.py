"""Messages about finished runs, to those whom the run names.

A process marks a run as told before it tells, so that of several processes one does. The page's bell does not depend on
any of this.
"""

from __future__ import annotations

import threading
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from backtests.delivery import Message, start_delivery
from backtests.models import Run
from backtests.runs.chunks import writing


def notify_finished(run_id: str | None = None) -> list[threading.Thread]:
    """Tell whoever wants to know of finished runs, of one or of all; return the threads that do it."""
    is_wanted = ~Q(notify_email="") | ~Q(notify_url="")
    ended = Run.objects.filter(is_wanted, state__in=[Run.State.COMPLETE, Run.State.CANCELLED], notified_at=None)
    if run_id is not None:
        ended = ended.filter(pk=run_id)
    tellers = []
    for run in ended.select_related("strategy", "universe"):
        with writing():
            is_mine = Run.objects.filter(pk=run.pk, notified_at=None).update(notified_at=timezone.now())
        if is_mine:
            tellers.append(start_delivery(_message_about(run)))
    return tellers


def message_of(run: Run) -> dict[str, Any]:
    """Return what a webhook is sent."""
    return {
        "type": f"run.{run.state}",
        "job_id": run.pk,
        "state": run.state,
        "url": f"{settings.PUBLIC_URL}{run.get_absolute_url()}",
        "strategy": run.strategy.key,
        "universe": run.universe.slug,
        "total": run.n_symbols,
        "completed": run.n_done,
        "failed": run.n_failed,
        "elapsed_time": run.elapsed_s,
    }


def _message_about(run: Run) -> Message:
    content = message_of(run)
    failed = f", {run.n_failed:,} failed" if run.n_failed else ""
    return Message(
        about=f"run {run.pk}",
        email=run.notify_email,
        url=run.notify_url,
        subject=f"{run.strategy.label} on {run.universe.name}: {run.get_state_display().lower()}",
        body=f"{run.n_done:,} of {run.n_symbols:,} symbols{failed}.\n\n{content['url']}\n",
        content=content,
    )
