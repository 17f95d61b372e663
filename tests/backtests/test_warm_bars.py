from __future__ import annotations

import logging

import pytest

from backtests import prepare
from backtests.models import PriceBlock
from backtests.prices.cache import BARS_CACHE, BarsCache
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
def test_decoding_in_advance_ends_before_it_would_push_bars_out(monkeypatch: pytest.MonkeyPatch) -> None:
    small = BarsCache(20 * 3 * 48)
    monkeypatch.setattr(prepare, "BARS_CACHE", small)
    monkeypatch.setattr("backtests.prices.store.BARS_CACHE", small)
    monkeypatch.setattr("django.conf.settings.BARS_CACHE_BYTES", 16 * 3 * 48)
    prepare.warm_bars()
    assert small.state.entries == 16
    assert small.state.evictions == 0


@pytest.mark.usefixtures("market")
def test_a_damaged_block_does_not_keep_the_server_from_starting(caplog: pytest.LogCaptureFixture) -> None:
    PriceBlock.objects.update(close=b"damaged")
    with caplog.at_level(logging.ERROR):
        prepare.warm_bars()
    assert "could not be decoded in advance" in caplog.text
