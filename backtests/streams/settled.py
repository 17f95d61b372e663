"""What the pages of runs that have ended show, kept in this process: to open one again reads and renders no row.

A run that has ended may go on: it is resumed, or its failures are tried again. Its counters then differ, and so does
the key under which its page is kept. Names of symbols are not part of that key: a page is made anew after ten minutes,
and shows a new name then.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic

from backtests.models import Run

MOST_PAGES = 32
KEPT_S = 600.0

Content = dict[str, object]


class SettledPages:
    """Contents of pages: the least recently used goes first, and none stays for long."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, tuple[float, Content]] = OrderedDict()
        self._lock = threading.Lock()

    def content(self, run: Run, view: Hashable, make: Callable[[], Content]) -> Content:
        """Return what ``make`` has returned for this run as it is now, or returns."""
        if not run.is_finished:
            return make()
        key = (run.pk, run.state, run.last_sequence, run.n_done, run.n_symbols, run.finished_at, view)
        with self._lock:
            made_s, content = self._pages.get(key, (0.0, None))
            if content is not None and monotonic() - made_s < KEPT_S:
                self._pages.move_to_end(key)
                return content
        content = make()
        if not content["is_live"]:
            with self._lock:
                self._pages[key] = monotonic(), content
                while len(self._pages) > MOST_PAGES:
                    self._pages.popitem(last=False)
        return content

    def clear(self) -> None:
        with self._lock:
            self._pages.clear()


SETTLED_PAGES = SettledPages()
