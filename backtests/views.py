"""The pages. Each view looks up, validates, calls one domain function and renders; a GET never writes."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotFound, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_safe
from django_htmx.middleware import HtmxDetails

from backtests.forms import RunForm
from backtests.models import Run
from backtests.runs.errors import RequestRefused
from backtests.runs.plan import coverage
from backtests.runs.start import start
from backtests.runs.statistics import RunStatistics, read_rows, sorted_rows
from backtests.streams.assumptions import assumptions_of, rule_facts_of
from backtests.streams.feed import follow, run_exists
from backtests.streams.fragments import columns_of, facts_of, progress_of, tiles_of
from backtests.streams.rows import render_rows


class HtmxHttpRequest(HttpRequest):
    """A request that has been through django-htmx's middleware."""

    htmx: HtmxDetails


RECENT = 6
RUNS_A_PAGE = 50


@require_safe
def new_run(request: HttpRequest) -> HttpResponse:
    """Draw the form, filled in like an earlier run if one is named."""
    newest = Run.objects.select_related("strategy", "universe")
    named = request.GET.get("like", "")
    like = newest.filter(pk=named).first() if named.isalnum() else None
    return render(request, "backtests/new_run.html", {"form": RunForm(like=like), "recent": newest[:RECENT]})


@require_safe
def run_form(request: HttpRequest) -> HttpResponse:
    """Draw the form again for another strategy or universe, keeping what was filled in."""
    form = RunForm(request.GET)
    form.errors.clear()
    return render(request, "backtests/_run_form.html", {"form": form})


@require_safe
def run_preview(request: HttpRequest) -> HttpResponse:
    """Say what the form as it stands would test."""
    form = RunForm(request.GET)
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
    form = RunForm(request.POST)
    if form.is_valid() and form.checked is not None:
        try:
            return redirect(start(form.checked, token=form.cleaned_data["token"]))
        except RequestRefused as error:
            form.refuse(error)
    return render(request, "backtests/new_run.html", {"form": form}, status=422)


@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    newest = Run.objects.select_related("strategy", "universe")
    page = Paginator(newest, RUNS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "backtests/runs.html", {"page": page})


@require_safe
@never_cache
def run(request: HtmxHttpRequest, run_id: str) -> HttpResponse:
    found = get_object_or_404(Run.objects.select_related("strategy", "universe"), pk=run_id)
    rows = read_rows(run_id)
    statistics = RunStatistics().add(rows)
    sort = request.GET.get("sort", "") if found.is_finished else ""
    context = {
        "run": found,
        "facts": facts_of(found),
        "rule_facts": rule_facts_of(found),
        "assumptions": assumptions_of(found),
        "columns": columns_of(found, sort=sort),
        "rows": mark_safe("\n".join(render_rows(sorted_rows(rows, sort)))),  # noqa: S308 - made of escaped values
        "last_sequence": len(rows),
        "progress": progress_of(found, statistics.n_done),
        "tiles": tiles_of(statistics),
    }
    # Sorting asks for the table alone; going back through the browser's history asks for the page.
    is_table_asked = request.htmx and not request.htmx.history_restore_request
    return render(request, "backtests/_results.html" if is_table_asked else "backtests/run.html", context)


@require_GET
async def run_stream(request: HttpRequest, run_id: str) -> HttpResponse | StreamingHttpResponse:
    """Stream a run's rows and moving parts from where the viewer left off, as server-sent events."""
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "0")
    if not after.isdecimal() or len(after) > 9:
        return HttpResponseBadRequest(
            f"the last event id must be a number; it is {after[:40]!r}", content_type="text/plain"
        )
    if not await run_exists(run_id):
        return HttpResponseNotFound("there is no such run", content_type="text/plain")
    response = StreamingHttpResponse(follow(run_id, after=int(after)), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    Run.objects.exists()
    return HttpResponse("ok\n", content_type="text/plain")
