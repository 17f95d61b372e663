from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from backtests.models import PriceBlock, Symbol
from backtests.prices import store
from backtests.prices.cache import BAR_BYTES, BARS_CACHE, Series
from backtests.prices.errors import BlockDamaged
from backtests.prices.store import (
    BLOCK_MONTHS,
    TURNOVER_BARS,
    BlockChanges,
    block_periods,
    decode,
    read_bars,
    write_bars,
)
from strategies.bars import Bars
from tests.builders import DAY_S, MONDAY_S, make_bars, make_market, store_universe

pytestmark = pytest.mark.django_db

HOUR_S = 3600
DAY_2019 = 1_546_300_800  # 2019-01-01, in the block that ends with the year
DAY_2020 = 1_577_836_800
TOO_LARGE = 10**15  # bytes


@pytest.fixture(autouse=True)
def _nothing_is_decoded_yet() -> None:
    BARS_CACHE.clear()


def stored(ticker: str, bars: Bars, *, interval: str = "1d") -> Symbol:
    store_universe(f"of {ticker}", {ticker: bars}, interval=interval)
    return Symbol.objects.get(ticker=ticker)


def read(symbol: Symbol, *, interval: str = "1d") -> Series:
    return read_bars([symbol.pk], interval=interval)[symbol.pk]


def assert_equal(found: Bars, wanted: Bars) -> None:
    for field in fields(Bars):
        column = getattr(found, field.name)
        assert column.dtype == getattr(wanted, field.name).dtype
        assert column.tobytes() == getattr(wanted, field.name).tobytes(), field.name


def six_years(price: float = 100.0) -> Bars:
    """Daily bars over three blocks of five years: 2015 to 2019, 2020 to 2024, 2025 on."""
    n_bars = (1_735_689_600 + 30 * DAY_S - DAY_2019) // DAY_S
    return make_bars([price + number % 17 for number in range(n_bars)], start_s=DAY_2019)


def checksums() -> dict[int, str]:
    return dict(PriceBlock.objects.values_list("period", "checksum"))


def test_bars_come_back_bit_for_bit() -> None:
    bars = make_market(7, n_symbols=1, n_bars=3000)["S0"]
    assert_equal(read(stored("AAA", bars)).bars, bars)


def test_odd_prices_come_back_bit_for_bit() -> None:
    bars = make_bars([1e-30, 1e-9, 0.1 + 0.2, 1e30, 2.0**53 + 2])
    assert_equal(read(stored("AAA", bars)).bars, bars)


def test_bars_that_were_read_cannot_be_written_to() -> None:
    bars = read(stored("AAA", make_bars([1.0, 2.0, 3.0]))).bars
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 9.0


def test_the_columns_are_little_endian() -> None:
    stored("AAA", make_bars([1.0, 2.0], start_s=DAY_2020))
    block = PriceBlock.objects.get()
    assert bytes(block.time) == DAY_2020.to_bytes(8, "little") + (DAY_2020 + DAY_S).to_bytes(8, "little")
    assert bytes(block.close) == bytes.fromhex("000000000000f03f0000000000000040")


@pytest.mark.parametrize(
    ("day", "interval", "period"),
    [
        ("2019-12-31T23:59:59", "1d", 201501),
        ("2020-01-01T00:00:00", "1d", 202001),
        ("2024-12-31T00:00:00", "1d", 202001),
        ("2025-01-01T00:00:00", "1d", 202501),
        ("2024-02-29T00:00:00", "1h", 202401),
        ("2024-02-29T00:00:00", "1m", 202402),
        ("2024-06-30T23:30:00", "30m", 202404),
        ("2024-07-01T00:00:00", "30m", 202407),
        ("2024-07-01T00:00:00", "1w", 201001),
        ("1969-12-31T00:00:00", "1d", 196501),
        ("1969-12-31T00:00:00", "1m", 196912),
    ],
)
def test_a_bar_belongs_to_the_block_of_its_period(day: str, interval: str, period: int) -> None:
    time = np.array([day], dtype="datetime64[s]").astype(np.int64)
    assert block_periods(time, interval).tolist() == [period]


@pytest.mark.parametrize("interval", BLOCK_MONTHS)
def test_every_interval_starts_a_block_with_january(interval: str) -> None:
    time = np.array(["2020-01-01"], dtype="datetime64[s]").astype(np.int64)
    assert block_periods(time, interval)[0] % 100 == 1


def test_a_block_says_what_it_holds() -> None:
    stored("AAA", six_years())
    first, second, third = PriceBlock.objects.order_by("period")
    assert [first.period, second.period, third.period] == [201501, 202001, 202501]
    assert (first.n_bars, second.n_bars, third.n_bars) == (365, 1827, 30)
    assert (str(first.first_time), str(first.last_time)) == ("2019-01-01 00:00:00+00:00", "2019-12-31 00:00:00+00:00")
    assert second.source == "test"
    assert len(decode(second)) == 1827


def test_the_same_bars_again_change_nothing() -> None:
    bars = six_years()
    symbol = stored("AAA", bars)
    before = list(PriceBlock.objects.order_by("pk").values())
    assert write_bars([(symbol, bars)], interval="1d", source="again") == BlockChanges(unchanged=3)
    assert list(PriceBlock.objects.order_by("pk").values()) == before


def test_some_of_the_same_bars_change_nothing_either() -> None:
    bars = six_years()
    symbol = stored("AAA", bars)
    assert write_bars([(symbol, bars[400:420])], interval="1d", source="again") == BlockChanges(unchanged=1)
    assert_equal(read(symbol).bars, bars)


def test_only_the_blocks_that_change_are_written() -> None:
    symbol = stored("AAA", six_years())
    before = checksums()
    changed = make_bars([7.0], start_s=DAY_2020 + 10 * DAY_S)
    assert write_bars([(symbol, changed)], interval="1d", source="late") == BlockChanges(replaced=1)
    after = checksums()
    assert {period for period in after if after[period] != before[period]} == {202001}
    assert dict(PriceBlock.objects.values_list("period", "source")) == {201501: "test", 202001: "late", 202501: "test"}


def test_where_bars_overlap_the_new_value_wins() -> None:
    symbol = stored("AAA", make_bars([1.0, 2.0, 3.0, 4.0]))
    before = read(symbol).bars
    late = make_bars([30.0, 40.0, 50.0], start_s=int(before.time[2]))
    write_bars([(symbol, late)], interval="1d", source="late")
    bars = read(symbol).bars
    assert bars.close.tolist() == [1.0, 2.0, 30.0, 40.0, 50.0]
    assert np.all(np.diff(bars.time) == DAY_S)
    assert PriceBlock.objects.get().n_bars == 5


def test_bars_before_and_between_the_stored_ones_are_put_in_order() -> None:
    whole = make_bars([float(number + 1) for number in range(9)])
    symbol = stored("AAA", whole[3:5])
    write_bars([(symbol, whole[6:])], interval="1d", source="later")
    write_bars([(symbol, whole[:4])], interval="1d", source="earlier")
    write_bars([(symbol, whole[5:6])], interval="1d", source="between")
    found = read(symbol).bars
    assert found.time.tolist() == whole.time.tolist()
    assert found.close.tolist() == whole.close.tolist()


def test_new_blocks_and_changed_ones_are_counted_apart() -> None:
    bars = six_years()
    symbol = stored("AAA", bars[:400])
    assert write_bars([(symbol, bars[300:])], interval="1d", source="rest") == BlockChanges(1, 1, 1)
    assert_equal(read(symbol).bars, bars)


def test_a_range_takes_the_bars_that_start_in_it_and_not_the_one_at_its_end() -> None:
    symbol = stored("AAA", six_years())
    ranged = read_bars([symbol.pk], interval="1d", start_s=DAY_2020 - DAY_S, end_s=DAY_2020 + DAY_S)[symbol.pk]
    assert ranged.bars.time.tolist() == [DAY_2020 - DAY_S, DAY_2020]
    assert ranged.checksums == read(symbol).checksums


def test_a_range_without_bars_is_a_series_of_none() -> None:
    symbol = stored("AAA", six_years())
    series = read_bars([symbol.pk], interval="1d", start_s=0, end_s=DAY_S)[symbol.pk]
    assert len(series.bars) == 0
    assert len(series.checksums) == 3


def test_a_symbol_without_prices_is_absent() -> None:
    universe = store_universe("Two", {"AAA": make_bars([1.0, 2.0]), "BBB": make_bars([])})
    ids = list(universe.symbols.values_list("pk", flat=True))
    assert set(read_bars(ids, interval="1d")) == {Symbol.objects.get(ticker="AAA").pk}
    assert read_bars(ids, interval="1h") == {}
    assert read_bars([], interval="1d") == {}


def test_symbols_and_intervals_are_kept_apart() -> None:
    daily, hourly = make_bars([1.0, 2.0]), make_bars([5.0, 6.0, 7.0], step_s=HOUR_S)
    first, second = stored("AAA", daily), stored("BBB", make_bars([3.0, 4.0]))
    write_bars([(first, hourly)], interval="1h", source="test")
    both = read_bars([first.pk, second.pk], interval="1d")
    assert [both[symbol.pk].bars.close.tolist() for symbol in (first, second)] == [[1.0, 2.0], [3.0, 4.0]]
    assert read(first, interval="1h").bars.close.tolist() == [5.0, 6.0, 7.0]


def test_a_damaged_block_is_made_anew_by_the_same_bars() -> None:
    bars = six_years()
    symbol = stored("S", bars)
    PriceBlock.objects.filter(period=202_001).update(close=b"\0" * 8)
    with pytest.raises(BlockDamaged):
        read(symbol)
    assert write_bars([(symbol, bars)], interval="1d", source="again") == BlockChanges(0, 1, 2)
    assert_equal(read(symbol).bars, bars)


@pytest.mark.parametrize("column", ["time", "open", "high", "low", "close", "volume"])
def test_a_damaged_column_is_noticed(column: str) -> None:
    symbol = stored("AAA", make_bars([1.0, 2.0, 3.0]))
    block = PriceBlock.objects.get()
    damaged = bytearray(getattr(block, column))
    damaged[3] ^= 1
    PriceBlock.objects.update(**{column: bytes(damaged)})
    with pytest.raises(BlockDamaged, match=block.checksum):
        read(symbol)


@pytest.mark.parametrize("column", ["time", "open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("change", [lambda own: own[:-8], lambda own: own + own[-8:], lambda _: b""])
def test_a_column_of_another_length_is_noticed_where_it_is(column: str, change: Callable[[bytes], bytes]) -> None:
    symbols = [stored(ticker, make_bars([1.0, 2.0, 3.0])) for ticker in ("AAA", "BBB", "CCC")]
    block = PriceBlock.objects.get(symbol=symbols[1])
    PriceBlock.objects.filter(pk=block.pk).update(
        checksum="of the second", **{column: change(bytes(getattr(block, column)))}
    )
    with pytest.raises(BlockDamaged, match="of the second"):
        read_bars([symbol.pk for symbol in symbols], interval="1d")
    assert read(symbols[2]).bars.close.tolist() == [1.0, 2.0, 3.0]


def test_where_the_database_cannot_join_columns_each_block_is_read_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SQLite before 3.39, whose joined texts end at their first zero."""
    bars = six_years()
    ids = [stored(ticker, bars).pk for ticker in "AB"]
    joined = store._stored_blocks
    monkeypatch.setattr(store, "_stored_blocks", lambda values: (joined(values)[0], [memoryview(b"")] * 6))
    for market_bytes in (0, TOO_LARGE):
        read = read_bars(ids, interval="1d", market_bytes=market_bytes)
        assert [len(each.bars) for each in read.values()] == [len(bars)] * 2
        for each in read.values():
            assert_equal(each.bars, bars)


def test_what_is_kept_of_a_symbol_keeps_nothing_of_others() -> None:
    ids = [stored(ticker, make_bars([1.0, 2.0])).pk for ticker in "ABC"]
    kept = read_bars(ids, interval="1d")[ids[1]].bars.close.base
    while not isinstance(kept, memoryview | bytes):
        assert kept is not None
        kept = kept.base
    assert memoryview(kept).obj is None or len(memoryview(kept).obj) == 2 * BAR_BYTES


def test_bars_that_are_not_kept_are_those_that_are() -> None:
    bars = {ticker: six_years() if ticker == "B" else make_bars([1.0, 2.0]) for ticker in "ABC"}
    ids = [stored(ticker, own).pk for ticker, own in bars.items()]
    alone = read_bars(ids, interval="1d", market_bytes=TOO_LARGE)
    assert [each.bars is read_bars(ids, interval="1d")[symbol_id].bars for symbol_id, each in alone.items()] == [
        False
    ] * 3
    for symbol_id, own in zip(ids, bars.values(), strict=True):
        assert_equal(alone[symbol_id].bars, own)
        assert_equal(read_bars(ids, interval="1d")[symbol_id].bars, own)
        assert not alone[symbol_id].bars.close.flags.writeable


def test_bars_are_decoded_once_until_a_block_changes() -> None:
    bars = six_years()
    symbol = stored("AAA", bars)
    first = read(symbol)
    assert read(symbol).bars is first.bars
    write_bars([(symbol, bars)], interval="1d", source="again")
    assert read(symbol).bars is first.bars
    write_bars([(symbol, make_bars([7.0], start_s=DAY_2020))], interval="1d", source="late")
    changed = read(symbol)
    assert changed.bars is not first.bars
    assert changed.bars.close[365] == 7.0
    assert read(symbol).bars is changed.bars


def test_what_is_decoded_already_is_not_read_again() -> None:
    symbol = stored("AAA", six_years())
    read(symbol)
    # The columns are gone, but the state of the blocks is what it was.
    PriceBlock.objects.update(close=b"")
    assert len(read(symbol).bars) == 365 + 1827 + 30


def test_a_deleted_block_is_not_read_from_memory() -> None:
    symbol = stored("AAA", six_years())
    read(symbol)
    PriceBlock.objects.filter(period=202501).delete()
    assert len(read(symbol).bars) == 365 + 1827
    PriceBlock.objects.all().delete()
    assert read_bars([symbol.pk], interval="1d") == {}


def turnover_of(ticker: str) -> float | None:
    return Symbol.objects.get(ticker=ticker).turnover


def test_the_turnover_of_a_symbol_is_close_times_volume_of_its_newest_bars() -> None:
    old, new = TURNOVER_BARS, TURNOVER_BARS
    store_universe("Test", {"AAA": make_bars([5.0] * old + [2.0] * new, volume=[9.0] * old + [3.0] * new)})
    assert turnover_of("AAA") == 6.0
    store_universe("Test", {"BBB": make_bars([2.0, 4.0], volume=[10.0, 20.0]), "CCC": make_bars([])})
    assert (turnover_of("BBB"), turnover_of("CCC")) == (50.0, None)


def test_the_turnover_stays_when_a_day_is_added_and_follows_what_is_imported_anew() -> None:
    store_universe("Test", {"AAA": make_bars([2.0] * 90, volume=3.0)})
    store_universe("Test", {"AAA": make_bars([1000.0], volume=1000.0, start_s=MONDAY_S + 90 * DAY_S)})
    assert turnover_of("AAA") == 6.0
    store_universe("Test", {"AAA": make_bars([4.0] * 90, volume=3.0)})
    assert turnover_of("AAA") == 12.0
