"""Ask a formula of a market from the command line.

The status is 0 if something matches, 1 if nothing does, and 2 for what cannot be done as asked.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backtests.runs.errors import RequestRefused
from backtests.screens.answers import Answer
from backtests.screens.asking import Asked, checked_screen
from backtests.screens.charting import day_of
from backtests.screens.screening import screen
from backtests.screens.stream import results_data
from backtests.screens.table import rows_of, write_csv
from strategies.ready_screens import READY_SCREENS

NOTHING_MATCHES, WRONG_ARGUMENTS = 1, 2
SHOWN = 50
WIDEST = 10_000


class Command(BaseCommand):
    help = "Print the symbols of a universe that match a formula on their last bar."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("formula", nargs="?", help="a formula, or the name of a saved screen or one of the library")
        parser.add_argument("--file", type=Path, help="read the formula from a file")
        parser.add_argument("--list", action="store_true", help="list the screens of the library")
        parser.add_argument("--universe", metavar="SLUG", help="slug of a universe, such as sp-500")
        parser.add_argument("--symbols", metavar="A,B,C", default="", help="ask these symbols only")
        parser.add_argument(
            "--as-of", metavar="DATE", help="the last day that counts, YYYY-MM-DD (default: the last bar)"
        )
        parser.add_argument("--interval", default="1d", help="length of a bar (default 1d)")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
        parser.add_argument(
            "--sort", default="", metavar="COLUMN", help="a column; --sort=-COLUMN for the highest first"
        )
        printed = parser.add_mutually_exclusive_group()
        printed.add_argument("--json", action="store_true", help="print JSON instead of a table")
        printed.add_argument("--csv", action="store_true", help="print CSV instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._print_library()
            return
        try:
            request, name = checked_screen(_asked(options))
            answer = Answer(request, screen(request), made_at=0.0, state="")
        except RequestRefused as error:
            raise _refused(_as_option(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(results_data(answer, name, (), 0), indent=2))
        elif options["csv"]:
            write_csv(answer, cast(IO[str], self.stdout))
        else:
            self._print_table(answer, name)
        if not answer.screened.matches:
            raise SystemExit(NOTHING_MATCHES)

    def _print_library(self) -> None:
        table = Table("screen", "idea", "formula", box=None, show_lines=False)
        for each in READY_SCREENS:
            table.add_row(each.key, escape(each.idea), escape(each.formula))
        Console(file=cast(IO[str], self.stdout)).print(table)

    def _print_table(self, answer: Answer, name: str) -> None:
        screened = answer.screened
        console = Console(file=cast(IO[str], self.stdout))
        table = Table(box=None, title=name or None, title_justify="left")
        table.add_column("symbol", no_wrap=True)
        table.add_column("name", no_wrap=True, max_width=28)
        for column in ("close", "change", *(label for label in screened.columns if label != "close")):
            table.add_column(escape(column), justify="right", no_wrap=True)
        for row in rows_of(answer)[:SHOWN]:
            table.add_row(escape(row.ticker), escape(row.name), row.close, row.change, *row.values)
        if screened.matches:
            # A number that is cut to the terminal's width would be another number: a line may be longer.
            console.width = max(
                console.width, console.measure(table, options=console.options.update(max_width=WIDEST)).maximum
            )
            console.print(table)
        if len(screened.matches) > SHOWN:
            console.print(f"and {len(screened.matches) - SHOWN} more; --csv prints all")
        on = f" on {day_of(screened.time_s)}" if screened.time_s is not None else ""
        console.print(
            f"{len(screened.matches)} of {screened.n_tested} symbols match{on}; {len(screened.failures)} could not be "
            f"asked; {screened.elapsed_ms:.0f} ms"
        )


def _refused(told: str) -> CommandError:
    return CommandError(told, returncode=WRONG_ARGUMENTS)


def _as_option(error: RequestRefused) -> str:
    """Return what is wrong under the name that was typed."""
    if error.field.startswith("values."):
        return f"--param {error.field.removeprefix('values.')}: {error.problem}"
    return f"{error.field if error.field == 'formula' else f'--{error.field}'.replace('_', '-')}: {error.problem}"


def _asked(options: dict[str, Any]) -> Asked:
    text = options["formula"]
    if options["file"] is not None:
        if text is not None:
            raise _refused("give a formula or --file, not both")
        try:
            text = options["file"].read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise _refused(f"--file: {options['file']} cannot be read: {error}") from error
    if not text:
        raise _refused("give a formula, such as 'close > sma(close, 50)', or the name of a screen; --list lists them")
    if options["universe"] is None:
        raise _refused("--universe is required: a slug, such as sp-500")
    return Asked(
        formula=text,
        universe=options["universe"],
        interval=options["interval"],
        as_of=_day(options["as_of"]),
        symbols=tuple(part.strip() for part in options["symbols"].split(",") if part.strip()),
        values=_values(options["param"]),
        sort=options["sort"],
    )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _refused(f"--as-of must be a date such as 2024-01-31; it is {text!r}") from None


def _values(given: list[str]) -> dict[str, str]:
    values = {}
    for item in given:
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise _refused(f"--param must be NAME=VALUE; it is {item!r}")
        values[name.strip()] = value.strip()
    return values
