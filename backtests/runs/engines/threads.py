"""The engine of one process: threads that take chunks of the runs given to it.

Kernels run without the GIL, so that threads use all processors while the event loop stays free.

1. A worker takes the next run in turn and leases its next chunk; runs that may have no worker now wait aside.
2. It executes the chunk and saves the results. While the database is away, locked or full, each step is tried again.
3. Beside the workers one thread keeps their leases, replaces a stuck worker, and looks for what was left behind.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import chain, repeat
from math import inf
from time import monotonic
from typing import TypeVar

from django.conf import settings
from django.db import connection

from backtests.connections import give_back
from backtests.engine import RulesError
from backtests.models import RunChunk
from backtests.runs.chunks import (
    MOST_ATTEMPTS,
    Held,
    claim,
    cut_into_symbols,
    give_up_dead_leases,
    put_back,
    renew,
    unfinished_runs,
)
from backtests.runs.engines.courtesy import wait_for_first_look, wait_for_requests
from backtests.runs.engines.outage import AWAY, Outage, on_one_line
from backtests.runs.execute import Scan, SymbolResult, execute, failed, scan_of
from backtests.runs.notify import notify_finished
from backtests.runs.save import save
from strategies.errors import StrategyError

logger = logging.getLogger(__name__)

# A chunk that could not be read for so long is tried again later, which counts as an attempt. Saving has no such end:
# what was computed is kept in hand until there is a place for it.
READ_PATIENCE_S = 600.0
KEEP_S = 2.0
# So long the first worker of a new run is alone at it, until its first row is seen: others would only hold that up.
ALONE_S = 0.02
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0)

Answer = TypeVar("Answer")


class Outcome(Enum):
    """What a worker did with a run whose turn it was."""

    DID_A_CHUNK = "did a chunk of it"
    HELD = "found chunks that it may not have now"
    NOTHING_LEFT = "found nothing to do"


@dataclass(slots=True)
class AtWork:
    """The chunk that a worker is at, and since when."""

    chunk: RunChunk
    since_s: float


class ThreadsEngine:
    """Worker threads over the runs that this process works on, one chunk of each run in turn."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._runs: OrderedDict[str, Scan | None] = OrderedDict()
        # How often anything was submitted or let go: who found nothing to do before that has to look again.
        self._n_asked = 0
        self._held: OrderedDict[str, Scan | None] = OrderedDict()
        # Runs that have just been started, and until when others leave them to the worker that began.
        self._opening: dict[str, float] = {}
        self._changed = threading.Condition()
        self._workers: dict[threading.Thread, AtWork | None] = {}
        self._keeper: threading.Thread | None = None
        self._stopping = threading.Event()
        self._takes_up = False
        self._outage = Outage("runs")
        # What a server looks after besides its runs: called every few seconds, in the thread that keeps the leases.
        self.also_looks: list[Callable[[], object]] = []

    def submit(self, run_id: str, scan: Scan | None = None) -> None:
        """Work on this run, beginning now; ``scan`` spares the worker reading the run."""
        with self._changed:
            self._held.pop(run_id, None)
            self._runs.setdefault(run_id, scan)
            if scan is not None:
                self._opening[run_id] = inf
            self._n_asked += 1
            self._start_threads()
            self._changed.notify_all()

    def let_go_held(self) -> None:
        """Try the runs again that wait for workers or for their turn; one that was in their way may rest now."""
        with self._changed:
            for run_id, scan in self._held.items():
                self._runs.setdefault(run_id, scan)
            self._held.clear()
            self._n_asked += 1
            self._changed.notify_all()

    def take_up_unfinished(self) -> None:
        """Work on every run that somebody left unfinished, now and whenever a lease expires."""
        give_up_dead_leases()
        self._takes_up = True
        for run_id in unfinished_runs():
            self.submit(run_id)
        with self._changed:
            self._start_threads()

    def stop(self, patience_s: float | None = None) -> None:
        """End the workers, each after the chunk that it is at; chunks that wait are left to whoever takes them up.

        Chunks that take longer than ``patience_s`` are left as well, as if nobody had begun them.
        """
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
            threads = [*self._workers, *([self._keeper] if self._keeper else [])]
        _join(threads, patience_s)
        with self._changed:
            left = [at_work.chunk.pk for at_work in self._workers.values() if at_work is not None]
        if left:
            # The database may be why they are not finished: it is not waited for any longer, either.
            putting_back = threading.Thread(target=_put_back, args=(left,), name="put-back", daemon=True)
            putting_back.start()
            _join([putting_back], patience_s)

    def _start_threads(self) -> None:
        while len(self._workers) < self._n_workers:
            worker = threading.Thread(target=self._work, name=f"worker-{len(self._workers) + 1}", daemon=True)
            self._workers[worker] = None
            worker.start()
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
            self._keeper.start()

    def _work(self) -> None:
        while (turn := self._next_run()) is not None:
            run_id, n_asked = turn
            try:
                self._did(run_id, n_asked, self._work_on(run_id))
            except Exception as error:
                # The rows still say what is to be done: the keeper looks for runs that nobody works on.
                if isinstance(error, AWAY):
                    logger.warning("run %s is left for later: %s", run_id, on_one_line(error))
                else:
                    logger.exception("a worker failed on run %s", run_id)
                self._did(run_id, n_asked, Outcome.NOTHING_LEFT)
                connection.close()
            give_back()
        connection.close()

    def _next_run(self) -> tuple[str, int] | None:
        """Return the run whose turn it is and how often any was asked for, waiting for one; None ends this worker."""
        me = threading.current_thread()
        with self._changed:
            while not self._stopping.is_set() and me in self._workers:
                for run_id in self._runs:
                    if self._may_be_taken(run_id):
                        self._runs.move_to_end(run_id)
                        return run_id, self._n_asked
                self._changed.wait(ALONE_S if self._runs else None)
            return None

    def _may_be_taken(self, run_id: str) -> bool:
        """Return whether a worker may take this run now. Of a new one the first worker is alone for a moment."""
        until = self._opening.get(run_id)
        if until is None:
            return True
        if until == inf:
            self._opening[run_id] = monotonic() + ALONE_S
            return True
        return monotonic() >= until

    def _did(self, run_id: str, n_asked: int, outcome: Outcome) -> None:
        with self._changed:
            self._opening.pop(run_id, None)
        if outcome is Outcome.DID_A_CHUNK:
            with self._changed:
                # Another worker may have found nothing left meanwhile, and this one has cut a chunk into new ones.
                self._runs.setdefault(run_id, self._held.pop(run_id, None))
            self.let_go_held()
            return
        with self._changed:
            # Somebody may have resumed it, or made room for it, since this worker found nothing to do.
            if self._n_asked == n_asked and run_id in self._runs:
                scan = self._runs.pop(run_id)
                if outcome is Outcome.HELD:
                    self._held[run_id] = scan

    def _work_on(self, run_id: str) -> Outcome:
        wait_for_requests()
        # Before the chunk: who finds none left meanwhile takes the run, and what is known of it, off the list.
        scan = self._runs.get(run_id)
        chunk = self._patiently(lambda: claim(run_id))
        if chunk is None:
            return Outcome.NOTHING_LEFT
        if isinstance(chunk, Held):
            return Outcome.HELD
        me = threading.current_thread()
        with self._changed:
            if me in self._workers:
                self._workers[me] = AtWork(chunk, monotonic())
        try:
            if chunk.attempts >= MOST_ATTEMPTS and chunk.n_symbols > 1:
                self._patiently(lambda: cut_into_symbols(chunk))
            else:
                results = self._patiently(lambda: self._results(chunk, scan), READ_PATIENCE_S)
                names = scan.market.names if scan and scan.market else None
                self._patiently(lambda: save(chunk, results, names))
        finally:
            with self._changed:
                if me in self._workers:
                    self._workers[me] = None
        give_back()
        if run_id in self._opening:
            wait_for_first_look(run_id)
        return Outcome.DID_A_CHUNK

    def _results(self, chunk: RunChunk, scan: Scan | None) -> list[SymbolResult]:
        if chunk.attempts > MOST_ATTEMPTS:
            return failed(chunk.symbol_ids, f"given up after {MOST_ATTEMPTS} attempts that broke off or got stuck")
        try:
            return execute(scan or self._scan(chunk.run_id), chunk.symbol_ids)
        except (StrategyError, RulesError) as error:
            # The strategy is gone, or a parameter or rule has changed since the run was saved: trying again would be
            # in vain.
            return failed(chunk.symbol_ids, str(error))

    def _patiently(self, step: Callable[[], Answer], patience_s: float = inf) -> Answer:
        """Do a step, again and again while the database is away or has no room; return what it returns."""
        began, pauses_s = monotonic(), chain(PAUSES_S, repeat(PAUSES_S[-1]))
        while True:
            try:
                answer = step()
            except AWAY as error:
                connection.close()
                if self._stopping.is_set() or monotonic() - began > patience_s:
                    raise
                self._outage.notice(error)
            else:
                self._outage.is_over()
                return answer
            self._stopping.wait(next(pauses_s))
            self._is_not_stuck()

    def _is_not_stuck(self) -> None:
        with self._changed:
            if at_work := self._workers.get(threading.current_thread()):
                at_work.since_s = monotonic()

    def _scan(self, run_id: str) -> Scan:
        """Read what a run's symbols share, and keep it for its other chunks."""
        scan = scan_of(run_id)
        with self._changed:
            if run_id in self._runs:
                self._runs[run_id] = scan
        return scan

    def _keep(self) -> None:
        """Keep leases, replace stuck workers and look for runs that nobody works on, until the engine stops."""
        looked = monotonic()
        while not self._stopping.wait(min(KEEP_S, settings.LEASE_S / 4, settings.STUCK_S / 4)):
            try:
                self._keep_leases()
                self.let_go_held()
                if self._takes_up:
                    notify_finished()
                if self._takes_up and monotonic() - looked > settings.LEASE_S / 4:
                    looked = monotonic()
                    for run_id in unfinished_runs():
                        self.submit(run_id)
                for look in self.also_looks:
                    look()
            except AWAY as error:
                self._outage.notice(error)
            except Exception:
                logger.exception("the engine could not look after its runs; it tries again")
            else:
                self._outage.is_over()
            finally:
                # Between two looks nobody holds a server's connection.
                give_back()

    def _keep_leases(self) -> None:
        now = monotonic()
        with self._changed:
            for worker, at_work in list(self._workers.items()):
                if at_work is not None and now - at_work.since_s > settings.STUCK_S:
                    # A thread cannot be stopped from outside. Another one takes its place; this one ends when it comes
                    # back, if ever, and its chunk is tried again when the lease is over.
                    logger.error("chunk %s has been at work for %.0f s", at_work.chunk, now - at_work.since_s)
                    del self._workers[worker]
            if not self._stopping.is_set():
                self._start_threads()
            kept = [at_work.chunk.pk for at_work in self._workers.values() if at_work is not None]
        if kept:
            renew(kept)


def _join(threads: Iterable[threading.Thread], patience_s: float | None) -> None:
    deadline = monotonic() + (patience_s or 0.0)
    for thread in threads:
        thread.join(None if patience_s is None else max(0.0, deadline - monotonic()))


def _put_back(chunk_ids: Collection[int]) -> None:
    try:
        put_back(chunk_ids)
    except AWAY as error:
        logger.warning("%s chunks are taken up when their leases are over: %s", len(chunk_ids), on_one_line(error))
    finally:
        connection.close()


ENGINE = ThreadsEngine(settings.WORKERS)
