from __future__ import annotations

from pathlib import Path

import pytest

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.tables import read_price_table
from tests.builders import price_columns, write_prices

HEADER = "symbol,date,open,high,low,close,volume\n"
ROW = "AAA,2024-01-01,1,2,1,2,10\n"


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv", "CSV"])
def test_every_kind_of_file_is_read(tmp_path: Path, suffix: str) -> None:
    written = write_prices(tmp_path / f"prices.{suffix.lower()}", price_columns())
    table = read_price_table(written.rename(tmp_path / f"prices.{suffix}"))
    assert table.n_rows == 6
    assert table.columns["close"].to_pylist() == [101.0, 102.0, 103.0, 104.0, 105.0, 106.0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = write_text(tmp_path / "prices.csv", (HEADER + ROW).replace(",", delimiter))
    assert read_price_table(path).columns["high"].to_pylist() == [2.0]


def test_lines_before_the_header_are_passed_over(tmp_path: Path) -> None:
    path = write_text(tmp_path / "prices.csv", "https://prices.example\n" + HEADER + ROW)
    assert read_price_table(path).n_rows == 1


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle(tmp_path: Path) -> None:
    path = write_text(tmp_path / "prices.csv", "\ufeff" + (HEADER + ROW).replace("\n", "\r\n"))
    assert read_price_table(path).columns["symbol"].to_pylist() == ["AAA"]


def test_tickers_that_look_like_nothing_or_numbers_stay_what_they_are(tmp_path: Path) -> None:
    rows = "".join(ROW.replace("AAA", ticker) for ticker in ("NA", "NAN", "NULL", "TRUE", "0700"))
    path = write_text(tmp_path / "prices.csv", HEADER + rows)
    assert read_price_table(path).columns["symbol"].to_pylist() == ["NA", "NAN", "NULL", "TRUE", "0700"]


def test_a_line_with_too_few_fields_is_told_and_passed_over(tmp_path: Path) -> None:
    table = read_price_table(write_text(tmp_path / "prices.csv", HEADER + ROW + "AAA,2024-01-02,1\n"))
    assert table.n_rows == 1
    assert table.malformed == ("3 fields instead of 7: AAA,2024-01-02,1",)


def test_one_price_that_is_no_number_does_not_lose_the_file(tmp_path: Path) -> None:
    path = write_text(tmp_path / "prices.csv", HEADER + ROW + ROW.replace("10", "ten"))
    assert read_price_table(path).columns["volume"].to_pylist() == ["10", "ten"]


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv"])
def test_a_file_of_no_bytes_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"prices.{suffix}"
    path.touch()
    with pytest.raises(ImportRefused, match=f"prices.{suffix} is empty: it has no bytes"):
        read_price_table(path)


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv"])
def test_a_file_of_no_rows_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write_prices(tmp_path / f"prices.{suffix}", price_columns(n_bars=0))
    with pytest.raises(ImportRefused, match="is empty: it has columns but no rows"):
        read_price_table(path)


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv"])
def test_a_file_of_other_bytes_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"prices.{suffix}"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(ImportRefused, match=f"prices.{suffix} cannot be read as {suffix}: ") as refused:
        read_price_table(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_half_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write_prices(tmp_path / f"prices.{suffix}", price_columns())
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ImportRefused, match="cannot be read as"):
        read_price_table(path)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes((HEADER + ROW).replace("AAA", "Ä").encode("latin-1"))
    with pytest.raises(ImportRefused, match=r"cannot be read as csv: .*UTF8"):
        read_price_table(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"nothing\.csv does not exist"):
        read_price_table(tmp_path / "nothing.csv")
    with pytest.raises(ImportRefused, match="is not a file; give one file"):
        read_price_table(tmp_path)


def test_another_suffix_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    path = write_text(tmp_path / "prices.xlsx", HEADER)
    with pytest.raises(ImportRefused, match=r"must end in \.parquet, \.feather, \.csv; it ends in \.xlsx"):
        read_price_table(path)
