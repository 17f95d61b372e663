"""The cache of results is the results themselves: whatever has the same digest has the same outcome.

1. ``digest_of_scan``   everything that the symbols of a run share: engine, strategy and its code, rules, dates
2. ``digest_of_symbol`` that, and the price blocks of one symbol that reach into the dates; stored with each result
3. ``digest_of_run``    that of every chosen symbol; stored with the run
4. ``identical_run``    the run that answers a request already, to be shown instead of a new one
5. ``earlier_results``  single results that a run which only overlaps earlier ones need not compute
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from backtests.at_once import rows_of
from backtests.engine import ENGINE_VERSION, Rules
from backtests.models import Result, Run
from backtests.prices.cache import ALL_PERIODS
from backtests.prices.store import BLOCK_MONTHS
from backtests.runs.chunks import adapt_time
from backtests.runs.request import CheckedRequest, rule_values
from strategies.base import Strategy

# How curve and trades are stored. Another number makes all results of before count as different.
FORMAT = 1

# Characters of a scan's digest that those of its symbols begin with.
SHARED = 8

# Of many results with one digest any will do. A copy is no source: its age would be that of the copy. SQLite knows no
# LATERAL, and PostgreSQL would read the whole table for the other way to say the same.
_ONE = f"""
    FROM {Result._meta.db_table} AS earlier JOIN {Run._meta.db_table} AS run ON run.id = earlier.run_id
    WHERE earlier.digest = wanted.column1 AND earlier.reason = '' AND NOT earlier.is_cached
    AND run.is_reusable AND run.created_at >= %s LIMIT 1
"""
_EARLIER = {
    "sqlite": f"""
        SELECT found.digest, found.id, found.elapsed_us FROM (VALUES {{values}}) AS wanted
        JOIN {Result._meta.db_table} AS found ON found.id = (SELECT earlier.id {_ONE})
    """,  # noqa: S608 - made of the names of tables
    "postgresql": f"""
        SELECT found.* FROM (VALUES {{values}}) AS wanted
        CROSS JOIN LATERAL (SELECT earlier.digest, earlier.id, earlier.elapsed_us {_ONE}) AS found
    """,  # noqa: S608
}

# Asked for every run that starts: that there is none is told before anything else is looked up.
_SAME = f"SELECT 1 FROM {Run._meta.db_table} WHERE digest = %s LIMIT 1"  # noqa: S608
_HAS_EARLIER = f"""
    SELECT 1 FROM {Run._meta.db_table}
    WHERE scan_digest = %s AND id <> %s AND is_reusable AND created_at >= %s AND n_done > n_failed + n_cached LIMIT 1
"""  # noqa: S608


_DIGESTS = f"SELECT symbol_id, digest FROM {Result._meta.db_table} WHERE run_id = %s"  # noqa: S608


class Earlier(NamedTuple):
    """A result that may be copied, and what computing it took."""

    id: int
    elapsed_us: int


def digests_of(checked: CheckedRequest, checksums: Mapping[int, Sequence[str]]) -> tuple[str, str]:
    """Return the digests of the scan and of the run that a request asks for, from the checksums of every symbol."""
    scan = digest_of_scan(
        checked.strategy,
        checked.rules,
        interval=checked.interval,
        market=checked.universe.market,
        dates=(checked.start_date, checked.end_date),
    )
    return scan, digest_of_run(scan, checksums)


def digest_of_scan(
    strategy: Strategy, rules: Rules, *, interval: str, market: str, dates: tuple[date | None, date | None]
) -> str:
    """Return the digest of everything that the symbols of a run share."""
    code = [FORMAT, ENGINE_VERSION, strategy.key, strategy.code_version()]
    asked = [strategy.values, rule_values(rules), interval, market, *map(str, dates)]
    return _digest(json.dumps([*code, *asked], sort_keys=True))


def digest_of_symbol(scan_digest: str, checksums: Iterable[str]) -> str:
    """Return the digest of one symbol's result from the checksums of its blocks, in the order of their periods.

    It begins as that of its scan does: so the results of a run stand together in the index of digests, and saving some
    of them changes a page or two of it instead of one for each.
    """
    return scan_digest[:SHARED] + _digest(scan_digest + "".join(checksums))[SHARED:]


def digest_of_run(scan_digest: str, checksums: Mapping[int, Sequence[str]]) -> str:
    """Return the digest of a run from the checksums of each of its symbols, in whatever order they come."""
    return _digest(scan_digest + "".join([f"{each}:{''.join(checksums[each])};" for each in sorted(checksums)]))


def periods_within(interval: str, start_date: date | None, end_date: date | None) -> tuple[int, int]:
    """Return the first and the last period of the blocks that can have bars between two dates.

    Blocks of other periods change nothing about a result: a run over the past stays valid while new bars are added.
    """
    first, last = ALL_PERIODS
    if start_date is not None:
        month = start_date.year * 12 + start_date.month - BLOCK_MONTHS[interval]
        first = max(first, month // 12 * 100 + month % 12 + 1)
    if end_date is not None:
        last = end_date.year * 100 + end_date.month
    return first, last


def identical_run(
    scan_digest: str,
    run_digest: str,
    checksums: Mapping[int, Sequence[str]],
    owner: Any,
    *,
    notify: tuple[str, str] = ("", ""),
) -> Run | None:
    """Return the run that answers the same request of this owner, or None, and count it as reused.

    That is one of theirs that is being worked on, or one of theirs or of nobody that is complete, may be reused and is
    young enough. Its results are compared once more: prices or code may have changed while it was made, and failures
    may have been a matter of luck. Where somebody is to be notified, by e-mail or webhook, a run that has ended would
    not do so, and one that is being worked on must be about to tell the same.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SAME, [run_digest])
        if cursor.fetchone() is None:
            return None
    working = Q(state__in=[Run.State.QUEUED, Run.State.RUNNING], owner=owner)
    seen = Q(owner=owner) | Q(owner=None)
    finished = seen & Q(state=Run.State.COMPLETE, is_reusable=True, created_at__gte=oldest_reusable())
    same = Run.objects.filter(working | finished, digest=run_digest)
    if any(notify):
        same = Run.objects.filter(working, digest=run_digest, notify_email=notify[0], notify_url=notify[1])
    for run in same.select_related("strategy", "universe").order_by("-created_at"):
        if not run.is_finished or _has_results_of(run, scan_digest, checksums):
            Run.objects.filter(pk=run.pk).update(n_reused=F("n_reused") + 1)
            return run
    return None


def has_earlier_results(scan_digest: str, *, except_run: str) -> bool:
    """Return whether any other run may have results of a scan: asked once, it spares most runs all other questions."""
    with connection.cursor() as cursor:
        cursor.execute(_HAS_EARLIER, [scan_digest, except_run, adapt_time(oldest_reusable())])
        return cursor.fetchone() is not None


def earlier_results(digests: Collection[str]) -> dict[str, Earlier]:
    """Return a result that may be copied for each of these digests that has one."""
    if not digests:
        return {}
    query = _EARLIER[connection.vendor].format(values=", ".join(["(%s)"] * len(digests)))
    rows = rows_of(query, [*digests, adapt_time(oldest_reusable())], ("digest", "id", "elapsed_us"))
    return {digest: Earlier(*found) for digest, *found in rows}


def oldest_reusable() -> datetime:
    """Return when a run must have been created, at the earliest, for its results to be reused now."""
    if settings.CACHE_DAYS == 0:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return timezone.now() - timedelta(days=settings.CACHE_DAYS)


def _has_results_of(run: Run, scan_digest: str, checksums: Mapping[int, Sequence[str]]) -> bool:
    wanted = {symbol_id: digest_of_symbol(scan_digest, own) for symbol_id, own in checksums.items()}
    return dict(rows_of(_DIGESTS, [run.pk], ("symbol_id", "digest"))) == wanted


def _digest(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
