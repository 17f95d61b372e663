"""Which column of a file is which, by names in any case and with whatever signs and digits around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backtests.prices.errors import ImportRefused

# The names of a column, the likeliest first: a file may have both `timestamp` and `date`, or `Symbol` and `Name`.
PRICE_COLUMNS = {
    "symbol": ("symbol", "ticker", "tic", "pair", "instrument", "name"),
    "time": ("datetime", "timestamp", "opentime", "date", "time", "unix", "dateutc"),
    "open": ("open", "openprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "close": ("close", "closeprice", "c"),
    "volume": ("volume", "vol", "v"),
}
CONSTITUENT_COLUMNS = {
    "symbol": ("symbol", "ticker", "tic", "pair", "code"),
    "name": ("name", "security", "company", "companyname", "longname", "shortname", "description"),
    "sector": ("sector", "gicssector", "industrysector", "industry", "category"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The file's own name of each column that is used, and the names of those that are not."""

    names: dict[str, str]
    ignored: tuple[str, ...]


def find_layout(columns: Sequence[str], wanted: dict[str, tuple[str, ...]] = PRICE_COLUMNS) -> Layout:
    """Return which of the columns is which; those that are not found are left out.

    Raises
    ------
    ImportRefused
        If two columns differ only in the way that the same name is written.
    """
    plain = [plain_name(column) for column in columns]
    names = {}
    for meaning, spellings in wanted.items():
        spelling = next((spelling for spelling in spellings if spelling in plain), None)
        if spelling is None:
            continue
        if plain.count(spelling) > 1:
            twice = " and ".join(repr(name) for name, read in zip(columns, plain, strict=True) if read == spelling)
            raise ImportRefused(f"{twice} could both be the {meaning}; remove or rename one of these columns")
        names[meaning] = columns[plain.index(spelling)]
    return Layout(names, tuple(column for column in columns if column not in names.values()))


def require_prices(layout: Layout, columns: Sequence[str]) -> None:
    """Raise ImportRefused, with what is missing and what was found, unless everything but the symbol is there."""
    missing = [meaning for meaning in PRICE_COLUMNS if meaning not in layout.names and meaning != "symbol"]
    if missing:
        expected = "; ".join(f"{meaning} ({', '.join(PRICE_COLUMNS[meaning])})" for meaning in missing)
        headless = "; its first line is no header" if not any(map(plain_name, columns)) else ""
        raise ImportRefused(f"no column for {expected}; the file has {listed(columns)}{headless}")


def plain_name(column: str) -> str:
    """Return a column's name in lower-case letters only."""
    return re.sub(r"[^a-z]", "", column.lower())


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Return names for an error message: printable, short and not too many."""
    if not names:
        return "no columns"
    shown = ", ".join(name[:40] if name.isprintable() else repr(name[:40]) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
