from __future__ import annotations

from pathlib import Path

import pytest

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.constituents import read_constituents
from backtests.prices.universes import Listing


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "constituents.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "header",
    ["Symbol,Security,GICS Sector", "ticker,name,sector", "Ticker;Company Name;Industry", "SYMBOL,name,Category"],
)
def test_names_and_sectors_are_found_under_their_usual_names(tmp_path: Path, header: str) -> None:
    separator = ";" if ";" in header else ","
    row = separator.join([" aos ", '"Smith, A. O."', "Industrials"])
    assert read_constituents(written(tmp_path, f"{header}\n{row}\n")) == {
        "AOS": Listing("AOS", "Smith, A. O.", "Industrials")
    }


def test_a_name_without_a_sector_will_do(tmp_path: Path) -> None:
    assert read_constituents(written(tmp_path, "symbol,base,name\nBTCUSDT,BTC,Bitcoin\n")) == {
        "BTCUSDT": Listing("BTCUSDT", "Bitcoin", "")
    }


def test_of_a_symbol_named_twice_the_first_counts_and_rows_without_one_do_not(tmp_path: Path) -> None:
    listings = read_constituents(written(tmp_path, "symbol,name\nA,First\nA,Second\n,Nobody\n"))
    assert listings == {"A": Listing("A", "First", "")}


def test_the_ticker_na_is_a_symbol(tmp_path: Path) -> None:
    assert list(read_constituents(written(tmp_path, "symbol,name\nNA,National Bank\n"))) == ["NA"]


@pytest.mark.parametrize("text", ["symbol,price\nA,1\n", "name,sector\nApple,Technology\n", "hello\n"])
def test_a_file_without_the_columns_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ImportRefused, match=r"must have a symbol, and a name or a sector: .* it has "):
        read_constituents(written(tmp_path, text))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="has no rows with a symbol"):
        read_constituents(written(tmp_path, "symbol,name\n"))


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="does not exist"):
        read_constituents(tmp_path / "nothing.csv")
    with pytest.raises(ImportRefused, match="is empty"):
        read_constituents(written(tmp_path, ""))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="cannot be read as csv"):
        read_constituents(written(tmp_path, "symbol,name\nA,B\nC\n"))
