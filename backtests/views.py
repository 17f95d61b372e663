"""The pages. Each view looks up, validates, calls one domain function and renders; a GET never writes."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotFound, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from backtests.accounts.access import owner_of, runs_visible_to, sees
from backtests.forms import RunForm
from backtests.listed import lines_of, with_what_is_listed
from backtests.models import Run
from backtests.runs import control
from backtests.runs.chunks import chunks_at_work
from backtests.runs.errors import RequestRefused, TooManyRuns, WrongState
from backtests.runs.plan import coverage
from backtests.runs.request import CheckedRequest
from backtests.runs.seen import MOST_SHOWN, mark_seen, unseen_runs
from backtests.runs.start import start
from backtests.runs.statistics import ResultRow, RunStatistics, read_rows
from backtests.runs.table import TableView, read_page
from backtests.schedules.errors import TooManySchedules
from backtests.schedules.making import Notice, refuse_too_many, schedule_run
from backtests.schedules.notices import mark_outcomes_seen, news_of, unseen_outcomes
from backtests.streams.assumptions import assumptions_of, rule_facts_of
from backtests.streams.feed import expect_viewers, follow, watched_run
from backtests.streams.fragments import columns_of, facts_of, moving_parts, pager_of, render_moving
from backtests.streams.rows import ROWS_A_PAGE, render_rows
from backtests.streams.settled import SETTLED_PAGES
from backtests.streams.tracks import PageTrack


class HtmxHttpRequest(HttpRequest):
    """A request that has been through django-htmx's middleware."""

    htmx: HtmxDetails


RECENT = 6
RUNS_A_PAGE = 50
NO_ROWS = 2**31 - 1
CONTROLS = {"pause": control.pause, "resume": control.resume, "cancel": control.cancel, "retry": control.retry_failed}


@require_safe
def new_run(request: HttpRequest) -> HttpResponse:
    """Draw the form, filled in like an earlier run if one is named."""
    newest = runs_visible_to(request.user)
    named = request.GET.get("like", "")
    like = newest.filter(pk=named).first() if named.isalnum() else None
    recent = lines_of(with_what_is_listed(newest)[:RECENT])
    return render(request, "backtests/new_run.html", {"form": RunForm(like=like, user=request.user), "recent": recent})


@require_safe
def run_form(request: HttpRequest) -> HttpResponse:
    """Draw the form again for another strategy or universe, keeping what was filled in."""
    form = RunForm(request.GET, user=request.user)
    form.errors.clear()
    return render(request, "backtests/_run_form.html", {"form": form})


@require_safe
def run_preview(request: HttpRequest) -> HttpResponse:
    """Say what the form as it stands would test."""
    form = RunForm(request.GET, user=request.user)
    universe, planned = form.chosen_universe, None
    wrong = [field for field in form.wrong_fields() if field.html_name in request.GET]
    if universe is not None and not wrong:
        offered = [value for value, _ in form.intervals]
        interval = form["interval"].value()
        planned = coverage(
            universe,
            # The universe may just have been changed for one without bars of the interval that still stands there.
            interval=interval if interval in offered else offered[0],
            start_date=form.cleaned_data.get("start_date"),
            end_date=form.cleaned_data.get("end_date"),
            least_bars=form.least_bars,
        )
    return render(request, "backtests/_preview.html", {"wrong": wrong, "coverage": planned, "universe": universe})


@require_http_methods(["GET", "HEAD", "POST"])
def run_start(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        # The address of a refused form, opened again.
        return redirect("new-run")
    form, status = RunForm(request.POST, user=request.user), 422
    if form.is_valid() and form.checked is not None:
        try:
            return redirect(_started(form.checked, form.cleaned_data, owner_of(request)))
        except RequestRefused as error:
            form.refuse(error)
        except (TooManyRuns, TooManySchedules) as error:
            form.add_error(None, str(error))
            status = 429
    return render(request, "backtests/new_run.html", {"form": form}, status=status)


def _started(checked: CheckedRequest, cleaned: dict[str, Any], owner: Any) -> Run:
    """Start a run, and have it repeated after every import if the form says so."""
    if cleaned["repeat"]:
        refuse_too_many(owner)
    announce = partial(expect_viewers, kind=PageTrack)
    found = start(checked, owner=owner, token=cleaned["token"], announce=announce)
    if cleaned["repeat"]:
        schedule_run(found, Notice(checked.notify_email, checked.notify_url), owner=owner)
    return found


@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    newest = with_what_is_listed(runs_visible_to(request.user))
    page = Paginator(newest, RUNS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "backtests/runs.html", {"page": page, "runs": lines_of(page)})


@require_safe
@never_cache
def run(request: HtmxHttpRequest, run_id: str) -> HttpResponse:
    found = get_object_or_404(runs_visible_to(request.user), pk=run_id)
    view = TableView.of(request.GET)
    # Sorting, filtering and turning pages ask for the table alone; the browser's history asks for the page.
    if request.htmx and not request.htmx.history_restore_request:
        shown, n_rows = read_page(run_id, view, rows_a_page=ROWS_A_PAGE)
        return render(request, "backtests/_results.html", _table(found, view, shown, n_rows))
    content = SETTLED_PAGES.content(found, "as it landed", lambda: _page(found))
    if not view.is_of_landing:
        shown, n_rows = read_page(run_id, view, rows_a_page=ROWS_A_PAGE)
        content = {**content, **_table(found, view, shown, n_rows)}
    return render(request, "backtests/run.html", {**content, "run": found})


def _page(found: Run) -> dict[str, object]:
    rows = read_rows(found.pk)
    return {
        **moving_parts(found, RunStatistics().add(rows)),
        **_table(found, TableView(), rows[:ROWS_A_PAGE], len(rows)),
        "facts": facts_of(found),
        "rule_facts": rule_facts_of(found),
        "assumptions": assumptions_of(found),
        "last_sequence": rows[-1].sequence if rows else 0,
        "is_live": not _is_over(found),
    }


def _table(found: Run, view: TableView, shown: list[ResultRow], n_rows: int) -> dict[str, object]:
    return {
        "run": found,
        "view": view,
        "columns": columns_of(found, sort=view.sort, query=view.filters),
        "rows": mark_safe("\n".join(render_rows(shown))),  # noqa: S308 - made of escaped values
        "pager": pager_of(found.get_absolute_url(), view.query, page=view.page, n_rows=n_rows),
        "is_fixed": found.is_finished,
        "as_of": timezone.now(),
    }


def _is_over(found: Run) -> bool:
    """Whether no more rows come: a run that has just been cancelled still gets those that were at work."""
    if found.state == Run.State.CANCELLED:
        return not chunks_at_work(found.pk).exists()
    return found.is_finished


@require_safe
@never_cache
def run_news(request: HttpRequest, run_id: str) -> HttpResponse:
    """Answer with what a stream would have sent since a row, for pages that no stream reaches."""
    found = get_object_or_404(runs_visible_to(request.user), pk=run_id)
    after = request.GET.get("after", "")
    rows = read_rows(run_id)
    room = [row for row in rows[:ROWS_A_PAGE] if row.sequence > int(after)] if _is_sequence(after) else []
    response = render(
        request,
        "backtests/_news.html",
        {
            "run": found,
            "moving": {key: mark_safe(html) for key, html in render_moving(found, RunStatistics().add(rows)).items()},  # noqa: S308 - rendered templates
            "rows": mark_safe("".join(render_rows(room))),  # noqa: S308 - made of escaped values
            "is_over": _is_over(found),
        },
    )
    response["X-Run-News"] = f"{found.state} {len(rows)}"
    return response


@require_safe
@never_cache
def run_again(request: HttpRequest, run_id: str) -> HttpResponse:
    """Have a page that shows the end of a run loaded anew once the run has gone on: resumed or retried by anybody."""
    found = get_object_or_404(runs_visible_to(request.user), pk=run_id)
    if request.GET.get("shown") == f"{found.state}-{found.last_sequence}":
        return HttpResponse(status=204)
    return HttpResponseClientRefresh()


@require_POST
def run_control(request: HtmxHttpRequest, run_id: str, action: str) -> HttpResponse:
    """Pause, resume, cancel, or retry what failed."""
    found = get_object_or_404(runs_visible_to(request.user), pk=run_id)
    try:
        changed = CONTROLS[action](run_id)
    except WrongState as error:
        template = "backtests/_message.html" if request.htmx else "backtests/refused.html"
        return render(request, template, {"run": found, "message": str(error)}, status=409)
    if not request.htmx:
        return redirect(changed)
    if found.is_finished:
        # The page has stopped to listen, and rows may have gone: it is drawn anew.
        return HttpResponseClientRefresh()
    # The stream says how the run is now. Said here too, it might be old news by the time that it is on the screen.
    return render(request, "backtests/_message.html")


@require_POST
def run_seen(request: HttpRequest, run_id: str) -> HttpResponse:
    """Note that the owner of a finished run has it on the screen."""
    mark_seen(owner_of(request), run_id)
    return HttpResponse(status=204)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def bell(request: HttpRequest) -> HttpResponse:
    """Draw finished runs and new matches that their owner has not looked at; a POST says that all are known."""
    owner = owner_of(request)
    if request.method == "POST":
        mark_seen(owner)
        mark_outcomes_seen(owner)
    ended = list(unseen_runs(owner).select_related("strategy", "universe")[: MOST_SHOWN + 1])
    news = news_of(unseen_outcomes(owner)[: MOST_SHOWN + 1])
    more = "+" if max(len(ended), len(news)) > MOST_SHOWN else ""
    ended, news = ended[:MOST_SHOWN], news[:MOST_SHOWN]
    content = {"runs": ended, "news": news, "n_shown": len(ended) + len(news), "more": more}
    return render(request, "backtests/_bell.html", content)


@require_GET
def run_stream(request: HttpRequest, run_id: str) -> HttpResponse | StreamingHttpResponse:
    """Stream a run's rows and moving parts from where the viewer left off, as server-sent events."""
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "0")
    if not _is_sequence(after):
        return HttpResponseBadRequest(
            f"the last event id must be a number; it is {after[:40]!r}", content_type="text/plain"
        )
    # Of a run that is being watched the feed knows whose it is: hundreds may come at once.
    found = watched_run(run_id) or Run.objects.select_related("strategy", "universe").filter(pk=run_id).first()
    if found is None or not sees(request.user, found):
        return HttpResponseNotFound("there is no such run", content_type="text/plain")
    # A table in another order has no end to which rows could be added: its page wants the moving parts alone.
    first = NO_ROWS if request.GET.get("rows") == "none" else int(after)
    response = StreamingHttpResponse(follow(run_id, after=first, known=found), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


def _is_sequence(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= 9


@login_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    Run.objects.exists()
    return HttpResponse("ok\n", content_type="text/plain")
