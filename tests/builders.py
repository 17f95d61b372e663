"""Small valid things to start a test from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from strategies.bars import Bars

DAY_S = 86_400
MONDAY_S = 1_704_067_200  # 2024-01-01


def make_bars(closes: Sequence[float], *, start_s: int = MONDAY_S, step_s: int = DAY_S, volume: float = 1000.0) -> Bars:
    """Return bars with these closes; each opens at the close before and reaches no further than its open and close."""
    opens = [closes[0], *closes[:-1]] if closes else []
    return Bars.of(
        time=[start_s + number * step_s for number in range(len(closes))],
        open=opens,
        high=[max(pair) for pair in zip(opens, closes, strict=True)],
        low=[min(pair) for pair in zip(opens, closes, strict=True)],
        close=closes,
        volume=[volume] * len(closes),
    )


def price_columns(
    symbols: Sequence[str] = ("AAA",), n_bars: int = 6, *, start_s: int = MONDAY_S, step_s: int = DAY_S
) -> dict[str, list[Any]]:
    """Return the columns of a price file without a defect: epoch times, and prices that rise by one from 100."""
    rows = [(symbol, number) for symbol in symbols for number in range(n_bars)]
    return {
        "symbol": [symbol for symbol, _ in rows],
        "time": [start_s + number * step_s for _, number in rows],
        "open": [100.0 + number for _, number in rows],
        "high": [102.0 + number for _, number in rows],
        "low": [99.0 + number for _, number in rows],
        "close": [101.0 + number for _, number in rows],
        "volume": [1000.0] * len(rows),
    }


def write_prices(path: Path, columns: Mapping[str, Any]) -> Path:
    """Write columns to a file of the kind that its suffix says, and return its path."""
    table = pa.table(
        {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    )
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    return path
