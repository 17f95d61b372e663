"""Results with every metric, as rows of JSON and as files: CSV and Parquet, written by pyarrow."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from django.db.models import F, QuerySet

from backtests.engine import METRICS
from backtests.models import Result, Run
from backtests.streams.events import assumptions_of

METRIC_KEYS = tuple(metric.key for metric in METRICS)
SORTABLE = ("sequence", "ticker", "elapsed_ms", *METRIC_KEYS)
SORTS = tuple(name for key in SORTABLE for name in (key, f"-{key}"))
FORMATS = ("json", "csv", "parquet")
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

# The names of figures in the events of streams, beside those of the metrics.
ALIASES = {
    "total_return": "return_pct",
    "buy_hold_return": "buy_hold_return_pct",
    "pnl": "net_profit",
    "total_trades": "trades",
    "win_rate": "win_rate_pct",
    "max_drawdown": "max_drawdown_pct",
}

_FIELDS = {"ticker": "symbol__ticker", "name": "symbol__name", "sector": "symbol__sector", "elapsed_ms": "elapsed_us"}
_COLUMNS = ("sequence", "symbol__ticker", "symbol__name", "symbol__sector", "reason", "elapsed_us", "is_cached")


def results_of(run: Run, *, sort: str, outcome: str, ticker: str, sector: str) -> QuerySet[Result, Any]:
    """Return a run's results by filter, in order; what has no value comes last either way."""
    found = Result.objects.filter(run=run)
    if outcome != "all":
        found = found.filter(reason="") if outcome == "successful" else found.exclude(reason="")
    if ticker:
        found = found.filter(symbol__ticker__icontains=ticker)
    if sector:
        found = found.filter(symbol__sector=sector)
    key = sort.removeprefix("-")
    column = F(_FIELDS.get(key, key))
    order = column.desc(nulls_last=True) if sort.startswith("-") else column.asc(nulls_last=True)
    return found.order_by(order, "sequence").values_list(*_COLUMNS, *METRIC_KEYS)


def result_rows(results: QuerySet[Result, Any]) -> list[dict[str, Any]]:
    """Return results as JSON: the names that events have, and every metric by its key; of a failed one, the error."""
    rows = []
    for sequence, ticker, name, sector, reason, elapsed_us, is_cached, *values in results:
        known = {"symbol": ticker, "ticker": ticker, "name": name, "sector": sector}
        row = {**known, "sequence": sequence, "elapsed_ms": elapsed_us / 1000, "cached": is_cached}
        if reason:
            rows.append({**row, "error": reason})
            continue
        metrics = {key: _plain(value) for key, value in zip(METRIC_KEYS, values, strict=True)}
        rows.append({**row, **{alias: metrics[key] for alias, key in ALIASES.items()}, **metrics})
    return rows


def table_of(run: Run, results: QuerySet[Result, Any]) -> pa.Table:
    """Return results as a table: a column for each metric, and what the run assumes, the same in every row."""
    rows = list(results)
    shared = ("sequence", "ticker", "name", "sector", "error", "elapsed_ms", "cached")
    columns: dict[str, Any] = {
        name: pa.array([row[index] for row in rows], type=_type(name))
        for index, name in enumerate((*shared, *METRIC_KEYS))
        if name != "elapsed_ms"
    }
    columns["elapsed_ms"] = pa.array([row[shared.index("elapsed_ms")] / 1000 for row in rows], type=pa.float64())
    for name, value in assumed_columns(run).items():
        columns[name] = pa.array([value] * len(rows))
    return pa.table(columns)


def assumed_columns(run: Run) -> dict[str, Any]:
    """Return what a run assumes by column: rules and parameters have names of their own, as metrics share some."""
    assumed = assumptions_of(run)
    parts = {"param": assumed.pop("parameters"), "rule": assumed.pop("rules"), "run": {"id": run.pk, **assumed}}
    return {f"{part}_{key}": value for part in ("run", "param", "rule") for key, value in parts[part].items()}


def written_table(table: pa.Table, form: str) -> bytes:
    """Return a table as a file. A run has some ten thousand results at most, which is a few megabytes."""
    file = io.BytesIO()
    if form == "csv":
        pyarrow.csv.write_csv(_with_iso_times(table), file)
    else:
        pyarrow.parquet.write_table(table, file)
    return file.getvalue()


_KINDS = {"time": pa.timestamp("us", tz="UTC"), "count": pa.int64()}
_UNITS = {metric.key: metric.unit for metric in METRICS}


def _type(name: str) -> pa.DataType:
    if name in _UNITS:
        return _KINDS.get(_UNITS[name], pa.float64())
    return {"sequence": pa.int64(), "cached": pa.bool_()}.get(name, pa.string())


def _with_iso_times(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            texts = [None if value is None else value.isoformat() for value in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(texts, type=pa.string()))
    return table


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
