"""A file's times, however they are written, as microseconds in UTC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backtests.prices.errors import ImportRefused

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DAY_US = 86_400_000_000
UNKNOWN = np.iinfo(np.int64).min
MICROSECONDS = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class Times:
    """The times of all rows.

    Attributes
    ----------
    utc, local : int64, shape (n,)
        Microseconds since 1970: in UTC, and by the clock of the time zone that the file gives (UTC if it gives none).
    is_known : bool, shape (n,)
        False where the time is missing or cannot be read.
    note : str
        How the times were read, for the report.
    """

    utc: IntArray
    local: IntArray
    is_known: BoolArray
    note: str


def read_times(column: Any) -> Times:
    """Read a column of dates, timestamps, text or numbers.

    Raises
    ------
    ImportRefused
        If the column has another type, or none of its values is a time.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_date(kind):
        times = _same(_microseconds(column.cast(MICROSECONDS)), "dates")
    elif pa.types.is_timestamp(kind):
        times = _from_timestamps(column)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        times = _from_text(column)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        times = _from_numbers(column)
    else:
        raise ImportRefused(f"the column of times holds {kind}; it must hold dates, timestamps, text or numbers")
    if len(column) and not times.is_known.any():
        example = next((str(value) for value in column.drop_null()[:1].to_pylist()), "nothing")
        raise ImportRefused(
            f"no time can be read; the first is {example[:40]!r}, expected 2024-01-31, 2024-01-31 15:00:00 or epoch "
            "seconds, milliseconds or microseconds"
        )
    return times


def _from_timestamps(column: Any) -> Times:
    zone = column.type.tz
    if zone is None:
        return _same(_microseconds(column.cast(MICROSECONDS, safe=False)), "without a time zone, taken as UTC")
    utc = _microseconds(column.cast(pa.timestamp("us", "UTC"), safe=False))
    local = _microseconds(pc.local_timestamp(column).cast(MICROSECONDS, safe=False))
    return Times(utc, local, utc != UNKNOWN, f"of the time zone {zone}, converted to UTC")


def _from_numbers(column: Any) -> Times:
    numbers = column.fill_null(0).to_numpy()
    whole = np.where(np.abs(numbers) < 9e18, numbers, 0).astype(np.int64)
    values = whole.astype(np.float64)
    if (is_date := (values >= 1800_01_01) & (values <= 2200_12_31)).any():
        # 20240131 could be a second of August 1970, before which no market has epoch times.
        days = pc.strptime(pa.array(whole).cast(pa.string()), format="%Y%m%d", unit="s", error_is_null=True)
        dated = _microseconds(pa.chunked_array([days]).cast(MICROSECONDS))
    else:
        dated = np.full(len(whole), UNKNOWN)
    ranges = [is_date, values < 1e8, values < 1e11, values < 1e14, values < 1e17, values < 9e18]
    readings = [dated, np.full(len(whole), UNKNOWN), whole * 1_000_000, whole * 1000, whole, whole // 1000]
    return _same(np.select(ranges, readings, UNKNOWN), "numbers, read as dates or epoch times in UTC")


def _from_text(column: Any) -> Times:
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    is_number = pc.match_substring_regex(column, r"^\d{1,19}([.]0*)?$")
    if (pc.sum(is_number).as_py() or 0) * 2 > len(column) - column.null_count:
        digits = pc.replace_substring_regex(column, "[.]0*$", "")
        return _from_numbers(pc.if_else(is_number, digits, None).cast(pa.uint64()))
    zone = pc.match_substring_regex(column, r":\d\d.*(Z|[+-]\d\d:?(\d\d)?)$")
    if not pc.any(zone).as_py():
        return _same(_parse(column, MICROSECONDS, _read_naive), "without a time zone, taken as UTC")
    naive = pc.replace_substring_regex(column, r"\s*(Z|[+-]\d\d:?(\d\d)?)$", "")
    local = _parse(pc.if_else(zone, naive, column), MICROSECONDS, _read_naive)
    aware = pc.if_else(zone, column, pc.binary_join_element_wise(column, "Z", ""))
    utc = _parse(aware, pa.timestamp("us", "UTC"), _read_aware)
    all_aware = "" if pc.all(zone).as_py() else "; those without one were taken as UTC"
    return Times(utc, local, utc != UNKNOWN, f"with an offset, converted to UTC{all_aware}")


def _parse(texts: Any, kind: pa.DataType, read_one: Callable[[str], int]) -> IntArray:
    try:
        return _microseconds(texts.cast(kind))
    except pa.ArrowInvalid:
        encoded = texts.combine_chunks().dictionary_encode()
        readings = np.array([*(read_one(text) for text in encoded.dictionary.to_pylist()), UNKNOWN], np.int64)
        parsed: IntArray = readings[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        return parsed


def _read_naive(text: str) -> int:
    try:
        return _to_microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError:
        return UNKNOWN


def _read_aware(text: str) -> int:
    # A date without a time takes no offset: fromisoformat would refuse "2024-01-31Z".
    try:
        when = datetime.fromisoformat(text.removesuffix("Z") if text.count(":") == 0 else text)
        return _to_microseconds(when if when.tzinfo else when.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return UNKNOWN


def _to_microseconds(when: datetime) -> int:
    elapsed = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def _microseconds(timestamps: Any) -> IntArray:
    values: IntArray = timestamps.cast(pa.int64()).fill_null(UNKNOWN).to_numpy()
    return values


def _same(values: IntArray, note: str) -> Times:
    return Times(values, values, values != UNKNOWN, note)
