"""Small valid things to start a test from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from strategies.bars import Bars

DAY_S = 86_400
MONDAY_S = 1_704_067_200  # 2024-01-01

Shape = Literal["walk", "rising", "falling", "waves", "gaps", "flat"]


def make_bars(
    closes: Sequence[float],
    *,
    opens: Sequence[float] | None = None,
    start_s: int = MONDAY_S,
    step_s: int = DAY_S,
    volume: float = 1000.0,
) -> Bars:
    """Return bars with these closes that reach no further than their open and close.

    Without opens, each bar opens at the close before it, and the first at its own close.
    """
    if opens is None:
        opens = [*closes[:1], *closes[:-1]]
    return Bars.of(
        time=[start_s + number * step_s for number in range(len(closes))],
        open=opens,
        high=[max(pair) for pair in zip(opens, closes, strict=True)],
        low=[min(pair) for pair in zip(opens, closes, strict=True)],
        close=closes,
        volume=[volume] * len(closes),
    )


def make_market(
    seed: int = 1, *, n_symbols: int = 4, n_bars: int = 300, shape: Shape = "walk", price: float = 100.0
) -> dict[str, Bars]:
    """Return the bars of symbols S0, S1 and so on: the same for the same arguments, on every machine.

    Only sums, products and uniform draws make the prices, because exp and normal draws may differ in their last bit
    between machines and versions. ``walk`` has no direction, ``rising`` and ``falling`` have one, ``waves`` turns every
    30 bars, ``gaps`` opens far from the close before, ``flat`` does not move at all.
    """
    random = np.random.default_rng(seed)
    drift = {"rising": 0.002, "falling": -0.002}.get(shape, 0.0)
    market = {}
    for number in range(n_symbols):
        change = drift + 0.02 * (random.random((n_bars, 3)) - 0.5).sum(axis=1)
        gap = (0.1 if shape == "gaps" else 0.002) * (random.random(n_bars) - 0.5)
        if shape == "waves":
            change += np.where(np.arange(n_bars) // 30 % 2 == 0, 0.006, -0.006)
        if shape == "flat":
            change, gap = np.zeros(n_bars), np.zeros(n_bars)
        close = price * np.cumprod(1.0 + change)
        opens = np.concatenate(([price], close[:-1])) * (1.0 + gap)
        market[f"S{number}"] = make_bars(close.tolist(), opens=opens.tolist())
    return market


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
