from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.models import Universe
from backtests.prices.store import write_bars
from backtests.runs.plan import MOST_BARS, MOST_SYMBOLS, Coverage, chunks_of, coverage, stored_intervals
from strategies.bars import Bars
from tests.builders import DAY_S, make_bars, store_universe

FIRST = date(2018, 6, 1)
FIRST_S = int(datetime(2018, 6, 1, tzinfo=UTC).timestamp())

# Days within the first block, at its edges, in the second one, and on both sides of everything.
DAYS = [
    None,
    date(2000, 1, 1),
    date(2018, 5, 31),
    date(2018, 6, 1),
    date(2018, 6, 2),
    date(2018, 9, 9),
    date(2019, 12, 30),
    date(2019, 12, 31),
    date(2020, 1, 1),
    date(2020, 1, 2),
    date(2020, 7, 1),
    date(2021, 2, 24),
    date(2021, 2, 25),
    date(2030, 1, 1),
]


def test_chunks_double_up_to_the_largest() -> None:
    sizes = [len(chunk) for chunk in chunks_of(range(503), bars_per_symbol=2520)]
    assert sizes[:8] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert sum(sizes) == 503
    assert max(sizes) == MOST_SYMBOLS


@pytest.mark.parametrize("bars_per_symbol", [MOST_BARS / 4, MOST_BARS / 4.9])
def test_a_chunk_has_no_more_bars_than_is_worth_it(bars_per_symbol: float) -> None:
    assert [len(chunk) for chunk in chunks_of(range(12), bars_per_symbol=bars_per_symbol)] == [1, 2, 4, 4, 1]


def test_symbols_with_very_many_bars_go_one_by_one() -> None:
    assert chunks_of([5, 6, 7], bars_per_symbol=10 * MOST_BARS) == [[5], [6], [7]]


def test_symbols_without_bars_are_cut_like_others() -> None:
    assert chunks_of([5, 6, 7, 8], bars_per_symbol=0.0) == [[5], [6, 7], [8]]
    assert chunks_of([], bars_per_symbol=0.0) == []


@given(symbol_ids=st.lists(st.integers(1, 10**6), unique=True), bars=st.floats(0, 1e9))
def test_every_symbol_is_in_one_chunk_in_its_order(symbol_ids: list[int], bars: float) -> None:
    chunks = chunks_of(symbol_ids, bars_per_symbol=bars)
    assert [symbol_id for chunk in chunks for symbol_id in chunk] == symbol_ids
    assert all(chunks)
    assert all(len(chunk) * bars <= MOST_BARS or len(chunk) == 1 for chunk in chunks)


def market() -> dict[str, Bars]:
    """Return symbols that begin, end and pause at different times, over two blocks; EEE has no prices."""
    whole = make_bars([100.0 + number % 9 for number in range(1000)], start_s=FIRST_S)
    return {
        "AAA": whole,
        "BBB": whole[300:700],
        "CCC": make_bars([5.0] * 20, start_s=FIRST_S + 600 * DAY_S, step_s=20 * DAY_S),
        "DDD": whole[999:],
        "EEE": make_bars([]),
    }


def counted(symbols: dict[str, Bars], start: date | None, end: date | None) -> Coverage:
    """Count bar by bar."""
    found: list[tuple[str, datetime]] = []
    for ticker, bars in symbols.items():
        for second in bars.time.tolist():
            time = datetime.fromtimestamp(second, UTC)
            if (start is None or time.date() >= start) and (end is None or time.date() <= end):
                found.append((ticker, time))
    times = [time for _, time in found]
    n_with_bars = len({ticker for ticker, _ in found})
    return Coverage(len(symbols), n_with_bars, len(found), min(times, default=None), max(times, default=None))


@pytest.mark.django_db
def test_coverage_is_exact_for_every_range() -> None:
    symbols = market()
    universe = store_universe("Test", symbols)
    for start, end in itertools.product(DAYS, DAYS):
        found = coverage(universe, interval="1d", start_date=start, end_date=end)
        assert found == counted(symbols, start, end), (start, end)


@pytest.mark.django_db
def test_coverage_is_exact_around_1970() -> None:
    symbols = {
        "AAA": make_bars([1.0] * 40, start_s=-20 * DAY_S),
        "BBB": make_bars([1.0] * 9, start_s=-20 * DAY_S),
        "CCC": make_bars([1.0] * 9, start_s=9 * DAY_S),
    }
    universe = store_universe("Test", symbols)
    days = [None, date(1969, 12, 31), date(1970, 1, 1), date(1970, 1, 2)]
    for start, end in itertools.product(days, days):
        found = coverage(universe, interval="1d", start_date=start, end_date=end)
        assert found == counted(symbols, start, end), (start, end)


@pytest.mark.django_db
def test_coverage_takes_the_first_and_the_last_day_that_there_are() -> None:
    universe = store_universe("Test", {"AAA": make_bars([1.0] * 7)})
    assert coverage(universe, interval="1d", start_date=date.min, end_date=date.max).n_bars == 7


@pytest.mark.django_db
def test_coverage_counts_hours_of_the_last_day() -> None:
    universe = store_universe("Test", {"AAA": make_bars([1.0] * 72, start_s=FIRST_S, step_s=3600)}, interval="1h")
    found = coverage(universe, interval="1h", start_date=FIRST, end_date=date(2018, 6, 2))
    assert found.n_bars == 48
    assert found.last_time == datetime(2018, 6, 2, 23, tzinfo=UTC)


@pytest.mark.django_db
def test_coverage_is_of_this_universe_and_interval_only() -> None:
    universe = store_universe("Test", {"AAA": make_bars([1.0, 2.0])})
    store_universe("Other", {"BBB": make_bars([1.0, 2.0, 3.0])})
    assert coverage(universe, interval="1d").n_bars == 2
    assert coverage(universe, interval="1h") == Coverage(1, 0, 0, None, None)


@pytest.mark.django_db
def test_the_stored_intervals_are_named_daily_first_then_from_short_to_long() -> None:
    universe = store_universe("Test", {"AAA": make_bars([1.0, 2.0]), "BBB": make_bars([1.0])})
    symbol = universe.symbols.get(ticker="AAA")
    for interval in ("1w", "1h", "1m"):
        write_bars([(symbol, make_bars([1.0, 2.0]))], interval=interval, source="test")
    assert stored_intervals(universe) == ["1d", "1m", "1h", "1w"]
    assert stored_intervals(None) == []
    assert stored_intervals(Universe.objects.create(name="E", slug="e", market="stocks", as_of=FIRST)) == []
