"""Bars to try something on: some symbols of a stored universe, or of the demo market where nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Exists, OuterRef

from backtests.models import Interval, PriceBlock, Universe
from backtests.prices.demo import SEED
from backtests.prices.demo.cast import stock_cast
from backtests.prices.demo.stocks import stock_bars, stock_factors
from backtests.prices.errors import BlockDamaged
from backtests.prices.store import read_bars
from backtests.runs.errors import RequestRefused
from backtests.runs.plan import stored_intervals
from backtests.runs.request import find_universe
from strategies.bars import Bars

MOST_BARS = 5_000  # of each symbol, the newest: twenty years of days


@dataclass(frozen=True, slots=True)
class Sample:
    """Bars by ticker, and where they come from; ``slug`` is empty for a market that is not stored."""

    label: str
    slug: str
    interval: str
    is_synthetic: bool
    bars: dict[str, Bars]

    @property
    def n_bars(self) -> int:
        return sum(len(bars) for bars in self.bars.values())


def sample_of(*, universe: str = "", interval: str = "", n_symbols: int = 20) -> Sample:
    """Return the bars of some symbols, spread evenly over the tickers of a universe.

    Without a universe it is the largest one of real prices, else the largest synthetic one, else some stocks of the
    demo market that are made on the spot. Without an interval it is the daily one, or the shortest that is stored.
    Raises RequestRefused, which names the field and what is valid.
    """
    if n_symbols < 1:
        raise RequestRefused("symbols", f"must be at least 1; it is {n_symbols}")
    if interval and interval not in Interval.values:
        raise RequestRefused("interval", f"must be one of {', '.join(Interval.values)}; it is {interval!r}")
    row = find_universe(universe) if universe else _largest()
    if row is None:
        if interval not in {"", Interval.DAY_1}:
            raise RequestRefused("interval", f"must be 1d, as nothing is stored; it is {interval!r}")
        return _demo(n_symbols)
    return _stored(row, interval, n_symbols)


def _largest() -> Universe | None:
    # Nothing needs to be prepared: a new checkout has no tables.
    if PriceBlock._meta.db_table not in connection.introspection.table_names():
        return None
    has_prices = Exists(PriceBlock.objects.filter(symbol__universes=OuterRef("pk")))
    counted = Universe.objects.filter(has_prices).annotate(n_symbols=Count("symbols"))
    return counted.order_by("is_synthetic", "-n_symbols", "name").first()


def _stored(universe: Universe, interval: str, n_symbols: int) -> Sample:
    offered = stored_intervals(universe)
    if not offered:
        raise RequestRefused("universe", f"{universe.slug!r} has no prices; import some first")
    if interval and interval not in offered:
        raise RequestRefused("interval", f"{universe.slug!r} has bars of {', '.join(offered)}; it is {interval!r}")
    chosen = interval or offered[0]
    blocks = PriceBlock.objects.filter(symbol__universes=universe, interval=chosen).order_by("symbol__ticker")
    tickers = dict(blocks.values_list("symbol_id", "symbol__ticker"))
    bars: dict[str, Bars] = {}
    for symbol_id in _spread(list(tickers), n_symbols):
        try:
            bars[tickers[symbol_id]] = read_bars([symbol_id], interval=chosen)[symbol_id].bars[-MOST_BARS:]
        except BlockDamaged as error:
            raise RequestRefused("universe", f"{tickers[symbol_id]} of {universe.slug!r}: {error}") from error
    return Sample(universe.name, universe.slug, chosen, universe.is_synthetic, bars)


def _spread(items: Sequence[int], n_wanted: int) -> list[int]:
    n_taken = min(n_wanted, len(items))
    return [items[number * len(items) // n_taken] for number in range(n_taken)]


def _demo(n_symbols: int) -> Sample:
    factors = stock_factors(SEED)
    bars = {member.ticker: stock_bars(member, factors, SEED) for member in stock_cast()[:n_symbols]}
    return Sample("the demo market, as nothing is stored", "", Interval.DAY_1, True, bars)
