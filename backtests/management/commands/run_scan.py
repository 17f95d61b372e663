"""Run a scan from the command line: the same request, engine and results as on the page.

The status is 0 if there is a result, 1 if every symbol failed, 2 for what cannot be done as asked, 3 if somebody has
paused the run, 130 if it was cancelled, by Ctrl-C or from elsewhere, and 137 after a second Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from backtests.engine import METRICS, RULES_BY_KEY, RulesError
from backtests.engine.rule_text import parsed
from backtests.management.following import follow
from backtests.management.scan_tables import print_rules, print_scan
from backtests.models import Result, Run, Universe
from backtests.runs.control import cancel, pause, resume, retry_failed
from backtests.runs.errors import ParameterRefused, RequestRefused, RuleRefused, TooManyRuns, WrongState
from backtests.runs.notify import notify_finished
from backtests.runs.offered import active_strategies
from backtests.runs.plan import stored_intervals
from backtests.runs.request import RunRequest, check_request, find_universe
from backtests.runs.start import start
from backtests.runs.statistics import ResultRow, read_rows
from backtests.streams.events import assumptions_of, complete_event
from strategies.builtins import sync_new

NO_RESULT, WRONG_ARGUMENTS, RESTS, INTERRUPTED = 1, 2, 3, 130
CHANGES = {"pause": pause, "cancel": cancel, "resume": resume, "retry_failed": retry_failed}
FOLLOWED = ("resume", "retry_failed")
SHORTCUTS = ("cash", "fee_pct", "slippage_pct")

# What only a new run can be given, and what only a run that is followed prints.
OF_A_NEW_RUN = (
    "strategy", "universe", "param", "start", "end", "interval", "preset", "rule", *SHORTCUTS, "symbols", "priority",
    "max_workers", "no_cache", "notify_email", "notify_url",
)  # fmt: skip
OF_ROWS = ("json", "csv")


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
        _add_execution(parser)
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
            top = _number("top", options["top"], int)
            if top < 1:
                raise RequestRefused("top", f"must be at least 1; it is {top}")
            if options["csv"]:
                _refuse_unwritable(options["csv"])
            run, is_followed = _run_of(options)
        except RequestRefused as error:
            raise CommandError(_as_option(error, options), returncode=WRONG_ARGUMENTS) from error
        except (WrongState, TooManyRuns) as error:
            raise CommandError(str(error), returncode=WRONG_ARGUMENTS) from error
        if not is_followed:
            self.stdout.write(f"Run {run.pk} is {run.state}: {run.n_done:,} of {run.n_symbols:,} symbols are done.")
            return
        run = follow(run)
        tellers = notify_finished(run.pk)
        rows = read_rows(run.pk)
        if options["json"]:
            self.stdout.write(json.dumps(complete_event(run, rows), allow_nan=False))
        elif options["csv"]:
            _write_csv(run, options["csv"])
            self.stdout.write(f"{len(rows)} results of run {run.pk} are in {options['csv']}.")
        else:
            print_scan(self._console(), run, rows, top=top)
        for teller in tellers:
            teller.join()
        _refuse_result(run, rows)

    def _console(self) -> Console:
        return Console(file=cast(IO[str], self.stdout), highlight=False)


def _add_execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbols", metavar="A,B", help="only these symbols of the universe")
    parser.add_argument("--priority", metavar="A,B", help="these symbols first (default: the most traded)")
    parser.add_argument("--max-workers", metavar="N", help="most chunks at once (default: one for each processor)")
    parser.add_argument("--no-cache", action="store_true", help="compute afresh what an earlier run has")
    parser.add_argument("--notify-email", default="", metavar="ADDRESS", help="write there when the run is done")
    parser.add_argument("--notify-url", default="", metavar="URL", help="call this webhook when the run is done")
    existing = parser.add_mutually_exclusive_group()
    for option, what in (
        ("--pause", "let this run rest after the chunks at work"),
        ("--cancel", "end this run; it keeps its rows"),
        ("--resume", "go on with this run, and follow it"),
        ("--retry-failed", "compute the failed symbols of this run again, and follow it"),
    ):
        existing.add_argument(option, metavar="RUN", help=what)


def _run_of(options: dict[str, Any]) -> tuple[Run, bool]:
    """Return the run that is asked for, new or not, and whether to follow it."""
    for name, change in CHANGES.items():
        if (run_id := options[name]) is not None:
            is_followed = name in FOLLOWED
            _refuse_beside(name, options, is_followed=is_followed)
            try:
                return change(run_id), is_followed
            except Run.DoesNotExist:
                raise RequestRefused(name, f"there is no run {run_id!r}") from None
    _refuse_missing(options)
    return start(check_request(_request(options))), True


def _refuse_beside(change: str, options: dict[str, Any], *, is_followed: bool) -> None:
    """Raise if anything was given that a run which is there already does not take."""
    for name in OF_A_NEW_RUN if is_followed else (*OF_A_NEW_RUN, *OF_ROWS):
        if options[name]:
            raise RequestRefused(name, f"cannot be given with --{change.replace('_', '-')}")


def _refuse_result(run: Run, rows: list[ResultRow]) -> None:
    """Raise where the run has not ended as it should."""
    if run.state != Run.State.COMPLETE:
        done = f"{run.n_done:,} of {run.n_symbols:,} symbols"
        raise CommandError(
            f"run {run.pk} was {run.state} at {done}; go on with: manage.py run_scan --resume {run.pk}",
            returncode=INTERRUPTED if run.state == Run.State.CANCELLED else RESTS,
        )
    if rows and all(row.reason for row in rows):
        # A reason may be what somebody's own strategy says, on any number of lines.
        first = " ".join(rows[0].reason.split())
        raise CommandError(f"every symbol failed; the first reason: {first}", returncode=NO_RESULT)


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
        symbols=_tickers("symbols", options["symbols"]),
        priority=_tickers("priority", options["priority"]),
        max_workers=None if options["max_workers"] is None else _number("max_workers", options["max_workers"], int),
        use_cache=not options["no_cache"],
        notify_email=options["notify_email"],
        notify_url=options["notify_url"],
    )


def _tickers(option: str, given: str | None) -> tuple[str, ...]:
    tickers = tuple((given or "").replace(",", " ").split())
    if given is not None and not tickers:
        # A variable of the shell that is not set must not mean the whole universe.
        raise RequestRefused(option, "must name symbols of the universe, by comma")
    return tickers


def _refuse_missing(options: dict[str, Any]) -> None:
    slugs = list(Universe.objects.order_by("slug").values_list("slug", flat=True))
    for name, valid in (("strategy", sorted(active_strategies())), ("universe", slugs)):
        if not options[name]:
            raise RequestRefused(name, f"must be given; valid are: {', '.join(valid) or 'none'}")


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
