"""Which results later runs may take: counted by strategy and universe, flushed, and pruned by age and size.

A result is one of the cache as long as its run may be reused (``Run.is_reusable``) and is young enough. Flushing and
pruning only say that it may no longer be: whoever has made the run keeps it with all its rows.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

from django.conf import settings
from django.db.models import BigIntegerField, Count, F, Max, Min, Q, Sum
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from backtests.models import Run
from backtests.runs.cache import oldest_reusable
from backtests.runs.chunks import writing

# Runs that end one after the other are not worth a look each.
PRUNED_AT_MOST_EVERY_S = 60.0

_looking = threading.Lock()
_looked_s = -PRUNED_AT_MOST_EVERY_S


@dataclass(frozen=True, slots=True)
class Holding:
    """What the cache holds of one strategy and universe, and what it has done for runs of them."""

    strategy: str
    strategy_key: str
    universe: str
    universe_slug: str
    n_runs: int
    n_entries: int
    n_bytes: int
    oldest: datetime | None
    newest: datetime | None
    n_asked: int
    n_hits: int
    saved_s: float

    @property
    def hit_rate_pct(self) -> float | None:
        return 100 * self.n_hits / self.n_asked if self.n_asked else None


class Pruned(NamedTuple):
    """How many runs are no longer reused, because of their age and because of the size of all."""

    by_age: int
    by_size: int


def holdings() -> list[Holding]:
    """Return what the cache holds, largest first: one query over runs, which carry the counts of their results.

    A request that a whole run has answered counts as if each of its results had been asked for and found.
    """
    held = Q(is_reusable=True, created_at__gte=oldest_reusable())
    again = Cast(F("n_reused"), BigIntegerField())
    groups = Run.objects.order_by().values("strategy__label", "strategy__key", "universe__name", "universe__slug")
    found = groups.annotate(
        runs=Count("pk", filter=held),
        entries=Coalesce(Sum(F("n_done") - F("n_failed") - F("n_cached"), filter=held), 0),
        size=Coalesce(Sum("n_bytes", filter=held), 0),
        oldest=Min("created_at", filter=held),
        newest=Max("created_at", filter=held),
        asked=Coalesce(Sum("n_done", filter=Q(use_cache=True)), 0) + Coalesce(Sum(again * F("n_done")), 0),
        hits=Coalesce(Sum(F("n_cached") + again * F("n_done")), 0),
        saved_us=Coalesce(Sum(F("saved_us") + again * (F("computed_us") + F("saved_us"))), 0),
    )
    rows = found.values_list(
        "strategy__label", "strategy__key", "universe__name", "universe__slug",
        "runs", "entries", "size", "oldest", "newest", "asked", "hits", "saved_us",
    )  # fmt: skip
    counted = [Holding(*row[:-1], saved_s=row[-1] / 1e6) for row in rows]
    return sorted(counted, key=lambda held: (-held.n_bytes, held.strategy, held.universe))


def total_of(parts: list[Holding]) -> Holding:
    """Return the sum of what the cache holds."""
    oldest = min((part.oldest for part in parts if part.oldest), default=None)
    newest = max((part.newest for part in parts if part.newest), default=None)
    return Holding(
        "", "", "", "",
        n_runs=sum(part.n_runs for part in parts),
        n_entries=sum(part.n_entries for part in parts),
        n_bytes=sum(part.n_bytes for part in parts),
        oldest=oldest,
        newest=newest,
        n_asked=sum(part.n_asked for part in parts),
        n_hits=sum(part.n_hits for part in parts),
        saved_s=sum(part.saved_s for part in parts),
    )  # fmt: skip


def flush(*, strategy: str = "", universe: str = "") -> int:
    """Let no result of before be reused: of a strategy, of a universe, or of all; return of how many runs."""
    chosen = Run.objects.filter(is_reusable=True)
    if strategy:
        chosen = chosen.filter(strategy__key=strategy)
    if universe:
        chosen = chosen.filter(universe__slug=universe)
    with writing():
        return chosen.update(is_reusable=False)


def prune(*, days: int, n_bytes: int) -> Pruned:
    """Let results older than these days be reused no more, and of the others the oldest until the rest is this small.

    For both, 0 is without bound.
    """
    by_age = by_size = 0
    held = Run.objects.filter(is_reusable=True)
    with writing():
        if days:
            by_age = held.filter(created_at__lt=timezone.now() - timedelta(days=days)).update(is_reusable=False)
        if n_bytes and (too_many := _beyond(n_bytes)):
            by_size = held.filter(pk__in=too_many).update(is_reusable=False)
    return Pruned(by_age, by_size)


def prune_now_and_then() -> None:
    """Prune by the settings, unless that was done a moment ago; called after runs and when a server starts."""
    global _looked_s  # noqa: PLW0603 - one clock a process
    with _looking:
        if monotonic() - _looked_s < PRUNED_AT_MOST_EVERY_S:
            return
        _looked_s = monotonic()
    prune(days=settings.CACHE_DAYS, n_bytes=settings.CACHE_BYTES)


def _beyond(limit: int) -> list[str]:
    """Return the runs that do not fit into the limit, counted from the newest; most often none does not."""
    held = Run.objects.filter(is_reusable=True, n_bytes__gt=0)
    if (held.aggregate(n=Sum("n_bytes"))["n"] or 0) <= limit:
        return []
    total, beyond = 0, []
    for run_id, n_bytes in held.order_by("-created_at", "-pk").values_list("pk", "n_bytes"):
        total += n_bytes
        if total > limit:
            beyond.append(run_id)
    return beyond
