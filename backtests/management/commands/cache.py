"""The caches on the terminal: see docs/cache.md."""

from __future__ import annotations

import argparse
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from backtests.admin.cache import MIB, cells_of, result_facts
from backtests.models import Universe
from backtests.runs.errors import RequestRefused
from backtests.runs.request import find_universe
from backtests.runs.reusable import flush, holdings, prune, total_of
from backtests.warming import WarmUp, warm
from strategies.models import Strategy

COLUMNS = ("Entries", "Size", "Oldest", "Newest", "Hit rate", "Saved")


class Command(BaseCommand):
    help = "Show what is cached, let results be reused no more, or read the bars of a universe in advance."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("status", help="what the cache of results holds, and what it has saved")
        flushing = actions.add_parser("flush", help="reuse no result of before; the runs stay")
        flushing.add_argument("--strategy", default="", metavar="KEY", help="only those of this strategy")
        flushing.add_argument("--universe", default="", metavar="SLUG", help="only those of this universe")
        pruning = actions.add_parser("prune", help="reuse no result that is too old, or too many; the runs stay")
        pruning.add_argument(
            "--days", type=int, default=settings.CACHE_DAYS, metavar="N", help="0: any age (default: TRAWL_CACHE_DAYS)"
        )
        pruning.add_argument(
            "--mb",
            type=int,
            default=settings.CACHE_BYTES // MIB,
            metavar="N",
            help="0: any size (default: TRAWL_CACHE_MB)",
        )
        warming = actions.add_parser("warm", help="read and check every bar of a universe")
        warming.add_argument("universe", metavar="SLUG", help="the universe")

    def handle(self, *args: Any, **options: Any) -> None:
        action = options["action"]
        if action == "status":
            self._status()
        elif action == "flush":
            self._flush(options["strategy"], options["universe"])
        elif action == "prune":
            self._prune(options["days"], options["mb"])
        else:
            self._warm(_universe(options["universe"]))

    def _status(self) -> None:
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        parts = holdings()
        for label, value, meaning in result_facts(total_of(parts)):
            console.print(f"{label:<9} {value:>12}  {meaning}", soft_wrap=True)
        if parts:
            table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
            for column in ("Strategy", "Universe"):
                table.add_column(column)
            for column in COLUMNS:
                table.add_column(column, justify="right", no_wrap=True)
            for part in parts:
                table.add_row(part.strategy_key, part.universe_slug, *cells_of(part))
            console.print()
            console.print(table)

    def _flush(self, strategy: str, universe: str) -> None:
        if strategy and not Strategy.objects.filter(key=strategy).exists():
            known = ", ".join(Strategy.objects.order_by("key").values_list("key", flat=True))
            raise CommandError(f"--strategy: {strategy!r} is unknown; valid are: {known}", returncode=2)
        if universe:
            _universe(universe)
        n_runs = flush(strategy=strategy, universe=universe)
        self.stdout.write(f"The results of {n_runs:,} runs are no longer reused; the runs stay as they are.")

    def _prune(self, days: int, mb: int) -> None:
        for name, value in (("--days", days), ("--mb", mb)):
            if not 0 <= value <= 1_048_576:
                raise CommandError(f"{name} must be from 0 to 1048576; it is {value}", returncode=2)
        by_age, by_size = prune(days=days, n_bytes=mb * MIB)
        text = f"The results of {by_age + by_size:,} runs are no longer reused: {by_age:,} by age, {by_size:,} by size."
        self.stdout.write(text)

    def _warm(self, universe: Universe) -> None:
        done = warm(universe, self._note)
        self.stdout.write(
            f"{done.universe}: {done.n_done:,} of {done.n_series:,} series read, {done.n_bytes / MIB:,.1f} MiB."
        )
        if done.n_done < done.n_series:
            self.stdout.write("More would not fit into the memory that TRAWL_BARS_CACHE_MB allows.")
        if done.damaged:
            raise CommandError(f"damaged, import their prices again: {', '.join(done.damaged)}")

    def _note(self, state: WarmUp) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{state.universe}: {state.percent} %", ending="")


def _universe(slug: str) -> Universe:
    try:
        return find_universe(slug)
    except RequestRefused as error:
        raise CommandError(f"universe: {error.problem}", returncode=2) from error
