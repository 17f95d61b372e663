from __future__ import annotations

import logging
from pathlib import Path

import pytest

from backtests import prepare
from backtests.models import PriceBlock, Symbol, Universe
from backtests.prices.bars_file import BarsFile
from backtests.prices.cache import BAR_BYTES, BARS_CACHE, BarsCache
from backtests.runs.market import state_of
from backtests.runs.request import RunRequest, check_request
from tests.builders import make_bars, store_universe

pytestmark = pytest.mark.django_db(transaction=True)

TICKERS = [f"T{number:02d}" for number in range(40)]


@pytest.fixture
def market() -> None:
    store_universe("Market", {ticker: make_bars([10.0, 11.0, 12.0]) for ticker in TICKERS})
    BARS_CACHE.clear()


@pytest.mark.usefixtures("market")
def test_the_bars_of_every_universe_are_decoded_in_advance() -> None:
    prepare.warm_bars()
    assert BARS_CACHE.state.entries == len(TICKERS)


@pytest.mark.usefixtures("market")
def test_of_universes_that_do_not_fit_nothing_is_decoded_in_advance(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 20 * 3 * BAR_BYTES
    small = BarsCache(limit)
    monkeypatch.setattr(prepare, "BARS_CACHE", small)
    monkeypatch.setattr("backtests.prices.store.BARS_CACHE", small)
    monkeypatch.setattr("django.conf.settings.BARS_CACHE_BYTES", limit)
    for name, n_symbols in (("Small", 15), ("Too much beside the small one", 6)):
        store_universe(name, {f"{name[0]}{number}": make_bars([10.0, 11.0, 12.0]) for number in range(n_symbols)})
    prepare.warm_bars()
    # Those made last come first.
    assert small.state.entries == 6
    assert small.state.evictions == 0


@pytest.mark.usefixtures("market")
def test_a_universe_that_is_larger_than_the_memory_is_decoded_into_the_bars_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.BARS_CACHE_BYTES", 20 * 3 * BAR_BYTES)
    file = BarsFile()
    monkeypatch.setattr(prepare, "BARS_FILE", file)
    monkeypatch.setattr("backtests.prices.store.BARS_FILE", file)
    prepare.warm_bars()
    assert BARS_CACHE.state.entries == 0
    file.open(tmp_path, 70 * 3 * BAR_BYTES)
    Symbol.objects.filter(ticker="T39").update(turnover=1e12)
    Symbol.objects.filter(ticker="T38").update(turnover=None)
    # The one that was made last comes first; then the file has no room for the other one.
    store_universe("Wide", {f"W{number}": make_bars([10.0, 11.0, 12.0]) for number in range(35)})
    prepare.warm_bars()
    assert (file.state.entries, file.state.evictions, BARS_CACHE.state.entries) == (35, 0, 0)
    Universe.objects.get(slug="wide").delete()
    file.clear()
    prepare.warm_bars()
    assert (file.state.entries, BARS_CACHE.state.entries) == (len(TICKERS), 0)
    # They lie as runs ask for them: by turnover.
    market = state_of(check_request(RunRequest(strategy="rsi", universe="market")))
    assert [symbol_id for symbol_id, _ in file._places] == market.symbol_ids
    assert [market.names[each].ticker for each in (market.symbol_ids[0], market.symbol_ids[-1])] == ["T39", "T38"]


@pytest.mark.usefixtures("market")
def test_a_damaged_block_keeps_no_other_from_being_decoded() -> None:
    PriceBlock.objects.filter(symbol__ticker="T07").update(close=b"damaged")
    prepare.warm_bars()
    assert BARS_CACHE.state.entries == len(TICKERS) - 1


@pytest.mark.usefixtures("market")
def test_bars_that_cannot_be_read_do_not_keep_the_server_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prepare, "stored_intervals", lambda _: 1 / 0)
    with caplog.at_level(logging.ERROR):
        prepare.warm_bars()
    assert "could not be decoded in advance" in caplog.text
