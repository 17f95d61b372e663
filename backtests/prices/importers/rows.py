"""A price table into rows that can be judged: tickers, seconds in UTC and numbers, sorted by symbol and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backtests.models import Interval, Market
from backtests.prices.errors import ImportRefused
from backtests.prices.findings import Finding, found
from backtests.prices.importers.layouts import PRICE_COLUMNS, listed
from backtests.prices.importers.tables import PriceTable
from backtests.prices.importers.times import DAY_US, read_times
from backtests.prices.quality import VALUES, Rows

INTERVAL_S = {
    "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "1d": 86_400, "1w": 604_800,
}  # fmt: skip
TICKER_LENGTH = 30
MINUTE_US = 60_000_000
ENOUGH_SPACINGS = 5  # a daily file of two bars, Friday and Monday, says nothing about its interval

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of a table, what was lost on the way, and how the columns were understood."""

    rows: Rows
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    n_read: int


def read_rows(table: PriceTable, *, market: str, interval: str, ticker: str = "") -> Reading:
    """Turn a table into rows; those without a usable symbol or time are left out, with a finding.

    Raises
    ------
    ImportRefused
        If the symbol is not named, or named twice, no time can be read, or the times do not fit the interval.
    """
    tickers, code, findings = _read_tickers(table, ticker)
    times = read_times(table.columns["time"])
    is_daily = interval in {Interval.DAY_1, Interval.WEEK_1}
    _check_spacing(code, times.local if is_daily else times.utc, times.is_known & (code >= 0), interval)
    notes = [f"times: {times.note}"]
    if is_daily:
        usable = times.is_known & (times.local % DAY_US != 0)
        if usable.any():
            notes.append(f"the time of day of {int(usable.sum()):,} rows was cut off: a {interval} bar keeps its date")
    time_us = times.local // DAY_US * DAY_US if is_daily else times.utc
    time_us = np.where(times.is_known, time_us, 0)
    losses = _losses(time_us, times.is_known, market=market, interval=interval)
    keep = code >= 0
    for kind, is_lost in losses.items():
        findings += _lost(kind, np.flatnonzero(is_lost & keep), tickers, code, time_us)
        keep &= ~is_lost
    findings += [found("malformed-line", detail=line) for line in table.malformed]
    values = {name: _numbers(table.columns[name]) for name in VALUES}
    rows = _sorted(tickers, code[keep], time_us[keep] // 1_000_000, {name: values[name][keep] for name in VALUES})
    return Reading(rows, tuple(findings), (*notes, *_ignored(table)), table.n_rows + len(table.malformed))


def _read_tickers(table: PriceTable, ticker: str) -> tuple[tuple[str, ...], IntArray, list[Finding]]:
    """Return the tickers, each row's index into them (negative: none) and the findings."""
    if "symbol" not in table.columns:
        if not ticker:
            raise ImportRefused(
                f"no column names the symbol ({', '.join(PRICE_COLUMNS['symbol'])}); the file has "
                f"{listed([*table.layout.names.values(), *table.layout.ignored])}. "
                "If it holds one symbol, name it with --ticker"
            )
        return (clean_ticker(ticker),), np.zeros(table.n_rows, np.int64), []
    if ticker:
        raise ImportRefused(f"--ticker is for a file without symbols; this one has {table.layout.names['symbol']!r}")
    column = table.columns["symbol"]
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    cleaned = ["" if name is None else str(name).strip().upper() for name in column.dictionary.to_pylist()]
    tickers = tuple(sorted({name for name in cleaned if is_ticker(name)}))
    place = {name: index for index, name in enumerate(tickers)}
    codes = np.array([*(place.get(name, -2 if name else -1) for name in cleaned), -1], np.int64)
    entry = column.indices.fill_null(len(cleaned)).to_numpy(zero_copy_only=False)
    code = codes[entry]
    findings = []
    if n_missing := int((code == -1).sum()):
        findings.append(found("symbol-missing", detail=f"{n_missing:,} rows", n_rows=n_missing))
    for index in np.flatnonzero(codes == -2).tolist():
        n_rows = int((entry == index).sum())
        findings.append(
            found("symbol-unusable", symbol=repr(cleaned[index][:27])[:30], detail=f"{n_rows:,} rows", n_rows=n_rows)
        )
    return tickers, code, findings


def is_ticker(name: str) -> bool:
    """Return whether a name can be a ticker."""
    return 1 <= len(name) <= TICKER_LENGTH and name.isprintable()


def clean_ticker(name: str) -> str:
    """Return a ticker without spaces around it and in upper case, or raise ImportRefused."""
    ticker = name.strip().upper()
    if not is_ticker(ticker):
        raise ImportRefused(f"a ticker has 1 to {TICKER_LENGTH} printable characters; it is {name[:40]!r}")
    return ticker


def _check_spacing(code: IntArray, time_us: IntArray, usable: BoolArray, interval: str) -> None:
    key_code, key_time = code[usable], time_us[usable]
    order = np.lexsort((key_time, key_code))
    spacing = np.diff(key_time[order])[np.diff(key_code[order]) == 0]
    spacing = spacing[spacing > 0]
    if not len(spacing):
        return
    spacings, counts = np.unique(spacing, return_counts=True)
    usual_s = int(spacings[np.argmax(counts)]) / 1e6
    if usual_s < INTERVAL_S[interval] or (usual_s > INTERVAL_S[interval] and len(spacing) >= ENOUGH_SPACINGS):
        fitting = next((f"; give --interval {name}" for name, length in INTERVAL_S.items() if length == usual_s), "")
        raise ImportRefused(f"the bars are {_duration(usual_s)} apart, which is not --interval {interval}{fitting}")


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = round(seconds / length, 2)
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def _losses(time_us: IntArray, is_known: BoolArray, *, market: str, interval: str) -> dict[str, BoolArray]:
    """Return, for each way in which a time cannot be used, which rows that is."""
    latest = datetime.now(UTC) + timedelta(days=1)  # where the day begins first, today's session is tomorrow's in UTC
    earliest_us = int(datetime(1800, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    impossible = (time_us < earliest_us) | (time_us > int(latest.timestamp() * 1e6))
    losses = {"time-missing": ~is_known, "time-impossible": impossible}
    if interval not in {Interval.DAY_1, Interval.WEEK_1}:
        # Coins trade around the clock, by UTC; a stock's bars begin with its session, at any minute.
        grid_us = MINUTE_US if market == Market.STOCKS else INTERVAL_S[interval] * 1_000_000
        losses["time-off-grid"] = time_us % grid_us != 0
    return losses


def _lost(kind: str, places: IntArray, tickers: Sequence[str], code: IntArray, time_us: IntArray) -> list[Finding]:
    if kind != "time-missing":
        texts = (str(np.datetime_as_string(np.datetime64(int(time_us[place]), "us"))) for place in places)
        return [
            found(kind, symbol=tickers[int(code[place])], time=int(time_us[place]) // 1_000_000, detail=text)
            for place, text in zip(places, texts, strict=True)
        ]
    codes, counts = np.unique(code[places], return_counts=True)
    return [
        found(kind, symbol=tickers[which], detail=f"{count:,} row{'s' if count > 1 else ''}", n_rows=count)
        for which, count in zip(codes.tolist(), counts.tolist(), strict=True)
    ]


def _numbers(column: Any) -> npt.NDArray[np.float64]:
    """Return a column as float64, with NaN for whatever is not a number."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        is_number = pc.match_substring_regex(column, r"^[-+]?(\d+[.]?\d*|[.]\d+)([eE][-+]?\d+)?$")
        column = pc.if_else(is_number, column, None)
    try:
        numbers = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ImportRefused(f"a column of prices or volumes holds {column.type}; it must hold numbers") from error
    values: npt.NDArray[np.float64] = numbers.fill_null(np.nan).to_numpy()
    return values


def _sorted(tickers: tuple[str, ...], code: IntArray, time: IntArray, values: dict[str, Any]) -> Rows:
    order = np.argsort(code, kind="stable")
    start = int(time.min()) if len(time) else 0
    span = int(time.max()) - start + 1 if len(time) else 1
    key = code[order] * span + (time[order] - start)
    is_late = key < np.maximum.accumulate(key) if len(key) else np.zeros(0, bool)
    if is_late.any():
        again = np.argsort(key, kind="stable")
        order, is_late = order[again], is_late[again]
    columns = {name: column[order] for name, column in values.items()}
    return Rows(tickers, code[order], time[order], columns, is_late)


def _ignored(table: PriceTable) -> list[str]:
    ignored = table.layout.ignored
    adjusted = [name for name in ignored if "adj" in name.lower()]
    notes = [f"columns not used: {listed(ignored)}"] if ignored else []
    if adjusted:
        notes.append(f"{listed(adjusted)} is not used: open, high and low have no adjusted counterpart")
    return notes
