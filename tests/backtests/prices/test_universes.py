from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from backtests.models import Symbol, Universe
from backtests.prices.errors import ImportRefused
from backtests.prices.universes import Listing, save_universe

pytestmark = pytest.mark.django_db

DAY = date(2024, 1, 1)


def saved(*tickers: str, **fields: Any) -> tuple[Universe, list[Symbol]]:
    given: dict[str, Any] = {"name": "S&P 500", "market": "stocks", "as_of": DAY, **fields}
    return save_universe(listings=[Listing(ticker) for ticker in tickers], **given)


def test_a_universe_is_saved_with_its_symbols_in_the_order_of_the_list() -> None:
    universe, symbols = saved("CCC", "AAA", "BBB")
    assert (universe.slug, universe.market, universe.as_of, universe.is_synthetic) == ("sp-500", "stocks", DAY, False)
    assert [symbol.ticker for symbol in symbols] == ["CCC", "AAA", "BBB"]
    assert set(universe.symbols.all()) == set(symbols)


def test_the_slug_may_be_given() -> None:
    assert saved("AAA", slug="large-caps")[0].slug == "large-caps"


def test_a_second_list_extends_the_universe_and_keeps_the_known_symbols() -> None:
    first, before = saved("AAA", "BBB")
    second, symbols = saved("BBB", "CCC", as_of=date(2024, 6, 1))
    assert second.pk == first.pk
    assert symbols[0].pk == before[1].pk
    assert sorted(second.symbols.values_list("ticker", flat=True)) == ["AAA", "BBB", "CCC"]
    assert Universe.objects.get().as_of == date(2024, 6, 1)


def test_an_older_list_does_not_turn_the_date_back() -> None:
    saved("AAA")
    saved("AAA", as_of=date(2020, 1, 1))
    assert Universe.objects.get().as_of == DAY


def test_a_symbol_that_is_listed_twice_is_one() -> None:
    universe, symbols = saved("AAA", "AAA")
    assert [symbol.ticker for symbol in symbols] == ["AAA"]
    assert universe.symbols.count() == 1


def test_names_and_sectors_are_replaced_but_never_emptied() -> None:
    def listed(*listings: Listing) -> Symbol:
        save_universe(name="Test", market="stocks", listings=listings, as_of=DAY)
        return Symbol.objects.get()

    listed(Listing("AAA", "Old", "Energy"))
    changed = listed(Listing("AAA", "New"))
    assert (changed.name, changed.sector) == ("New", "Energy")
    unchanged = listed(Listing("AAA"))
    assert (unchanged.name, unchanged.sector) == ("New", "Energy")


def test_another_universe_shares_the_symbols_of_its_market() -> None:
    _, before = saved("AAA")
    _, symbols = saved("AAA", name="Large")
    assert symbols == before
    assert Symbol.objects.count() == 1


@pytest.mark.parametrize("other", [{"market": "crypto"}, {"is_synthetic": True}])
def test_prices_that_must_not_meet_are_kept_apart(other: dict[str, Any]) -> None:
    saved("AAA")
    saved("AAA", name="Other", **other)
    assert Symbol.objects.filter(ticker="AAA").count() == 2
    with pytest.raises(ImportRefused, match="S&P 500 holds real stocks; choose another name"):
        saved("BBB", **other)
    assert not Symbol.objects.filter(ticker="BBB").exists()


def test_a_real_price_does_not_get_into_a_synthetic_universe() -> None:
    saved("AAA", is_synthetic=True)
    with pytest.raises(ImportRefused, match="holds synthetic stocks"):
        saved("AAA")


@pytest.mark.parametrize("name", ["", "  ", "&&&"])
def test_a_name_without_a_letter_is_refused(name: str) -> None:
    with pytest.raises(ImportRefused, match="must have a letter or a digit"):
        saved("AAA", name=name)
    assert not Universe.objects.exists()
