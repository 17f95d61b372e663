"""What an import finds wrong or odd in a file, and what it does about it.

The table below is the policy; docs/prices.md explains it and the import's report follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Action = Literal["dropped", "repaired", "noted"]

ACTIONS: dict[Action, str] = {
    "dropped": "Dropped: these rows cannot be used",
    "repaired": "Repaired: only one reading is possible",
    "noted": "Kept, but look at these",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of finding: what becomes of the row, and why."""

    key: str
    action: Action
    label: str
    help: str


KINDS = (
    Kind("malformed-line", "dropped", "malformed line", "The line does not have as many fields as the header."),
    Kind("symbol-missing", "dropped", "symbol missing", "The row names no symbol."),
    Kind("symbol-unusable", "dropped", "symbol unusable", "A ticker has 1 to 30 printable characters."),
    Kind("time-missing", "dropped", "time missing", "The time is empty or cannot be read."),
    Kind("time-impossible", "dropped", "time impossible", "A bar starts after 1800 and not in the future."),
    Kind("time-off-grid", "dropped", "time off the grid", "The time is not a multiple of the interval."),
    Kind("duplicate-conflict", "dropped", "conflicting duplicates", "One time, several values: none can be trusted."),
    Kind("value-missing", "dropped", "missing value", "A bar needs all of open, high, low, close and volume."),
    Kind("price-not-positive", "dropped", "price not positive", "A price is greater than zero."),
    Kind("volume-negative", "dropped", "negative volume", "A volume is zero or more."),
    Kind("value-absurd", "dropped", "absurd value", "A price is from 1e-30 to 1e30, a volume at most 1e30."),
    Kind("high-below-low", "dropped", "high below low", "It cannot be seen which of the two is wrong."),
    Kind("open-outside", "dropped", "open outside low to high", "It cannot be seen which of the three is wrong."),
    Kind("close-outside", "dropped", "close outside low to high", "It cannot be seen which of the three is wrong."),
    Kind("symbol-empty", "dropped", "no usable row", "A symbol without a usable row is not stored."),
    Kind("duplicate-exact", "repaired", "exact duplicates", "Copies of a row are merged into one."),
    Kind("out-of-order", "repaired", "out of order", "Rows are sorted by time."),
    Kind("volume-zero", "noted", "zero volume", "Nothing was traded: the price of the bar is a quote."),
    Kind("interval-gap", "noted", "interval gap", "No symbol of the file has a bar at these times."),
    Kind("session-missing", "noted", "missing session", "Other symbols of the file have a bar at this time."),
    Kind(
        "price-jump",
        "noted",
        "possible unadjusted split or spin-off",
        "The open is far from the close before, and the price stays there.",
    ),
    Kind("price-spike", "noted", "possible bad tick", "The open is far from the close before, and the price returns."),
    Kind("history-short", "noted", "shorter history", "The symbol has fewer bars than most symbols of the file."),
    Kind(
        "bar-unfinished", "noted", "last bar may be unfinished", "Its end is to come, or its volume is unusually low."
    ),
    Kind("off-interval", "noted", "times beside the clock", "Sessions that start at 9:30 give bars at half past."),
)
KIND_OF = {kind.key: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    ``symbol`` is empty if it concerns the whole file, ``time`` (seconds, UTC) is None if it concerns no single bar.
    ``action`` says what became of the row, which may differ from the kind's: a zero volume is only noted, but the row
    may be dropped for another reason.
    """

    kind: str
    action: Action
    symbol: str = ""
    time: int | None = None
    detail: str = ""
    n_rows: int = 1


def found(kind: str, *, symbol: str = "", time: int | None = None, detail: str = "", n_rows: int = 1) -> Finding:
    """Return a finding on which the kind's own action was taken."""
    return Finding(kind, KIND_OF[kind].action, symbol, time, detail, n_rows)


def time_text(time_s: int) -> str:
    """Return a time as a date, with the time of day unless that is midnight UTC."""
    unit: Literal["D", "m", "s"] = "s" if time_s % 60 else "m" if time_s % 86_400 else "D"
    return str(np.datetime_as_string(np.datetime64(time_s, "s"), unit=unit)).replace("T", " ")


def number_text(value: float) -> str:
    """Return a price or volume as short as it is exact to ten digits."""
    return f"{value:.10g}"
