"""Measure Trawl on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from backtests.benchmarks.engine import measure_engine
from backtests.benchmarks.figures import Figure, machine
from backtests.benchmarks.imports import measure_imports
from backtests.benchmarks.scan import measure_scan
from backtests.benchmarks.screens import measure_screens
from backtests.benchmarks.streams import measure_streams

GROUPS = ("engine", "scan", "streams", "screens", "imports")


class Command(BaseCommand):
    help = "Print medians of several runs: engine (in memory), scan (POST to the wire), streams (viewers), imports."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
        parser.add_argument(
            "--runs", type=int, default=11, metavar="N", help="measurements of each figure (default 11)"
        )
        parser.add_argument(
            "--database",
            default="",
            metavar="URL",
            help="a PostgreSQL server for the group streams, which makes a database there and drops it",
        )
        parser.add_argument("--file", type=Path, metavar="PATH", help="a price file for the group imports")

    def handle(self, *args: Any, **options: Any) -> None:
        n_runs, path = options["runs"], options["file"]
        if unknown := [group for group in options["groups"] if group not in GROUPS]:
            raise CommandError(f"{unknown[0]!r} is no group; valid are: {', '.join(GROUPS)}", returncode=2)
        if n_runs < 1:
            raise CommandError(f"--runs must be at least 1; it is {n_runs}", returncode=2)
        if path is not None and not path.is_file():
            raise CommandError(f"--file: there is no file {path}", returncode=2)
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        console.print(f"{machine()}, {datetime.now(UTC):%Y-%m-%d}")
        for group in options["groups"] or GROUPS:
            if group == "engine":
                figures = measure_engine(n_runs, self.stderr.write)
            elif group == "scan":
                figures = measure_scan(n_runs, self.stderr.write)
            elif group == "streams":
                figures = measure_streams(n_runs, self.stderr.write, database_url=options["database"])
            elif group == "screens":
                figures = measure_screens(n_runs, self.stderr.write)
            else:
                figures = measure_imports(max(1, n_runs // 4), self.stderr.write, path=path)
            console.print(_table(group, figures))


def _table(group: str, figures: Sequence[Figure]) -> Table:
    table = Table(title=group, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Figure")
    has_ratios = any(figure.ratio is not None for figure in figures)
    for heading in ("Median", "Least", "Most", *(["Ratio"] if has_ratios else []), "Goal", "Runs"):
        table.add_column(heading, justify="right")
    for figure in figures:
        extremes = [f"{value:,.1f}" for value in (figure.median, min(figure.values), max(figure.values))]
        ratio = [_times(figure.ratio)] if has_ratios else []
        n_runs = str(len(figure.values))
        table.add_row(figure.label, f"{extremes[0]} {figure.unit}", *extremes[1:], *ratio, _goal(figure), n_runs)
    return table


def _goal(figure: Figure) -> str:
    return _times(figure.least_ratio) if figure.goal is None else f"{figure.goal:,.0f} {figure.unit}"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.3g} x"
