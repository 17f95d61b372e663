"""Follow a run on a terminal to its end; Ctrl-C cancels it, a second one ends the command at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import DatabaseError, InterfaceError, connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backtests.models import Run
from backtests.runs.chunks import chunks_at_work
from backtests.runs.control import RESTING, cancel
from backtests.runs.engines import threads
from backtests.runs.errors import WrongState

LOOK_EVERY_S = 0.03
SUBMIT_AGAIN_EVERY_S = 5.0
KILLED = 137
ENDED = (*RESTING, Run.State.COMPLETE)


def follow(run: Run) -> Run:
    """Return the run when it has ended: complete, cancelled, or paused by somebody else.

    While the database is away, it waits: results that are computed meanwhile wait as well.
    """
    submitted = time.monotonic()
    with _progress_bar(run) as advance, _interrupts(run.pk) as is_interrupted:
        while True:
            try:
                run = _read(run.pk)
                if run.state in RESTING and not chunks_at_work(run.pk).exists():
                    # What was at work may have been saved since it was read.
                    run = _read(run.pk)
                    is_over = run.state in ENDED
                else:
                    is_over = run.state == Run.State.COMPLETE
                advance(run.n_done)
                if is_over:
                    return run
                if is_interrupted() and not run.is_finished:
                    _cancel(run.pk)
                elif time.monotonic() - submitted > SUBMIT_AGAIN_EVERY_S:
                    threads.ENGINE.submit(run.pk)
                    submitted = time.monotonic()
            except (DatabaseError, InterfaceError):
                connection.close()
            time.sleep(LOOK_EVERY_S)


def _read(run_id: str) -> Run:
    return Run.objects.select_related("strategy", "universe").get(pk=run_id)


def _cancel(run_id: str) -> None:
    try:
        cancel(run_id)
    except WrongState:
        # It has ended in the same moment.
        return


@contextmanager
def _interrupts(run_id: str) -> Iterator[Callable[[], bool]]:
    """Count Ctrl-C: the first one is told to whoever asks, the second one ends the process at once."""
    n_interrupts = 0
    console = Console(stderr=True, highlight=False)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        nonlocal n_interrupts
        n_interrupts += 1
        if n_interrupts > 1:
            # Nothing is lost: the chunks at work are taken up by whoever resumes the run.
            os._exit(KILLED)
        console.print(f"Cancelling run {run_id} after the chunks at work; Ctrl-C again ends at once.")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield lambda: n_interrupts > 0
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress_bar(run: Run) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on the terminal's error stream; nothing where that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.percentage:.0f} %"),
    )
    console = Console(stderr=True)
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(f"{run.strategy} on {run.universe}", total=run.n_symbols)
        yield lambda n_done: progress.update(task, completed=n_done)
