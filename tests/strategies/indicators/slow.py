"""Every indicator of the table once more, slowly and in plain Python, from its formula; None where undefined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from tests.strategies.indicators.references import Values, slow_rsi

Numbers = Sequence[float]
Slow = Callable[..., tuple[Values, ...]]


def each(formula: Callable[..., float], *columns: Sequence[float | None]) -> Values:
    """The formula of each bar on which all columns are defined."""
    return [None if None in row else formula(*row) for row in zip(*columns, strict=True)]


def over(values: Sequence[float | None], period: int, formula: Callable[[list[float]], float]) -> Values:
    """The formula of each full window of defined values."""
    found: Values = []
    for t in range(len(values)):
        window = [value for value in values[max(t - period + 1, 0) : t + 1] if value is not None]
        found.append(formula(window) if len(window) == period else None)
    return found


def windows(columns: Sequence[Numbers], period: int, formula: Callable[..., float]) -> Values:
    """The formula of each full window of several columns, each given as a list."""
    n = len(columns[0])
    return [
        formula(*(list(column[t - period + 1 : t + 1]) for column in columns)) if t >= period - 1 else None
        for t in range(n)
    ]


def mean(values: Numbers) -> float:
    return math.fsum(values) / len(values)


def squares(values: Numbers) -> float:
    center = mean(values)
    return math.fsum((value - center) ** 2 for value in values)


def products(values: Numbers, others: Numbers) -> float:
    center, other_center = mean(values), mean(others)
    return math.fsum((a - center) * (b - other_center) for a, b in zip(values, others, strict=True))


def smooth(values: Sequence[float | None], period: int, share: float) -> Values:
    """The mean of the first values, then steps of a share of the distance."""
    found: Values = []
    seed: list[float] = []
    level = 0.0
    for value in values:
        if value is None:
            found.append(None)
        elif len(seed) < period:
            seed.append(value)
            level = mean(seed)
            found.append(level if len(seed) == period else None)
        else:
            level += share * (value - level)
            found.append(level)
    return found


def sma(values: Sequence[float | None], period: int) -> Values:
    return over(values, period, mean)


def ema(values: Sequence[float | None], period: int) -> Values:
    return smooth(values, period, 2.0 / (period + 1))


def rma(values: Sequence[float | None], period: int) -> Values:
    return smooth(values, period, 1.0 / period)


def wma(values: Sequence[float | None], period: int) -> Values:
    weights = range(1, period + 1)
    return over(
        values, period, lambda window: math.fsum(w * x for w, x in zip(weights, window, strict=True)) / sum(weights)
    )


def hma(values: Numbers, period: int) -> Values:
    ahead = each(lambda half, whole: 2 * half - whole, wma(values, period // 2), wma(values, period))
    return wma(ahead, math.isqrt(period))


def dema(values: Numbers, period: int) -> Values:
    once = ema(values, period)
    return each(lambda a, b: 2 * a - b, once, ema(once, period))


def tema(values: Numbers, period: int) -> Values:
    once = ema(values, period)
    twice = ema(once, period)
    return each(lambda a, b, c: 3 * a - 3 * b + c, once, twice, ema(twice, period))


def kama(values: Numbers, period: int, fast: int, slow: int) -> Values:
    found: Values = [None] * min(period, len(values))
    for t in range(period, len(values)):
        window = values[t - period : t + 1]
        walked = math.fsum(abs(new - old) for old, new in pairwise(window))
        efficiency = min(abs(window[-1] - window[0]) / walked, 1.0) if walked else 1.0
        share = (efficiency * (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1)) ** 2
        before = found[-1] if t > period else values[t - 1]
        assert before is not None
        found.append(before + share * (values[t] - before))
    return found


def vwma(values: Numbers, volume: Numbers, period: int) -> Values:
    def weighted(window: list[float], traded: list[float]) -> float:
        total = math.fsum(traded)
        return math.fsum(x * v for x, v in zip(window, traded, strict=True)) / total if total else mean(window)

    return windows([values, volume], period, weighted)


def typical(high: Numbers, low: Numbers, close: Numbers) -> list[float]:
    return [(h + low_ + c) / 3 for h, low_, c in zip(high, low, close, strict=True)]


def true_range(high: Numbers, low: Numbers, close: Numbers) -> Values:
    ranges = [max(h, before) - min(low_, before) for h, low_, before in zip(high[1:], low[1:], close[:-1], strict=True)]
    return [*([None] if close else []), *ranges]


def atr(high: Numbers, low: Numbers, close: Numbers, period: int) -> Values:
    return rma(true_range(high, low, close), period)


def cutler_rsi(values: Numbers, period: int) -> Values:
    def strength(window: list[float]) -> float:
        rises = math.fsum(max(new - old, 0.0) for old, new in pairwise(window))
        falls = math.fsum(max(old - new, 0.0) for old, new in pairwise(window))
        return 100 * rises / (rises + falls) if rises + falls else 50.0

    return over(values, period + 1, strength)


def place(high: list[float], low: list[float], close: list[float]) -> float:
    span = max(high) - min(low)
    return 100 * (close[-1] - min(low)) / span if span > 1e-9 * max(high) else 50.0


def stochastic(high: Numbers, low: Numbers, close: Numbers, *, period: int, smooth: int, signal: int) -> list[Values]:
    k = sma(windows([high, low, close], period, place), smooth)
    return [k, sma(k, signal)]


def stochastic_rsi(values: Numbers, period: int, window: int, signal: int) -> list[Values]:
    k = over(slow_rsi(values, period), window, lambda strength: place(strength, strength, strength))
    return [k, sma(k, signal)]


def williams_r(high: Numbers, low: Numbers, close: Numbers, period: int) -> Values:
    return each(lambda k: k - 100, windows([high, low, close], period, place))


def cci(high: Numbers, low: Numbers, close: Numbers, period: int) -> Values:
    def index(window: list[float]) -> float:
        center = mean(window)
        deviation = mean([abs(value - center) for value in window])
        return (window[-1] - center) / (0.015 * deviation) if max(window) > min(window) else 0.0

    return over(typical(high, low, close), period, index)


def ultimate(high: Numbers, low: Numbers, close: Numbers, *, fast: int, medium: int, slow: int) -> Values:
    pressure = each(lambda c, low_, before: c - min(low_, before), close, low, [None, *close[:-1]][: len(close)])
    ranges = true_range(high, low, close)

    def share(period: int) -> Values:
        part, whole = over(pressure, period, math.fsum), over(ranges, period, math.fsum)
        return each(lambda a, b: a / b if b else 0.5, part, whole)

    return each(lambda a, b, c: 100 * (4 * a + 2 * b + c) / 7, share(fast), share(medium), share(slow))


def change(values: Sequence[float | None], period: int) -> Values:
    before = [*[None] * min(period, len(values)), *values[: max(len(values) - period, 0)]]
    return each(lambda new, old: new - old, values, before)


def roc(values: Sequence[float | None], period: int) -> Values:
    before = [*[None] * min(period, len(values)), *values[: max(len(values) - period, 0)]]
    return each(lambda new, old: 100 * (new - old) / old if old else 0.0, values, before)


def with_signal(line: Values, signal: int) -> list[Values]:
    average = ema(line, signal)
    return [line, average, each(lambda a, b: a - b, line, average)]


def macd(values: Numbers, fast: int, slow: int, signal: int) -> list[Values]:
    return with_signal(each(lambda a, b: a - b, ema(values, fast), ema(values, slow)), signal)


def ppo(values: Numbers, fast: int, slow: int, signal: int) -> list[Values]:
    line = each(lambda a, b: 100 * (a - b) / b if b else 0.0, ema(values, fast), ema(values, slow))
    return with_signal(line, signal)


def trix(values: Numbers, period: int) -> Values:
    return roc(ema(ema(ema(values, period), period), period), 1)


def adx(high: Numbers, low: Numbers, close: Numbers, period: int) -> list[Values]:
    ranges = true_range(high, low, close)
    up, down = change(high, 1), each(lambda fall: -fall, change(low, 1))
    rises = each(lambda a, b: a if a > max(b, 0) else 0.0, up, down)
    falls = each(lambda a, b: b if b > max(a, 0) else 0.0, up, down)

    def summed(values: Values) -> Values:
        found: Values = [None] * min(period, len(values))
        total = math.fsum(value for value in values[1:period] if value is not None)
        for value in values[period:]:
            assert value is not None
            total += value - total / period
            found.append(total)
        return found

    sums = [summed(values) for values in (rises, falls, ranges)]
    plus = each(lambda a, r: 100 * a / r if r else 0.0, sums[0], sums[2])
    minus = each(lambda b, r: 100 * b / r if r else 0.0, sums[1], sums[2])
    strength = each(lambda p, m: 100 * abs(p - m) / (p + m) if p + m else 0.0, plus, minus)
    return [rma(strength, period), plus, minus]


def bars_since(values: Numbers, period: int, sign: int) -> Values:
    def age(window: list[float]) -> float:
        signed = [sign * value for value in reversed(window)]
        return float(signed.index(max(signed)))

    return over(values, period, age)


def aroon(high: Numbers, low: Numbers, period: int) -> list[Values]:
    up = each(lambda age: 100 * (period - age) / period, bars_since(high, period + 1, 1))
    down = each(lambda age: 100 * (period - age) / period, bars_since(low, period + 1, -1))
    return [up, down, each(lambda a, b: a - b, up, down)]
