from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from backtests.prices.errors import ImportRefused
from backtests.prices.importers.rows import Reading, read_rows
from backtests.prices.importers.tables import read_price_table
from tests.builders import DAY_S, MONDAY_S, price_columns, write_prices

HOUR_S = 3600


def reading_of(tmp_path: Path, columns: dict[str, Any], **options: str) -> Reading:
    path = write_prices(tmp_path / "prices.parquet", columns)
    return read_rows(read_price_table(path), **{"market": "stocks", "interval": "1d", **options})


def test_rows_are_sorted_by_symbol_and_time(tmp_path: Path) -> None:
    columns = {name: column[::-1] for name, column in price_columns(["AAA", "BBB"], 3).items()}
    rows = reading_of(tmp_path, columns).rows
    assert [rows.ticker(row) for row in range(6)] == ["AAA"] * 3 + ["BBB"] * 3
    assert rows.time.tolist() == [MONDAY_S + day * DAY_S for day in (0, 1, 2)] * 2
    assert rows.values["close"].tolist() == [101.0, 102.0, 103.0] * 2
    assert rows.is_late.tolist() == [True, True, False] * 2


def test_a_file_sorted_by_day_is_in_order(tmp_path: Path) -> None:
    columns = price_columns(["AAA", "BBB"], 3)
    by_day = sorted(range(6), key=lambda row: columns["time"][row])
    reading = reading_of(tmp_path, {name: [column[row] for row in by_day] for name, column in columns.items()})
    assert not reading.rows.is_late.any()


def test_tickers_are_stripped_and_in_upper_case(tmp_path: Path) -> None:
    columns = price_columns()
    columns["symbol"] = [" aaa", "AAA ", "Aaa", "aAA", "AAA", "AAA"]
    reading = reading_of(tmp_path, columns)
    assert reading.rows.tickers == ("AAA",)
    assert reading.findings == ()


def test_rows_without_a_symbol_are_dropped_and_counted(tmp_path: Path) -> None:
    columns = price_columns()
    columns["symbol"][1], columns["symbol"][3] = None, "  "
    reading = reading_of(tmp_path, columns)
    assert len(reading.rows) == 4
    assert [(finding.kind, finding.n_rows) for finding in reading.findings] == [("symbol-missing", 2)]


def test_absurd_tickers_are_dropped(tmp_path: Path) -> None:
    columns = price_columns()
    columns["symbol"][1], columns["symbol"][3] = "X" * 31, "A\tB"
    reading = reading_of(tmp_path, columns)
    assert reading.rows.tickers == ("AAA",)
    assert [finding.kind for finding in reading.findings] == ["symbol-unusable"] * 2


def test_a_file_without_symbols_needs_the_ticker_option(tmp_path: Path) -> None:
    columns = price_columns()
    del columns["symbol"]
    with pytest.raises(ImportRefused, match=r"no column names the symbol .* name it with --ticker"):
        reading_of(tmp_path, columns)
    assert reading_of(tmp_path, columns, ticker=" spy ").rows.tickers == ("SPY",)
    with pytest.raises(ImportRefused, match="a ticker has 1 to 30 printable characters"):
        reading_of(tmp_path, columns, ticker="x" * 31)


def test_the_ticker_option_contradicts_a_column_of_symbols(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="--ticker is for a file without symbols; this one has 'symbol'"):
        reading_of(tmp_path, price_columns(), ticker="SPY")


def test_a_missing_time_is_dropped_and_counted_for_its_symbol(tmp_path: Path) -> None:
    columns = price_columns(["AAA", "BBB"])
    columns["time"][1] = columns["time"][2] = columns["time"][8] = None
    found = [(finding.kind, finding.symbol, finding.n_rows) for finding in reading_of(tmp_path, columns).findings]
    assert found == [("time-missing", "AAA", 2), ("time-missing", "BBB", 1)]


def test_a_time_in_the_future_is_dropped(tmp_path: Path) -> None:
    columns = price_columns()
    columns["time"][5] = 4_102_444_800
    reading = reading_of(tmp_path, columns)
    assert [(finding.kind, finding.detail[:10]) for finding in reading.findings] == [("time-impossible", "2100-01-01")]
    assert len(reading.rows) == 5


def test_a_coin_beside_the_hour_is_dropped_and_a_stock_is_not(tmp_path: Path) -> None:
    columns = price_columns(step_s=HOUR_S)
    columns["time"][5] += 60
    reading = reading_of(tmp_path, columns, market="crypto", interval="1h")
    assert [(finding.kind, finding.detail) for finding in reading.findings] == [
        ("time-off-grid", "2024-01-01T05:01:00.000000")
    ]
    assert len(reading_of(tmp_path, columns, market="stocks", interval="1h").rows) == 6


def test_a_stock_beside_the_minute_is_dropped(tmp_path: Path) -> None:
    columns = price_columns(step_s=HOUR_S)
    columns["time"][5] += 1
    assert len(reading_of(tmp_path, columns, interval="1h").rows) == 5


def test_midnights_of_new_york_become_the_dates_of_their_sessions(tmp_path: Path) -> None:
    columns: dict[str, Any] = price_columns(n_bars=2)
    midnights = [(MONDAY_S + 5 * HOUR_S) * 1000, (MONDAY_S + 184 * DAY_S + 4 * HOUR_S) * 1000]  # winter, summer
    columns["time"] = pa.array(midnights, pa.timestamp("ms", "America/New_York"))
    reading = reading_of(tmp_path, columns)
    assert reading.rows.time.tolist() == [MONDAY_S, MONDAY_S + 184 * DAY_S]
    assert reading.notes == ("times: of the time zone America/New_York, converted to UTC",)


def test_evenings_of_new_york_written_with_an_offset_keep_their_date(tmp_path: Path) -> None:
    columns: dict[str, Any] = price_columns(n_bars=2)
    columns["time"] = ["2024-01-01 20:00:00-05:00", "2024-01-02 20:00:00-05:00"]
    reading = reading_of(tmp_path, columns)
    assert reading.rows.time.tolist() == [MONDAY_S, MONDAY_S + DAY_S]
    assert reading.notes[1] == "the time of day of 2 rows was cut off: a 1d bar keeps its date"


def test_intraday_times_are_converted_to_utc(tmp_path: Path) -> None:
    columns: dict[str, Any] = price_columns(n_bars=2)
    columns["time"] = ["2024-01-01 20:00:00-05:00", "2024-01-01 21:00:00-05:00"]
    rows = reading_of(tmp_path, columns, interval="1h").rows
    assert rows.time.tolist() == [MONDAY_S + 25 * HOUR_S, MONDAY_S + 26 * HOUR_S]


@pytest.mark.parametrize(
    ("step_s", "n_bars", "interval", "message"),
    [
        (HOUR_S, 2, "1d", "the bars are 1 hour apart, which is not --interval 1d; give --interval 1h"),
        (DAY_S, 6, "1h", "the bars are 1 day apart, which is not --interval 1h; give --interval 1d"),
        (300, 6, "15m", "the bars are 5 minutes apart, which is not --interval 15m; give --interval 5m"),
        (7 * DAY_S, 6, "1d", "the bars are 7 days apart, which is not --interval 1d; give --interval 1w"),
        (30, 6, "1m", "the bars are 30 seconds apart, which is not --interval 1m"),
    ],
)
def test_times_that_do_not_fit_the_interval_are_refused(
    tmp_path: Path, step_s: int, n_bars: int, interval: str, message: str
) -> None:
    with pytest.raises(ImportRefused) as refused:
        reading_of(tmp_path, price_columns(["AAA"], n_bars, step_s=step_s), interval=interval)
    assert str(refused.value) == message


def test_two_days_around_a_weekend_say_nothing_against_daily_bars(tmp_path: Path) -> None:
    assert len(reading_of(tmp_path, price_columns(n_bars=2, step_s=3 * DAY_S)).rows) == 2


@pytest.mark.parametrize("written", ["1e1", " 10 ", "+10.0"])
def test_prices_written_as_text_are_read(tmp_path: Path, written: str) -> None:
    columns: dict[str, Any] = price_columns(n_bars=2)
    columns["open"] = [written, "ten"]
    opens = reading_of(tmp_path, columns).rows.values["open"].tolist()
    assert opens[0] == 10.0
    assert opens[1] != opens[1]


def test_prices_that_cannot_be_numbers_are_refused(tmp_path: Path) -> None:
    columns: dict[str, Any] = price_columns(n_bars=1)
    columns["open"] = [[1.0, 2.0]]
    with pytest.raises(ImportRefused, match=r"holds list.*; it must hold numbers"):
        reading_of(tmp_path, columns)


def test_columns_that_are_not_used_are_said(tmp_path: Path) -> None:
    notes = reading_of(tmp_path, price_columns() | {"Adj Close": [1.0] * 6}).notes
    assert notes == (
        "times: numbers, read as dates or epoch times in UTC",
        "columns not used: Adj Close",
        "Adj Close is not used: open, high and low have no adjusted counterpart",
    )
