"""Load the demo market into the database.

1. Names, sectors, listings and delistings come from cast.py, trading days from calendar.py.
2. Bars are made symbol by symbol in stocks.py and coins.py from the building blocks in paths.py.
3. Universes and price blocks are written in one transaction: the market is there as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import transaction

from backtests.models import Interval, Market, Symbol, Universe
from backtests.prices.demo.calendar import END_DATE
from backtests.prices.demo.cast import N_HOURLY_COINS, Member, coin_cast, stock_cast
from backtests.prices.demo.coins import coin_bars, coin_factors
from backtests.prices.demo.stocks import stock_bars, stock_factors
from backtests.prices.errors import PricesError
from backtests.prices.store import BlockChanges, write_bars
from backtests.prices.universes import Listing, save_universe
from strategies.bars import Bars

SEED = 9
N_STOCKS = 503
N_COINS = 243
N_HOURLY = N_HOURLY_COINS

# Symbols written at once: enough to make few queries, few enough to hold little in memory.
_BATCH = 64

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class UniverseLoaded:
    """One universe of the demo market, as it was loaded."""

    universe: Universe
    interval: str
    n_symbols: int
    n_bars: int
    blocks: BlockChanges


@dataclass(frozen=True, slots=True)
class DemoLoaded:
    """What a load brought; the symbols with hourly bars are among those with daily ones."""

    universes: tuple[UniverseLoaded, ...]

    @property
    def n_bars(self) -> int:
        return sum(loaded.n_bars for loaded in self.universes)

    @property
    def blocks(self) -> BlockChanges:
        return sum((loaded.blocks for loaded in self.universes), BlockChanges())


def load_demo(
    *,
    n_stocks: int = N_STOCKS,
    n_coins: int = N_COINS,
    n_hourly: int = N_HOURLY,
    seed: int = SEED,
    progress: Progress | None = None,
) -> DemoLoaded:
    """Write the demo market, or the first symbols of it, and return what was loaded.

    The bars of a symbol depend on the seed alone, not on how many symbols are loaded. Loading the same again changes
    nothing; another seed replaces every bar of the symbols that are loaded. ``progress`` is called with the number of
    series written and to be written.

    Raises
    ------
    PricesError
        If a number is out of range, or a universe with the name of a demo universe holds real prices.
    """
    _check_counts(n_stocks, n_coins, n_hourly, seed)
    total = n_stocks + n_coins + n_hourly
    done = 0

    def count(n_series: int) -> None:
        nonlocal done
        done += n_series
        if progress is not None:
            progress(done, total)

    loaded: list[UniverseLoaded] = []
    with transaction.atomic():
        if n_stocks:
            loaded.append(_load_stocks(n_stocks, seed, count))
        if n_coins:
            loaded.extend(_load_coins(n_coins, n_hourly, seed, count))
    return DemoLoaded(tuple(loaded))


def _check_counts(n_stocks: int, n_coins: int, n_hourly: int, seed: int) -> None:
    for label, number, most in (
        ("stocks", n_stocks, N_STOCKS),
        ("coins", n_coins, N_COINS),
        ("hourly", n_hourly, N_HOURLY),
        ("seed", seed, 2**63 - 1),
    ):
        if not 0 <= number <= most:
            raise PricesError(f"{label} must be from 0 to {most}; it is {number}")
    if n_hourly > n_coins:
        raise PricesError(f"hourly must be at most the number of coins, {n_coins}; it is {n_hourly}")
    if n_stocks + n_coins == 0:
        raise PricesError("stocks and coins must not both be 0: there would be nothing to load")


def _load_stocks(n_stocks: int, seed: int, count: Callable[[int], None]) -> UniverseLoaded:
    members = stock_cast()[:n_stocks]
    factors = stock_factors(seed)
    universe, symbols = _save("Demo Stocks", "demo-stocks", Market.STOCKS, members)
    series = ((symbol, stock_bars(member, factors, seed)) for symbol, member in zip(symbols, members, strict=True))
    return _write(universe, Interval.DAY_1, series, seed, count)


def _load_coins(n_coins: int, n_hourly: int, seed: int, count: Callable[[int], None]) -> Iterator[UniverseLoaded]:
    members = coin_cast()[:n_coins]
    factors = coin_factors(seed)
    universe, symbols = _save("Demo Crypto", "demo-crypto", Market.CRYPTO, members)
    hourly_series: list[tuple[Symbol, Bars]] = []

    def daily_series() -> Iterator[tuple[Symbol, Bars]]:
        for symbol, member in zip(symbols, members, strict=True):
            bars = coin_bars(member, factors, seed)
            if bars.hourly is not None and member.index < n_hourly:
                hourly_series.append((symbol, bars.hourly))
            yield symbol, bars.daily

    yield _write(universe, Interval.DAY_1, daily_series(), seed, count)
    if n_hourly:
        hourly, _ = _save("Demo Crypto Hourly", "demo-crypto-hourly", Market.CRYPTO, members[:n_hourly])
        yield _write(hourly, Interval.HOUR_1, hourly_series, seed, count)


def _save(name: str, slug: str, market: Market, members: Sequence[Member]) -> tuple[Universe, list[Symbol]]:
    listings = [Listing(member.ticker, member.name, member.sector.label) for member in members]
    return save_universe(name=name, slug=slug, market=market, listings=listings, as_of=END_DATE, is_synthetic=True)


def _write(
    universe: Universe,
    interval: Interval,
    series: Iterable[tuple[Symbol, Bars]],
    seed: int,
    count: Callable[[int], None],
) -> UniverseLoaded:
    n_symbols = n_bars = 0
    blocks = BlockChanges()
    remaining = iter(series)
    while batch := list(islice(remaining, _BATCH)):
        blocks += write_bars(batch, interval=interval, source=f"Synthetic demo market, seed {seed}")
        n_symbols += len(batch)
        n_bars += sum(len(bars) for _, bars in batch)
        count(len(batch))
    return UniverseLoaded(universe, interval, n_symbols, n_bars, blocks)
