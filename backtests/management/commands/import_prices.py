"""Import a file of prices: see docs/prices.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from backtests.models import Market
from backtests.prices.errors import ImportRefused, RowsRefused
from backtests.prices.import_report import ImportReport, finding_lines, summary_lines, write_csv
from backtests.prices.importers.rows import INTERVAL_S
from backtests.prices.importing import ImportRequest, Progress, import_prices


class Command(BaseCommand):
    help = "Import a Parquet, Feather or CSV file of prices into a universe, and report what was done with its rows."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("path", metavar="PATH", help="the file: .parquet, .feather or .csv")
        parser.add_argument("--universe", default="", metavar="NAME", help="required: the universe to make or extend")
        parser.add_argument("--market", default="", metavar="|".join(Market.values), help="required: what is traded")
        parser.add_argument("--interval", default="1d", help=f"length of a bar: {', '.join(INTERVAL_S)} (default: 1d)")
        parser.add_argument("--symbols", metavar="CSV", help="a CSV file with the symbols' names and sectors")
        parser.add_argument("--ticker", default="", help="the symbol, if the file has no column that names it")
        parser.add_argument("--as-of", metavar="DATE", help="date of the list of symbols (default: of the last bar)")
        parser.add_argument(
            "--strict", action="store_true", help="refuse the file if any row must be dropped or repaired"
        )
        parser.add_argument("--report", metavar="FILE", help="write every finding to this CSV file")
        parser.add_argument("--quiet", action="store_true", help="print the summary only")

    def handle(self, *args: Any, **options: Any) -> None:
        request = _request(options)
        report_path = _report_path(options["report"], request)
        try:
            with _shown_progress(is_quiet=options["quiet"]) as progress:
                report = import_prices(request, progress=progress)
        except RowsRefused as error:
            self._print(error.report, report_path, is_quiet=options["quiet"])
            raise CommandError(str(error)) from error
        except ImportRefused as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"the database refused; nothing was stored: {error}") from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted; nothing was stored", returncode=130) from error
        self._print(report, report_path, is_quiet=options["quiet"])

    def _print(self, report: ImportReport, report_path: Path | None, *, is_quiet: bool) -> None:
        for line in summary_lines(report):
            self.stdout.write(line)
        for line in () if is_quiet else finding_lines(report.findings):
            self.stdout.write(line)
        if report_path is not None:
            try:
                write_csv(report.findings, report_path)
            except OSError as error:
                raise CommandError(f"--report cannot be written, though the import was done: {error}") from error


def _request(options: dict[str, Any]) -> ImportRequest:
    for option in ("universe", "market"):
        if not options[option]:
            raise CommandError(f"--{option} is required")
    try:
        as_of = date.fromisoformat(options["as_of"]) if options["as_of"] else None
    except ValueError:
        raise CommandError(f"--as-of must be a date such as 2024-01-31; it is {options['as_of']!r}") from None
    return ImportRequest(
        path=Path(options["path"]),
        universe=options["universe"],
        market=options["market"],
        interval=options["interval"],
        ticker=options["ticker"],
        symbols_path=Path(options["symbols"]) if options["symbols"] else None,
        as_of=as_of,
        is_strict=options["strict"],
    )


def _report_path(text: str | None, request: ImportRequest) -> Path | None:
    if not text:
        return None
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise CommandError(f"--report must be a file in a folder that exists; it is {text!r}")
    if path.exists() and any(other and other.exists() and path.samefile(other) for other in _inputs(request)):
        raise CommandError(f"--report would overwrite a file that is to be read: {text!r}")
    return path


def _inputs(request: ImportRequest) -> tuple[Path | None, ...]:
    return request.path, request.symbols_path


@contextmanager
def _shown_progress(*, is_quiet: bool) -> Iterator[Progress]:
    """Show a bar on a terminal; elsewhere, such as in a log, a line at each step."""
    console = Console(stderr=True)
    if is_quiet:
        yield lambda step, done, total: None
    elif not console.is_terminal:
        yield _print_step
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with ProgressBar(*columns, console=console, transient=True) as bar:
            task = bar.add_task("reading", total=None)
            yield lambda step, done, total: bar.update(task, description=step, completed=done, total=total)


def _print_step(step: str, done: int, total: int) -> None:
    if step != "storing":
        sys.stderr.write(f"{step}\n")
    elif done % 128 == 0 or done == total:
        sys.stderr.write(f"{step} {done:,} of {total:,} symbols\n")
