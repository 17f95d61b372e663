"""Where the time of a scan goes: each stage on its own, one after the other, on one thread.

A server does these things beside each other, on all processors: its scans take less than the stages together.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any, cast

from backtests.benchmarks.figures import Figure
from backtests.benchmarks.server import MANAGE
from backtests.models import Run, RunChunk
from backtests.runs import execute
from backtests.runs.chunks import claim
from backtests.runs.engines import threads
from backtests.runs.request import RunRequest, check_request
from backtests.runs.save import save
from backtests.runs.start import start
from backtests.runs.statistics import RunStatistics, read_rows
from backtests.streams.fragments import render_moving
from backtests.streams.rows import ROWS_A_PAGE, render_rows

# Another process scans: this one's settings name another database.
_MAIN = "import django; django.setup(); from backtests.benchmarks.stages import main; main()"

STAGES = {
    "request": "check it, look at the market, save run and chunks",
    "load": "bars from the database or memory",
    "signals": "what the strategy says",
    "simulate": "trades, equity and all metrics",
    "save": "every result",
    "render": "read the rows again, draw them and what moves, chunk by chunk",
}


def measure_stages(environment: dict[str, str], universe: str, interval: str, n_runs: int) -> list[Figure]:
    """Return the milliseconds of each stage of RSI scans of a universe."""
    command = [sys.executable, "-c", _MAIN, universe, interval, str(n_runs)]
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(  # noqa: S603
        command, cwd=MANAGE.parent, env={**environment, **settings}, check=True, capture_output=True, text=True
    )
    measured: list[dict[str, float]] = json.loads(done.stdout)
    return [
        Figure(f"{universe}, alone and on one thread: {stage} ({what})", [one[stage] for one in measured])
        for stage, what in STAGES.items()
    ]


class Clock:
    """Adds up the milliseconds of stages."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and counts the time as this stage's."""

        def counted(*arguments: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.spent[stage] += (perf_counter() - began) * 1000

        return counted


def scan(universe: str, interval: str, cash: float) -> dict[str, float]:
    """Return the milliseconds of each stage of one scan."""
    clock, module, engine = Clock(), cast(Any, execute), cast(Any, threads.ENGINE)
    request = RunRequest(strategy="rsi", universe=universe, interval=interval, rules={"cash": cash}, use_cache=False)
    # Nobody else may begin with it.
    engine.submit = lambda *_: None
    run = clock.timed("request", lambda: start(check_request(request)))()
    one = execute.scan_of(run.pk)
    kind = cast(Any, type(one.strategy))
    kept = module.read_bars, kind.signals_all, module._evaluated
    module.read_bars = clock.timed("load", kept[0])
    kind.signals_all = clock.timed("signals", kept[1])
    module._evaluated = clock.timed("simulate", kept[2])
    try:
        page = Page(run)
        while isinstance(chunk := claim(run.pk), RunChunk):
            clock.timed("save", save)(chunk, execute.execute(one, chunk.symbol_ids))
            clock.timed("render", page.look)()
        clock.timed("render", page.draw)()
    finally:
        module.read_bars, kind.signals_all, module._evaluated = kept
    # The strategy is asked within what is counted as the simulation.
    clock.spent["simulate"] -= clock.spent["signals"]
    return {stage: clock.spent[stage] for stage in STAGES}


class Page:
    """What a feed does for the viewers of a run: rows as they come, and what moves a few times a second."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._last = 0
        self._statistics = RunStatistics()

    def look(self) -> None:
        rows = read_rows(self._run.pk, after=self._last)
        render_rows(rows[:ROWS_A_PAGE] if self._last < ROWS_A_PAGE else [])
        self._statistics.add(rows)
        if self._last == 0:
            self.draw()
        self._last = rows[-1].sequence

    def draw(self) -> None:
        self._run.refresh_from_db()
        render_moving(self._run, self._statistics)


def main() -> None:
    """Print the milliseconds of each stage of so many scans, after two to warm up, as JSON."""
    universe, interval, n_runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    measured = [scan(universe, interval, 20_000.0 + number) for number in range(n_runs + 2)]
    sys.stdout.write(json.dumps(measured[2:]))
