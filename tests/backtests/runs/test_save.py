from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from django.db import IntegrityError, connections
from django.db.models import BooleanField

from backtests.engine import METRICS, METRICS_BY_KEY, TRADE
from backtests.models import Result, Run, RunChunk, Symbol
from backtests.runs.execute import execute, scan_of
from backtests.runs.save import save
from tests.builders import execute_run, make_bars, make_market, make_run, next_chunk, store_universe


def queued(n_symbols: int = 12, *, bars_per_symbol: float = 300) -> Run:
    universe = store_universe("Test", make_market(n_symbols=n_symbols, n_bars=60))
    return make_run(universe, bars_per_symbol=bars_per_symbol)


def claimed(run: Run) -> RunChunk:
    chunk = next_chunk(run.pk)
    assert chunk is not None
    return chunk


def sequences(run: Run) -> list[int]:
    return sorted(run.results.values_list("sequence", flat=True))


def stored(run: Run) -> tuple[object, ...]:
    """Return everything that saving a chunk changes."""
    counters = Run.objects.filter(pk=run.pk).values_list("state", "n_done", "n_failed", "last_sequence", "finished_at")
    return (*counters.get(), sequences(run), list(run.chunks.order_by("index").values_list("state", "done_at")))


@pytest.mark.django_db
def test_every_metric_is_stored_as_it_was_measured() -> None:
    run = queued(1)
    chunk = claimed(run)
    (result,) = execute(scan_of(run.pk), chunk.symbol_ids)
    assert save(chunk, [result])
    row = Result.objects.get(run=run)
    assert result.metrics is not None
    for metric, value in zip(METRICS, result.metrics.tolist(), strict=True):
        wanted: Any = datetime.fromtimestamp(value, UTC) if metric.unit == "time" else value
        assert getattr(row, metric.key) == (None if value != value else wanted), metric.key  # noqa: PLR0124 - NaN
    assert (row.digest, row.reason, row.elapsed_us) == (result.digest, "", result.elapsed_us)
    assert (bytes(row.curve), bytes(row.trade_list)) == (result.curve, result.trades)
    assert len(np.frombuffer(row.trade_list, dtype=TRADE)) == (row.trades or 0) + (row.open_trades or 0)


@pytest.mark.django_db
def test_a_metric_without_a_value_is_stored_as_none() -> None:
    run = execute_run(make_run(store_universe("Test", {"AAA": make_bars([1.0] * 60)})))
    row = Result.objects.get(run=run)
    assert (row.return_pct, row.trades, row.sharpe, row.win_rate_pct) == (0.0, 0, None, None)


@pytest.mark.django_db
def test_a_failed_symbol_is_a_row_with_its_reason_and_no_figures() -> None:
    run = execute_run(make_run(store_universe("Test", {"AAA": make_bars([]), "BBB": make_bars([1.0] * 60)})))
    row = Result.objects.get(run=run, symbol__ticker="AAA")
    assert row.is_failed
    assert row.reason == "no 1d prices are stored"
    assert [getattr(row, key) for key in METRICS_BY_KEY] == [None] * len(METRICS)
    assert (bytes(row.curve), bytes(row.trade_list)) == (b"", b"")
    assert (run.state, run.n_done, run.n_failed) == ("complete", 2, 1)


@pytest.mark.django_db
def test_every_metric_has_a_column_of_its_kind() -> None:
    for metric in METRICS:
        column = Result._meta.get_field(metric.key)
        assert column.null
        assert not isinstance(column, BooleanField)
        wanted = {"time": "DateTimeField", "count": "PositiveIntegerField"}.get(metric.unit, "FloatField")
        assert column.get_internal_type() == wanted, metric.key


@pytest.mark.django_db
def test_sequence_numbers_go_on_from_chunk_to_chunk() -> None:
    run = queued(12)
    last = []
    while chunk := next_chunk(run.pk):
        save(chunk, execute(scan_of(run.pk), chunk.symbol_ids))
        run.refresh_from_db()
        last.append(run.last_sequence)
        assert sequences(run) == list(range(1, run.last_sequence + 1))
    assert last == [1, 3, 7, 12]


@pytest.mark.django_db
def test_within_a_chunk_results_keep_their_order() -> None:
    run = execute_run(queued(12))
    in_order = list(run.universe.symbols.order_by("ticker").values_list("pk", flat=True))
    assert list(run.results.order_by("sequence").values_list("symbol_id", flat=True)) == in_order


@pytest.mark.django_db
def test_a_run_completes_with_its_last_chunk_whichever_that_is() -> None:
    run = queued(12)
    chunks = [claimed(run) for _ in range(4)]
    scan, states = scan_of(run.pk), []
    for chunk in reversed(chunks):
        save(chunk, execute(scan, chunk.symbol_ids))
        run.refresh_from_db()
        states.append((run.n_done, run.state, run.finished_at is not None))
    assert states == [(5, "running", False), (9, "running", False), (11, "running", False), (12, "complete", True)]


@pytest.mark.django_db
def test_a_chunk_that_two_workers_finish_counts_once() -> None:
    run = queued(12)
    chunk = claimed(run)
    results = execute(scan_of(run.pk), chunk.symbol_ids)
    assert save(chunk, results) is True
    before = stored(run)
    assert save(chunk, results) is False
    assert stored(run) == before


@pytest.mark.django_db
def test_a_chunk_of_a_deleted_run_is_dropped() -> None:
    run = queued(1)
    chunk = claimed(run)
    results = execute(scan_of(run.pk), chunk.symbol_ids)
    run.delete()
    assert save(chunk, results) is False
    assert not Result.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_chunk_is_saved_as_a_whole_or_not_at_all() -> None:
    run = queued(12)
    execute_run(run, n_chunks=2)
    chunk = claimed(run)
    results = execute(scan_of(run.pk), chunk.symbol_ids)
    before = stored(run)
    with pytest.raises(IntegrityError):
        save(chunk, [*results[:3], results[0]])  # a symbol twice: three rows are in when the fourth is refused
    assert stored(run) == before
    with pytest.raises(IntegrityError):
        save(chunk, [*results, *results])  # more than the run has symbols
    assert stored(run) == before
    assert save(chunk, results)
    finished = execute_run(run)
    assert (finished.state, finished.n_done) == ("complete", 12)
    assert sequences(run) == list(range(1, 13))


@pytest.mark.django_db(transaction=True)
def test_threads_that_save_at_the_same_moment_leave_no_gap() -> None:
    run = queued(40, bars_per_symbol=1e9)  # one symbol a chunk
    scan, together = scan_of(run.pk), threading.Barrier(4)

    def work(_number: int) -> None:
        together.wait()
        try:
            while chunk := next_chunk(run.pk):
                assert save(chunk, execute(scan, chunk.symbol_ids))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    run.refresh_from_db()
    assert (run.state, run.n_done, run.last_sequence) == ("complete", 40, 40)
    assert sequences(run) == list(range(1, 41))


@pytest.mark.django_db(transaction=True)
def test_two_threads_that_finish_one_chunk_save_it_once() -> None:
    run = queued(12)
    chunk = claimed(run)
    results, together = execute(scan_of(run.pk), chunk.symbol_ids), threading.Barrier(4)

    def work(_number: int) -> bool:
        together.wait()
        try:
            return save(chunk, results)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [False, False, False, True]
    run.refresh_from_db()
    assert (run.n_done, run.last_sequence) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_symbol_that_is_deleted_during_the_run_is_no_longer_part_of_it() -> None:
    run = queued(12)
    n_symbols = run.n_symbols
    gone = RunChunk.objects.filter(run=run).order_by("-index")[0].symbol_ids[-1]
    Symbol.objects.get(pk=gone).delete()
    finished = execute_run(run)
    assert (finished.state, finished.n_symbols, finished.n_done) == ("complete", n_symbols - 1, n_symbols - 1)
    assert sorted(Result.objects.filter(run=run).values_list("sequence", flat=True)) == list(range(1, n_symbols))
