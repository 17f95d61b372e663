"""The engine of one process: threads that take chunks of the runs given to it.

Kernels run without the GIL, so that threads use all processors while the event loop stays free.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from django.conf import settings
from django.db import connection

from backtests.engine import RulesError
from backtests.runs.chunks import MOST_ATTEMPTS, claim, give_up_dead_leases, unfinished_runs
from backtests.runs.engines.courtesy import wait_for_requests
from backtests.runs.execute import Scan, execute, failed, scan_of
from backtests.runs.save import save
from strategies.errors import StrategyError

logger = logging.getLogger(__name__)


class ThreadsEngine:
    """Worker threads over the runs that this process works on, one chunk of each run in turn."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._runs: OrderedDict[str, Scan | None] = OrderedDict()
        self._changed = threading.Condition()
        self._workers: list[threading.Thread] = []
        self._takes_up = False
        self._is_stopped = False

    def submit(self, run_id: str, scan: Scan | None = None) -> None:
        """Work on this run, beginning now; ``scan`` spares the worker reading the run."""
        with self._changed:
            self._runs.setdefault(run_id, scan)
            self._start_workers()
            self._changed.notify_all()

    def take_up_unfinished(self) -> None:
        """Work on every run that somebody left unfinished, now and whenever a lease expires."""
        give_up_dead_leases()
        self._takes_up = True
        for run_id in unfinished_runs():
            self.submit(run_id)
        with self._changed:
            self._start_workers()

    def stop(self) -> None:
        """End the workers, each after the chunk that it is at; chunks that wait are left to whoever takes them up."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _start_workers(self) -> None:
        while len(self._workers) < self._n_workers:
            name = f"worker-{len(self._workers) + 1}"
            worker = threading.Thread(target=self._work, name=name, daemon=True)
            self._workers.append(worker)
            worker.start()

    def _work(self) -> None:
        while True:
            run_id = self._next_run()
            if self._is_stopped:
                break
            try:
                if run_id is None:
                    for left in unfinished_runs():
                        self.submit(left)
                elif not self._work_on(run_id):
                    with self._changed:
                        self._runs.pop(run_id, None)
            except Exception:
                # The rows still say what is to be done: whoever looks next, takes the chunk up when its lease is over.
                logger.exception("a worker failed on run %s", run_id)
                with self._changed:
                    self._runs.pop(run_id or "", None)
                connection.close()
        connection.close()

    def _next_run(self) -> str | None:
        """Return the run whose turn it is, waiting for one; None means that it is time to look for left ones."""
        patience_s = settings.LEASE_S / 4 if self._takes_up else None
        with self._changed:
            self._changed.wait_for(lambda: bool(self._runs) or self._is_stopped, patience_s)
            if not self._runs:
                return None
            run_id = next(iter(self._runs))
            self._runs.move_to_end(run_id)
            return run_id

    def _work_on(self, run_id: str) -> bool:
        wait_for_requests()
        chunk = claim(run_id)
        if chunk is None:
            return False
        if chunk.attempts > MOST_ATTEMPTS:
            reason = f"its chunk of symbols was given up after {MOST_ATTEMPTS} broken attempts"
            results = failed(chunk.symbol_ids, reason)
        else:
            try:
                results = execute(self._scan(run_id), chunk.symbol_ids)
            except (StrategyError, RulesError) as error:
                # The strategy is gone, or a parameter or rule has changed since the run was saved: trying again would
                # be in vain.
                results = failed(chunk.symbol_ids, str(error))
        save(chunk, results)
        return True

    def _scan(self, run_id: str) -> Scan:
        scan = self._runs.get(run_id)
        if scan is None:
            scan = scan_of(run_id)
            with self._changed:
                if run_id in self._runs:
                    self._runs[run_id] = scan
        return scan


ENGINE = ThreadsEngine(settings.WORKERS)
