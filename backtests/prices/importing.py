"""Import a file of prices into a universe.

1. Read the file's columns: importers/tables.py, which finds them by name with importers/layouts.py.
2. Turn them into rows of a ticker, a UTC time and numbers, sorted: importers/rows.py, with times read by times.py.
3. Judge the rows, one by one and against each other: quality.py and history.py. findings.py holds the policy.
4. Store what remains, in one transaction: universes.py and store.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from django.db import transaction

from backtests.models import Interval, Market
from backtests.prices.errors import ImportRefused, RowsRefused
from backtests.prices.history import compare
from backtests.prices.import_report import ImportReport
from backtests.prices.importers.constituents import read_constituents
from backtests.prices.importers.layouts import listed
from backtests.prices.importers.rows import INTERVAL_S, read_rows
from backtests.prices.importers.tables import PriceTable, read_price_table
from backtests.prices.quality import judge, series_of
from backtests.prices.store import BlockChanges, write_bars
from backtests.prices.universes import Listing, save_universe
from strategies.bars import Bars

BATCH_SYMBOLS = 32  # symbols whose blocks are read and written together

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A file and what is to be made of it."""

    path: Path
    universe: str
    market: str
    interval: str = Interval.DAY_1
    ticker: str = ""
    symbols_path: Path | None = None
    as_of: date | None = None
    is_strict: bool = False


def import_prices(request: ImportRequest, *, progress: Progress = lambda step, done, total: None) -> ImportReport:
    """Store the bars of a file, and return what was done with its rows.

    ``progress`` is told the step and how much of it is done, in symbols or steps.

    Raises
    ------
    ImportRefused
        If the file cannot be imported. Nothing was stored.
    RowsRefused
        If no row can be used, or if the import is strict and a row would have to be dropped or repaired.
    """
    started = time.perf_counter()
    _check_request(request)
    progress("reading", 0, 1)
    listings = read_constituents(request.symbols_path) if request.symbols_path else {}
    table = read_price_table(request.path)
    progress("checking", 0, 1)
    report, series = _checked(request, table, listings)
    refused = replace(report, is_refused=True, elapsed_s=time.perf_counter() - started)
    if not series:
        raise RowsRefused(f"{request.path.name} has no row that can be used; nothing was stored", refused)
    if request.is_strict and not report.is_clean:
        raise RowsRefused(
            f"{request.path.name} has {report.n_dropped:,} rows to drop and {report.n_merged + report.n_sorted:,} to "
            "repair, and the import is strict; nothing was stored",
            refused,
        )
    changes = _store(request, series, listings, progress)
    return replace(report, changes=changes, elapsed_s=time.perf_counter() - started)


def _check_request(request: ImportRequest) -> None:
    for option, value, choices in (
        ("--market", request.market, Market.values),
        ("--interval", request.interval, list(INTERVAL_S)),
    ):
        if value not in choices:
            raise ImportRefused(f"{option} must be one of {', '.join(choices)}; it is {value!r}")
    if not 1 <= len(request.universe.strip()) <= 100:
        raise ImportRefused(f"--universe must be a name of 1 to 100 characters; it is {request.universe[:100]!r}")


def _checked(
    request: ImportRequest, table: PriceTable, listings: Mapping[str, Listing]
) -> tuple[ImportReport, list[tuple[str, Bars]]]:
    """Return the report, as if nothing had been stored yet, and the bars of each symbol that has any."""
    market, interval = request.market, request.interval
    reading = read_rows(table, market=market, interval=interval, ticker=request.ticker)
    verdict = judge(reading.rows)
    kept = reading.rows.where(verdict.is_kept)
    compared = compare(rows=reading.rows, kept=kept, market=market, interval=interval, interval_s=INTERVAL_S[interval])
    series = list(series_of(kept))
    report = ImportReport(
        file=request.path.name,
        universe=request.universe.strip(),
        interval=interval,
        n_symbols=len(series),
        first_time=int(kept.time.min()) if len(kept) else None,
        last_time=int(kept.time.max()) if len(kept) else None,
        n_read=reading.n_read,
        n_stored=len(kept),
        n_dropped=reading.n_read - len(reading.rows) + verdict.n_dropped,
        n_merged=verdict.n_merged,
        n_sorted=verdict.n_sorted,
        changes=BlockChanges(),
        elapsed_s=0.0,
        notes=(*reading.notes, *_unmatched(request, [ticker for ticker, _ in series], listings)),
        findings=(*reading.findings, *verdict.findings, *compared),
    )
    return report, series


def _unmatched(request: ImportRequest, tickers: Sequence[str], listings: Mapping[str, Listing]) -> list[str]:
    if request.symbols_path is None:
        return []
    unnamed = [ticker for ticker in tickers if ticker not in listings]
    unpriced = sorted(set(listings) - set(tickers))
    notes = []
    if unnamed:
        notes.append(
            f"{len(unnamed):,} of the symbols are not in {request.symbols_path.name}: {listed(unnamed, limit=8)}"
        )
    if unpriced:
        notes.append(
            f"{len(unpriced):,} of the symbols in {request.symbols_path.name} have no prices: {listed(unpriced, 8)}"
        )
    return notes


def _store(
    request: ImportRequest, series: Sequence[tuple[str, Bars]], listings: Mapping[str, Listing], progress: Progress
) -> BlockChanges:
    """Write the universe, its symbols and their bars: all of it or, on any error or interruption, nothing."""
    last = max(int(bars.time[-1]) for _, bars in series)
    changes = BlockChanges()
    with transaction.atomic():
        _, symbols = save_universe(
            name=request.universe.strip(),
            market=request.market,
            listings=[listings.get(ticker, Listing(ticker)) for ticker, _ in series],
            as_of=request.as_of or datetime.fromtimestamp(last, UTC).date(),
        )
        for first in range(0, len(series), BATCH_SYMBOLS):
            progress("storing", first, len(series))
            batch = slice(first, first + BATCH_SYMBOLS)
            pairs = [(symbol, bars) for symbol, (_, bars) in zip(symbols[batch], series[batch], strict=True)]
            changes += write_bars(pairs, interval=request.interval, source=request.path.name)
        progress("storing", len(series), len(series))
    return changes
