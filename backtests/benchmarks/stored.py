"""Markets of made-up prices in a database, to scan: larger than the demo market, every symbol with every bar."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date

from backtests.benchmarks.markets import Market
from backtests.benchmarks.server import MANAGE
from backtests.models import Symbol, Universe
from backtests.prices.store import write_bars

SYMBOLS_AT_ONCE = 50

# Another process writes: this one's settings name another database.
_MAIN = "import django; django.setup(); from backtests.benchmarks.stored import main; main()"


@dataclass(frozen=True, slots=True)
class StoredMarket:
    """A universe of a market, under which interval its bars are stored, and what a scan of it is aimed to take."""

    slug: str
    kind: str
    interval: str
    market: Market
    goal_ms: float


COINS = StoredMarket("made-coins", "crypto", "1h", Market(243, 26_280, is_hourly=True), goal_ms=200)
LARGE = StoredMarket("made-stocks", "stocks", "1d", Market(10_000, 2_520), goal_ms=1500)


def store_in(environment: dict[str, str], stored: StoredMarket) -> None:
    """Write a market into the database of an environment."""
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", _MAIN, stored.slug], cwd=MANAGE.parent, env={**environment, **settings}, check=True
    )


def store(stored: StoredMarket) -> None:
    """Write a market's symbols and bars."""
    universe = Universe.objects.create(
        slug=stored.slug, name=stored.slug, market=stored.kind, as_of=date(2026, 1, 1), is_synthetic=True
    )
    symbols = Symbol.objects.bulk_create(
        Symbol(ticker=f"M{number:05d}", market=stored.kind, is_synthetic=True, sector=f"Sector {number % 11}")
        for number in range(stored.market.n_symbols)
    )
    universe.symbols.add(*symbols)
    for first in range(0, len(symbols), SYMBOLS_AT_ONCE):
        batch = enumerate(symbols[first : first + SYMBOLS_AT_ONCE], start=first)
        series = [(symbol, stored.market.symbol_bars(number)) for number, symbol in batch]
        write_bars(series, interval=stored.interval, source="made for a benchmark")


def main() -> None:
    """Write the market that is asked for into this process's database."""
    store(next(stored for stored in (COINS, LARGE) if stored.slug == sys.argv[1]))
