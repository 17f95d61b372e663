"""Many rows in one step.

SQLite gives rows one by one, and Python lets its other threads go on before each: where some are busy, a thread that
reads a thousand rows waits a thousand times, up to a second in all. So the database puts the rows together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection


def rows_of(query: str, values: Sequence[Any], columns: Sequence[str]) -> list[Any]:
    """Return the rows of a query in its order; its columns have these names, and hold whole numbers, texts or NULL."""
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute(query, values)
            return list(cursor.fetchall())
        cursor.execute(f"SELECT json_group_array(json_array({', '.join(columns)})) FROM ({query})", values)  # noqa: S608
        rows: list[Any] = json.loads(cursor.fetchone()[0])
        return rows


def time_of(value: datetime | None) -> datetime | None:
    """Return a time as models have it from what a query in SQL gives: SQLite's are UTC, and do not say so."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
