"""What happens in a run, and when: its last events, its slowest symbols, and those that a worker is still at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.utils import timezone

from backtests.models import Run, RunChunk, Symbol
from backtests.runs.statistics import LATEST, ResultRow, RunStatistics
from backtests.streams import figures

EVENTS = 10
# A chunk takes a fraction of a second: one that a worker has been at for so long is worth a look, or a worry.
LONG_S, STUCK_S = 1.0, 10.0
MOST_CHUNKS, MOST_TICKERS = 4, 4


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``exact`` is the time for machines."""

    time: str
    exact: str
    what: str
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Slow:
    """A symbol that took long."""

    ticker: str
    took: str


@dataclass(frozen=True, slots=True)
class AtWork:
    """A chunk that a worker has been at for a while; one of its symbols is what takes so long."""

    tickers: str
    n_more: int
    since: str
    worker: str
    attempts: int
    is_stuck: bool


def slowest_of(statistics: RunStatistics) -> list[Slow]:
    """Return the symbols that took longest to compute, slowest first."""
    return [Slow(row.ticker, figures.computing(row.elapsed_us)) for row in statistics.slowest]


def events_of(run: Run, statistics: RunStatistics) -> list[Event]:
    """Return the last things that happened, newest first: results as they were saved, and what was done to the run."""
    happened = [_own(time, what, text) for time, what, text in _milestones(run)]
    rows = list(statistics.latest)
    if rows:
        happened += [_landed(time, row) for time, row in _saved_at(run.pk, rows)]
    happened.sort(key=lambda pair: pair[0], reverse=True)
    return [event for _, event in happened[:EVENTS]]


def at_work(run: Run) -> list[AtWork]:
    """Return the chunks that somebody has been at for longer than a chunk usually takes, longest first."""
    if run.is_finished and run.state != Run.State.CANCELLED:
        return []
    now = timezone.now()
    claimed = RunChunk.objects.filter(run_id=run.pk, state=RunChunk.State.CLAIMED).order_by("claimed_at")[:MOST_CHUNKS]
    waited = [(chunk, (now - (chunk.claimed_at or now)).total_seconds()) for chunk in claimed]
    long = [(chunk, waited_s) for chunk, waited_s in waited if waited_s >= LONG_S]
    named = {symbol_id for chunk, _ in long for symbol_id in chunk.symbol_ids[:MOST_TICKERS]}
    tickers = dict(Symbol.objects.filter(pk__in=named).values_list("pk", "ticker")) if named else {}
    return [
        AtWork(
            tickers=", ".join(tickers[each] for each in chunk.symbol_ids[:MOST_TICKERS] if each in tickers),
            n_more=max(0, chunk.n_symbols - MOST_TICKERS),
            since=figures.duration(waited_s),
            worker=chunk.worker.rsplit(":", 1)[0],
            attempts=chunk.attempts,
            is_stuck=waited_s >= STUCK_S,
        )
        for chunk, waited_s in long
    ]


def _milestones(run: Run) -> list[tuple[datetime, str, str]]:
    # Whoever comes late sees the same: what a run was and is no more, such as paused, is not kept with its time.
    ended = "Complete" if run.state == Run.State.COMPLETE else "Cancelled"
    known = [
        (run.created_at, "Asked for", f"{run.n_symbols:,} symbols"),
        (run.started_at, "Started", ""),
        (run.paused_at if run.state == Run.State.PAUSED else None, "Paused", f"after {run.n_done:,} symbols"),
        (run.finished_at if run.is_finished else None, ended, f"after {figures.duration(run.elapsed_s)}"),
    ]
    return [(time, what, text) for time, what, text in known if time is not None]


def _saved_at(run_id: str, rows: Sequence[ResultRow]) -> list[tuple[datetime, ResultRow]]:
    """Return rows with the time at which their chunk was done: numbers are given in the order of these times."""
    done = RunChunk.objects.filter(run_id=run_id, state=RunChunk.State.DONE, done_at__isnull=False).order_by("-done_at")
    # The highest number in the same statement: more may have been saved since the rows were read.
    chunks = iter(done.values_list("done_at", "n_symbols", F("run__last_sequence"))[: 2 * LATEST])
    timed: list[tuple[datetime, ResultRow]] = []
    chunk = next(chunks, None)
    above = chunk[2] if chunk else 0
    for row in reversed(rows):
        while chunk is not None and row.sequence <= above - chunk[1]:
            above -= chunk[1]
            chunk = next(chunks, None)
        if chunk is None:
            break
        timed.append((chunk[0], row))
    return timed


def _landed(time: datetime, row: ResultRow) -> tuple[datetime, Event]:
    took = "cached" if row.is_cached else figures.computing(row.elapsed_us)
    if row.return_pct is None:
        return time, _event(time, row.ticker, row.reason, "failed")
    text = f"{figures.signed_pct(row.return_pct)} · {took}"
    return time, _event(time, row.ticker, text, figures.tone(row.return_pct))


def _own(time: datetime, what: str, text: str) -> tuple[datetime, Event]:
    return time, _event(time, what, text, "own")


def _event(time: datetime, what: str, text: str, tone: str) -> Event:
    return Event(f"{time:%H:%M:%S}.{time.microsecond // 1000:03}", time.isoformat(), what, text, tone)
