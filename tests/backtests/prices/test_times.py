from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.times import Times, read_times

NOON_US = int(datetime(2024, 1, 31, 12, tzinfo=UTC).timestamp()) * 1_000_000
HOUR_US = 3_600_000_000


def times_of(values: list[Any], kind: pa.DataType | None = None) -> Times:
    return read_times(pa.chunked_array([pa.array(values, kind)]))


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-31 12:00:00",
        "2024-01-31T12:00:00",
        "2024-01-31 12:00",
        " 2024-01-31 12:00:00.000 ",
        "2024-01-31T12:00:00Z",
        "2024-01-31 07:00:00-05:00",
        "2024-01-31T17:30:00+0530",
        "1706702400",
        "1706702400.0",
        "1706702400000",
        "1706702400000000",
        "1706702400000000000",
    ],
)
def test_a_written_time_is_read_in_utc(written: str) -> None:
    assert times_of([written]).utc.tolist() == [NOON_US]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1706702400, pa.int64()),
        (1706702400, pa.uint32()),
        (1706702400.0, pa.float64()),
        (1706702400000, pa.int64()),
        (1706702400000000, pa.int64()),
        (1706702400, pa.timestamp("s")),
        (1706702400000, pa.timestamp("ms", "America/New_York")),
        (1706702400000000000, pa.timestamp("ns", "+05:30")),
    ],
)
def test_a_stored_time_is_read_in_utc(value: Any, kind: pa.DataType) -> None:
    assert times_of([value], kind).utc.tolist() == [NOON_US]


@pytest.mark.parametrize(
    ("value", "kind"),
    [(date(2024, 1, 31), pa.date32()), (date(2024, 1, 31), pa.date64()), (20240131, pa.int64()), ("20240131", None)],
)
def test_a_date_is_midnight_utc(value: Any, kind: pa.DataType | None) -> None:
    assert times_of([value], kind).utc.tolist() == [NOON_US - 12 * HOUR_US]


def test_text_in_a_dictionary_is_read() -> None:
    column = pa.chunked_array([pa.array(["2024-01-31", "2024-02-01", "2024-01-31"]).dictionary_encode()])
    assert np.diff(read_times(column).utc).tolist() == [24 * HOUR_US, -24 * HOUR_US]


def test_the_local_clock_is_kept_beside_utc() -> None:
    midnights = times_of(["2024-01-31 00:00:00-05:00", "2024-07-31 00:00:00-04:00"])
    assert (midnights.utc - midnights.local).tolist() == [5 * HOUR_US, 4 * HOUR_US]
    zoned = times_of([NOON_US], pa.timestamp("us", "America/New_York"))
    assert (zoned.utc - zoned.local).tolist() == [5 * HOUR_US]


@pytest.mark.parametrize(
    ("values", "kind", "note"),
    [
        (["2024-01-31 12:00:00"], None, "without a time zone, taken as UTC"),
        ([NOON_US], pa.timestamp("us"), "without a time zone, taken as UTC"),
        ([NOON_US], pa.timestamp("us", "Asia/Tokyo"), "of the time zone Asia/Tokyo, converted to UTC"),
        (["2024-01-31T12:00:00Z"], None, "with an offset, converted to UTC"),
        (
            ["2024-01-31T12:00:00Z", "2024-01-31 12:00:00"],
            None,
            "with an offset, converted to UTC; those without one were taken as UTC",
        ),
    ],
)
def test_what_was_made_of_time_zones_is_said(values: list[Any], kind: pa.DataType | None, note: str) -> None:
    times = times_of(values, kind)
    assert times.note == note
    assert set(times.utc.tolist()) == {NOON_US}


@pytest.mark.parametrize("broken", ["2024-02-30", "yesterday", "", None])
@pytest.mark.parametrize("good", ["2024-01-31 12:00:00", "2024-01-31T12:00:00Z"])
def test_one_time_that_cannot_be_read_does_not_lose_the_others(broken: str | None, good: str) -> None:
    times = times_of([good, broken, good])
    assert times.is_known.tolist() == [True, False, True]
    assert times.utc[[0, 2]].tolist() == [NOON_US, NOON_US]


def test_an_epoch_time_of_zero_or_none_is_missing() -> None:
    assert times_of([0, None, 1706702400]).is_known.tolist() == [False, False, True]
    assert times_of(["0", "1706702400", "none", "1706702400"]).is_known.tolist() == [False, True, False, True]


def test_milliseconds_may_turn_into_microseconds_within_a_file() -> None:
    assert times_of([1706702400000, 1706702400000000]).utc.tolist() == [NOON_US, NOON_US]


def test_a_column_without_any_time_is_refused_with_an_example() -> None:
    with pytest.raises(ImportRefused, match="no time can be read; the first is '31/01/2024'"):
        times_of(["31/01/2024", "01/02/2024"])


def test_a_column_of_another_type_is_refused() -> None:
    with pytest.raises(ImportRefused, match="holds bool; it must hold dates"):
        times_of([True])
