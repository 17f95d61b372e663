"""Small valid things to start a test from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from backtests.engine import ENGINE_VERSION, Rule, preset_rules
from backtests.models import Run, RunChunk, Universe
from backtests.prices.store import write_bars
from backtests.prices.universes import Listing, save_universe
from backtests.runs.chunks import Held, claim
from backtests.runs.execute import execute, scan_of
from backtests.runs.plan import chunks_of
from backtests.runs.save import save
from strategies.bars import Bars
from strategies.models import Strategy
from strategies.registry import get_strategy

DAY_S = 86_400
MONDAY_S = 1_704_067_200  # 2024-01-01

Shape = Literal["walk", "rising", "falling", "waves", "gaps", "flat"]
SHAPES: tuple[Shape, ...] = get_args(Shape)


def make_bars(
    closes: Sequence[float],
    *,
    opens: Sequence[float] | None = None,
    start_s: int = MONDAY_S,
    step_s: int = DAY_S,
    volume: float | Sequence[float] = 1000.0,
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
        volume=[volume] * len(closes) if isinstance(volume, float | int) else volume,
    )


def make_market(
    seed: int = 1, *, n_symbols: int = 4, n_bars: int = 300, shape: Shape = "walk", price: float = 100.0
) -> dict[str, Bars]:
    """Return the bars of symbols S0, S1 and so on: the same for the same arguments, on every machine.

    Only sums, products and uniform draws make the prices, because exp and normal draws may differ in their last bit
    between machines and versions. ``walk`` has no direction, ``rising`` and ``falling`` have one, ``waves`` turns every
    30 bars, ``gaps`` opens far from the close before, ``flat`` does not move at all. Volume is a thousand on average,
    now and then three times as much, and the same on every bar of ``flat``.
    """
    # Volumes are drawn apart, so that they leave the prices of a seed as they are.
    random, crowd = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    drift = {"rising": 0.002, "falling": -0.002}.get(shape, 0.0)
    market = {}
    for number in range(n_symbols):
        change = drift + 0.02 * (random.random((n_bars, 3)) - 0.5).sum(axis=1)
        gap = (0.1 if shape == "gaps" else 0.002) * (random.random(n_bars) - 0.5)
        if shape == "waves":
            change += np.where(np.arange(n_bars) // 30 % 2 == 0, 0.006, -0.006)
        volume = 3000.0 * crowd.random(n_bars) ** 2
        if shape == "flat":
            change, gap, volume = np.zeros(n_bars), np.zeros(n_bars), np.full(n_bars, 1000.0)
        close = price * np.cumprod(1.0 + change)
        opens = np.concatenate(([price], close[:-1])) * (1.0 + gap)
        market[f"S{number}"] = make_bars(close.tolist(), opens=opens.tolist(), volume=volume.tolist())
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


def store_universe(
    name: str,
    symbols: Mapping[str, Bars],
    *,
    interval: str = "1d",
    market: str = "stocks",
    is_synthetic: bool = False,
) -> Universe:
    """Save a universe of these symbols with their bars, and return it; a symbol with no bars has no prices."""
    universe, saved = save_universe(
        name=name,
        market=market,
        listings=[Listing(ticker, f"{ticker} Incorporated", "Industry") for ticker in symbols],
        as_of=date(2024, 1, 1),
        is_synthetic=is_synthetic,
    )
    write_bars(zip(saved, symbols.values(), strict=True), interval=interval, source="test")
    return universe


def make_run(universe: Universe, *, strategy: str = "rsi", bars_per_symbol: float = 300, **fields: Any) -> Run:
    """Save a run of the universe and its chunks, and return it; nothing works on it."""
    symbol_ids = list(universe.symbols.order_by("ticker").values_list("pk", flat=True))
    run = Run.objects.create(
        strategy=Strategy.objects.get(key=strategy),
        universe=universe,
        parameters={**get_strategy(strategy)().values, **fields.pop("parameters", {})},
        rules=asdict(preset_rules(fields.get("preset", ""), fields.pop("rules", {}))),
        engine_version=ENGINE_VERSION,
        n_symbols=len(symbol_ids),
        **fields,
    )
    for index, ids in enumerate(chunks_of(symbol_ids, bars_per_symbol=bars_per_symbol)):
        RunChunk.objects.create(run=run, index=index, symbol_ids=ids, n_symbols=len(ids))
    return run


def another_value(rule: Rule) -> Any:
    """Return a value that a rule takes and that is not its default."""
    if rule.kind == "choice":
        return list(rule.choices)[-1]
    if rule.kind == "switch":
        return not rule.default
    return rule.low if rule.default != rule.low else rule.low + 1


def next_chunk(run_id: str) -> RunChunk | None:
    """Claim the next chunk of a run that nothing holds up."""
    chunk = claim(run_id)
    assert not isinstance(chunk, Held), chunk
    return chunk


def execute_run(run: Run, *, n_chunks: int | None = None) -> Run:
    """Execute the run's chunks in this thread, or only the next few of them, and return the run as it is then."""
    scan, n_saved = scan_of(run.pk), 0
    while n_saved != n_chunks and (chunk := next_chunk(run.pk)):
        save(chunk, execute(scan, chunk.symbol_ids))
        n_saved += 1
    return Run.objects.select_related("strategy", "universe").get(pk=run.pk)
