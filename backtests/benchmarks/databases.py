"""A PostgreSQL database of a benchmark's own, and who is connected to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

LOOK_EVERY_S = 0.005


@contextmanager
def own_database(server_url: str) -> Iterator[str]:
    """Make an empty database on this server, yield its URL, and drop it at the end; without a server, do nothing."""
    if not server_url:
        yield ""
        return
    name = f"trawl_benchmark_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def most_connections(url: str) -> Iterator[list[float]]:
    """Count the connections of others to a database; the list holds the most when the block has ended."""
    if not url:
        yield []
        return
    most, done = [0.0], threading.Event()

    def count() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not done.wait(LOOK_EVERY_S):
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                ).fetchone()
                most[0] = max(most[0], float(row[0]) if row else 0.0)

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield most
    finally:
        done.set()
        counting.join()
