"""Run a scan from the command line: the same request, engine and results as on the page.

The status is 0 if there is a result, 1 if every symbol failed, 2 for wrong arguments and 130 after Ctrl-C.
"""

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

from backtests.engine import METRICS, RULES_BY_KEY, RulesError
from backtests.engine.rule_text import parsed
from backtests.management.scan_tables import print_rules, print_scan
from backtests.models import Result, Run
from backtests.runs.engines.threads import ENGINE
from backtests.runs.errors import ParameterRefused, RequestRefused, RuleRefused
from backtests.runs.plan import stored_intervals
from backtests.runs.request import RunRequest, check_request, find_universe
from backtests.runs.start import start
from backtests.runs.statistics import ResultRow, read_rows
from backtests.streams.events import assumptions_of, complete_event
from strategies.builtins import sync_new

LOOK_EVERY_S = 0.03
SUBMIT_AGAIN_EVERY_S = 5.0
NO_RESULT, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130
SHORTCUTS = ("cash", "fee_pct", "slippage_pct")


class Command(BaseCommand):
    help = "Run a strategy over a universe and print the best, the worst and the market-wide figures."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--strategy", metavar="KEY", help="key of a strategy, such as rsi")
        parser.add_argument("--universe", metavar="SLUG", help="slug of a universe, such as sp-500")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
        parser.add_argument("--start", metavar="DATE", help="first day, YYYY-MM-DD (default: the first bar)")
        parser.add_argument("--end", metavar="DATE", help="last day, YYYY-MM-DD (default: the last bar)")
        parser.add_argument("--interval", help="length of a bar (default: 1d, or what the universe has)")
        parser.add_argument("--preset", default="", metavar="KEY", help="take the rules of another backtester")
        parser.add_argument(
            "--rule",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="such as stop_loss_pct=5; may be repeated, and wins over the preset; off switches a rule off",
        )
        parser.add_argument("--list-rules", action="store_true", help="print every rule and preset, and run nothing")
        for key in SHORTCUTS:
            option, rule = f"--{key.replace('_', '-')}", RULES_BY_KEY[key]
            parser.add_argument(
                option, metavar="VALUE", help=f"short for --rule {key}=VALUE (default {rule.default:g})"
            )
        parser.add_argument(
            "--top", default="20", metavar="N", help="how many of the best and worst to show (default 20)"
        )
        output = parser.add_mutually_exclusive_group()
        output.add_argument("--json", action="store_true", help="print exactly one JSON object and nothing else")
        output.add_argument("--csv", metavar="FILE", help="write every result with all metrics to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list_rules"]:
            print_rules(self._console())
            return
        sync_new()
        try:
            _refuse_missing(options)
            top = _number("top", options["top"], int)
            if top < 1:
                raise RequestRefused("top", f"must be at least 1; it is {top}")
            checked = check_request(_request(options))
            if options["csv"]:
                _refuse_unwritable(options["csv"])
            run = start(checked)
        except RequestRefused as error:
            raise CommandError(_as_option(error, options), returncode=WRONG_ARGUMENTS) from error
        run, rows = self._wait(run)
        if options["json"]:
            self.stdout.write(json.dumps(complete_event(run, rows), allow_nan=False))
        elif options["csv"]:
            _write_csv(run, options["csv"])
            self.stdout.write(f"{len(rows)} results of run {run.pk} are in {options['csv']}.")
        else:
            print_scan(self._console(), run, rows, top=top)
        if rows and all(row.reason for row in rows):
            # A reason may be what somebody's own strategy says, on any number of lines.
            first = " ".join(rows[0].reason.split())
            raise CommandError(f"every symbol failed; the first reason: {first}", returncode=NO_RESULT)

    def _console(self) -> Console:
        return Console(file=cast(IO[str], self.stdout), highlight=False)

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
        parameters=_pairs("param", "period=14", options["param"]),
        interval=interval,
        start_date=_date("start", options["start"]),
        end_date=_date("end", options["end"]),
        preset=options["preset"],
        rules=_rules(options),
    )


def _refuse_missing(options: dict[str, Any]) -> None:
    for name in ("strategy", "universe"):
        if not options[name]:
            raise RequestRefused(name, "must be given")


def _pairs(option: str, example: str, given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise RequestRefused(option, f"must be NAME=VALUE, such as {example}; it is {item!r}")
        if name.strip() in pairs:
            raise RequestRefused(option, f"{name.strip()} is given twice")
        pairs[name.strip()] = value.strip()
    return pairs


def _rules(options: dict[str, Any]) -> dict[str, Any]:
    given = _pairs("rule", "stop_loss_pct=5", options["rule"])
    for key in SHORTCUTS:
        if options[key] is not None:
            if key in given:
                raise RequestRefused(key, f"is given twice, here and as --rule {key}")
            given[key] = options[key]
    try:
        # A name that no rule has stays, for the request to be refused with the names that there are.
        return {key: parsed(RULES_BY_KEY[key], text) if key in RULES_BY_KEY else text for key, text in given.items()}
    except RulesError as error:
        raise RuleRefused(error.name, error.problem) from error


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


def _as_option(error: RequestRefused, options: dict[str, Any]) -> str:
    """Return what is wrong under the name that was typed: a rule with an option of its own may be set either way."""
    if isinstance(error, ParameterRefused):
        return f"--param {error.field}: {error.problem}"
    if isinstance(error, RuleRefused) and (error.field not in SHORTCUTS or options[error.field] is None):
        return f"--rule {error.field}: {error.problem}"
    name = {"start_date": "start", "end_date": "end"}.get(error.field, error.field)
    return f"--{name.replace('_', '-')}: {error.problem}"


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
    """Write a row for every symbol: who it is, its metrics, and what the run assumes, the same in every row."""
    keys = [metric.key for metric in METRICS]
    columns = ("symbol__ticker", "symbol__name", "symbol__sector", "reason", *keys)
    assumed = _assumed(run)
    results = Result.objects.filter(run=run).order_by("sequence").values_list(*columns)
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["ticker", "name", "sector", "reason", *keys, *assumed])
            for values in results:
                shown = [value.isoformat() if hasattr(value, "isoformat") else value for value in values]
                writer.writerow([*shown, *assumed.values()])
    except OSError as error:
        raise CommandError(f"--csv: cannot write {path}: {error.strerror}; run {run.pk} is saved") from error


def _assumed(run: Run) -> dict[str, Any]:
    """Return the run's assumptions by column: rules and parameters have names of their own, as metrics share some."""
    assumed = assumptions_of(run)
    parts = {"param": assumed.pop("parameters"), "rule": assumed.pop("rules"), "run": {"id": run.pk, **assumed}}
    return {f"{part}_{key}": value for part in ("run", "param", "rule") for key, value in parts[part].items()}
