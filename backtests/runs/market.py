"""What a run would test: the symbols of a universe, and the state of their blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from backtests.at_once import rows_of
from backtests.models import PriceBlock, Symbol, Universe
from backtests.runs.cache import periods_within
from backtests.runs.errors import RequestRefused
from backtests.runs.request import CheckedRequest

# Two queries, as a joined one would repeat the names for every block. Written out, as building them would take longer
# than running them. The blocks are read from an index alone.
_SYMBOLS = f"""
    SELECT symbol.id AS symbol_id, symbol.ticker AS ticker, symbol.name AS name, symbol.sector AS sector
    FROM {Universe.symbols.through._meta.db_table} AS member
    JOIN {Symbol._meta.db_table} AS symbol ON symbol.id = member.symbol_id
    WHERE member.universe_id = %s
    ORDER BY symbol.turnover IS NULL, symbol.turnover DESC, symbol.ticker
"""  # noqa: S608 - made of the names of tables
_BLOCKS = f"""
    SELECT block.symbol_id AS symbol_id, block.checksum AS checksum, block.n_bars AS n_bars
    FROM {Universe.symbols.through._meta.db_table} AS member
    JOIN {PriceBlock._meta.db_table} AS block ON block.symbol_id = member.symbol_id
    WHERE member.universe_id = %s AND block."interval" = %s AND block.period BETWEEN %s AND %s
    ORDER BY block.symbol_id, block.period
"""  # noqa: S608 - made of the names of tables


class Names(NamedTuple):
    """What a symbol is called where its result is shown."""

    ticker: str
    name: str
    sector: str


@dataclass(frozen=True, slots=True)
class MarketState:
    """The symbols of a run, by id in the order in which they are computed, and what is stored of them.

    Attributes
    ----------
    checksums : dict of symbol id to checksums
        Of the blocks that can have bars between the run's dates, oldest first.
    n_bars : int
        How many bars these blocks have.
    names : dict of symbol id to Names
    """

    checksums: dict[int, list[str]]
    n_bars: int
    names: dict[int, Names]

    @property
    def symbol_ids(self) -> list[int]:
        return list(self.checksums)


def state_of(checked: CheckedRequest) -> MarketState:
    """Return the symbols of a run: those that come first, then the most traded; or raise RequestRefused without any."""
    periods = periods_within(checked.interval, checked.start_date, checked.end_date)
    chosen, universe_id = set(checked.tickers), checked.universe.pk
    symbols = rows_of(_SYMBOLS, [universe_id], ("symbol_id", *Names._fields))
    names = {each[0]: Names._make(each[1:]) for each in symbols if not chosen or each[1] in chosen}
    checksums: dict[int, list[str]] = {symbol_id: [] for symbol_id in names}
    n_bars = 0
    blocks = rows_of(_BLOCKS, [universe_id, checked.interval, *periods], ("symbol_id", "checksum", "n_bars"))
    for symbol_id, checksum, n_own in blocks:
        if (own := checksums.get(symbol_id)) is not None:
            own.append(checksum)
            n_bars += n_own
    if not names:
        raise RequestRefused("universe", f"{checked.universe.slug!r} has no symbols; import prices into it first")
    ids = {own.ticker: symbol_id for symbol_id, own in names.items()} if checked.priority else {}
    first = {ids[ticker]: checksums[ids[ticker]] for ticker in checked.priority if ticker in ids}
    return MarketState({**first, **checksums}, n_bars, names)
