"""Of each symbol a screen reads the blocks that its formula reaches back to, and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from backtests.models import PriceBlock, Universe
from backtests.prices.errors import BlockDamaged
from backtests.prices.store import read_bars, write_bars
from backtests.runs.request import bounds_s
from backtests.screens.screening import ScreenRequest, bars_of, members_of, screen
from strategies.bars import Bars, FloatArray
from strategies.formula import compile_formula
from tests.builders import store_universe

DAY_S = 86_400
N_BARS = 300


@pytest.fixture
def decades(db: None) -> Universe:
    """A bar every 30 days for 25 years, of OLD to the end, of GONE for the first half, of NEW for the last year."""
    time = 30 * DAY_S * np.arange(365, 365 + N_BARS)
    price: FloatArray = 100.0 + np.arange(N_BARS, dtype=np.float64)
    bars = Bars.of(time=time, open=price, high=price + 1, low=price - 1, close=price, volume=price)
    universe = store_universe("Decades", {"OLD": bars[:0], "GONE": bars[:0], "NEW": bars[:0]})
    symbols = {symbol.ticker: symbol for symbol in universe.symbols.all()}
    parts = {"OLD": bars, "GONE": bars[: N_BARS // 2], "NEW": bars[-12:]}
    write_bars([(symbols[ticker], part) for ticker, part in parts.items()], interval="1d", source="made")
    return universe


def day_of(number: int) -> date:
    return datetime.fromtimestamp(30 * DAY_S * (365 + number), UTC).date()


@pytest.mark.parametrize(
    "as_of", [None, day_of(0), day_of(59), day_of(149), day_of(150), day_of(299), date(1990, 1, 1)]
)
@pytest.mark.parametrize("n_ago", [0, 1, 3, 40, 120, 290])
def test_the_bars_are_the_last_ones_up_to_the_day(decades: Universe, as_of: date | None, n_ago: int) -> None:
    request = ScreenRequest(compile_formula(f"close > close[{n_ago}]" if n_ago else "close > 1"), decades, as_of=as_of)
    members = members_of(decades, "1d")
    ids = [member.symbol_id for member in members]
    whole = read_bars(ids, interval="1d", end_s=bounds_s(None, as_of)[1], market_bytes=10**15)
    for _ in range(2):  # from the blocks, and then from memory
        found = bars_of(members, request)
        for member in members:
            expected = whole[member.symbol_id].bars[-max(n_ago + 1, 2) :]
            bars = found.get(member.symbol_id, expected[:0])
            assert np.array_equal(bars.time, expected.time)
            assert np.array_equal(bars.close, expected.close)


def test_what_it_keeps_of_a_symbol_is_not_taken_for_the_whole(decades: Universe) -> None:
    screen(ScreenRequest(compile_formula("close > close[3]"), decades))
    ids = [member.symbol_id for member in members_of(decades, "1d")]
    assert sorted(len(series.bars) for series in read_bars(ids, interval="1d").values()) == [12, N_BARS // 2, N_BARS]


def test_blocks_before_those_that_it_needs_are_not_read(decades: Universe) -> None:
    old = next(member for member in members_of(decades, "1d") if member.ticker == "OLD")
    assert len(old.blocks) == 6
    blocks = PriceBlock.objects.filter(symbol_id=old.symbol_id).order_by("period")
    blocks.filter(pk=blocks[0].pk).update(close=b"")
    near = screen(ScreenRequest(compile_formula("close > close[100]"), decades, tickers=("OLD",)))
    far = screen(ScreenRequest(compile_formula("close > close[299]"), decades, tickers=("OLD",)))
    assert [match.ticker for match in near.matches] == ["OLD"]
    assert "bad data" in far.failures[0].reason
    with pytest.raises(BlockDamaged):
        bars_of([old], ScreenRequest(compile_formula("close > 1"), decades), least=2**31)


def test_blocks_after_the_day_are_not_read(decades: Universe) -> None:
    old = next(member for member in members_of(decades, "1d") if member.ticker == "OLD")
    PriceBlock.objects.filter(symbol_id=old.symbol_id, period=old.blocks[-1].period).update(close=b"")
    then = ScreenRequest(compile_formula("close > close[3]"), decades, tickers=("OLD",), as_of=day_of(100))
    assert [match.time_s for match in screen(then).matches] == [30 * DAY_S * (365 + 100)]
