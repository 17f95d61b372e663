"""The annual factor follows the market's calendar."""

from __future__ import annotations

import pytest

from backtests.engine.errors import EngineError
from backtests.engine.periods import bars_per_year

STOCKS = {
    "1m": 252 * 390,
    "5m": 252 * 78,
    "15m": 252 * 26,
    "30m": 252 * 13,
    "1h": 252 * 7,  # six full hours and a half one
    "4h": 252 * 2,  # one full bar and one of two hours and a half
    "1d": 252,
    "1w": 52,
}
CRYPTO = {
    "1m": 365 * 1440,
    "5m": 365 * 288,
    "15m": 365 * 96,
    "30m": 365 * 48,
    "1h": 365 * 24,
    "4h": 365 * 6,
    "1d": 365,
    "1w": 52,
}


@pytest.mark.parametrize(
    ("market", "interval", "expected"),
    [
        *(("stocks", interval, factor) for interval, factor in STOCKS.items()),
        *(("crypto", interval, factor) for interval, factor in CRYPTO.items()),
    ],
)
def test_a_year_has_this_many_bars(market: str, interval: str, expected: int) -> None:
    assert bars_per_year(market, interval) == expected


@pytest.mark.parametrize(("interval", "expected"), [("1d", 300), ("1h", 300 * 7), ("1w", 52)])
def test_days_a_year_take_the_place_of_the_sessions(interval: str, expected: int) -> None:
    assert bars_per_year("stocks", interval, 300) == expected


@pytest.mark.parametrize("market", ["", "Stocks", "forex"])
def test_an_unknown_market_is_refused_with_the_known_ones(market: str) -> None:
    with pytest.raises(EngineError, match=f"^market must be one of stocks, crypto; it is {market!r}$"):
        bars_per_year(market, "1d")


@pytest.mark.parametrize("interval", ["", "1D", "2h", "60", "1mo"])
@pytest.mark.parametrize("market", ["stocks", "crypto"])
def test_an_unknown_interval_is_refused_with_the_known_ones(market: str, interval: str) -> None:
    message = f"^interval must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w; it is {interval!r}$"
    with pytest.raises(EngineError, match=message):
        bars_per_year(market, interval)
