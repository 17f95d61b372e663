"""A schedule is made of a screen or a run that somebody has before them, and keeps everything that it asks with.

What it asks stays as it was: who changes a saved screen later changes no schedule.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backtests.engine.rules import RULES_BY_KEY
from backtests.models import Run, ScreenRun
from backtests.runs.chunks import one_at_a_time, writing
from backtests.runs.errors import RequestRefused
from backtests.runs.request import RunRequest, check_request
from backtests.schedules.errors import TooManySchedules
from backtests.schedules.models import Schedule
from backtests.screens.asking import compiled
from backtests.screens.screening import ScreenRequest


@dataclass(frozen=True, slots=True)
class Notice:
    """Who is told, and whether even of nothing new."""

    email: str = ""
    url: str = ""
    is_always: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """What a schedule keeps of it."""
        return {"notify_email": self.email, "notify_url": self.url, "is_always_told": self.is_always}


def schedules_visible_to(user: Any) -> QuerySet[Schedule]:
    """Return the schedules that a user sees and changes: their own and nobody's."""
    own = Q(owner=user) if user.is_authenticated else Q()
    return Schedule.objects.filter(Q(owner=None) | own)


def schedule_screen(run: ScreenRun, notice: Notice, *, owner: Any = None) -> Schedule:
    """Have a screen asked of the last bar after every import. Raises RequestRefused, and TooManySchedules."""
    request = ScreenRequest(compiled(run.formula, run.values), run.universe, run.interval)
    # Only asked for what it raises: a formula that is no condition matches nothing.
    _ = request.condition
    # On one line, as a mail's subject must be.
    name = " ".join((run.name or run.formula).split())[:80]
    return _save(run, name, _asked_of(run), notice, owner)


def schedule_run(run: Run, notice: Notice, *, owner: Any = None) -> Schedule:
    """Have a run started after every import. Raises RequestRefused, and TooManySchedules."""
    if run.end_date is not None:
        raise RequestRefused(
            "end_date", f"this run ends on {run.end_date}, whatever is imported: start one without a last day"
        )
    asked = {
        "strategy": run.strategy.key,
        "parameters": run.parameters,
        "preset": run.preset,
        "rules": {key: value for key, value in run.rules.items() if key in RULES_BY_KEY},
        "start_date": str(run.start_date) if run.start_date else None,
        "priority": list(run.priority),
        "max_workers": run.max_workers,
        "use_cache": run.use_cache,
    }
    check_request(run_request(asked, **_where(run)), owner)
    return _save(run, run.strategy.label, asked, notice, owner)


def run_request(
    asked: dict[str, Any], *, universe: str, interval: str, tickers: list[str], notice: Notice | None = None
) -> RunRequest:
    """Return the request of the run that a schedule starts."""
    told = notice or Notice()
    start = date.fromisoformat(asked["start_date"]) if asked["start_date"] else None
    return RunRequest(
        **{**asked, "start_date": start, "priority": tuple(asked["priority"])},
        universe=universe,
        interval=interval,
        symbols=tuple(tickers),
        notify_email=told.email,
        notify_url=told.url,
    )


def schedule_of(run: ScreenRun, user: Any) -> Schedule | None:
    """Return the schedule of a user that asks the same screen, if there is one."""
    return schedules_visible_to(user).filter(digest=_digest(run, _asked_of(run))).first()


def _asked_of(run: ScreenRun) -> dict[str, Any]:
    return {"formula": run.formula, "values": run.values}


def _where(run: ScreenRun | Run) -> dict[str, Any]:
    return {"universe": run.universe.slug, "interval": run.interval, "tickers": list(run.tickers)}


def _digest(run: ScreenRun | Run, asked: dict[str, Any]) -> str:
    kind = Schedule.Kind.RUN if isinstance(run, Run) else Schedule.Kind.SCREEN
    told = json.dumps([kind, _where(run), asked], sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def refuse_too_many(owner: Any) -> None:
    """Raise TooManySchedules if an owner has as many as may be."""
    n_schedules = Schedule.objects.filter(owner=owner).count()
    if n_schedules >= settings.SCHEDULES:
        are = "is 1 schedule" if n_schedules == 1 else f"are {n_schedules} schedules"
        raise TooManySchedules(f"there {are}, and no more may be: delete one first")


def _save(run: ScreenRun | Run, name: str, asked: dict[str, Any], notice: Notice, owner: Any) -> Schedule:
    """Save a schedule; one of the owner that asks the same is switched on and told anew instead."""
    kind = Schedule.Kind.RUN if isinstance(run, Run) else Schedule.Kind.SCREEN
    where, digest = _where(run), _digest(run, asked)
    # What a screen finds at first is what later answers are compared with; a run has just been made.
    due = timezone.now() if kind == Schedule.Kind.SCREEN else None
    with writing(), transaction.atomic():
        one_at_a_time("schedule", getattr(owner, "pk", None))
        mine = Schedule.objects.filter(owner=owner)
        if known := mine.filter(digest=digest).first():
            mine.filter(pk=known.pk).update(is_on=True, **notice.fields)
            known.refresh_from_db()
            return known
        refuse_too_many(owner)
        return Schedule.objects.create(
            owner=owner, kind=kind, name=name, asked=asked, digest=digest, due_since=due, due_at=due,
            **where, **notice.fields,
        )  # fmt: skip
