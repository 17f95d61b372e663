from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backtests.prices.cache import BarsCache, Series, size_of
from tests.builders import make_bars

ONE = 48 * 10  # bytes of a series of ten bars


def series(checksum: str = "a", *, n_bars: int = 10) -> Series:
    return Series(make_bars([1.0] * n_bars), (checksum,), (202_001,))


def keys(cache: BarsCache, n: int) -> list[int]:
    return [number for number in range(n) if cache.get((number, "1d"), ("a",)) is not None]


def test_the_size_of_a_series_is_that_of_its_columns() -> None:
    bars = make_bars([1.0] * 10)
    columns = (bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert size_of(Series(bars, (), ())) == sum(column.nbytes for column in columns) == ONE


def test_the_same_object_comes_back() -> None:
    cache, kept = BarsCache(ONE), series()
    cache.put((1, "1d"), kept)
    assert cache.get((1, "1d"), ("a",)) is kept


def test_other_checksums_another_interval_and_another_symbol_are_misses() -> None:
    cache = BarsCache(10 * ONE)
    cache.put((1, "1d"), series())
    assert cache.get((1, "1d"), ("b",)) is None
    assert cache.get((1, "1d"), ("a", "b")) is None
    assert cache.get((1, "1h"), ("a",)) is None
    assert cache.get((2, "1d"), ("a",)) is None


def test_hits_misses_and_evictions_are_counted() -> None:
    cache = BarsCache(2 * ONE)
    for number in range(3):
        cache.put((number, "1d"), series())
    for number in range(3):
        cache.get((number, "1d"), ("a",))
    cache.get((2, "1d"), ("changed",))
    state = cache.state
    assert (state.hits, state.misses, state.evictions) == (2, 2, 1)
    assert (state.entries, state.n_bytes, state.limit_bytes) == (2, 2 * ONE, 2 * ONE)


def test_the_least_recently_used_series_goes_first() -> None:
    cache = BarsCache(3 * ONE)
    for number in range(3):
        cache.put((number, "1d"), series())
    cache.get((0, "1d"), ("a",))
    cache.put((3, "1d"), series())
    assert keys(cache, 4) == [0, 2, 3]


def test_a_large_series_makes_room_for_itself() -> None:
    cache = BarsCache(4 * ONE)
    for number in range(4):
        cache.put((number, "1d"), series())
    cache.put((4, "1d"), series(n_bars=30))
    assert keys(cache, 5) == [3, 4]
    assert cache.state.n_bytes == 4 * ONE


def test_a_series_beyond_the_limit_is_kept_alone() -> None:
    cache = BarsCache(ONE)
    cache.put((0, "1d"), series())
    cache.put((1, "1d"), series(n_bars=50))
    assert keys(cache, 2) == [1]


def test_a_newer_series_replaces_the_older_one_of_its_key() -> None:
    cache = BarsCache(10 * ONE)
    cache.put((1, "1d"), series("old", n_bars=50))
    cache.put((1, "1d"), series("new"))
    assert cache.get((1, "1d"), ("old",)) is None
    assert cache.get((1, "1d"), ("new",)) is not None
    assert (cache.state.entries, cache.state.n_bytes, cache.state.evictions) == (1, ONE, 0)


def test_clearing_keeps_nothing() -> None:
    cache = BarsCache(10 * ONE)
    cache.put((1, "1d"), series())
    cache.clear()
    assert cache.get((1, "1d"), ("a",)) is None
    assert (cache.state.entries, cache.state.n_bytes) == (0, 0)


@pytest.mark.parametrize("limit", [3 * ONE, 1000 * ONE])
def test_threads_may_share_it(limit: int) -> None:
    cache, kept, together = BarsCache(limit), series(), threading.Barrier(8)

    def work(worker: int) -> int:
        together.wait()
        for number in range(400):
            key = ((number * 7 + worker) % 20, "1d")
            if cache.get(key, ("a",)) is None:
                cache.put(key, kept)
        return 400

    with ThreadPoolExecutor(8) as pool:
        n_gets = sum(pool.map(work, range(8)))
    state = cache.state
    assert state.hits + state.misses == n_gets
    assert state.n_bytes == state.entries * ONE <= limit
    assert state.entries == min(20, limit // ONE)
