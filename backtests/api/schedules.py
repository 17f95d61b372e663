"""Schedules: screens and runs that are asked again after every import, made, asked and deleted by programs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import ConfigDict, Field, StrictBool

from backtests.accounts.access import owner_of
from backtests.api.bodies import Number, Text, Tickers, default_universe
from backtests.api.common import CONTROLS, REFUSALS, STARTS, answer, find_run
from backtests.api.formulas import Formula
from backtests.models import Market
from backtests.runs.chunks import writing
from backtests.runs.errors import RequestRefused, WrongState
from backtests.runs.request import check_notify
from backtests.schedules.looking import ask_now
from backtests.schedules.making import Notice, schedule_run, schedule_screen, schedules_visible_to
from backtests.schedules.models import Outcome, Schedule
from backtests.schedules.notices import content_of
from backtests.screens.asking import Asked, checked_screen, store

router = Router(tags=["schedules"])

LARGEST_ID = 2**53


class ScheduleBody(Schema):
    """A screen by its formula, or a run by its id; and who is told."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [{"required": ["formula"]}, {"required": ["run_id"]}],
            "examples": [{"formula": "High Volume Breakout", "notify_url": "https://hooks.example/trawl"}],
        },
    )

    formula: Formula | None = None
    universe: Text | None = Field(None, description="Slug of a universe; without it, the largest real one of stocks.")
    symbols: Tickers = Field(default_factory=list, description="Tickers to ask; without them, the whole universe.")
    interval: Text = Field("1d", description="Length of a bar.")
    values: dict[Text, Number] = Field(default_factory=dict, description="Values of the formula's parameters.")
    run_id: Text | None = Field(None, description="Instead of a formula: the run that is repeated.")
    notify_email: Text = Field("", description="Who is written to.")
    notify_url: Text = Field("", description="The webhook that is called.")
    only_new: StrictBool = Field(True, description="Tell of new matches only; else each time.")


class OutcomeInfo(Schema):
    type: str = Field(description="screen.matches, run.started or schedule.failed, as a webhook is sent it.")
    schedule: int
    url: str


class ScheduleInfo(Schema):
    id: int
    kind: str
    name: str
    universe: str
    interval: str
    symbols: list[str]
    asked: dict[str, Any] = Field(description="What else the screen or the run is asked with.")
    is_on: bool
    only_new: bool
    notify_email: str
    notify_url: str
    due_at: str | None
    asked_at: str | None
    error: str
    last: OutcomeInfo | None


class ScheduleList(Schema):
    schedules: list[ScheduleInfo]


class ScheduleWithOutcomes(ScheduleInfo):
    outcomes: list[OutcomeInfo] = Field(description="What it has found, newest first.")


@router.get("/schedules", response={200: ScheduleList, **REFUSALS}, operation_id="schedules")
def schedules(request: HttpRequest) -> HttpResponse:
    """List the schedules of the user, and nobody's."""
    return answer({"schedules": [_info(schedule) for schedule in schedules_visible_to(request.user)]})


@router.post("/schedules", response={201: ScheduleInfo, **STARTS}, operation_id="schedule_start")
def schedule_start(request: HttpRequest, schedule: ScheduleBody) -> HttpResponse:
    """Have a screen asked, or a run repeated, after every import that brings new bars.

    A screen is asked at once: what matches now is what later answers are compared with. One that asks the same as
    another of the user's is that one, switched on and told anew.
    """
    check_notify(schedule.notify_email, schedule.notify_url)
    notice = Notice(schedule.notify_email, schedule.notify_url, not schedule.only_new)
    owner = owner_of(request)
    if (schedule.formula is None) is (schedule.run_id is None):
        raise RequestRefused("formula", "is required, or run_id instead of it, and not both")
    if schedule.run_id is not None:
        made = schedule_run(find_run(request, schedule.run_id), notice, owner=owner)
    else:
        made = _scheduled_screen(schedule, notice, owner)
    return _answered(made, status=201)


def _scheduled_screen(body: ScheduleBody, notice: Notice, owner: Any) -> Schedule:
    universe = body.universe if body.universe is not None else default_universe(Market.STOCKS, body.symbols)
    values: dict[str, Any] = dict(body.values)
    asked = Asked(body.formula or "", universe, body.interval, None, tuple(body.symbols), values)
    screen, name = checked_screen(asked, owner)
    made = schedule_screen(store(screen, name, owner), notice, owner=owner)
    if made.asked_at is None:
        ask_now(made.pk)
    return made


@router.get("/schedules/{schedule_id}", response={200: ScheduleWithOutcomes, **REFUSALS}, operation_id="schedule")
def schedule(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Show a schedule with what it has found."""
    found = _find(request, schedule_id)
    outcomes = [_told(outcome, found) for outcome in _outcomes_of(found)]
    return answer({**_info(found), "outcomes": outcomes})


@router.post("/schedules/{schedule_id}/ask", response={200: ScheduleInfo, **CONTROLS}, operation_id="schedule_ask")
def schedule_ask(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Ask a schedule now, whatever has been imported."""
    found = _find(request, schedule_id)
    if ask_now(found.pk) is None:
        raise WrongState("it is being asked at this moment")
    return _answered(found)


@router.delete("/schedules/{schedule_id}", response={204: None, **CONTROLS}, operation_id="schedule_delete")
def schedule_delete(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Delete a schedule with what it has found."""
    found = _find(request, schedule_id)
    with writing():
        found.delete()
    return HttpResponse(status=204)


def _find(request: HttpRequest, schedule_id: int) -> Schedule:
    found = schedules_visible_to(request.user).filter(pk=schedule_id).first() if abs(schedule_id) < LARGEST_ID else None
    if found is None:
        raise HttpError(404, f"there is no schedule {schedule_id}")
    return found


def _answered(schedule: Schedule, status: int = 200) -> HttpResponse:
    response = answer(_info(Schedule.objects.get(pk=schedule.pk)))
    response.status_code = status
    return response


def _outcomes_of(schedule: Schedule) -> Any:
    return schedule.outcomes.select_related("screen_run", "run").order_by("-pk")


def _info(schedule: Schedule) -> dict[str, Any]:
    last = _outcomes_of(schedule).first()
    return {
        "id": schedule.pk,
        "kind": schedule.kind,
        "name": schedule.name,
        "universe": schedule.universe,
        "interval": schedule.interval,
        "symbols": schedule.tickers,
        "asked": schedule.asked,
        "is_on": schedule.is_on,
        "only_new": not schedule.is_always_told,
        "notify_email": schedule.notify_email,
        "notify_url": schedule.notify_url,
        "due_at": schedule.due_at.isoformat() if schedule.due_at else None,
        "asked_at": schedule.asked_at.isoformat() if schedule.asked_at else None,
        "error": schedule.error,
        "last": _told(last, schedule) if last else None,
    }


def _told(outcome: Outcome, schedule: Schedule) -> dict[str, Any]:
    outcome.schedule = schedule
    return content_of(outcome)
