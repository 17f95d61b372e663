"""The queue of chunks: who may work on which one, and until when."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from backtests.models import Run, RunChunk
from strategies.registry import strategies

# Names this process in leases. The random part tells it from a dead one that had the same number.
PROCESS = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"

# A chunk that took its worker down this often fails its symbols instead of the next worker.
MOST_ATTEMPTS = 3

# A chunk is free if it waits, or if its worker did not finish it in time.
_CLAIM = f"""
    UPDATE {RunChunk._meta.db_table} SET state = 'claimed', worker = %s, leased_until = %s, attempts = attempts + 1
    WHERE id = (
        SELECT id FROM {RunChunk._meta.db_table}
        WHERE run_id = %s AND (state = 'waiting' OR (state = 'claimed' AND leased_until < %s))
        ORDER BY "index" LIMIT 1 {{lock}}
    )
    RETURNING id, "index", symbol_ids, attempts
"""  # noqa: S608 - made of the names of tables

_SQLITE_WRITER = threading.Lock()


@contextmanager
def writing() -> Iterator[None]:
    """Hold this while writing. SQLite has one writer at a time, and waits by sleeping and trying again."""
    if connection.vendor != "sqlite":
        yield
        return
    with _SQLITE_WRITER:
        yield


def adapt_time(time: datetime) -> Any:
    """Return a time as this database takes it in a statement."""
    return connection.ops.adapt_datetimefield_value(time)


def claim(run_id: str) -> RunChunk | None:
    """Lease the next chunk of a run to this process, or return None if there is none to be had."""
    now = timezone.now()
    until = now + timedelta(seconds=settings.LEASE_S)
    # Of two workers at the same moment the second passes over the row that the first has locked.
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with writing(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(lock=lock), [PROCESS, adapt_time(until), run_id, adapt_time(now)])
        row = cursor.fetchone()
        if row is None:
            return None
        pk, index, symbol_ids, attempts = row
        if index == 0:
            queued = Run.objects.filter(pk=run_id, state=Run.State.QUEUED)
            queued.update(state=Run.State.RUNNING, started_at=now)
    ids = json.loads(symbol_ids) if isinstance(symbol_ids, str) else symbol_ids
    return RunChunk(pk=pk, run_id=run_id, index=index, symbol_ids=ids, n_symbols=len(ids), attempts=attempts)


def give_up_dead_leases() -> int:
    """Free the chunks of processes of this machine that are no more; return how many. Others wait for their lease."""
    claimed = RunChunk.objects.filter(state=RunChunk.State.CLAIMED)
    workers = claimed.order_by("worker").values_list("worker", flat=True).distinct()
    dead = [worker for worker in workers if _is_dead(worker)]
    with writing():
        return claimed.filter(worker__in=dead).update(state=RunChunk.State.WAITING)


def unfinished_runs() -> list[str]:
    """Return the runs that have a chunk to be claimed, oldest first.

    A strategy that somebody has added since this process started is left to the processes that have it.
    """
    is_newer = ~Q(strategy__key__in=strategies()) & ~Q(strategy__source="") & Q(strategy__is_missing=False)
    open_runs = Run.objects.exclude(state=Run.State.COMPLETE).exclude(is_newer)
    waiting = Q(state=RunChunk.State.WAITING)
    expired = Q(state=RunChunk.State.CLAIMED, leased_until__lt=timezone.now())
    free = RunChunk.objects.filter(waiting | expired, run__in=open_runs).values("run_id")
    return list(open_runs.filter(pk__in=free).order_by("created_at").values_list("pk", flat=True))


def _is_dead(worker: str) -> bool:
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
