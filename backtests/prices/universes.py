"""Universes: named lists of symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.utils.text import slugify

from backtests.models import Symbol, Universe
from backtests.prices.errors import ImportRefused


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol as a list or file names it."""

    ticker: str
    name: str = ""
    sector: str = ""


@transaction.atomic
def save_universe(
    *, name: str, market: str, listings: Sequence[Listing], as_of: date, is_synthetic: bool = False, slug: str = ""
) -> tuple[Universe, list[Symbol]]:
    """Create or extend a universe and its symbols; return it and the symbols in the order of the listings.

    A name or sector that the listings give replaces the stored one; an empty one leaves it. Raises ImportRefused if a
    universe of that name belongs to another market, or would mix synthetic with real prices.
    """
    slug = slug or slugify(name)
    if not slug:
        raise ImportRefused(f"the universe's name must have a letter or a digit; it is {name!r}")
    universe = Universe.objects.filter(slug=slug).first()
    if universe is not None and (universe.market, universe.is_synthetic) != (market, is_synthetic):
        kind = "synthetic" if universe.is_synthetic else "real"
        raise ImportRefused(f"the universe {universe.name} holds {kind} {universe.market}; choose another name")
    if universe is None:
        universe = Universe.objects.create(name=name, slug=slug, market=market, as_of=as_of, is_synthetic=is_synthetic)
    elif as_of > universe.as_of:
        universe.as_of = as_of
        universe.save(update_fields=["as_of"])
    symbols = _save_symbols(market=market, listings=listings, is_synthetic=is_synthetic)
    universe.symbols.add(*symbols)
    return universe, symbols


def _save_symbols(*, market: str, listings: Sequence[Listing], is_synthetic: bool) -> list[Symbol]:
    wanted = {listing.ticker: listing for listing in listings}
    of_market = Symbol.objects.filter(market=market, is_synthetic=is_synthetic)
    known = {symbol.ticker: symbol for symbol in of_market.filter(ticker__in=wanted)}
    new = [
        Symbol(ticker=ticker, market=market, name=item.name, sector=item.sector, is_synthetic=is_synthetic)
        for ticker, item in wanted.items()
        if ticker not in known
    ]
    changed = []
    for ticker, symbol in known.items():
        name, sector = wanted[ticker].name or symbol.name, wanted[ticker].sector or symbol.sector
        if (name, sector) != (symbol.name, symbol.sector):
            symbol.name, symbol.sector = name, sector
            changed.append(symbol)
    Symbol.objects.bulk_create(new)
    Symbol.objects.bulk_update(changed, ["name", "sector"])
    known.update({symbol.ticker: symbol for symbol in new})
    return [known[ticker] for ticker in wanted]
