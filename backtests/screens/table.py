"""The table of a screen's matches: a column for every part of the formula, sortable."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlencode

import numpy as np

from backtests.models import ScreenRun
from backtests.prices.importers.rows import INTERVAL_S
from backtests.screens.answers import Answer
from backtests.screens.charting import day_of, moment_of
from backtests.screens.history import History, MarketHistory
from backtests.streams import figures

# The page of all symbols' last matches has no more rows.
MOST_LAST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One head of the table: what it is called, where its link leads, and how it is sorted now."""

    key: str
    label: str
    address: str
    sorted: str
    is_number: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One match as it is shown."""

    ticker: str
    name: str
    sector: str
    close: str
    change: str
    tone: str
    values: list[str]


def columns_of(run: ScreenRun, answer: Answer, sort: str) -> list[Column]:
    """Return the heads, the close once. A link sorts by its column, highest first, and followed again the other way."""
    named = [("ticker", "Symbol"), ("close", "Close"), ("change_pct", "Change")]
    columns = [*named, *((label, label) for label in answer.screened.columns if label != "close")]
    return [_column(run, key, label, sort) for key, label in columns]


def _column(run: ScreenRun, key: str, label: str, sort: str) -> Column:
    first = key if key == "ticker" else f"-{key}"
    other = f"-{key}" if key == "ticker" else key
    told = {key: "ascending", f"-{key}": "descending"}.get(sort, "")
    address = f"{run.get_absolute_url()}?{urlencode({'sort': other if sort == first else first})}"
    return Column(key, label, address, told, is_number=key != "ticker")


def rows_of(answer: Answer) -> list[Row]:
    """Return the matches in their order."""
    labels = answer.screened.columns
    return [
        Row(
            match.ticker,
            match.name,
            match.sector,
            number(match.close),
            figures.signed_pct(match.change_pct, 2),
            figures.tone(match.change_pct),
            [number(value) for label, value in zip(labels, match.values, strict=True) if label != "close"],
        )
        for match in answer.screened.matches
    ]


def write_csv(answer: Answer, file: IO[str]) -> None:
    """Write the matches for a spreadsheet: every digit, and the formula's parts as columns, the close once."""
    writer, labels = csv.writer(file), answer.screened.columns
    parts = [index for index, label in enumerate(labels) if label != "close"]
    writer.writerow(["ticker", "name", "sector", "date", "close", "change_pct", *(labels[index] for index in parts)])
    for match in answer.screened.matches:
        shared = [match.ticker, match.name, match.sector, day_of(match.time_s), match.close, match.change_pct]
        writer.writerow([*shared, *(match.values[index] for index in parts)])


def number(value: float | None) -> str:
    """Return a number with as many digits as its size needs: 1,234,567, 123.45, 0.01234."""
    if value is None:
        return figures.NO_VALUE
    size = abs(value)
    digits = 0 if size >= 10_000 else 2 if size >= 1 or size == 0 else 4 if size >= 0.01 else 8
    text = f"{value:,.{digits}f}"
    return text.replace("-", figures.MINUS)


def stretches_of(history: History, interval: str) -> list[dict[str, str]]:
    """Return the stretches of bars on which a symbol matched as they are shown, the newest first."""
    return [
        {
            "first": moment_of(each.first_s, INTERVAL_S[interval]),
            "last": moment_of(each.last_s, INTERVAL_S[interval]),
            "n_bars": str(each.n_bars),
            "close": number(each.close),
            "later": figures.signed_pct(each.later_pct),
            "tone": figures.tone(each.later_pct),
        }
        for each in history.stretches
    ]


def last_rows_of(history: MarketHistory, interval: str) -> list[dict[str, Any]]:
    """Return when each symbol matched last as it is shown, the newest first."""
    return [
        {
            "ticker": row.ticker,
            "name": row.name,
            "last": moment_of(row.last_s, INTERVAL_S[interval]) if row.last_s is not None else "never",
            "ago": "" if row.history.bars_ago is None else f"{row.history.bars_ago:,}",
            "n_times": f"{row.history.n_stretches:,}",
            "share": f"{row.history.share_pct:.1f} %",
        }
        for row in history.rows[:MOST_LAST_ROWS]
    ]


def later_of(history: MarketHistory) -> list[dict[str, str]]:
    """Return what prices did in the twenty bars after a match, and after any bar to compare it with."""
    rows = []
    for label, changes in (("After a match", history.later_pct), ("After any bar", history.usual_pct)):
        if len(changes):
            rows.append(
                {
                    "label": label,
                    "n": f"{len(changes):,}",
                    "mean": figures.signed_pct(float(changes.mean()), 2),
                    "median": figures.signed_pct(float(np.median(changes)), 2),
                    "up": f"{100.0 * float((changes > 0).mean()):.1f} %",
                }
            )
    return rows
