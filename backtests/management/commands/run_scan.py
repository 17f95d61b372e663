"""Run a scan from the command line: the same request, engine and results as on the page."""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backtests.engine import METRICS
from backtests.management.scan_tables import print_scan
from backtests.models import Result, Run
from backtests.runs.engines.threads import ENGINE
from backtests.runs.errors import RequestRefused
from backtests.runs.plan import stored_intervals
from backtests.runs.request import RunRequest, check_request, find_universe
from backtests.runs.start import start
from backtests.runs.statistics import ResultRow, read_rows
from backtests.streams.events import complete_event

LOOK_EVERY_S = 0.03
SUBMIT_AGAIN_EVERY_S = 5.0
WRONG_ARGUMENTS = 2
INTERRUPTED = 130
OPTIONS = ("strategy", "universe", "param", "start", "end", "interval", "cash", "fee_pct", "slippage_pct", "top", "csv")


class Command(BaseCommand):
    help = "Run a strategy over a universe and print the best, the worst and the market-wide figures."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--strategy", required=True, metavar="KEY", help="key of a strategy, such as rsi")
        parser.add_argument("--universe", required=True, metavar="SLUG", help="slug of a universe, such as sp-500")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
        parser.add_argument("--start", metavar="DATE", help="first day, YYYY-MM-DD (default: the first bar)")
        parser.add_argument("--end", metavar="DATE", help="last day, YYYY-MM-DD (default: the last bar)")
        parser.add_argument("--interval", help="length of a bar (default: 1d, or what the universe has)")
        parser.add_argument("--cash", default="10000", help="starting cash for every symbol (default 10000)")
        parser.add_argument("--fee-pct", default="0.1", help="percent of the traded value on each side (default 0.1)")
        parser.add_argument("--slippage-pct", default="0.05", help="percent by which fills are worse (default 0.05)")
        parser.add_argument(
            "--top", default="20", metavar="N", help="how many of the best and worst to show (default 20)"
        )
        output = parser.add_mutually_exclusive_group()
        output.add_argument("--json", action="store_true", help="print exactly one JSON object and nothing else")
        output.add_argument("--csv", metavar="FILE", help="write every result with all metrics to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            top = _number("top", options["top"], int)
            if top < 1:
                raise RequestRefused("top", f"must be at least 1; it is {top}")
            checked = check_request(_request(options))
            if options["csv"]:
                _refuse_unwritable(options["csv"])
            run = start(checked)
        except RequestRefused as error:
            raise CommandError(_as_option(error), returncode=WRONG_ARGUMENTS) from error
        run, rows = self._wait(run)
        if options["json"]:
            self.stdout.write(json.dumps(complete_event(run, rows), allow_nan=False))
        elif options["csv"]:
            _write_csv(run, options["csv"])
            self.stdout.write(f"{len(rows)} results of run {run.pk} are in {options['csv']}.")
        else:
            print_scan(Console(file=cast(IO[str], self.stdout), highlight=False), run, rows, top=top)

    def _wait(self, run: Run) -> tuple[Run, list[ResultRow]]:
        """Follow a run to its end with a progress bar on the terminal."""
        rows: list[ResultRow] = []
        submitted = time.monotonic()
        try:
            with _progress_bar(run) as advance:
                while True:
                    # The run first: if it is finished, the results that follow are all there.
                    run = Run.objects.select_related("strategy", "universe").get(pk=run.pk)
                    rows += read_rows(run.pk, after=len(rows))
                    advance(len(rows))
                    if run.is_finished:
                        return run, rows
                    if time.monotonic() - submitted > SUBMIT_AGAIN_EVERY_S:
                        ENGINE.submit(run.pk)
                        submitted = time.monotonic()
                    time.sleep(LOOK_EVERY_S)
        except KeyboardInterrupt:
            left = f"stopped at {len(rows)} of {run.n_symbols} symbols; a running server finishes run {run.pk}"
            raise CommandError(left, returncode=INTERRUPTED) from None


def _request(options: dict[str, Any]) -> RunRequest:
    interval = options["interval"] or next(iter(stored_intervals(find_universe(options["universe"]))), "1d")
    return RunRequest(
        strategy=options["strategy"],
        universe=options["universe"],
        parameters=_parameters(options["param"]),
        interval=interval,
        start_date=_date("start", options["start"]),
        end_date=_date("end", options["end"]),
        cash=_number("cash", options["cash"], float),
        fee_pct=_number("fee_pct", options["fee_pct"], float),
        slippage_pct=_number("slippage_pct", options["slippage_pct"], float),
    )


def _parameters(given: list[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise RequestRefused("param", f"must be NAME=VALUE, such as period=14; it is {item!r}")
        if name.strip() in parameters:
            raise RequestRefused("param", f"{name.strip()} is given twice")
        parameters[name.strip()] = value.strip()
    return parameters


def _date(name: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise RequestRefused(name, f"must be a date such as 2020-01-31; it is {value!r}") from None


def _number(name: str, value: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise RequestRefused(name, f"must be a {'whole ' if kind is int else ''}number; it is {value!r}") from None


def _as_option(error: RequestRefused) -> str:
    name = {"start_date": "start", "end_date": "end"}.get(error.field, error.field)
    if name in OPTIONS:
        return f"--{name.replace('_', '-')}: {error.problem}"
    return f"--param {error.field}: {error.problem}"


class _progress_bar:  # noqa: N801 - used like a function
    """A progress bar on the terminal's error stream; nothing where that is no terminal."""

    def __init__(self, run: Run) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.percentage:.0f} %"),
        )
        console = Console(stderr=True)
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, *times, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task(f"{run.strategy} on {run.universe}", total=run.n_symbols)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda n_done: self._progress.update(self._task, completed=n_done)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _refuse_unwritable(path: str) -> None:
    """Raise before the scan, not after it, if a file cannot be written there."""
    folder = Path(path).absolute().parent
    if Path(path).is_dir() or not os.access(folder, os.W_OK):
        raise RequestRefused("csv", f"must be a file that can be written; {path!r} is not")


def _write_csv(run: Run, path: str) -> None:
    keys = [metric.key for metric in METRICS]
    results = Result.objects.filter(run=run).order_by("sequence")
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["ticker", "name", "sector", "reason", *keys])
            columns = ("symbol__ticker", "symbol__name", "symbol__sector", "reason", *keys)
            for values in results.values_list(*columns):
                writer.writerow([value.isoformat() if hasattr(value, "isoformat") else value for value in values])
    except OSError as error:
        raise CommandError(f"--csv: cannot write {path}: {error.strerror}; run {run.pk} is saved") from error
