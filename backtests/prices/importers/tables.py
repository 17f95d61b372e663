"""Files into columns: Parquet, Feather and CSV. Whatever cannot be read is one ImportRefused."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.layouts import PRICE_COLUMNS, Layout, find_layout, plain_name, require_prices

DELIMITERS = ",;\t|"
PREAMBLE_LINES = 5  # an exported file may start with an address or a title


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A price file's columns by their meaning, and the lines that had to be left out of them."""

    columns: dict[str, Any]
    layout: Layout
    malformed: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return len(self.columns["time"])


def read_price_table(path: Path) -> PriceTable:
    """Read the columns of a price file that are needed.

    Raises
    ------
    ImportRefused
        If there is no such file, it is empty, of another kind, damaged, or lacks a column.
    """
    check_file(path, suffixes=(".parquet", ".feather", ".csv"))
    try:
        table = _read_csv(path) if path.suffix.lower() == ".csv" else _read_binary(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        kind = path.suffix[1:].lower()
        raise ImportRefused(f"{path.name} cannot be read as {kind}: {str(error).partition(chr(10))[0]}") from error
    if table.n_rows == 0 and not table.malformed:
        raise ImportRefused(f"{path.name} is empty: it has columns but no rows")
    return table


def check_file(path: Path, *, suffixes: Sequence[str]) -> None:
    """Raise ImportRefused unless the path is a file with content and one of the suffixes."""
    if not path.exists():
        raise ImportRefused(f"{path} does not exist")
    if not path.is_file():
        raise ImportRefused(f"{path} is not a file; give one file")
    if path.suffix.lower() not in suffixes:
        raise ImportRefused(f"{path.name} must end in {', '.join(suffixes)}; it ends in {path.suffix or 'nothing'}")
    if path.stat().st_size == 0:
        raise ImportRefused(f"{path.name} is empty: it has no bytes")


def read_header(path: Path, wanted: dict[str, tuple[str, ...]]) -> tuple[list[str], str, int]:
    """Return the names in a CSV file's header, its delimiter and the number of lines before it.

    Of the first lines, the header is the one that names most of the wanted columns.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = [file.readline(100_000) for _ in range(PREAMBLE_LINES)]
    if "\0" in "".join(lines):
        raise ImportRefused(f"{path.name} cannot be read as csv: it is not text")
    headers = []
    for n_before, line in enumerate(lines):
        delimiter = max(DELIMITERS, key=line.count)
        names = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
        headers.append((names, delimiter, n_before))
    return max(headers, key=lambda header: _n_named(header[0], wanted))


def _n_named(names: Sequence[str], wanted: dict[str, tuple[str, ...]]) -> int:
    plain = {plain_name(name) for name in names}
    return sum(not plain.isdisjoint(spellings) for spellings in wanted.values())


def _read_csv(path: Path) -> PriceTable:
    names, delimiter, n_before = read_header(path, PRICE_COLUMNS)
    layout = find_layout(names)
    require_prices(layout, names)
    try:
        return _read_csv_as(path, layout, delimiter, n_before, prices=pa.float64())
    except pa.ArrowInvalid:
        # One price that is not a number fails the whole file; as text, it fails only its row.
        return _read_csv_as(path, layout, delimiter, n_before, prices=pa.string())


def _read_csv_as(path: Path, layout: Layout, delimiter: str, n_before: int, *, prices: pa.DataType) -> PriceTable:
    malformed: list[str] = []

    def skip(row: Any) -> str:
        malformed.append(f"{row.actual_columns} fields instead of {row.expected_columns}: {row.text[:60]}")
        return "skip"

    types = {name: pa.string() if meaning in {"symbol", "time"} else prices for meaning, name in layout.names.items()}
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(skip_rows=n_before),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(include_columns=list(layout.names.values()), column_types=types),
    )
    return PriceTable({key: table[name] for key, name in layout.names.items()}, layout, tuple(malformed))


def _read_binary(path: Path) -> PriceTable:
    if path.suffix.lower() == ".parquet":
        names = pyarrow.parquet.read_schema(path).names
        layout = find_layout(names)
        require_prices(layout, names)
        symbol = [layout.names["symbol"]] if "symbol" in layout.names else None
        wanted = list(layout.names.values())
        table = pyarrow.parquet.read_table(path, columns=wanted, read_dictionary=symbol, partitioning=None)
    else:
        table = pyarrow.feather.read_table(path)
        layout = find_layout(table.column_names)
        require_prices(layout, table.column_names)
    return PriceTable({key: table[name] for key, name in layout.names.items()}, layout)
