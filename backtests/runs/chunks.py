"""The queue of chunks: who may work on which one, and until when."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from backtests.models import Run, RunChunk
from strategies.registry import strategies

# Names this process in leases. The random part tells it from a dead one that had the same number.
PROCESS = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"

# A chunk that took its worker down this often fails its symbol instead of the next worker.
MOST_ATTEMPTS = 3

ACTIVE = (Run.State.QUEUED, Run.State.RUNNING)

# A chunk is free if it waits, or if its worker did not finish it in time. A lease that ends later than any could, was
# made before the clock was put back.
_FREE = "(state = 'waiting' OR (state = 'claimed' AND (leased_until < %s OR leased_until > %s)))"

_CLAIM = f"""
    UPDATE {RunChunk._meta.db_table}
    SET state = 'claimed', worker = %s, claimed_at = %s, leased_until = %s, attempts = attempts + 1
    WHERE id = (
        SELECT id FROM {RunChunk._meta.db_table} WHERE run_id = %s AND {_FREE} ORDER BY "index" LIMIT 1 {{lock}}
    )
    RETURNING id, "index", symbol_ids, attempts
"""  # noqa: S608 - made of the names of tables

_RUN = f"SELECT state, owner_id, max_workers FROM {Run._meta.db_table} WHERE id = %s {{lock}}"  # noqa: S608

# Written out as the claim is: somebody waits for the first row of a run, and building these takes longer than they do.
_BEGIN = f"""
    UPDATE {Run._meta.db_table} SET state = 'running', started_at = COALESCE(started_at, %s)
    WHERE id = %s AND state = 'queued'
"""  # noqa: S608 - made of the name of a table
_N_RUNNING = f"""
    SELECT count(*) FROM {Run._meta.db_table}
    WHERE state = 'running' AND (owner_id = %s OR (owner_id IS NULL AND %s IS NULL))
"""  # noqa: S608 - made of the name of a table

_SQLITE_WRITER = threading.Lock()


@contextmanager
def writing() -> Iterator[None]:
    """Hold this while writing. SQLite has one writer at a time, and waits by sleeping and trying again."""
    if connection.vendor != "sqlite":
        yield
        return
    with _SQLITE_WRITER:
        yield


def one_at_a_time(what: str, owner_id: int | None) -> None:
    """Let others that are about to do the same for this owner wait for the end of this transaction.

    Where there is one writer at a time, they do so already.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"trawl {what} {owner_id}"])


def adapt_time(time: datetime) -> Any:
    """Return a time as this database takes it in a statement."""
    return connection.ops.adapt_datetimefield_value(time)


class Held(Enum):
    """Why a run that has chunks left gets no worker now."""

    ITS_WORKERS = "as many workers as it may have are at it"
    ITS_TURN = "as many runs of its owner as may are executed"


def claim(run_id: str) -> RunChunk | Held | None:
    """Lease the next chunk of a run to this process, or return why not; None if there is none to be had."""
    now = timezone.now()
    lease = timedelta(seconds=settings.LEASE_S)
    until, never = adapt_time(now + lease), adapt_time(now + 2 * lease)
    # Of two workers at the same moment the second passes over the row that the first has locked.
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with writing(), transaction.atomic(), connection.cursor() as cursor:
        # Whoever pauses or cancels the run at this moment waits for this claim, or this one sees it. Saving does not.
        cursor.execute(_RUN.format(lock="FOR KEY SHARE" if connection.vendor == "postgresql" else ""), [run_id])
        state, owner_id, max_workers = cursor.fetchone() or ("", None, None)
        if state not in ACTIVE:
            return None
        if state == Run.State.QUEUED and _is_not_its_turn(owner_id, now):
            return Held.ITS_TURN
        if max_workers is not None and _has_its_workers(run_id, max_workers, now):
            return Held.ITS_WORKERS
        cursor.execute(_CLAIM.format(lock=lock), [PROCESS, adapt_time(now), until, run_id, adapt_time(now), never])
        row = cursor.fetchone()
        if row is None:
            return None
        pk, index, symbol_ids, attempts = row
        if state == Run.State.QUEUED:
            cursor.execute(_BEGIN, [adapt_time(now), run_id])
    ids = json.loads(symbol_ids) if isinstance(symbol_ids, str) else symbol_ids
    return RunChunk(pk=pk, run_id=run_id, index=index, symbol_ids=ids, n_symbols=len(ids), attempts=attempts)


def _is_not_its_turn(owner_id: int | None, now: datetime) -> bool:
    one_at_a_time("turn", owner_id)
    with connection.cursor() as cursor:
        cursor.execute(_N_RUNNING, [owner_id, owner_id])
        if cursor.fetchone()[0] < settings.RUNNING_RUNS:
            return False
    running = Run.objects.filter(state=Run.State.RUNNING, owner_id=owner_id)
    # What a killed process has left must not be in the way for ever.
    lease = timedelta(seconds=settings.LEASE_S)
    is_at_work = Q(state=RunChunk.State.CLAIMED, leased_until__range=(now, now + 2 * lease))
    is_at_work |= Q(done_at__range=(now - lease, now + lease))
    worked_on = running.filter(Exists(RunChunk.objects.filter(is_at_work, run=OuterRef("pk"))))
    return worked_on.count() >= settings.RUNNING_RUNS


def _has_its_workers(run_id: str, max_workers: int, now: datetime) -> bool:
    if connection.features.has_select_for_update:
        # Of two workers that count at the same moment, one has to see the other's chunk.
        Run.objects.select_for_update(no_key=True).values_list("pk", flat=True).get(pk=run_id)
    return chunks_at_work(run_id, now=now).count() >= max_workers


def chunks_at_work(run_id: str, *, now: datetime | None = None) -> QuerySet[RunChunk]:
    """Return the chunks of a run that a worker is at: claimed, with a lease that is neither over nor beyond any."""
    now = now or timezone.now()
    lease = (now, now + timedelta(seconds=2 * settings.LEASE_S))
    return RunChunk.objects.filter(run_id=run_id, state=RunChunk.State.CLAIMED, leased_until__range=lease)


def renew(chunk_ids: Collection[int]) -> None:
    """Extend the leases of chunks that this process is still at."""
    until = timezone.now() + timedelta(seconds=settings.LEASE_S)
    mine = RunChunk.objects.filter(pk__in=chunk_ids, state=RunChunk.State.CLAIMED, worker=PROCESS)
    with writing():
        mine.update(leased_until=until)


def put_back(chunk_ids: Collection[int]) -> int:
    """Let others have chunks that this process does not finish for reasons of its own; the attempt does not count."""
    mine = RunChunk.objects.filter(pk__in=chunk_ids, state=RunChunk.State.CLAIMED, worker=PROCESS)
    with writing():
        return mine.update(state=RunChunk.State.WAITING, leased_until=None, attempts=F("attempts") - 1)


def cut_into_symbols(chunk: RunChunk) -> None:
    """Replace a chunk that has broken its workers by one for each of its symbols, for a last attempt.

    If one of them was why, it fails alone.
    """
    with writing(), transaction.atomic():
        if not RunChunk.objects.filter(pk=chunk.pk, state=RunChunk.State.CLAIMED).delete()[0]:
            return
        # Of two workers that cut a chunk of this run at the same moment, one has to see the other's.
        Run.objects.select_for_update().values_list("pk", flat=True).get(pk=chunk.run_id)
        highest = RunChunk.objects.filter(run_id=chunk.run_id).aggregate(highest=Max("index"))["highest"]
        first = max(chunk.index, highest if highest is not None else 0) + 1
        RunChunk.objects.bulk_create(
            RunChunk(
                run_id=chunk.run_id,
                index=first + offset,
                symbol_ids=[symbol_id],
                n_symbols=1,
                attempts=MOST_ATTEMPTS - 1,
            )
            for offset, symbol_id in enumerate(chunk.symbol_ids)
        )


def give_up_dead_leases(run_id: str | None = None) -> int:
    """Free the chunks, of one run or of all, of processes of this machine that are no more; return how many.

    Those of other machines wait for their lease.
    """
    claimed = RunChunk.objects.filter(state=RunChunk.State.CLAIMED)
    if run_id is not None:
        claimed = claimed.filter(run_id=run_id)
    workers = claimed.order_by("worker").values_list("worker", flat=True).distinct()
    dead = [worker for worker in workers if is_dead(worker)]
    with writing():
        return claimed.filter(worker__in=dead).update(state=RunChunk.State.WAITING)


def unfinished_runs() -> list[str]:
    """Return the runs that have a chunk to be claimed, oldest first.

    A strategy that somebody has added since this process started is left to the processes that have it.
    """
    is_newer = ~Q(strategy__key__in=strategies()) & ~Q(strategy__source="") & Q(strategy__is_missing=False)
    open_runs = Run.objects.filter(state__in=ACTIVE).exclude(is_newer)
    now = timezone.now()
    over = Q(leased_until__lt=now) | Q(leased_until__gt=now + timedelta(seconds=2 * settings.LEASE_S))
    is_free = Q(state=RunChunk.State.WAITING) | (Q(state=RunChunk.State.CLAIMED) & over)
    free = RunChunk.objects.filter(is_free, run__in=open_runs).values("run_id")
    return list(open_runs.filter(pk__in=free).order_by("created_at").values_list("pk", flat=True))


def is_dead(worker: str) -> bool:
    """Return whether a process that has named itself in leases is one of this machine, and is no more."""
    host, pid, _ = worker.rsplit(":", 2)
    if worker == PROCESS or host != socket.gethostname()[:40]:
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
