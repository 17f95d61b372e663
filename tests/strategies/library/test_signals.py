"""The exact signals of each built-in strategy: by hand on a few bars, and by its definition on seeded markets."""

from __future__ import annotations

import pytest

from strategies.bars import BoolArray, Signals
from strategies.library.bollinger import Bollinger
from strategies.library.rsi import Rsi
from strategies.library.sma_cross import SmaCross
from tests.builders import make_bars
from tests.strategies.indicators.references import (
    Values,
    seeded_closes,
    slow_cross_above,
    slow_deviation,
    slow_rsi,
    slow_sma,
)


def where(signals: Signals) -> tuple[list[int], list[int]]:
    return [t for t, is_true in enumerate(signals.entry) if is_true], [
        t for t, is_true in enumerate(signals.exit) if is_true
    ]


def assert_crosses(found: BoolArray, above: Values, below: Values) -> None:
    assert found.tolist() == slow_cross_above(above, below)


def test_the_defaults_are_those_of_the_trading_rules() -> None:
    assert Rsi().values == {"period": 14, "low": 30.0, "high": 70.0}
    assert SmaCross().values == {"fast": 20, "slow": 50}
    assert Bollinger().values == {"period": 20, "width": 2.0}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Rsi(), 15),
        (Rsi(period=5), 6),
        (SmaCross(), 50),
        (SmaCross(fast=2, slow=3), 3),
        (Bollinger(), 20),
        (Bollinger(period=2), 2),
    ],
)
def test_the_warm_up_follows_the_parameters(strategy: Rsi | SmaCross | Bollinger, expected: int) -> None:
    assert strategy.warmup == expected


def test_rsi_enters_below_the_low_level_and_leaves_above_the_high_one() -> None:
    # RSI(2) is 100 and 50, then 100/6, which is below 30, then 100 * 13/18, which is above 70, then 100 * 21/26.
    assert where(Rsi(period=2).signals(make_bars([10, 11, 12, 11, 9, 12, 13]))) == ([4], [5])


def test_rsi_needs_to_come_from_above_the_level() -> None:
    # It falls on every bar: the RSI is 0 from its first value on and never crosses.
    assert where(Rsi(period=2).signals(make_bars([16, 15, 14, 13, 12, 11]))) == ([], [])


def test_rsi_on_the_level_itself_has_not_crossed() -> None:
    # RSI(2) is 100, then exactly 50, then 100/6.
    assert where(Rsi(period=2, low=50, high=99).signals(make_bars([10, 11, 12, 11, 9]))) == ([4], [])


def test_sma_cross_enters_on_the_cross_up_and_leaves_on_the_cross_down() -> None:
    # fast - slow: undefined, undefined, -1/2, -1/6, +1/2, +1/6, -1/2
    assert where(SmaCross(fast=2, slow=3).signals(make_bars([3, 2, 1, 2, 3, 2, 1]))) == ([4], [6])


def test_sma_cross_does_not_enter_when_the_averages_begin_crossed() -> None:
    assert where(SmaCross(fast=2, slow=3).signals(make_bars([1, 2, 3, 4, 5]))) == ([], [])


def test_bollinger_enters_below_the_lower_band_and_leaves_above_the_middle() -> None:
    # Windows of two: lower bands 10.25, 8.75, 8.25, 9.25 and middles 10.5, 9.5, 8.5, 9.5 from the second bar on.
    signals = Bollinger(period=2, width=0.5).signals(make_bars([10, 11, 8, 9, 10]))
    assert where(signals) == ([2], [3])


def test_bollinger_leaves_at_the_middle_and_not_only_at_the_upper_band() -> None:
    # The last close, 10, is above the middle of (8, 9, 10) and inside its bands.
    signals = Bollinger(period=3, width=2.0).signals(make_bars([10, 9, 8, 9, 10]))
    assert where(signals) == ([], [3])


def test_rsi_follows_its_definition() -> None:
    for close in seeded_closes():
        strength = slow_rsi(close.tolist(), 14)
        signals = Rsi().signals(make_bars(close.tolist()))
        assert_crosses(signals.entry, [30.0] * len(close), strength)
        assert_crosses(signals.exit, strength, [70.0] * len(close))


def test_sma_cross_follows_its_definition() -> None:
    for close in seeded_closes():
        fast, slow = slow_sma(close.tolist(), 20), slow_sma(close.tolist(), 50)
        signals = SmaCross().signals(make_bars(close.tolist()))
        assert_crosses(signals.entry, fast, slow)
        assert_crosses(signals.exit, slow, fast)


def test_bollinger_follows_its_definition() -> None:
    for closes in (close.tolist() for close in seeded_closes()):
        middle = slow_sma(closes, 20)
        lower = [
            None if mean is None or deviation is None else mean - 2.0 * deviation
            for mean, deviation in zip(middle, slow_deviation(closes, 20), strict=True)
        ]
        signals = Bollinger().signals(make_bars(closes))
        assert_crosses(signals.entry, lower, closes)
        assert_crosses(signals.exit, closes, middle)
