"""Pause, resume, cancel, and retry what failed: each a change of rows that every process sees at its next chunk.

A worker asks for the next chunk only of a run that is queued or running. The chunks that are being executed at that
moment are finished and saved, whatever has happened to the run: nothing that was computed is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from backtests.models import Result, Run, RunChunk
from backtests.runs.chunks import ACTIVE, give_up_dead_leases, writing
from backtests.runs.engines import threads
from backtests.runs.errors import WrongState
from backtests.runs.plan import chunks_of
from backtests.streams.pokes import poke

RESTING = (Run.State.PAUSED, Run.State.CANCELLED)


def pause(run_id: str) -> Run:
    """Let a run rest after the chunks that are at work. Raises WrongState if it does not run, Run.DoesNotExist."""
    with writing(), transaction.atomic():
        run = _locked(run_id)
        _require(run, "paused", ACTIVE)
        run.state, run.paused_at = Run.State.PAUSED, timezone.now()
        run.save(update_fields=["state", "paused_at"])
    threads.ENGINE.let_go_held()
    poke(run_id)
    return run


def cancel(run_id: str) -> Run:
    """End a run; it keeps its rows and can be resumed. Raises WrongState if it has ended, Run.DoesNotExist."""
    with writing(), transaction.atomic():
        run = _locked(run_id)
        _require(run, "cancelled", (*ACTIVE, Run.State.PAUSED))
        run.state, run.finished_at = Run.State.CANCELLED, timezone.now()
        run.save(update_fields=["state", "finished_at"])
    threads.ENGINE.let_go_held()
    poke(run_id)
    return run


def resume(run_id: str) -> Run:
    """Go on with a run that is paused or cancelled, when it is its turn. Raises WrongState, Run.DoesNotExist."""
    with writing(), transaction.atomic():
        run = _locked(run_id)
        _require(run, "resumed", RESTING)
        _rested(run, until=timezone.now())
        run.state = Run.State.QUEUED
        run.save(update_fields=["state", "paused_at", "paused_s", "finished_at", "seen_at", "notified_at"])
    _go_on(run_id)
    return run


def retry_failed(run_id: str) -> Run:
    """Compute the failed symbols of a finished run again: their rows go, and new ones come behind all others.

    What a cancelled run has not computed comes as well. Raises WrongState if the run has not ended or no symbol of it
    failed, Run.DoesNotExist.
    """
    with writing(), transaction.atomic():
        run = _locked(run_id)
        _require(run, "asked for another try", (Run.State.COMPLETE, Run.State.CANCELLED))
        failed = Result.objects.filter(run=run).exclude(reason="")
        symbol_ids = list(failed.order_by("sequence").values_list("symbol_id", flat=True))
        if not symbol_ids:
            raise WrongState(f"run {run_id} has no failed symbol to try again")
        failed.delete()
        _add_chunks(run, symbol_ids)
        _rested(run, until=timezone.now())
        run.state = Run.State.QUEUED
        run.n_done, run.n_failed = F("n_done") - len(symbol_ids), F("n_failed") - len(symbol_ids)
        counters = ["n_done", "n_failed"]
        times = ["paused_at", "paused_s", "finished_at", "seen_at", "notified_at"]
        run.save(update_fields=["state", *counters, *times])
    _go_on(run_id)
    return Run.objects.get(pk=run_id)


def _go_on(run_id: str) -> None:
    give_up_dead_leases(run_id)
    threads.ENGINE.submit(run_id)
    poke(run_id)


def _locked(run_id: str) -> Run:
    return Run.objects.select_for_update(of=("self",)).select_related("strategy", "universe").get(pk=run_id)


def _require(run: Run, done: str, states: Sequence[str]) -> None:
    if run.state not in states:
        allowed = " or ".join(states)
        raise WrongState(f"a run that is {run.state} cannot be {done}; it must be {allowed}")


def _rested(run: Run, *, until: datetime) -> None:
    """Count the time since it was paused or ended as rest."""
    since = min(time for time in (run.paused_at, run.finished_at) if time is not None)
    if run.started_at is not None:
        run.paused_s += max(0.0, (until - max(since, run.started_at)).total_seconds())
    run.paused_at = run.finished_at = run.seen_at = run.notified_at = None


def _add_chunks(run: Run, symbol_ids: Sequence[int]) -> None:
    highest = RunChunk.objects.filter(run=run).aggregate(highest=Max("index"))["highest"]
    first = 0 if highest is None else highest + 1
    RunChunk.objects.bulk_create(
        RunChunk(run=run, index=first + offset, symbol_ids=ids, n_symbols=len(ids))
        for offset, ids in enumerate(chunks_of(symbol_ids, bars_per_symbol=0))
    )
