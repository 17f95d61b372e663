"""Once warm, nothing compiles: not for other strategies, read-only or writable arrays, nor in another process."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core.registry import CPUDispatcher

import strategies.indicators
from backtests import engine
from backtests.engine.evaluate import evaluate
from backtests.engine.metrics import measure
from backtests.engine.presets import PRESETS
from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from backtests.engine.warm import warm
from strategies.bars import Bars, Signals
from strategies.registry import strategies as registered
from tests.builders import make_market

ROOT = Path(__file__).parents[3]

# The first simulation of a process: import, run, and tell where each compiled kernel came from.
FIRST_SIMULATION = """
import json
import numpy as np
from backtests.engine import Rules, simulate
from backtests.engine.general import _simulate_general
from backtests.engine.plain import _simulate_plain
from strategies.bars import Bars
from strategies.registry import get_strategy

close = 100 + np.arange(60) % 7
bars = Bars.of(time=np.arange(60), open=close, high=close, low=close, close=close, volume=close)
for rules in (Rules(), Rules(stop_loss_pct=5)):
    simulate(bars, get_strategy("rsi")().signals(bars), rules)
stats = [kernel.stats for kernel in (_simulate_plain, _simulate_general)]
print(json.dumps([[sum(stat.cache_hits.values()), sum(stat.cache_misses.values())] for stat in stats]))
"""


RULE_SETS = [
    Rules(),
    Rules(trailing_atr=2, sizing="volatility", direction="both"),
    *(preset.rules for preset in PRESETS.values()),
]


def modules() -> Iterator[ModuleType]:
    for package in (strategies.indicators, engine):
        for info in pkgutil.iter_modules(package.__path__):
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def kernels() -> dict[str, Any]:
    return {
        f"{item.py_func.__module__}.{name}": item
        for module in modules()
        for name, item in vars(module).items()
        if isinstance(item, CPUDispatcher)
    }


def compiled() -> dict[str, int]:
    return {name: len(kernel.nopython_signatures) for name, kernel in kernels().items()}


def run_everything(bars: Bars) -> None:
    for strategy in registered().values():
        made = strategy().signals(bars)
        for signals in (made, Signals(entry=made.entry.copy(), exit=made.exit.copy())):
            for rules in RULE_SETS:
                outcome = simulate(bars, signals, rules, bars_per_year=252)
                measure(bars, outcome, rules, bars_per_year=252)
                evaluate(bars, signals, rules, bars_per_year=252)


def test_nothing_compiles_after_warming() -> None:
    warm()
    before = compiled()
    assert {"backtests.engine.plain._simulate_plain", "backtests.engine.general._simulate_general"} <= set(before)
    for bars in make_market(1, n_symbols=2).values():
        run_everything(bars)
        run_everything(Bars(*(getattr(bars, name).copy() for name in bars.__slots__)))
    assert compiled() == before


def test_every_kernel_has_the_signatures_that_it_declares_and_no_way_to_more() -> None:
    """A kernel without signatures would compile in the middle of the first run that calls it."""
    for name, kernel in kernels().items():
        assert len(kernel.nopython_signatures) == 1, name
        assert not kernel._can_compile, name


def test_every_kernel_runs_without_the_lock_and_stays_on_disk() -> None:
    for name, kernel in kernels().items():
        assert kernel.targetoptions["nogil"], name
        assert kernel.stats.cache_path, name


def test_the_first_simulation_of_a_process_loads_what_another_has_compiled() -> None:
    warm()
    finished = subprocess.run(
        [sys.executable, "-c", FIRST_SIMULATION], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == [[1, 0], [1, 0]]
