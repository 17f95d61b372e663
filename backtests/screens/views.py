"""The pages of screens: the editor with its library, the answer, its charts, and one symbol."""

from __future__ import annotations

from typing import IO, Any, cast

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backtests.accounts.access import owner_of
from backtests.models import ScreenRun, Universe
from backtests.prices.importers.rows import INTERVAL_S
from backtests.runs.errors import RequestRefused, TooManyRuns
from backtests.schedules.forms import ScheduleForm
from backtests.schedules.making import schedule_of
from backtests.schedules.shown import outcome_of
from backtests.screens.answers import ANSWERS, Answer
from backtests.screens.asking import request_of, screen_runs_visible_to, screens_visible_to, store
from backtests.screens.backtest import ConditionRefused, backtest, check_condition
from backtests.screens.charting import moment_of
from backtests.screens.checking import checked, sent_of
from backtests.screens.forms import LeavingForm, ScreenForm
from backtests.screens.language import SECTIONS
from backtests.screens.pictures import legend_of
from backtests.screens.saved import SavedForm, delete, duplicate, save_screen, saved_values
from backtests.screens.stream import page_events, progress_of, stale_events
from backtests.screens.table import columns_of, rows_of, write_csv
from backtests.screens.words import WORDS
from strategies.models import Screen
from strategies.ready_screens import READY_SCREENS, READY_SCREENS_BY_KEY, ReadyScreen

RECENT = 8
DEFAULT_EXIT = "20-bars"


@require_safe
def screens(request: HttpRequest) -> HttpResponse:
    """Draw the editor, filled with a screen of the library, a saved one or an earlier one if one is named."""
    return _editor(request, ScreenForm(initial=_initial(request), user=request.user))


def _editor(request: HttpRequest, form: ScreenForm, *, problem: str = "", status: int = 200) -> HttpResponse:
    content = {
        "problem": problem,
        "form": form,
        "check": checked(form["formula"].value() or "", {**form.initial, **form.data}),
        "opened": _opened(request),
        "ready": READY_SCREENS,
        "saved": screens_visible_to(request.user),
        "recent": screen_runs_visible_to(request.user).filter(outcomes=None)[:RECENT],
    }
    return render(request, "screens/screens.html", content, status=status)


def _initial(request: HttpRequest) -> dict[str, Any]:
    query = request.GET
    initial: dict[str, Any] = {"universe": _first_universe()}
    initial["formula"] = (_opened(request) or READY_SCREENS[0]).formula
    if earlier := screen_runs_visible_to(request.user).filter(pk=query.get("like", "")[:12]).first():
        initial |= {"formula": earlier.formula, "universe": earlier.universe.slug, "interval": earlier.interval}
        initial |= {"as_of": earlier.as_of, **sent_of(earlier.values)}
    return initial


def _opened(request: HttpRequest) -> ReadyScreen | Screen | None:
    """Return the screen of the library, or the saved one, that the address names."""
    saved = request.GET.get("saved", "")
    if saved.isdecimal():
        return screens_visible_to(request.user).filter(pk=saved[:9]).first()
    return READY_SCREENS_BY_KEY.get(request.GET.get("ready", ""))


def _first_universe() -> str | None:
    return Universe.objects.order_by("is_synthetic", "-market", "name").values_list("slug", flat=True).first()


@require_safe
def intervals(request: HttpRequest) -> HttpResponse:
    """Draw the choice of intervals that a universe has."""
    form = ScreenForm(initial={"universe": request.GET.get("universe", "")})
    return render(request, "backtests/_field.html", {"field": form["interval"]})


@require_safe
@cache_control(max_age=3600)
def words(request: HttpRequest) -> JsonResponse:
    """Say what an editor completes: every name with how it is written and what it means."""
    return JsonResponse({"words": WORDS})


@require_safe
def language(request: HttpRequest) -> HttpResponse:
    """Explain what can be written."""
    return render(request, "screens/language.html", {"sections": SECTIONS})


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Say what a formula means as it is typed: its parts and knobs, or what is wrong and where."""
    return render(request, "screens/_check.html", checked(request.POST.get("formula", ""), request.POST.dict()))


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect("screens")
    form = ScreenForm(request.POST, user=request.user)
    if form.is_valid():
        return redirect(store(form.request, form.name, owner_of(request)))
    return _editor(request, form, status=422)


@require_safe
@never_cache
def screen_run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Draw what a screen has found; its charts stream behind, or come when they are asked for."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    sort = request.GET.get("sort", "")
    try:
        answer = ANSWERS.of(request_of(found, sort))
    except RequestRefused as error:
        return render(request, "screens/refused.html", {"run": found, "problem": error.problem}, status=422)
    return render(request, "screens/screen_run.html", _answered(request, found, answer, sort))


def _answered(request: HttpRequest, found: ScreenRun, answer: Answer, sort: str) -> dict[str, Any]:
    screened = answer.screened
    return {
        "run": found,
        "sort": sort,
        "columns": columns_of(found, answer, sort),
        "rows": rows_of(answer),
        "state": answer.state,
        "legend": legend_of(answer.request.program),
        "marks": True,
        "screened": screened,
        "as_of": moment_of(screened.time_s, INTERVAL_S[found.interval]) if screened.time_s is not None else "",
        "streams": request.GET.get("charts") != "none" and bool(screened.matches),
        "progress": progress_of(answer, 0),
        "parts": answer.parts,
        "is_repeated": answer.is_repeated,
        "is_strategy": answer.request.program.is_strategy,
        "leaving": LeavingForm(run=found),
        "scheduling": ScheduleForm(of=found),
        "outcome": outcome_of(found, request.user),
        "schedule": schedule_of(found, request.user),
        "saving": SavedForm(initial=saved_values(owner_of(request), found)),
    }


@require_safe
@never_cache
def matches_csv(request: HttpRequest, run_id: str) -> HttpResponse:
    """Give the matches as a file for a spreadsheet."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    try:
        answer = ANSWERS.of(request_of(found, request.GET.get("sort", "")))
    except RequestRefused as error:
        return HttpResponseBadRequest(error.problem, content_type="text/plain")
    response = HttpResponse(content_type="text/csv")
    write_csv(answer, cast(IO[str], response))
    response["Content-Disposition"] = f'attachment; filename="screen-{found.pk}.csv"'
    return response


@require_safe
def charts(request: HttpRequest, run_id: str) -> HttpResponse | StreamingHttpResponse:
    """Stream the charts of a screen's matches, from the batch after the last one that the viewer has."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "0")
    if not (after.isdecimal() and after.isascii() and len(after) < 7):
        return HttpResponseBadRequest("the last event id must be a number", content_type="text/plain")
    try:
        answer = ANSWERS.of(request_of(found, request.GET.get("sort", "")))
    except RequestRefused as error:
        return HttpResponseBadRequest(str(error), content_type="text/plain")
    # The page knows which prices it was made of: batches of others would not fit its table.
    is_stale = request.GET.get("of", answer.state) != answer.state
    events = stale_events() if is_stale else page_events(found, answer, after=int(after))
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def start_backtest(request: HttpRequest, run_id: str) -> HttpResponse:
    """Start a run that enters on every match, and lead to it."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    if request.method != "POST":
        # The address of a refused form, opened again.
        return redirect(found)
    try:
        answer = ANSWERS.of(request_of(found))
        form, status = LeavingForm({"exit": DEFAULT_EXIT} | request.POST.dict(), run=found), 422
        if form.is_valid():
            try:
                return redirect(backtest(found, form.leaving, owner=owner_of(request)))
            except RequestRefused as error:
                form.add_error(None, f"{error.field}: {error.problem}")
            except TooManyRuns as error:
                form.add_error(None, str(error))
                status = 429
    except RequestRefused as error:
        return render(request, "screens/refused.html", {"run": found, "problem": error.problem}, status=422)
    content = {**_answered(request, found, answer, ""), "leaving": form, "streams": False}
    return render(request, "screens/screen_run.html", content, status=status)


@require_POST
def check_exit(request: HttpRequest, run_id: str) -> HttpResponse:
    """Say what an own exit condition means as it is typed, or what is wrong and where."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    condition = request.POST.get("exit_formula", "").replace("\r\n", "\n")
    if not condition.strip():
        return HttpResponse()
    try:
        check_condition(found, condition)
    except ConditionRefused as error:
        return render(request, "screens/_check.html", {"problem": error.problem, "place": error.error.place})
    except RequestRefused as error:
        return render(request, "screens/_check.html", {"problem": error.problem})
    return render(request, "screens/_check.html", {})


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Save a formula under a name, and share it if asked to."""
    form = SavedForm(request.POST)
    if form.is_valid():
        return redirect(f"{reverse('screens')}?saved={save_screen(form, owner_of(request)).pk}")
    editor = ScreenForm(initial={**_initial(request), "formula": request.POST.get("formula", "")}, user=request.user)
    problems = " ".join(str(problem) for problems in form.errors.values() for problem in problems)
    return _editor(request, editor, problem=problems, status=422)


@require_POST
def remove(request: HttpRequest, screen_id: int) -> HttpResponse:
    """Delete a saved screen of one's own."""
    if not delete(owner_of(request), screen_id):
        raise Http404("there is no such screen of yours")
    return redirect("screens")


@require_POST
def copy(request: HttpRequest, screen_id: int) -> HttpResponse:
    """Make a saved screen of one's own out of one that one may read, and open it."""
    original = get_object_or_404(screens_visible_to(request.user), pk=screen_id)
    return redirect(f"{reverse('screens')}?saved={duplicate(original, owner_of(request)).pk}")
