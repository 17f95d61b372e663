"""Names and sectors of symbols, from a CSV file such as a list of an index's constituents."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.layouts import CONSTITUENT_COLUMNS, find_layout, listed
from backtests.prices.importers.rows import is_ticker
from backtests.prices.importers.tables import check_file, read_header
from backtests.prices.universes import Listing


def read_constituents(path: Path) -> dict[str, Listing]:
    """Return the listings of a CSV file by ticker; of a ticker named twice, the first.

    Raises
    ------
    ImportRefused
        If the file cannot be read, or does not name symbols together with names or sectors.
    """
    check_file(path, suffixes=(".csv",))
    names, delimiter, n_before = read_header(path, CONSTITUENT_COLUMNS)
    layout = find_layout(names, CONSTITUENT_COLUMNS)
    if "symbol" not in layout.names or len(layout.names) == 1:
        expected = "; ".join(f"{meaning} ({', '.join(known)})" for meaning, known in CONSTITUENT_COLUMNS.items())
        raise ImportRefused(
            f"{path.name} must have a symbol, and a name or a sector: {expected}; it has {listed(names)}"
        )
    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(skip_rows=n_before),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(layout.names.values()),
                column_types=dict.fromkeys(layout.names.values(), pa.string()),
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise ImportRefused(f"{path.name} cannot be read as csv: {str(error).partition(chr(10))[0]}") from error
    columns = {meaning: table[name].to_pylist() for meaning, name in layout.names.items()}
    listings: dict[str, Listing] = {}
    for row, symbol in enumerate(columns["symbol"]):
        ticker = symbol.strip().upper()
        if is_ticker(ticker):
            name, sector = (columns[key][row].strip() if key in columns else "" for key in ("name", "sector"))
            listings.setdefault(ticker, Listing(ticker, name[:200], sector[:100]))
    if not listings:
        raise ImportRefused(f"{path.name} has no rows with a symbol")
    return listings
