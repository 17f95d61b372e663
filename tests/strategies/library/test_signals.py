"""The exact signals of each built-in strategy by hand on a few bars; test_definitions.py has them by definition."""

from __future__ import annotations

import pytest

from strategies.bars import Signals
from strategies.base import Strategy
from strategies.library.adx_trend import AdxTrend
from strategies.library.bollinger import Bollinger
from strategies.library.bollinger_breakout import BollingerBreakout
from strategies.library.buy_and_hold import BuyAndHold
from strategies.library.donchian import Donchian
from strategies.library.ema_cross import EmaCross
from strategies.library.keltner_breakout import KeltnerBreakout
from strategies.library.macd import Macd
from strategies.library.momentum import Momentum
from strategies.library.narrow_range import NarrowRange
from strategies.library.opening_gap import OpeningGap
from strategies.library.rsi import Rsi
from strategies.library.rsi_2 import ConnorsRsi2
from strategies.library.sma_cross import SmaCross
from strategies.library.squeeze import Squeeze
from strategies.library.supertrend import Supertrend
from strategies.library.triple_average import TripleAverage
from strategies.library.volume_breakout import VolumeBreakout
from strategies.library.year_high import YearHigh
from strategies.library.zscore import Zscore
from tests.builders import make_bars, make_market


def where(signals: Signals) -> tuple[list[int], list[int]]:
    return [t for t, is_true in enumerate(signals.entry) if is_true], [
        t for t, is_true in enumerate(signals.exit) if is_true
    ]


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
        (EmaCross(fast=2, slow=30), 30),
        (TripleAverage(fast=2, medium=3, slow=30), 29),
        (Macd(fast=2, slow=20, signal=5), 24),
        (BollingerBreakout(period=5), 5),
        (Donchian(highs=30, lows=5), 30),
        (Donchian(highs=5, lows=30), 5),
        (KeltnerBreakout(period=30, atr_period=5), 30),
        (KeltnerBreakout(period=5, atr_period=30), 31),
        (Supertrend(period=5, width=1), 6),
        (AdxTrend(period=5), 9),
        (Momentum(lookback=30, skip=5), 31),
        (Momentum(lookback=30, skip=0), 31),
        (YearHigh(lookback=30, average=5), 30),
        (YearHigh(lookback=5, average=30), 5),
        (ConnorsRsi2(trend=30), 29),
        (ConnorsRsi2(period=40, low=50, trend=30), 40),
        (Zscore(period=5), 5),
        (OpeningGap(gap=0.01), 1),
        (VolumeBreakout(highs=30, lows=5, average=10), 30),
        (VolumeBreakout(highs=5, lows=40, average=30), 30),
        (NarrowRange(period=4), 4),
        (Squeeze(period=5, lookback=30), 33),
        (BuyAndHold(), 0),
    ],
    ids=lambda value: f"{value.key}-{value.values}" if isinstance(value, Strategy) else str(value),
)
def test_the_warm_up_follows_the_parameters(strategy: Strategy, expected: int) -> None:
    """An entry or an exit stands right after the warm-up, and none before."""
    assert strategy.warmup == expected
    market = make_market(15, n_symbols=600, n_bars=expected + 1).values()
    signals = [strategy.signals(bars) for bars in market]
    assert min(int((made.entry | made.exit).argmax()) for made in signals if (made.entry | made.exit).any()) == expected


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


# By hand: each bar opens at the close before it and reaches no further than open and close, unless the test says so.


def test_ema_cross_enters_on_the_cross_up_and_leaves_on_the_cross_down() -> None:
    # EMA(2): 5/2, 3/2, 11/6, 47/18, 119/54 from bar 1; EMA(3): 2, 2, 5/2, 9/4 from bar 2.
    assert where(EmaCross(fast=2, slow=3).signals(make_bars([3, 2, 1, 2, 3, 2]))) == ([4], [5])


def test_triple_average_enters_when_the_last_of_three_joins() -> None:
    # fast, medium, slow: bar 5 has 5/2, 2, 2, which is not yet a line; bar 6 has 7/2, 3, 5/2; bar 8 has 5/2, 3, 3.
    strategy = TripleAverage(fast=2, medium=3, slow=4)
    assert where(strategy.signals(make_bars([4, 3, 2, 1, 2, 3, 4, 3, 2]))) == ([6], [8])


def test_triple_average_enters_when_the_fast_average_is_back_above_the_others() -> None:
    # fast, medium, slow: 18, 50/3, 15 on bar 3, then 33/2, 17, 65/4, then 39/2, 19, 75/4.
    strategy = TripleAverage(fast=2, medium=3, slow=4)
    assert where(strategy.signals(make_bars([10, 14, 18, 18, 15, 24]))) == ([5], [4])


def test_macd_enters_when_the_line_crosses_its_signal() -> None:
    # line from bar 3: -1/2, 1/12, 11/72, 49/432, 179/2592; signal: -1/4, -1/36, 5/54, 23/216, 317/3888.
    assert where(Macd(fast=2, slow=3, signal=2).signals(make_bars([5, 5, 5, 2, 5, 5, 5, 5]))) == ([4], [7])


def test_bollinger_breakout_enters_above_the_upper_band_and_leaves_below_the_middle() -> None:
    # Windows of two: upper bands 9.75, 11.25, 12.75, 12.25 and middles 9.5, 10.5, 12.5, 11.5 from bar 1.
    signals = BollingerBreakout(period=2, width=0.5).signals(make_bars([10, 9, 12, 13, 10]))
    assert where(signals) == ([2], [4])


def test_donchian_compares_with_earlier_bars_and_not_with_its_own() -> None:
    # Highest highs of the three bars before: 11, 12, 13, 13 from bar 3; lowest lows of two: 10, 10, 10, 11.
    signals = Donchian(highs=3, lows=2).signals(make_bars([10, 11, 10, 12, 13, 11, 9]))
    assert where(signals) == ([3, 4], [6])


def test_donchian_does_not_enter_at_the_highest_high_itself() -> None:
    assert where(Donchian(highs=2, lows=2).signals(make_bars([10, 12, 11, 12, 11, 12]))) == ([], [])


def test_keltner_breakout_enters_above_the_channel_and_leaves_below_its_middle() -> None:
    # Typical prices 10, 10, 10, 38/3, 44/3, 35/3; middles 10, 10, 106/9, 370/27, 1000/81 and true ranges 0, 0, 4, 1, 5.
    signals = KeltnerBreakout(period=2, atr_period=1, width=0.5).signals(make_bars([10, 10, 10, 14, 15, 10]))
    assert where(signals) == ([3], [5])


def test_supertrend_leaves_when_it_turns_down_and_enters_when_it_turns_up() -> None:
    # The line is below at 10.5, 11.5 and 11.5 on bars 2 to 4, on which 9 turns it; above at 10.25, which 12 turns.
    signals = Supertrend(period=2, width=1).signals(make_bars([10, 11, 12, 13, 9, 8, 12]))
    assert where(signals) == ([6], [4])


def test_adx_trend_enters_when_rises_outweigh_falls_in_a_strong_trend() -> None:
    # Sums of rises and falls from bar 4: 2 and 7/8, 3 and 7/16, 3/2 and 167/32; the ADX is 69.6, then 72.1.
    bars = make_bars([10, 9, 8, 7, 10, 12, 5])
    assert where(AdxTrend(period=2).signals(bars)) == ([4], [6])
    assert where(AdxTrend(period=2, strength=70).signals(bars)) == ([5], [6])
    assert where(AdxTrend(period=2, strength=75).signals(bars)) == ([], [6])


def test_momentum_leaves_out_the_latest_bars() -> None:
    # From the close three bars ago to the last one: 9/10, 9/10, 11/9, 12/9, 10/11 from bar 3.
    assert where(Momentum(lookback=3, skip=1).signals(make_bars([10, 10, 9, 9, 11, 12, 10, 9]))) == ([5], [7])


def test_year_high_enters_above_the_earlier_highs_and_leaves_below_the_average() -> None:
    # Highest highs of the three bars before: 11, 12, 13 from bar 3; averages of two 11, 25/2, 12.
    assert where(YearHigh(lookback=3, average=2).signals(make_bars([10, 11, 10, 12, 13, 11]))) == ([3, 4], [5])


def test_rsi_2_buys_the_dip_in_a_rise_and_sells_above_the_short_average() -> None:
    # RSI(2) from bar 3: 100, 200/3, 600/7; averages of four 13, 57/4, 31/2 and of two 15, 31/2, 16.
    bars = make_bars([10, 12, 14, 16, 15, 17])
    assert where(ConnorsRsi2(low=70, trend=4, average=2).signals(bars)) == ([4], [3, 5])


def test_rsi_2_does_not_buy_in_a_fall() -> None:
    assert where(ConnorsRsi2(trend=4, average=2).signals(make_bars([16, 15, 14, 13, 12, 11]))) == ([], [])


def test_zscore_at_two_deviations_is_the_bollinger_reversion() -> None:
    for bars in make_market(16).values():
        assert where(Zscore(low=-2).signals(bars)) == where(Bollinger().signals(bars))


def test_zscore_enters_far_below_the_mean_and_leaves_above_it() -> None:
    # Means 10, 9, 25/3, 25/3 and deviations 0, 1.41, 1.25, 1.25 from bar 2: scores 0, -1.41, -0.27, 1.34.
    assert where(Zscore(period=3, low=-1, high=0).signals(make_bars([10, 10, 10, 7, 8, 10]))) == ([3], [5])


@pytest.mark.parametrize(("gap", "expected"), [(0, ([1], [3])), (5, ([1], [3])), (9, ([1], [])), (11, ([], []))])
def test_opening_gap_enters_when_a_gap_down_closes_and_leaves_when_one_up_does(
    gap: float, expected: tuple[list[int], list[int]]
) -> None:
    # Bar 1 opens 10 % below the low of 10 and closes above it. Bar 2 gaps down too, but closes below the low of 9.
    # Bar 3 opens 8 % above the high of 8.8 and closes below it. Bar 4 opens within the bar before.
    bars = make_bars([11, 10.5, 8.8, 8.7, 10], opens=[10, 9, 8.5, 9.5, 9])
    assert where(OpeningGap(gap=gap).signals(bars)) == expected


def test_volume_breakout_needs_a_high_and_the_volume_for_it() -> None:
    # Bar 2 is a high on the usual volume; bar 3 is one on twice that of the two bars before, its own not among them.
    bars = make_bars([10, 11, 12, 13, 11, 9], volume=[100, 100, 100, 200, 100, 100])
    assert where(VolumeBreakout(highs=2, lows=2, average=2, factor=1.5).signals(bars)) == ([3], [5])
    assert where(VolumeBreakout(highs=2, lows=2, average=2, factor=2.0).signals(bars)) == ([], [5])


def test_narrow_range_trades_the_bar_after_the_narrowest_of_three() -> None:
    # Ranges 0, 2, 3, 1, 2, 3, 1, 2: bars 3 (15 to 16) and 6 (14 to 15) are narrow, the next close at 18 and at 12.
    assert where(NarrowRange(period=3).signals(make_bars([10, 12, 15, 16, 18, 15, 14, 12]))) == ([4], [7])


def test_narrow_range_needs_a_close_beyond_the_bar() -> None:
    # Bar 3 is narrow again (15 to 16); the next close is its high, and the bar after that no longer counts.
    assert where(NarrowRange(period=3).signals(make_bars([10, 12, 15, 16, 16, 18]))) == ([5], [])


@pytest.mark.parametrize(
    ("closes", "expected"),
    [
        # Half the bandwidths 1/11, 1/23, 1/43, 1/15 from bar 1: the narrowest is one bar before the breakout on bar 4.
        ([10, 12, 11, 10.5, 12, 9], ([4], [5])),
        # 1/11, 1/47, 1/22, 1/15: it is two bars before.
        ([10, 12, 11.5, 10.5, 12, 9], ([], [5])),
    ],
)
def test_squeeze_enters_when_a_breakout_follows_the_narrowest_bands(
    closes: list[float], expected: tuple[list[int], list[int]]
) -> None:
    strategy = Squeeze(period=2, width=0.5, lookback=3, within=1)
    assert where(strategy.signals(make_bars(closes))) == expected


def test_buy_and_hold_buys_the_first_bar() -> None:
    assert where(BuyAndHold().signals(make_bars([10, 9, 8, 12]))) == ([0], [])
