"""Load the synthetic demo market."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Load the demo market: synthetic stocks and coins with the shape of real ones, the same on every machine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stocks", type=int, metavar="N", help="Only the first N of the 503 stocks.")
        parser.add_argument("--coins", type=int, metavar="N", help="Only the first N of the 243 coins.")
        parser.add_argument("--hourly", type=int, metavar="N", help="Hourly bars for only the first N of 48 coins.")
        parser.add_argument("--seed", type=int, metavar="N", help="Another market: the same symbols at other prices.")

    def handle(self, *_args: Any, **options: Any) -> None:
        from rich.console import Console
        from rich.progress import Progress

        from backtests.prices.demo import N_COINS, N_HOURLY, N_STOCKS, SEED, load_demo
        from backtests.prices.errors import PricesError

        def chosen(name: str, default: int) -> int:
            return default if options[name] is None else int(options[name])

        n_coins = chosen("coins", N_COINS)
        console = Console(stderr=True)
        is_quiet = options["verbosity"] == 0 or not console.is_terminal
        started = time.perf_counter()
        with Progress(console=console, transient=True, disable=is_quiet) as bar:
            task = bar.add_task("Synthetic prices", total=None)
            try:
                loaded = load_demo(
                    n_stocks=chosen("stocks", N_STOCKS),
                    n_coins=n_coins,
                    n_hourly=chosen("hourly", min(N_HOURLY, max(0, n_coins))),
                    seed=chosen("seed", SEED),
                    progress=lambda done, total: bar.update(task, completed=done, total=total),
                )
            except PricesError as error:
                raise CommandError(str(error)) from error
        elapsed_s = time.perf_counter() - started

        for part in loaded.universes:
            self.stdout.write(f"{part.universe}: {part.n_symbols} symbols, {part.n_bars:,} bars of {part.interval}")
        blocks = loaded.blocks
        self.stdout.write(f"Blocks: {blocks.added} added, {blocks.replaced} replaced, {blocks.unchanged} unchanged")
        self.stdout.write(f"Loaded {loaded.n_bars:,} bars in {elapsed_s:.1f} s. The prices are synthetic, not real.")
