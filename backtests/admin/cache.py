"""The page of both caches: results that later runs may take, and the decoded bars of the process that answers.

Each action is a POST of its own. What changes the answers' speed for everybody is asked once more before it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from backtests.models import PriceBlock, Universe
from backtests.prices.bars_file import BARS_FILE
from backtests.prices.cache import BARS_CACHE, CacheState
from backtests.prices.store import COLUMNS
from backtests.runs.chunks import PROCESS
from backtests.runs.reusable import Holding, flush, holdings, prune, total_of
from backtests.streams import figures
from backtests.streams.figures import NO_VALUE
from backtests.warming import current_warm_up, warm_in_background

MIB = 1024 * 1024
BAR_BYTES = 8 * len(COLUMNS)

SEE_BARS, SEE_RESULTS = "backtests.view_priceblock", "backtests.view_run"
# Who may change price blocks may flush what is decoded of them; nobody changes a block itself by hand. Likewise runs.
CHANGE_BARS, CHANGE_RESULTS = "backtests.change_priceblock", "backtests.change_run"

Facts = list[tuple[str, str, str]]
View = Callable[[HttpRequest, AdminSite], HttpResponse]


def cache_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the page and of what may be done on it."""

    def action(view: View, permission: str) -> Any:
        def checked(request: HttpRequest) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, site)

        return site.admin_view(require_POST(checked))

    page = site.admin_view(require_safe(lambda request: _page(request, site)))
    return [
        path("cache/", page, name="backtests_priceblock_cache"),
        path("cache/flush/", action(_flush_bars, CHANGE_BARS), name="backtests_priceblock_flush"),
        path("cache/warm/", action(_warm, CHANGE_BARS), name="backtests_priceblock_warm"),
        path("cache/results/flush/", action(_flush_results, CHANGE_RESULTS), name="backtests_results_flush"),
        path("cache/results/prune/", action(_prune, CHANGE_RESULTS), name="backtests_results_prune"),
    ]


def _page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    sees_bars, sees_results = request.user.has_perm(SEE_BARS), request.user.has_perm(SEE_RESULTS)
    if not sees_bars and not sees_results:
        raise PermissionDenied
    context = {**site.each_context(request), "title": "Caches", "opts": PriceBlock._meta}
    context |= {"sees_bars": sees_bars, "sees_results": sees_results}
    if sees_results:
        parts = holdings()
        context["holdings"] = [(part, cells_of(part)) for part in parts]
        context["result_facts"] = result_facts(total_of(parts))
        context["may_change_results"] = request.user.has_perm(CHANGE_RESULTS)
    if sees_bars:
        context |= {
            "bar_facts": bar_facts(BARS_CACHE.state, BARS_FILE.state),
            "process": PROCESS,
            "warm_up": current_warm_up(),
        }
        context |= {"universes": Universe.objects.all(), "may_change_bars": request.user.has_perm(CHANGE_BARS)}
    return TemplateResponse(request, "admin/backtests/cache.html", context)


def _flush_bars(request: HttpRequest, site: AdminSite) -> HttpResponse:
    n_series = BARS_CACHE.state.entries + BARS_FILE.state.entries
    BARS_CACHE.clear()
    BARS_FILE.clear()
    return _back(request, f"Flushed {n_series:,} series; the next runs read their bars from the database.")


def _warm(request: HttpRequest, site: AdminSite) -> HttpResponse:
    universe = get_object_or_404(Universe, slug=request.POST.get("universe", ""))
    if warm_in_background(universe):
        return _back(request, f"The bars of {universe} are being decoded; this page shows how far that is.")
    return _back(request, "A universe is being decoded already: wait until that is done.", messages.WARNING)


def _flush_results(request: HttpRequest, site: AdminSite) -> HttpResponse:
    strategy, universe = (request.POST.get(name, "") for name in ("strategy", "universe"))
    if "confirmed" not in request.POST:
        chosen = [part for part in holdings() if part.strategy_key == strategy or not strategy]
        total = total_of([part for part in chosen if part.universe_slug == universe or not universe])
        question = f"Shall {total.n_entries:,} results of {total.n_runs:,} runs no longer be reused?"
        return _confirmation(request, site, question, fields={"strategy": strategy, "universe": universe})
    n_runs = flush(strategy=strategy, universe=universe)
    return _back(request, f"The results of {n_runs:,} runs are no longer reused; the runs stay as they are.")


def _prune(request: HttpRequest, site: AdminSite) -> HttpResponse:
    if "confirmed" not in request.POST:
        question = f"Shall results no longer be reused that are beyond the bounds: {' and '.join(bounds())}?"
        return _confirmation(request, site, question, fields={})
    by_age, by_size = prune(days=settings.CACHE_DAYS, n_bytes=settings.CACHE_BYTES)
    text = f"The results of {by_age + by_size:,} runs are no longer reused: {by_age:,} by age, {by_size:,} by size."
    return _back(request, text)


def _confirmation(request: HttpRequest, site: AdminSite, question: str, *, fields: dict[str, str]) -> HttpResponse:
    context = {**site.each_context(request), "title": "Are you sure?", "opts": PriceBlock._meta}
    context |= {"question": question, "fields": fields}
    return TemplateResponse(request, "admin/backtests/cache_confirmation.html", context)


def _back(request: HttpRequest, text: str, level: int = messages.SUCCESS) -> HttpResponse:
    messages.add_message(request, level, text)
    return redirect("admin:backtests_priceblock_cache")


def bounds() -> list[str]:
    """Return the bounds of the cache of results, in words."""
    age = f"{settings.CACHE_DAYS:,} days" if settings.CACHE_DAYS else "any age"
    size = f"{settings.CACHE_BYTES // MIB:,} MiB" if settings.CACHE_BYTES else "any size"
    return [age, size]


def result_facts(total: Holding) -> Facts:
    """Return what there is to know of the cache of results: label, value, and what it means."""
    age, size = bounds()
    return [
        ("Entries", f"{total.n_entries:,}", f"Results that were computed and may be reused, of {total.n_runs:,} runs."),
        ("Size", f"{total.n_bytes / MIB:,.1f} MiB", f"What these take; at most {size} (TRAWL_CACHE_MB)."),
        ("Oldest", _age(total.oldest), f"Age of the oldest; at most {age} (TRAWL_CACHE_DAYS)."),
        ("Newest", _age(total.newest), "Age of the newest."),
        ("Hits", f"{total.n_hits:,}", "Results that were reused, one by one or with a whole run."),
        ("Hit rate", figures.pct(total.hit_rate_pct, 1), f"Of {total.n_asked:,} results of runs that use the cache."),
        ("Saved", figures.duration(total.saved_s), "What computing these took when they were computed."),
    ]


def bar_facts(state: CacheState, file: CacheState) -> Facts:
    """Return what there is to know of the cache of bars, in memory and in its file: label, value, and what it means."""
    asked = state.hits + state.misses
    rate = f"{100 * state.hits / asked:.1f} %" if asked else NO_VALUE
    stored = PriceBlock.objects.order_by().aggregate(blocks=Count("pk"), bars=Sum("n_bars"))
    n_bars = stored["bars"] or 0
    return [
        ("Entries", f"{state.entries:,}", "Series, each a symbol's bars of one interval."),
        ("Memory", f"{state.n_bytes / MIB:,.1f} MiB", "What these series take."),
        ("Limit", f"{state.limit_bytes / MIB:,.1f} MiB", "Set by TRAWL_BARS_CACHE_MB."),
        ("Hits", f"{state.hits:,}", "Series that were there, unchanged in the database."),
        ("Misses", f"{state.misses:,}", "Series that had to be read, or whose blocks had changed."),
        ("Hit rate", rate, "Since the process started."),
        ("Evictions", f"{state.evictions:,}", "Series that gave way to newer ones at the limit."),
        ("In the file", f"{file.entries:,}", "Series of markets that do not fit into memory."),
        ("Disk", f"{file.n_bytes / MIB:,.1f} MiB", f"What these take; at most {most_of(file)} (TRAWL_BARS_FILE_MB)."),
        ("Read there", f"{file.hits:,}", f"Series that were read from the file; not there: {file.misses:,}."),
        ("Stored", f"{n_bars * BAR_BYTES / MIB:,.1f} MiB", f"Bars: {n_bars:,}, in blocks: {stored['blocks']:,}."),
    ]


def most_of(file: CacheState) -> str:
    """Return the bound of the bars file in words; this process may have none."""
    return f"{file.limit_bytes / MIB:,.0f} MiB" if file.limit_bytes else "nothing, as this process has no file"


def cells_of(part: Holding) -> tuple[str, ...]:
    """Return the figures of one strategy and universe: entries, size, oldest, newest, hit rate, time saved."""
    return (
        f"{part.n_entries:,}",
        f"{part.n_bytes / MIB:,.1f} MiB",
        _age(part.oldest),
        _age(part.newest),
        figures.pct(part.hit_rate_pct, 1),
        figures.duration(part.saved_s),
    )


def _age(time: Any) -> str:
    if time is None:
        return NO_VALUE
    days = (timezone.now() - time).days
    return f"{days:,} days" if days >= 2 else figures.duration(timezone.now() - time)
