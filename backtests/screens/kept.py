"""Charts as they were drawn, kept in this process: a symbol's pictures for the page, its bars for programs.

What was drawn is found by what it was drawn of: the screen, the checksums of all blocks that were asked, the symbol.
New prices are another key, so that nothing stale is ever found; what is not looked at any more makes room.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

# A symbol's two charts are some 42 KB as pictures and 27 KB as bars.
MOST_BYTES = 48 * 2**20

Key = tuple[object, ...]


class Kept:
    """Bytes by key, bounded together, least recently used out first; safe between threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._drawn: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._n_bytes = 0

    def get(self, key: Key) -> bytes | None:
        """Return what was drawn under a key, or None."""
        with self._lock:
            if key in self._drawn:
                self._drawn.move_to_end(key)
            return self._drawn.get(key)

    def put(self, key: Key, drawn: bytes) -> None:
        """Keep what was drawn, unless it alone is more than fits."""
        if len(drawn) > self._most:
            return
        with self._lock:
            self._n_bytes += len(drawn) - len(self._drawn.pop(key, b""))
            self._drawn[key] = drawn
            while self._n_bytes > self._most:
                self._n_bytes -= len(self._drawn.popitem(last=False)[1])

    @property
    def n_bytes(self) -> int:
        """How many bytes are kept."""
        return self._n_bytes

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._drawn.clear()
            self._n_bytes = 0


KEPT = Kept()
