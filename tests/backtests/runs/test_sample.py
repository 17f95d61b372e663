"""Bars to try a strategy on: real ones before synthetic ones, and made ones where nothing is stored."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection

from backtests.models import PriceBlock
from backtests.runs import sample
from backtests.runs.errors import RequestRefused
from backtests.runs.sample import sample_of
from tests.builders import make_bars, make_market, store_universe

pytestmark = pytest.mark.django_db


def refusal(**asked: object) -> str:
    with pytest.raises(RequestRefused) as caught:
        sample_of(**asked)  # type: ignore[arg-type]
    return str(caught.value)


def test_the_largest_universe_of_real_prices_is_the_default() -> None:
    store_universe("Demo", make_market(n_symbols=9, n_bars=9), is_synthetic=True)
    assert sample_of().slug == "demo"
    store_universe("Small", make_market(n_symbols=1, n_bars=9))
    store_universe("Large", make_market(n_symbols=4, n_bars=9))
    store_universe("Without prices", {f"N{number}": make_bars([]) for number in range(7)})
    found = sample_of()
    assert (found.label, found.slug, found.interval, found.is_synthetic) == ("Large", "large", "1d", False)
    assert (list(found.bars), found.n_bars) == (["S0", "S1", "S2", "S3"], 36)


def test_symbols_with_prices_are_spread_over_the_tickers() -> None:
    market = {**make_market(n_symbols=10, n_bars=9), "A": make_bars([])}
    store_universe("Test", market)
    assert list(sample_of(n_symbols=3).bars) == ["S0", "S3", "S6"]
    assert list(sample_of(n_symbols=99).bars) == [f"S{number}" for number in range(10)]


def test_bars_are_those_stored_and_the_newest_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    market = make_market(n_symbols=1, n_bars=50)
    store_universe("Test", market)
    assert np.array_equal(sample_of().bars["S0"].close, market["S0"].close)
    monkeypatch.setattr(sample, "MOST_BARS", 20)
    assert np.array_equal(sample_of().bars["S0"].close, market["S0"].close[-20:])


def test_the_interval_is_the_daily_one_or_what_is_stored() -> None:
    store_universe("Coins", make_market(n_symbols=2, n_bars=9), market="crypto", interval="4h")
    assert sample_of(universe="coins").interval == "4h"
    assert refusal(universe="coins", interval="1d") == "interval: 'coins' has bars of 4h; it is '1d'"


def test_where_nothing_is_stored_the_demo_market_is_made() -> None:
    found = sample_of(n_symbols=2)
    assert (found.slug, found.interval, found.is_synthetic, len(found.bars)) == ("", "1d", True, 2)
    assert min(len(bars) for bars in found.bars.values()) > 2_000
    assert not PriceBlock.objects.exists()
    assert refusal(interval="1h") == "interval: must be 1d, as nothing is stored; it is '1h'"


def test_a_database_without_tables_is_one_where_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.introspection, "table_names", list)
    store_universe("Test", make_market(n_symbols=2, n_bars=9))
    assert sample_of(n_symbols=1).slug == ""


def test_what_cannot_be_is_refused_by_name() -> None:
    store_universe("Empty", {"AAA": make_bars([])})
    assert refusal(universe="nope") == "universe: 'nope' is unknown; valid are: empty"
    assert refusal(universe="empty") == "universe: 'empty' has no prices; import some first"
    assert refusal(n_symbols=0) == "symbols: must be at least 1; it is 0"
    assert refusal(interval="2d").startswith("interval: must be one of 1m, ")


def test_a_damaged_block_is_named() -> None:
    store_universe("Test", make_market(n_symbols=1, n_bars=9))
    PriceBlock.objects.update(checksum="0" * 32)
    assert refusal().startswith("universe: S0 of 'test': a price block does not match its checksum")
