"""Look for formulas that break the language: ``python -m tests.strategies.formula.fuzz --seconds 60``.

Atheris, which follows the branches that an input takes, is used where it is installed (``uv sync --group fuzz``); else
the inputs are drawn at random. Whatever is found is printed with the input, and the exit status is then 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from strategies.bars import Bars, FloatArray
from strategies.formula import Facts, Flat, FormulaError, Program, compile_formula, evaluate
from tests.strategies.formula.sentences import Choose, short, slipped, valid, wild

# Longer than any may take to be understood and computed on these few bars.
SLOW_S = 0.5
PARENTS = 64


@cache
def market() -> tuple[Flat, dict[str, Flat]]:
    """A few symbols with gaps, one of them without bars, and another one to compare with."""
    first, second, other = (_bars(seed, n_bars) for seed, n_bars in ((1, 45), (2, 38), (3, 50)))
    facts = [Facts("S0", "Energy", "stocks"), Facts("S1"), Facts("S2", "", "crypto"), Facts("S3", "Industry", "stocks")]
    return Flat.of([first, second[:0], second, first[40:41]], facts), {"SPY": Flat.of([other], [Facts("SPY")])}


def _bars(seed: int, n_bars: int) -> Bars:
    drawn = np.random.default_rng(seed)
    close: FloatArray = 100.0 * np.cumprod(1.0 + 0.02 * (drawn.random(n_bars) - 0.5), dtype=np.float64)
    opens = np.concatenate((close[:1], close[:-1]))
    # Some days are missing, on some nothing moves, on some nothing is traded.
    opens[10:14] = close[10:14] = close[9]
    return Bars.of(
        time=86_400 * (19_723 + np.cumsum(1 + (drawn.random(n_bars) > 0.8))),
        open=opens,
        high=np.maximum(opens, close) * (1.0 + 0.01 * (drawn.random(n_bars) > 0.3)),
        low=np.minimum(opens, close),
        close=close,
        volume=np.floor(1e6 * drawn.random(n_bars)) * (drawn.random(n_bars) > 0.2),
    )


def tried(text: str) -> Program | None:
    """Compile and compute a text; raise whatever else than FormulaError comes of it, and if its results are unsound."""
    try:
        program = compile_formula(text)
    except FormulaError as error:
        error.shown_in(text if isinstance(text, str) else "")
        return None
    flat, others = market()
    known = dict.fromkeys(program.tickers, others["SPY"])
    found = evaluate(program, flat, known)
    for part in program.asked:
        if part.kind == "condition":
            true, false = found.matches(part), found.fails(part)
            assert true.dtype == false.dtype == np.bool_
            assert len(true) == len(false) == len(flat)
            assert not (true & false).any(), "both true and false"
        else:
            numbers = found.numbers(part)
            assert len(numbers) == len(flat)
            assert not np.isinf(numbers).any(), "infinite"
    assert program.reach >= 0
    return program


@dataclass
class Report:
    """What has been tried so far."""

    seconds: float
    started: float = field(default_factory=time.perf_counter)
    n_inputs: int = 0
    n_computed: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    crashes: dict[str, str] = field(default_factory=dict)

    def try_one(self, text: str) -> None:
        # A machine that does other things at the same time makes none slow.
        before = time.thread_time()
        try:
            self.n_computed += tried(text) is not None
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            told = traceback.format_exc()
            self.crashes.setdefault(told.splitlines()[-1], f"{text!r}\n{told}")
        took = time.thread_time() - before
        self.n_inputs += 1
        if took > self.slowest_s:
            self.slowest_s, self.slowest = took, text

    @property
    def is_over(self) -> bool:
        return time.perf_counter() - self.started > self.seconds

    def end(self) -> int:
        """Print what was found and return the exit status."""
        took = time.perf_counter() - self.started
        told = [
            f"{self.n_inputs:,} inputs in {took:.0f} s, {self.n_inputs / took:,.0f} per second",
            f"{self.n_computed:,} of them compiled and were computed; {len(self.crashes)} crashes",
            f"slowest: {1000 * self.slowest_s:.0f} ms for {self.slowest[:300]!r}",
            *self.crashes.values(),
        ]
        sys.stdout.write("\n".join(told) + "\n")
        sys.stdout.flush()
        return 1 if self.crashes or self.slowest_s > SLOW_S else 0


def text_of(choose: Choose, rest: Callable[[], str], parents: list[str]) -> str:
    """Return a text to try. Computing takes ten times as long as understanding: most have slips, and go no further.

    ``parents`` are the last formulas without a mistake, which those with slips are made of.
    """
    kind = choose(32)
    if kind == 0:
        return rest()
    if kind <= 6:
        return wild(choose)
    if kind <= 29 and parents:
        return slipped(choose, parents[choose(len(parents))])
    text = valid(choose) if kind == 30 else short(choose)
    parents.append(text)
    del parents[:-PARENTS]
    return text


def by_chance(report: Report, seed: int) -> None:
    drawn, parents = random.Random(seed), list[str]()

    def choose(below: int) -> int:
        return int(drawn.random() * below)

    while not report.is_over:
        report.try_one(text_of(choose, lambda: "".join(map(chr, drawn.choices(range(9, 300), k=30))), parents))


def by_atheris(report: Report, seed: int) -> None:
    """Let atheris choose; it ends the process itself, and so this does."""
    atheris: Any = importlib.import_module("atheris")
    for name in ("building", "calls", "compile", "expressions", "operations", "syntax", "indicated", "evaluate"):
        module = importlib.import_module(f"strategies.formula.{name}")
        for function in vars(module).values():
            if getattr(function, "__module__", "") == module.__name__ and hasattr(function, "__code__"):
                atheris.instrument_func(function)

    def one_input(given: bytes) -> None:
        source = atheris.FuzzedDataProvider(given)

        def choose(below: int) -> int:
            return int(source.ConsumeIntInRange(0, below - 1))

        # An input has to mean the same each time that it comes: its slips are in a formula of its own.
        parents = [valid(choose)] if choose(2) else []
        report.try_one(text_of(choose, lambda: str(source.ConsumeUnicodeNoSurrogates(400)), parents))
        if report.is_over:
            os._exit(report.end())

    atheris.Setup([sys.argv[0], f"-seed={seed}", "-max_len=600", "-len_control=0", "-verbosity=0"], one_input)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--by-chance", action="store_true", help="do without atheris")
    chosen = parser.parse_args()
    warnings.simplefilter("error")
    tried("close > 1")
    report = Report(chosen.seconds)
    if chosen.by_chance or importlib.util.find_spec("atheris") is None:
        by_chance(report, chosen.seed)
    else:
        by_atheris(report, chosen.seed)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
