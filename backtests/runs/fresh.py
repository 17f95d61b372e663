"""Rows that this process has just saved: its own feeds take them from memory instead of reading them again.

The database stays the truth. Rows are put here once they are committed, and a feed that misses a single one of those it
asks for reads them all from the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from backtests.runs.statistics import ResultRow

# Of all runs together: about 1.5 KB each. Those of the runs that nobody has added to for longest go first.
MOST_ROWS = 20_000


class FreshRows:
    """The newest rows of runs, by sequence number; safe between threads."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self._runs: OrderedDict[str, dict[int, ResultRow]] = OrderedDict()
        self._n_rows = 0
        self._lock = threading.Lock()

    def put(self, run_id: str, rows: Sequence[ResultRow]) -> None:
        """Keep rows that have been committed."""
        with self._lock:
            own = self._runs.setdefault(run_id, {})
            self._runs.move_to_end(run_id)
            self._n_rows -= len(own)
            own.update({row.sequence: row for row in rows})
            self._n_rows += len(own)
            while self._n_rows > self._most:
                _, oldest = self._runs.popitem(last=False)
                self._n_rows -= len(oldest)

    def between(self, run_id: str, after: int, last: int) -> list[ResultRow] | None:
        """Return the rows with the numbers behind ``after`` up to ``last``, or None if not every one is here."""
        with self._lock:
            own = self._runs.get(run_id, {})
            rows = [own[number] for number in range(after + 1, last + 1) if number in own]
        return rows if len(rows) == last - after else None


FRESH_ROWS = FreshRows()
