"""Save a chunk's results: rows with sequence numbers, the chunk and the run's counters, all or nothing.

The statements are written out, not built by the ORM: saving is a large part of a scan, and this takes a third of the
time of ``bulk_create`` for the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from backtests.engine import METRICS
from backtests.models import Result, Run, RunChunk, Symbol
from backtests.runs.chunks import PROCESS, adapt_time, writing
from backtests.runs.execute import SymbolResult
from backtests.runs.fresh import FRESH_ROWS
from backtests.runs.market import Names
from backtests.runs.reusable import prune_now_and_then
from backtests.runs.statistics import METRIC_COLUMNS, ResultRow
from backtests.streams.pokes import poke
from strategies.bars import FloatArray

_SHARED = (
    "run_id",
    "symbol_id",
    "sequence",
    "reason",
    "digest",
    "elapsed_us",
    "curve",
    "hold_curve",
    "trade_list",
    "is_cached",
)
_METRICS = tuple(metric.key for metric in METRICS)
_COLUMNS = (*_SHARED, *_METRICS)
_NAMES = ", ".join(f'"{column}"' for column in _COLUMNS)

# SQLite takes 32,766 values in a statement.
_ROWS_A_STATEMENT = 32_766 // len(_COLUMNS)
_STREAM = f"COPY {Result._meta.db_table} ({_NAMES}) FROM STDIN"
_FINISH_CHUNK = f"""
    UPDATE {RunChunk._meta.db_table} SET state = 'done', done_at = %s, leased_until = NULL
    WHERE id = %s AND state <> 'done'
"""  # noqa: S608
# A cached result is copied by the database: nothing about it passes through other hands.
_COPIED = ", ".join(
    f'"{column}"' for column in ("reason", "digest", "elapsed_us", "curve", "hold_curve", "trade_list", *_METRICS)
)
_COPY = f"""
    INSERT INTO {Result._meta.db_table} (run_id, symbol_id, sequence, is_cached, {_COPIED})
    SELECT %s, wanted.column2, wanted.column3, TRUE, {_COPIED}
    FROM (VALUES {{values}}) AS wanted JOIN {Result._meta.db_table} AS earlier ON earlier.id = wanted.column1
"""  # noqa: S608
_PUT_BACK = f"""
    UPDATE {RunChunk._meta.db_table} SET state = 'waiting', leased_until = NULL, attempts = attempts - 1
    WHERE id = %s AND state = 'claimed' AND worker = %s
"""  # noqa: S608
_COUNT = f"""
    UPDATE {Run._meta.db_table}
    SET last_sequence = last_sequence + %s, n_done = n_done + %s, n_failed = n_failed + %s, n_cached = n_cached + %s,
        n_bytes = n_bytes + %s, computed_us = computed_us + %s, saved_us = saved_us + %s, n_symbols = n_symbols - %s
    WHERE id = %s
    RETURNING last_sequence, n_done, n_symbols
"""  # noqa: S608
_COMPLETE = f"UPDATE {Run._meta.db_table} SET state = 'complete', finished_at = %s WHERE id = %s"  # noqa: S608

_TIMES = [index for index, metric in enumerate(METRICS) if metric.unit == "time"]
_COUNTS = [index for index, metric in enumerate(METRICS) if metric.unit == "count"]
# Of a row without its sequence number.
_SHOWN_OF = itemgetter(*(_COLUMNS.index(name) - 1 for name in METRIC_COLUMNS))
_NOTHING = (None,) * len(METRICS)
_ROW_BYTES = 8 * len(METRICS)


class _EarlierGone(Exception):
    """A result that was to be copied has been deleted since it was found."""


def save(chunk: RunChunk, results: Sequence[SymbolResult], names: Mapping[int, Names] | None = None) -> bool:
    """Save the results of a chunk and poke the viewers; return False if somebody else had finished it before.

    It is False, too, if an earlier result that was to be copied is gone; the chunk then waits to be executed again.

    Sequence numbers are taken while the run's row is locked: they are committed in order, so that a reader who has seen
    number n has seen every smaller one. Symbols that were deleted since the run was planned are no longer part of it.
    Who gives the ``names`` of the symbols spares this process's viewers reading the rows again.
    """
    try:
        return _save(chunk, results, names, n_gone=0)
    except _EarlierGone:
        with writing(), connection.cursor() as cursor:
            cursor.execute(_PUT_BACK, [chunk.pk, PROCESS])
        return False
    except IntegrityError:
        known = set(Symbol.objects.filter(pk__in=chunk.symbol_ids).values_list("pk", flat=True))
        left = [result for result in results if result.symbol_id in known]
        if len(left) == len(results):
            raise
        return _save(chunk, left, names, n_gone=len(results) - len(left))


def _save(chunk: RunChunk, results: Sequence[SymbolResult], names: Mapping[int, Names] | None, *, n_gone: int) -> bool:
    rows = _rows(chunk.run_id, [each for each in results if each.earlier_id is None])
    now = adapt_time(timezone.now())
    with writing(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FINISH_CHUNK, [now, chunk.pk])
        if not cursor.rowcount:
            return False
        cursor.execute(_COUNT, [*_counts(results), n_gone, chunk.run_id])
        last, n_done, n_symbols = cursor.fetchone()
        numbered = list(enumerate(results, start=last - len(results) + 1))
        computed = [(number, rows[each.symbol_id]) for number, each in numbered if each.earlier_id is None]
        _insert(cursor, [(*row[:2], number, *row[2:]) for number, row in computed])
        copied = [(each.earlier_id, each.symbol_id, number) for number, each in numbered if each.earlier_id is not None]
        if copied:
            _copy(cursor, chunk.run_id, copied)
        is_last = n_done == n_symbols
        if is_last:
            cursor.execute(_COMPLETE, [now, chunk.run_id])
    if names is not None and not copied:
        fresh = [_fresh_row(number, each, names[each.symbol_id], rows[each.symbol_id]) for number, each in numbered]
        FRESH_ROWS.put(chunk.run_id, fresh)
    poke(chunk.run_id)
    if is_last:
        prune_now_and_then()
    return True


def _insert(cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of _COLUMNS. PostgreSQL takes them as one stream, in a fifth of the time of a statement for each.

    For SQLite they are few large statements: at each one Python lets its other threads go on, and waits for them.
    """
    if connection.vendor == "postgresql":
        if rows:
            with connection.wrap_database_errors, cursor.copy(_STREAM) as stream:
                for row in rows:
                    stream.write_row(row)
        return
    for first in range(0, len(rows), _ROWS_A_STATEMENT):
        part = rows[first : first + _ROWS_A_STATEMENT]
        with connection.wrap_database_errors:
            # Not by Django's cursor, which would look for the marks of thousands of values anew every time.
            connection.connection.execute(_insert_of(len(part)), list(chain.from_iterable(part)))


@lru_cache(maxsize=256)
def _insert_of(n_rows: int) -> str:
    values = ", ".join([f"({', '.join('?' * len(_COLUMNS))})"] * n_rows)
    return f"INSERT INTO {Result._meta.db_table} ({_NAMES}) VALUES {values}"  # noqa: S608 - made of the names of columns


def _counts(results: Sequence[SymbolResult]) -> list[int]:
    """Return what _COUNT adds, in its order."""
    computed = [each for each in results if each.earlier_id is None]
    copied = [each for each in results if each.earlier_id is not None]
    n_failed = sum(1 for each in results if each.reason)
    n_bytes = sum(_ROW_BYTES + 2 * len(each.curve) + len(each.trades) for each in computed if not each.reason)
    times = [sum(each.elapsed_us for each in part) for part in (computed, copied)]
    return [len(results), len(results), n_failed, len(copied), n_bytes, *times]


def _copy(cursor: Any, run_id: str, copied: Sequence[tuple[int | None, int, int]]) -> None:
    """Copy earlier results: (id of the earlier one, symbol, sequence number). Raises _EarlierGone if one is missing."""
    values = ", ".join(["(%s, %s, %s)"] * len(copied))
    cursor.execute(_COPY.format(values=values), [run_id, *(value for one in copied for value in one)])
    if cursor.rowcount != len(copied):
        raise _EarlierGone


def _rows(run_id: str, results: Sequence[SymbolResult]) -> dict[int, tuple[Any, ...]]:
    """Return the values of _COLUMNS but the sequence number, by symbol."""
    metrics = _stored([each.metrics for each in results if each.metrics is not None])
    return {
        each.symbol_id: (
            run_id, each.symbol_id, each.reason, each.digest, each.elapsed_us, each.curve, each.hold_curve, each.trades,
            False, *(_NOTHING if each.metrics is None else next(metrics)),
        )
        for each in results
    }  # fmt: skip


def _stored(metrics: Sequence[FloatArray]) -> Iterator[list[Any]]:
    """Yield metrics as they are stored, in the order of METRICS: all symbols' in a few steps, not each by itself."""
    if not metrics:
        return
    table = np.stack(metrics)
    values = table.astype(object)
    # NaN stands for an undefined metric.
    values[np.isnan(table)] = None
    values[:, _COUNTS] = table[:, _COUNTS].astype(np.int64)
    for row in values.tolist():
        for index in _TIMES:
            row[index] = _time(row[index])
        yield row


def _fresh_row(number: int, each: SymbolResult, names: Names, stored: tuple[Any, ...]) -> ResultRow:
    """Return a row as it would be read again, from what is stored of it."""
    shown = _SHOWN_OF(stored)
    values = (number, *names, each.reason, each.elapsed_us, *shown, each.curve, False, each.hold_curve)
    return ResultRow._make(values)


@lru_cache(maxsize=4096)
def _time(seconds: float) -> Any:
    """Return a time for the database; nearly all symbols of a run start and end at the same two."""
    return adapt_time(datetime.fromtimestamp(seconds, UTC))
