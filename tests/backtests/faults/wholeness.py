"""A run that went through a fault, held against the same run that nothing has disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils import timezone

from backtests.models import Result, Run, RunChunk
from backtests.runs.execute import execute, scan_of
from backtests.runs.save import save
from tests.waiting import wait_for

N_SYMBOLS = 40  # in chunks of 1, 2, 4, 8, 16 and 9
FORM = {"strategy": "gated", "universe": "test", "interval": "1d", "cash": "10000", "fee_pct": "0.1"}

# These differ between two computations of the same.
_OWN = {"id", "run", "sequence", "elapsed_us", "is_cached"}
COMPARED = tuple(field.attname for field in Result._meta.concrete_fields if field.name not in _OWN)


def gates(gate: Path, *, after: int) -> dict[str, str]:
    """Return the variables of a server that stands still after so many symbols; it calls the strategy once before."""
    return {"GATE_FILE": str(gate), "GATE_AFTER": str(1 + after)}


def standing(run_id: str | None = None, *, n_done: int, attempt: int = 1) -> Run:
    """Wait until so many symbols are done and a worker has the chunk after them; return the run."""
    there = Run.objects.filter(n_done=n_done, chunks__state="claimed", chunks__attempts=attempt)
    there = there if run_id is None else there.filter(pk=run_id)
    return wait_for(f"a run stands still after {n_done} symbols", there.first)  # type: ignore[return-value]


def finished(run_id: str) -> Run:
    return wait_for(f"run {run_id} is complete", Run.objects.filter(pk=run_id, state="complete").first)  # type: ignore[return-value]


def attempts(run: Run) -> list[int]:
    return list(run.chunks.order_by("index").values_list("attempts", flat=True))


def saved(run: Run) -> list[tuple[Any, ...]]:
    """Return every column of every row, in the order of their sequence numbers."""
    return [tuple(map(_plain, row)) for row in run.results.order_by("sequence").values_list()]


def assert_whole(run: Run, *, failed: tuple[str, ...] = ()) -> None:
    """Every symbol has one row, in one order, equal to the last bit to what an undisturbed run computes."""
    tickers = sorted(run.universe.symbols.values_list("ticker", flat=True))
    rows = list(run.results.order_by("sequence").values_list("sequence", "symbol__ticker"))
    assert [sequence for sequence, _ in rows] == list(range(1, len(tickers) + 1))
    assert sorted(ticker for _, ticker in rows) == tickers
    assert (run.n_done, run.n_failed, run.last_sequence) == (len(tickers), len(failed), len(tickers))
    assert set(run.chunks.values_list("state", flat=True)) == {"done"}
    assert sorted(run.results.exclude(reason="").values_list("symbol__ticker", flat=True)) == sorted(failed)
    expected = undisturbed(run)
    assert {ticker: row for ticker, row in outcomes(run).items() if ticker not in failed} == {
        ticker: row for ticker, row in expected.items() if ticker not in failed
    }


def outcomes(run: Run) -> dict[str, tuple[Any, ...]]:
    """Return what a run has found by ticker: metrics, curves, trades, reason and digest."""
    rows = run.results.values_list("symbol__ticker", *COMPARED)
    return {ticker: tuple(map(_plain, row)) for ticker, *row in rows}


def undisturbed(run: Run) -> dict[str, tuple[Any, ...]]:
    """Return what the same run finds if this thread computes it at once, without anything from the cache."""
    symbol_ids = list(run.universe.symbols.values_list("pk", flat=True))
    twin = Run.objects.create(
        strategy=run.strategy,
        universe=run.universe,
        parameters=run.parameters,
        interval=run.interval,
        rules=run.rules,
        use_cache=False,
        is_reusable=False,
        engine_version=run.engine_version,
        n_symbols=len(symbol_ids),
        # So that no server takes it up.
        state=Run.State.PAUSED,
        paused_at=timezone.now(),
    )
    chunk = RunChunk.objects.create(run=twin, index=0, symbol_ids=symbol_ids, n_symbols=len(symbol_ids))
    save(chunk, execute(scan_of(twin.pk), symbol_ids))
    found = outcomes(twin)
    assert len({row for row in found.values() if any(row)}) == len(symbol_ids), "the symbols are hardly compared"
    twin.results.all().delete()
    twin.delete()
    return found


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
