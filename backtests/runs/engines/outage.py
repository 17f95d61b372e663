"""The database is away, locked by somebody else, or has no room: one line says so, and one that it is over."""

from __future__ import annotations

import logging
import threading
from time import monotonic

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

# What a database raises while it cannot do what it could do before; a statement that is wrong raises something else.
AWAY = (OperationalError, InterfaceError)


def on_one_line(error: Exception) -> str:
    """Return what an error says without the line breaks that some databases put into it."""
    return " ".join(str(error).split())


class Outage:
    """Which threads wait for the database. The first of them logs why, the last one that it is over."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._since_s = 0.0

    def notice(self, error: Exception) -> None:
        """Note that this thread has to wait."""
        with self._lock:
            if not self._waiting:
                self._since_s = monotonic()
                logger.warning("%s wait for the database, and go on with it: %s", self._who, on_one_line(error))
            self._waiting.add(threading.get_ident())

    def is_over(self) -> None:
        """Note that this thread need not wait, or no longer."""
        if threading.get_ident() not in self._waiting:
            return
        with self._lock:
            self._waiting.discard(threading.get_ident())
            if not self._waiting:
                away_s = monotonic() - self._since_s
                logger.warning("%s go on: the database is back after %.1f s", self._who, away_s)
