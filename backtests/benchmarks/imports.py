"""A price file, and the demo market, into an empty database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from backtests.benchmarks.figures import Figure
from backtests.benchmarks.server import manage, own_data_dir


def measure_imports(n_runs: int, say: Callable[[str], None], *, path: Path | None = None) -> list[Figure]:
    """Return the time of a whole ``load_demo`` and, if a file is given, of a whole ``import_prices`` of it."""
    commands = [("load_demo", ["load_demo"], 10_000.0)]
    if path is not None:
        options = ["--universe", "Benchmark", "--market", "stocks", "--quiet"]
        commands.append((f"import_prices {path.name}", ["import_prices", str(path), *options], 15_000.0))
    figures = []
    for label, arguments, goal in commands:
        say(f"{label}, {n_runs} times into an empty database.")
        figures.append(Figure(label, [_command_ms(arguments) for _ in range(n_runs)], goal=goal))
    return figures


def _command_ms(arguments: list[str]) -> float:
    with own_data_dir() as environment:
        manage(environment, "migrate", "--verbosity", "0")
        began = perf_counter()
        manage(environment, *arguments)
        return (perf_counter() - began) * 1000
