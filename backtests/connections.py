"""Who holds a connection to the database, and when it is given back."""

from __future__ import annotations

from django.db import close_old_connections, connection


def give_back() -> None:
    """Give this thread's connection back to the server's pool, but in a transaction. SQLite's, a file, stays open.

    A process has few of them (``TRAWL_CONNECTIONS``): who computes for long shall not hold one meanwhile.
    """
    if not connection.in_atomic_block:
        close_old_connections()
