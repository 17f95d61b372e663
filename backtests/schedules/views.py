"""The page of schedules, and the forms on the pages of screens and runs that make one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backtests.accounts.access import owner_of, runs_visible_to
from backtests.models import Run, ScreenRun
from backtests.runs.chunks import writing
from backtests.runs.errors import RequestRefused
from backtests.schedules.errors import TooManySchedules
from backtests.schedules.forms import ScheduleForm
from backtests.schedules.looking import ask_now
from backtests.schedules.making import Notice, schedule_run, schedule_screen, schedules_visible_to
from backtests.schedules.models import Schedule
from backtests.schedules.notices import mark_outcomes_seen
from backtests.schedules.shown import cards_of
from backtests.screens.asking import screen_runs_visible_to


@require_safe
@never_cache
def schedules(request: HttpRequest) -> HttpResponse:
    """Draw one's schedules, each with what it has found the last times."""
    return render(request, "schedules/schedules.html", {"cards": cards_of(schedules_visible_to(request.user))})


@require_http_methods(["GET", "HEAD", "POST"])
def add_screen(request: HttpRequest, run_id: str) -> HttpResponse:
    """Have a screen asked after every import."""
    return _add(request, get_object_or_404(screen_runs_visible_to(request.user), pk=run_id), schedule_screen)


@require_http_methods(["GET", "HEAD", "POST"])
def add_run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Have a run repeated after every import."""
    return _add(request, get_object_or_404(runs_visible_to(request.user), pk=run_id), schedule_run)


def _add(request: HttpRequest, of: Any, make: Callable[..., Schedule]) -> HttpResponse:
    if request.method != "POST":
        return _form(request, ScheduleForm(of=of), of)
    form, status = ScheduleForm(request.POST, of=of), 422
    if form.is_valid():
        try:
            made = make(of, form.notice, owner=owner_of(request))
        except RequestRefused as error:
            form.add_error(None, error.problem)
        except TooManySchedules as error:
            form.add_error(None, str(error))
            status = 429
        else:
            if made.is_screen and made.asked_at is None:
                # What matches now is what later answers are compared with.
                ask_now(made.pk)
            return _to(made)
    return _form(request, form, of, status=status)


def _form(request: HttpRequest, form: ScheduleForm, of: Schedule | ScreenRun | Run, status: int = 200) -> HttpResponse:
    content = {"form": form, "of": of, "is_run": isinstance(of, Run), "is_schedule": isinstance(of, Schedule)}
    return render(request, "schedules/schedule.html", content, status=status)


def _to(schedule: Schedule) -> HttpResponse:
    return redirect(f"{reverse('schedules')}#schedule-{schedule.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Change who is told of what a schedule finds."""
    found = get_object_or_404(schedules_visible_to(request.user), pk=schedule_id)
    if request.method != "POST":
        return _form(request, ScheduleForm(of=found), found)
    form = ScheduleForm(request.POST, of=found)
    if not form.is_valid():
        return _form(request, form, found, status=422)
    notice: Notice = form.notice
    with writing():
        Schedule.objects.filter(pk=found.pk).update(**notice.fields)
    return _to(found)


@require_POST
def ask(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Ask a schedule now, whatever has been imported."""
    found = get_object_or_404(schedules_visible_to(request.user), pk=schedule_id)
    outcome = ask_now(found.pk)
    if outcome is not None and outcome.run is not None:
        return redirect(outcome.run)
    return _to(found)


@require_POST
def switch(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Switch a schedule on or off; what was imported while it was off makes it due with the next import."""
    found = get_object_or_404(schedules_visible_to(request.user), pk=schedule_id)
    with writing():
        Schedule.objects.filter(pk=found.pk).update(is_on=request.POST.get("to") == "on", due_since=None, due_at=None)
    return _to(found)


@require_POST
def delete(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Delete a schedule with what it has found."""
    found = get_object_or_404(schedules_visible_to(request.user), pk=schedule_id)
    with writing():
        found.delete()
    return redirect("schedules")


@require_POST
def outcome_seen(request: HttpRequest, run_id: str) -> HttpResponse:
    """Note that the owner of a schedule has its answer on the screen."""
    mark_outcomes_seen(owner_of(request), run_id)
    return HttpResponse(status=204)
