"""What needs a process of its own: the first scan after a start, and the memory of a market too large to hold.

``python -m backtests.benchmarks.engine_alone`` is that process; it prints what it measured as JSON. Nothing that
compiles may be imported here at the top: the import is one of the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from backtests.benchmarks.figures import Figure, peak_memory_mib
from backtests.benchmarks.markets import Market

ROOT = Path(__file__).parents[2]

LARGE_GOAL_MS = 300.0
FIRST_SCAN_GOAL_MS = 100.0

# Symbols whose bars are in memory together.
CHUNK = 250
WARM_SCANS = 7

Measured = dict[str, float | None]


def measure_large_market(market: Market, keys: Sequence[str], n_runs: int) -> list[Figure]:
    """Return the time of the engine on a market whose bars are made chunk by chunk, and the most memory held."""
    figures = []
    for key in keys:
        measured = [_in_a_process("large", key, market) for _ in range(n_runs)]
        label = f"{key}, {market} daily in chunks of {CHUNK}, one thread"
        figures.append(Figure(label, _values(measured, "scan_ms"), goal=LARGE_GOAL_MS))
        if peaks := _values(measured, "peak_mib"):
            figures.append(Figure(f"{key}, the same: most memory of the process", peaks, unit="MiB"))
    return figures


def measure_first_scans(market: Market, keys: Sequence[str], n_runs: int) -> list[Figure]:
    """Return by how much the first scan of a process is slower than later ones, and the time of the import."""
    figures, imports = [], []
    for key in keys:
        # The first one fills the caches on disk, where they are not.
        measured = [_in_a_process("first", key, market) for _ in range(n_runs + 1)][1:]
        imports += _values(measured, "import_ms")
        more = _values(measured, "more_ms")
        figures.append(Figure(f"{key}, {market} daily: first scan less a later one", more, goal=FIRST_SCAN_GOAL_MS))
    return [*figures, Figure("import of engine and strategies, before it", imports)]


def _values(measured: Sequence[Measured], name: str) -> list[float]:
    return [value for value in (each[name] for each in measured) if value is not None]


def _in_a_process(what: str, key: str, market: Market) -> Measured:
    command = [sys.executable, "-m", __name__, what, key, str(market.n_symbols), str(market.n_bars)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    measured: Measured = json.loads(done.stdout)
    return measured


def first_scan(key: str, market: Market) -> Measured:
    """Return the milliseconds of the import, and by how much the first scan was slower than later ones."""
    bars = market.bars()
    began = perf_counter()
    from backtests.benchmarks.scans import chunks_of, scan
    from backtests.engine import Rules
    from strategies.registry import get_strategy

    strategy, rules = get_strategy(key)(), Rules()
    imported = perf_counter()
    times = []
    for _ in range(1 + WARM_SCANS):
        scan_began = perf_counter()
        scan(strategy, chunks_of(bars), rules, market.bars_per_year)
        times.append((perf_counter() - scan_began) * 1000)
    return {"import_ms": (imported - began) * 1000, "more_ms": times[0] - statistics.median(times[1:])}


def large_market(key: str, market: Market) -> Measured:
    """Return the milliseconds of the engine, without those that bars are made in, and the peak of memory."""
    from backtests.benchmarks.scans import chunks_of, scan
    from backtests.engine import Rules
    from strategies.registry import get_strategy

    strategy, rules = get_strategy(key)(), Rules()
    seconds = 0.0
    for chunk in market.chunks(CHUNK):
        began = perf_counter()
        scan(strategy, chunks_of(chunk), rules, market.bars_per_year)
        seconds += perf_counter() - began
    return {"scan_ms": seconds * 1000, "peak_mib": peak_memory_mib(os.getpid())}


MEASUREMENTS = {"first": first_scan, "large": large_market}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=MEASUREMENTS)
    parser.add_argument("strategy")
    parser.add_argument("n_symbols", type=int)
    parser.add_argument("n_bars", type=int)
    given = parser.parse_args()
    measured = MEASUREMENTS[given.what](given.strategy, Market(given.n_symbols, given.n_bars))
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main()
