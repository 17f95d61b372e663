"""Each strategy once more in plain Python, bar by bar from its definition, against its signals on seeded markets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest

from strategies.bars import Bars
from strategies.registry import get_strategy, strategies
from tests.strategies.indicators import slow, slow_levels
from tests.strategies.indicators.references import Values, seeded_inputs, slow_rsi

Rule = Callable[[int], bool]


@dataclass(frozen=True)
class Columns:
    """The bars as lists."""

    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


def above(series: Sequence[float | None], other: Sequence[float | None], t: int) -> bool:
    """Whether one value is above the other, both defined."""
    value, limit = series[t], other[t]
    return value is not None and limit is not None and value > limit


def crosses(series: Sequence[float | None], other: Sequence[float | None], t: int) -> bool:
    """Whether one series is above the other and was not on the bar before, all four defined."""
    is_defined = t > 0 and None not in (series[t - 1], other[t - 1])
    return is_defined and above(series, other, t) and not above(series, other, t - 1)


def level(value: float, like: Sequence[float | None]) -> Values:
    return [value] * len(like)


def rsi(b: Columns) -> tuple[Rule, Rule]:
    strength = slow_rsi(b.close, 14)
    return lambda t: crosses(level(30.0, strength), strength, t), lambda t: crosses(strength, level(70.0, strength), t)


def sma_cross(b: Columns) -> tuple[Rule, Rule]:
    fast, slower = slow.sma(b.close, 20), slow.sma(b.close, 50)
    return lambda t: crosses(fast, slower, t), lambda t: crosses(slower, fast, t)


def ema_cross(b: Columns) -> tuple[Rule, Rule]:
    fast, slower = slow.ema(b.close, 12), slow.ema(b.close, 26)
    return lambda t: crosses(fast, slower, t), lambda t: crosses(slower, fast, t)


def triple_average(b: Columns) -> tuple[Rule, Rule]:
    fast, medium, slower = (slow.sma(b.close, period) for period in (4, 9, 18))

    def line_up(t: int) -> bool:
        return above(fast, medium, t) and above(medium, slower, t)

    # On the first bar of the slow average all may have been in line before: only a turn of the fast one counts there.
    def enters(t: int) -> bool:
        return line_up(t) and (crosses(fast, medium, t) if t == 17 else not line_up(t - 1))

    return enters, lambda t: crosses(medium, fast, t)


def macd(b: Columns) -> tuple[Rule, Rule]:
    line, signal, _ = slow.macd(b.close, 12, 26, 9)
    return lambda t: crosses(line, signal, t), lambda t: crosses(signal, line, t)


def bollinger(b: Columns) -> tuple[Rule, Rule]:
    _, middle, lower = slow_levels.bollinger(b.close, 20, 2.0)
    return lambda t: crosses(lower, b.close, t), lambda t: crosses(b.close, middle, t)


def bollinger_breakout(b: Columns) -> tuple[Rule, Rule]:
    upper, middle, _ = slow_levels.bollinger(b.close, 20, 2.0)
    return lambda t: crosses(b.close, upper, t), lambda t: crosses(middle, b.close, t)


def donchian(b: Columns) -> tuple[Rule, Rule]:
    return lambda t: b.close[t] > max(b.high[t - 20 : t]), lambda t: b.close[t] < min(b.low[t - 10 : t])


def keltner_breakout(b: Columns) -> tuple[Rule, Rule]:
    upper, middle, _ = slow_levels.keltner(b.high, b.low, b.close, period=20, atr_period=10, width=2.0)
    return lambda t: crosses(b.close, upper, t), lambda t: crosses(middle, b.close, t)


def supertrend(b: Columns) -> tuple[Rule, Rule]:
    _, direction = slow_levels.supertrend(b.high, b.low, b.close, 10, 3.0)
    turns = [(None, None), *pairwise(direction)]
    return lambda t: turns[t] == (-1, 1), lambda t: turns[t] == (1, -1)


def adx_trend(b: Columns) -> tuple[Rule, Rule]:
    strength, plus, minus = slow.adx(b.high, b.low, b.close, 14)

    def is_strong_rise(t: int) -> bool:
        return above(plus, minus, t) and above(strength, level(25.0, strength), t)

    # On the first bar of the ADX a trend may have been strong before: only a turn of the DI counts there.
    def enters(t: int) -> bool:
        return is_strong_rise(t) and (crosses(plus, minus, t) if t == 27 else not is_strong_rise(t - 1))

    return enters, lambda t: crosses(minus, plus, t)


def momentum(b: Columns) -> tuple[Rule, Rule]:
    def gain(t: int) -> float:
        return b.close[t - 21] - b.close[t - 252]

    return lambda t: gain(t) > 0 >= gain(t - 1), lambda t: gain(t) < 0 <= gain(t - 1)


def year_high(b: Columns) -> tuple[Rule, Rule]:
    average = slow.sma(b.close, 50)
    return lambda t: b.close[t] > max(b.high[t - 252 : t]), lambda t: crosses(average, b.close, t)


def rsi_2(b: Columns) -> tuple[Rule, Rule]:
    strength, trend, average = slow_rsi(b.close, 2), slow.sma(b.close, 200), slow.sma(b.close, 5)

    def enters(t: int) -> bool:
        return above(b.close, trend, t) and above(level(10.0, strength), strength, t)

    return enters, lambda t: above(b.close, average, t)


def zscore(b: Columns) -> tuple[Rule, Rule]:
    score = slow.over(b.close, 20, slow_levels.score)
    return lambda t: crosses(level(-1.0, score), score, t), lambda t: crosses(score, level(0.0, score), t)


def opening_gap(b: Columns) -> tuple[Rule, Rule]:
    return (
        lambda t: b.open[t] < b.low[t - 1] < b.close[t],
        lambda t: b.open[t] > b.high[t - 1] > b.close[t],
    )


def volume_breakout(b: Columns) -> tuple[Rule, Rule]:
    def enters(t: int) -> bool:
        return b.close[t] > max(b.high[t - 20 : t]) and b.volume[t] > 1.5 * slow.mean(b.volume[t - 50 : t])

    return enters, lambda t: b.close[t] < min(b.low[t - 10 : t])


def narrow_range(b: Columns) -> tuple[Rule, Rule]:
    ranges = [high - low for high, low in zip(b.high, b.low, strict=True)]

    def is_narrow(t: int) -> bool:
        return ranges[t] == min(ranges[t - 6 : t + 1])

    return (
        lambda t: is_narrow(t - 1) and b.close[t] > b.high[t - 1],
        lambda t: is_narrow(t - 1) and b.close[t] < b.low[t - 1],
    )


def squeeze(b: Columns) -> tuple[Rule, Rule]:
    upper, middle, lower = slow_levels.bollinger(b.close, 20, 2.0)
    bandwidth = slow.each(lambda high, center, low: (high - low) / center, upper, middle, lower)

    def enters(t: int) -> bool:
        window = [value for value in bandwidth[t - 124 : t + 1] if value is not None]
        return crosses(b.close, upper, t) and min(window) in window[-11:]

    return enters, lambda t: crosses(middle, b.close, t)


# Buy-and-hold is its own definition; test_conformance.py and test_signals.py look at it.
DEFINITIONS = {
    "adx-trend": adx_trend,
    "bollinger": bollinger,
    "bollinger-breakout": bollinger_breakout,
    "donchian": donchian,
    "ema-cross": ema_cross,
    "keltner-breakout": keltner_breakout,
    "macd": macd,
    "momentum": momentum,
    "narrow-range": narrow_range,
    "opening-gap": opening_gap,
    "rsi": rsi,
    "rsi-2": rsi_2,
    "sma-cross": sma_cross,
    "squeeze": squeeze,
    "supertrend": supertrend,
    "triple-average": triple_average,
    "volume-breakout": volume_breakout,
    "year-high": year_high,
    "zscore": zscore,
}


def test_every_strategy_has_a_definition() -> None:
    assert list(DEFINITIONS) == [key for key in strategies() if key != "buy-and-hold"]


@pytest.mark.parametrize("key", DEFINITIONS)
def test_a_strategy_follows_its_definition(key: str) -> None:
    strategy = get_strategy(key)()
    n_entries = n_exits = 0
    for inputs in seeded_inputs(n_bars=700):
        columns = {name: inputs[name] for name in ("open", "high", "low", "close", "volume")}
        bars = Bars.of(time=range(700), **columns)
        enters, leaves = DEFINITIONS[key](Columns(**{name: values.tolist() for name, values in columns.items()}))
        entries = [t for t in range(strategy.warmup, len(bars)) if enters(t)]
        exits = [t for t in range(strategy.warmup, len(bars)) if leaves(t)]
        signals = strategy.signals(bars)
        assert (signals.entry.nonzero()[0].tolist(), signals.exit.nonzero()[0].tolist()) == (entries, exits)
        n_entries += len(entries)
        n_exits += len(exits)
    assert min(n_entries, n_exits) >= 5
