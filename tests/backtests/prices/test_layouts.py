from __future__ import annotations

import pytest

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.layouts import find_layout, listed, require_prices


@pytest.mark.parametrize(
    ("columns", "time", "symbol"),
    [
        (["symbol", "date", "open", "high", "low", "close", "volume"], "date", "symbol"),
        (["date", "open", "high", "low", "close", "volume", "Name"], "date", "Name"),
        (["Ticker", "Open", "High", "Low", "Close", "Adj Close", "Volume", "Date"], "Date", "Ticker"),
        (["<TICKER>", "<PER>", "<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"], "<DATE>", "<TICKER>"),
        (["open_time", "1. open", "2. high", "3. low", " close ", "VOLUME", "pair"], "open_time", "pair"),
        (["SNo", "Name", "Symbol", "Date", "High", "Low", "Open", "Close", "Volume"], "Date", "Symbol"),
        (["timestamp", "open", "high", "low", "close", "volume", "date", "symbol"], "timestamp", "symbol"),
    ],
)
def test_columns_are_known_by_their_usual_names(columns: list[str], time: str, symbol: str) -> None:
    layout = find_layout(columns)
    require_prices(layout, columns)
    assert (layout.names["time"], layout.names["symbol"]) == (time, symbol)


def test_the_adjusted_close_is_not_the_close() -> None:
    layout = find_layout(["date", "open", "high", "low", "Adj Close", "close", "volume"])
    assert layout.names["close"] == "close"
    assert layout.ignored == ("Adj Close",)


def test_a_missing_column_is_named_with_what_was_expected_and_found() -> None:
    columns = ["date", "open", "high", "low", "Adj Close", "volume"]
    with pytest.raises(ImportRefused) as refused:
        require_prices(find_layout(columns), columns)
    message = str(refused.value)
    assert message.startswith(
        "no column for close (close, closeprice, c); the file has date, open, high, low, Adj Close"
    )


def test_a_file_without_a_header_is_told_so() -> None:
    columns = ["1733011200000", "96407.99", "96672.49"]
    with pytest.raises(ImportRefused, match="its first line is no header"):
        require_prices(find_layout(columns), columns)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ImportRefused, match="'Close' and 'CLOSE' could both be the close"):
        find_layout(["Close", "CLOSE"])


def test_names_in_messages_are_short_printable_and_few() -> None:
    assert listed([]) == "no columns"
    assert listed(["a\tb", "x" * 50], limit=1) == r"'a\tb' and 1 more"
    assert listed(["x" * 50]) == "x" * 40
