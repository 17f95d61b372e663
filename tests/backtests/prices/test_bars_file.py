from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from backtests.models import PriceBlock, Symbol
from backtests.prices import bars_file, store
from backtests.prices.bars_file import LEFT_FREE_BYTES, BarsFile
from backtests.prices.cache import BAR_BYTES, BARS_CACHE, Key, Series
from backtests.prices.store import read_bars, write_bars
from strategies.bars import Bars
from tests.builders import make_bars, store_universe

TOO_LARGE = 10**12  # bytes: more than fits into memory
ONE = 10 * BAR_BYTES


def series(number: float = 0.0, *, n_bars: int = 10, checksums: tuple[str, ...] = ("a",)) -> Series:
    """Bars whose closes are one above the number, two above it, and so on."""
    bars = make_bars([number + step for step in range(1, n_bars + 1)])
    return Series(bars, checksums, tuple(202_001 + step for step in range(len(checksums))))


def key(number: int) -> Key:
    return number, "1d"


def file_of(folder: Path, limit_bytes: int = 100 * ONE) -> BarsFile:
    file = BarsFile()
    file.open(folder, limit_bytes)
    return file


def kept(file: BarsFile, n: int) -> list[int]:
    return [symbol_id for symbol_id, _ in file.get_all({key(number): ["a"] for number in range(n)})]


def assert_same(found: Bars, wanted: Bars) -> None:
    for field in fields(Bars):
        column = getattr(found, field.name)
        assert column.dtype == getattr(wanted, field.name).dtype
        assert column.tobytes() == getattr(wanted, field.name).tobytes(), field.name
        assert not column.flags.writeable


def test_what_is_kept_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    file, odd = file_of(tmp_path), [-0.0, 5e-324, 1.7e308, np.nan, 0.1]
    own = {key(number): series(number, n_bars=number) for number in (7, 1, 0, 12)}
    numbers = np.array(odd)
    own[key(3)] = Series(Bars(np.arange(5), numbers, -numbers, numbers, numbers / 2, numbers), ("a",), (202_001,))
    file.put_all(own)
    found = file.get_all({each: ["a"] for each in own})
    assert found.keys() == own.keys()
    for each, one in own.items():
        assert_same(found[each].bars, one.bars)
        assert (found[each].checksums, found[each].periods) == (one.checksums, one.periods)


def test_a_closed_file_keeps_nothing() -> None:
    file = BarsFile()
    assert not file.has_room_for(0)
    file.clear()
    assert (file.state.entries, file.state.limit_bytes) == (0, 0)


def test_it_has_room_for_a_market_up_to_its_limit(tmp_path: Path) -> None:
    file = file_of(tmp_path, 5 * ONE)
    assert [file.has_room_for(n_bytes) for n_bytes in (0, 5 * ONE, 5 * ONE + 1)] == [True, True, False]


def test_it_has_no_name_on_the_disk(tmp_path: Path) -> None:
    file_of(tmp_path).put_all({key(0): series()})
    assert list(tmp_path.iterdir()) == []


def test_changed_blocks_and_other_intervals_are_not_there(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    file.put_all({key(1): series()})
    assert file.get_all({key(1): ["b"]}) == file.get_all({key(1): ["a", "b"]}) == file.get_all({(1, "1h"): ["a"]}) == {}
    file.put_all({key(1): series(8.0, checksums=("b",))})
    assert file.get_all({key(1): ["a"]}) == {}
    assert file.get_all({key(1): ["b"]})[key(1)].bars.close[0] == 9.0
    assert (file.state.entries, file.state.hits, file.state.misses) == (1, 1, 4)


def test_it_is_asked_for_the_blocks_of_some_periods(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    file.put_all({key(1): series(checksums=("a", "b", "c"))})
    assert file.get_all({key(1): ["b", "c"]}, (202_002, 202_003)).keys() == {key(1)}
    assert file.get_all({key(1): ["a", "b"]}, (202_002, 202_003)) == {}


def test_at_its_limit_the_first_ones_give_way(tmp_path: Path) -> None:
    file = file_of(tmp_path, 5 * ONE + ONE // 2)
    for number in range(13):
        file.put_all({key(number): series(number)})
        found = file.get_all({key(each): ["a"] for each in range(number + 1)})
        assert set(found) == {key(each) for each in range(max(0, number - 4), number + 1)}
        for (each, _), one in found.items():
            assert_same(one.bars, series(each).bars)
    assert (file.state.entries, file.state.evictions, file.state.n_bytes) == (5, 8, 5 * ONE)


def test_a_series_that_is_larger_than_the_file_is_not_kept(tmp_path: Path) -> None:
    file = file_of(tmp_path, 5 * ONE)
    file.put_all({key(1): series(), key(2): series(n_bars=51)})
    assert kept(file, 3) == [1]


def test_many_are_read_at_once_up_to_some_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, sizes = file_of(tmp_path), []
    file.put_all({key(number): series(number) for number in range(10)})

    def pread(descriptor: int, n_bytes: int, offset: int) -> bytes:
        sizes.append(n_bytes)
        return os.pread(descriptor, n_bytes, offset)

    monkeypatch.setattr(bars_file, "READ_BYTES", 4 * ONE)
    monkeypatch.setattr(bars_file, "os", SimpleNamespace(pread=pread))
    wanted = [key(number) for number in (9, 0, 1, 2, 3, 4, 6, 7)]
    found = file.get_all({each: ["a"] for each in wanted})
    assert [found[each].bars.close[0] for each in wanted] == [number + 1.0 for number, _ in wanted]
    assert sizes == [4 * ONE, ONE, 2 * ONE, ONE]


def test_what_is_written_over_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path, 3 * ONE)
    file.put_all({key(number): series(number) for number in range(3)})

    def pread(descriptor: int, n_bytes: int, offset: int) -> bytes:
        monkeypatch.undo()
        file.put_all({key(3): series(3.0)})
        return os.pread(descriptor, n_bytes, offset)

    monkeypatch.setattr(bars_file, "os", SimpleNamespace(pread=pread))
    assert kept(file, 3) == [1, 2]


def test_what_is_flushed_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path)
    file.put_all({key(number): series(number) for number in range(3)})

    def pread(descriptor: int, n_bytes: int, offset: int) -> bytes:
        monkeypatch.undo()
        file.clear()
        file.put_all({key(number): series(7.0) for number in range(3)})
        return os.pread(descriptor, n_bytes, offset)

    monkeypatch.setattr(bars_file, "os", SimpleNamespace(pread=pread))
    assert kept(file, 3) == []
    assert kept(file, 3) == [0, 1, 2]


def test_what_is_written_anew_in_any_order_is_what_was_written_last(tmp_path: Path) -> None:
    file, random, newest, n_found = file_of(tmp_path, 5 * ONE + ONE // 3), Random(7), {}, 0
    for step in range(800):
        number = random.randrange(8)
        newest[number] = float(step)
        file.put_all({key(number): series(step)})
        for (each, _), one in file.get_all({key(each): ["a"] for each in range(8)}).items():
            assert one.bars.close[0] == newest[each] + 1
            n_found += 1
    assert n_found > 2000


def test_a_file_that_is_filled_to_its_last_byte_loses_nothing_at_its_edge(tmp_path: Path) -> None:
    file = file_of(tmp_path, 3 * ONE)
    for number in range(7):
        file.put_all({key(number): series(number)})
        assert kept(file, 7) == sorted(range(max(0, number - 2), number + 1), key=lambda each: each % 3)


def test_readers_and_writers_at_once_see_whole_series_only(tmp_path: Path) -> None:
    file, stop, wrong, n_found = file_of(tmp_path, 7 * ONE + ONE // 2), threading.Event(), [], [0, 0]

    def read(reader: int) -> None:
        while not stop.is_set():
            for (number, _), one in file.get_all({key(each): ["a"] for each in range(12)}).items():
                n_found[reader] += 1
                if one.bars.close.tolist() != [number + step for step in range(1, 11)]:
                    wrong.append(number)

    def write(first: int) -> None:
        random = Random(first)
        for _ in range(400):
            number = random.randrange(12)
            file.put_all({key(number): series(number)})

    readers = [threading.Thread(target=read, args=(reader,)) for reader in range(2)]
    writers = [threading.Thread(target=write, args=(first,)) for first in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert min(n_found) > 0
    assert file.has_room_for(1), "no reader has taken what was written over for damage"


def test_what_is_not_what_was_written_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = file_of(tmp_path)
    file.put_all({key(number): series(number) for number in range(3)})
    os.pwrite(file._file, bytes(8), ONE + 100)
    assert kept(file, 3) == []
    assert "a series is not what was written" in caplog.text
    assert not file.has_room_for(1)


def test_a_file_that_was_cut_is_not_taken(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    file.put_all({key(number): series(number) for number in range(3)})
    os.ftruncate(file._file, ONE)
    assert kept(file, 3) == []
    assert not file.has_room_for(1)


def test_a_disk_that_cannot_be_read_is_told_and_then_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = file_of(tmp_path)
    file.put_all({key(0): series()})

    def pread(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    assert kept(file, 1) == []
    assert "not kept in a file: [Errno 5] Input/output error" in caplog.text
    assert not file.has_room_for(1)


def test_who_reads_while_the_file_is_given_up_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path)
    file.put_all({key(number): series() for number in range(2)})
    file.put_all({key(5): series(n_bars=0)})

    def pread(descriptor: int, n_bytes: int, offset: int) -> bytes:
        monkeypatch.undo()
        file._give_up(OSError("no space"))
        return os.pread(descriptor, n_bytes, offset)

    monkeypatch.setattr(bars_file, "os", SimpleNamespace(pread=pread, ftruncate=os.ftruncate))
    assert kept(file, 2) == []
    file.put_all({key(6): series(n_bars=0)})
    assert kept(file, 7) == []


def test_flushing_gives_the_disk_back_what_it_took(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    file.put_all({key(number): series(number) for number in range(3)})
    file.clear()
    assert os.fstat(file._file).st_size == 0
    assert kept(file, 3) == []
    file.put_all({key(4): series(4.0)})
    assert file.get_all({key(4): ["a"]})[key(4)].bars.close[0] == 5.0


def test_the_last_of_a_disk_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, free = file_of(tmp_path), [LEFT_FREE_BYTES + ONE - 1]
    disk = lambda _: SimpleNamespace(f_bavail=free[0], f_frsize=1)  # noqa: E731
    monkeypatch.setattr(os, "fstatvfs", disk)
    file.put_all({key(0): series(), key(1): series()})
    file.put_all({key(0): series()})
    assert kept(file, 1) == []
    assert caplog.text.count("the disk has less than 1 GiB left") == 1
    free[0] += 1
    file.put_all({key(0): series()})
    assert kept(file, 1) == [0]


def test_a_disk_that_takes_nothing_is_told_and_then_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = file_of(tmp_path)
    file.put_all({key(0): series()})

    def pwrite(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with caplog.at_level(logging.WARNING):
        file.put_all({key(1): series(), key(2): series()})
    assert [record.message for record in caplog.records] == [
        "bars that do not fit into memory are not kept in a file: [Errno 28] No space left on device"
    ]
    assert not file.has_room_for(0)
    assert kept(file, 3) == []
    assert os.fstat(file._file).st_size == 0


def test_a_disk_that_takes_a_part_only_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path)
    monkeypatch.setattr(os, "pwrite", lambda _, content, __: len(content) - 1)
    file.put_all({key(0): series()})
    assert not file.has_room_for(0)
    assert kept(file, 1) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = file_of(tmp_path / "none")
    assert not file.has_room_for(0)
    assert "not kept in a file" in caplog.text
    file.clear()


# Where prices are read


@pytest.fixture
def open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BarsFile]:
    """The file that prices are kept in, with nothing in memory."""
    file = file_of(tmp_path, 2 * TOO_LARGE)
    monkeypatch.setattr(store, "BARS_FILE", file)
    BARS_CACHE.clear()
    yield file
    BARS_CACHE.clear()


@pytest.mark.django_db
def test_a_market_that_does_not_fit_into_memory_is_read_from_the_file(open_file: BarsFile) -> None:
    universe = store_universe("Test", {ticker: make_bars([1.0, 2.0, price]) for ticker, price in (("A", 3), ("B", 4))})
    ids = list(universe.symbols.order_by("ticker").values_list("pk", flat=True))
    first = read_bars(ids, interval="1d", market_bytes=TOO_LARGE)
    # The columns are gone, but the state of the blocks is what it was.
    PriceBlock.objects.update(close=b"")
    again = read_bars(ids, interval="1d", market_bytes=TOO_LARGE)
    for symbol_id, last in zip(ids, (3.0, 4.0), strict=True):
        assert again[symbol_id].bars.close[-1] == last
        assert_same(again[symbol_id].bars, first[symbol_id].bars)
    assert (open_file.state.hits, open_file.state.misses, BARS_CACHE.state.entries) == (2, 2, 0)


@pytest.mark.django_db
def test_symbols_lie_in_the_file_as_they_were_asked_for(open_file: BarsFile) -> None:
    universe = store_universe("Test", {ticker: make_bars([1.0, 2.0]) for ticker in "ABCD"})
    ids = list(universe.symbols.order_by("-ticker").values_list("pk", flat=True))
    read_bars([*ids, 0], interval="1d", market_bytes=TOO_LARGE)
    assert [symbol_id for symbol_id, _ in open_file._places] == ids


@pytest.mark.django_db
def test_new_bars_are_read_from_the_database(open_file: BarsFile) -> None:
    store_universe("Test", {"A": make_bars([1.0, 2.0])})
    symbol = Symbol.objects.get()
    read_bars([symbol.pk], interval="1d", market_bytes=TOO_LARGE)
    write_bars([(symbol, make_bars([1.0, 5.0]))], interval="1d", source="again")
    for _ in range(2):
        found = read_bars([symbol.pk], interval="1d", market_bytes=TOO_LARGE)
        assert found[symbol.pk].bars.close.tolist() == [1.0, 5.0]
    assert (open_file.state.entries, open_file.state.hits) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("market_bytes", [0, 3 * TOO_LARGE])
def test_other_markets_are_not_written(open_file: BarsFile, market_bytes: int) -> None:
    store_universe("Test", {"A": make_bars([1.0, 2.0])})
    read_bars([Symbol.objects.get().pk], interval="1d", market_bytes=market_bytes)
    assert (open_file.state.entries, open_file.state.misses) == (0, 0)
    assert BARS_CACHE.state.entries == (0 if market_bytes else 1)
