"""Formulas, and what each of them must give: computed from plain lists, without a line of the language's own code.

The keys are formulas. A value takes the columns of one symbol of stocks and returns its answer on every bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tests.strategies.formula.references import (
    Columns,
    above,
    ago,
    among,
    both,
    chosen,
    count,
    crossover,
    each,
    either,
    negated,
    on_outer_bars,
    over,
    place_from_above,
    rising,
    share_below,
    since,
    throughout,
    total,
    value_when,
    within,
)

Reference = Callable[[Columns], list[Any]]


def sma(columns: Columns, period: int, field: str = "close") -> list[Any]:
    return columns.indicator("sma", field, period=period)


def ema(columns: Columns, period: int) -> list[Any]:
    return columns.indicator("ema", "close", period=period)


def highest(columns: Columns, period: int, field: str = "high") -> list[Any]:
    return columns.indicator("rolling_max", field, period=period)


def rose(columns: Columns) -> list[Any]:
    return above(columns.close, columns.open)


def scaled(values: Sequence[Any], factor: float) -> list[Any]:
    return each(lambda value: factor * value, values)


ARITHMETIC: dict[str, Reference] = {
    "close + open": lambda c: each(lambda a, b: a + b, c.close, c.open),
    "close - open - high": lambda c: each(lambda a, b, d: (a - b) - d, c.close, c.open, c.high),
    "close * 2 + 1": lambda c: each(lambda a: a * 2 + 1, c.close),
    "1 + 2 * close": lambda c: each(lambda a: 1 + 2 * a, c.close),
    "(1 + 2) * close": lambda c: each(lambda a: 3 * a, c.close),
    "close / open / 2": lambda c: each(lambda a, b: a / b / 2, c.close, c.open),
    "-close ^ 2": lambda c: each(lambda a: -(a * a), c.close),
    "2 ^ -1 * close": lambda c: each(lambda a: a / 2, c.close),
    "(close / open) ^ 3 ^ 2": lambda c: each(lambda a, b: (a / b) ** 9, c.close, c.open),
    "close / (close - close)": lambda c: [None] * len(c),
    "- - +close": lambda c: c.close,
    "close * 1e3 + .5 - 2.": lambda c: each(lambda a: a * 1000 - 1.5, c.close),
    "typical": lambda c: each(lambda h, low, a: (h + low + a) / 3, c.high, c.low, c.close),
    "turnover": lambda c: each(lambda a, v: a * v, c.close, c.volume),
    "abs(close - open)": lambda c: each(lambda a, b: abs(a - b), c.close, c.open),
    "sqrt(close - 100)": lambda c: each(lambda a: math.sqrt(a - 100) if a >= 100 else None, c.close),
    "log(close / close[1])": lambda c: each(lambda a, b: math.log(a / b), c.close, ago(c.close, 1)),
    "log(open - close)": lambda c: each(lambda a, b: math.log(b - a) if b > a else None, c.close, c.open),
    "exp(close / 100)": lambda c: each(lambda a: math.exp(a / 100), c.close),
    "exp(close * 1000)": lambda c: [None] * len(c),
    "sign(close - open)": lambda c: each(lambda a, b: float((a > b) - (a < b)), c.close, c.open),
    "floor(-close)": lambda c: each(lambda a: float(math.floor(-a)), c.close),
    "min(open, close)": lambda c: each(min, c.open, c.close),
    "max(open, close[1], close[2], 100)": lambda c: each(
        lambda *row: max(*row, 100.0), c.open, ago(c.close, 1), ago(c.close, 2)
    ),
    "change(close)": lambda c: each(lambda a, b: a - b, c.close, ago(c.close, 1)),
    "change(close, bars=5)": lambda c: each(lambda a, b: a - b, c.close, ago(c.close, 5)),
    "sum(volume, 10)": lambda c: total(c.volume, 10),
    "sum(change(close, 2), 3)": lambda c: total(each(lambda a, b: a - b, c.close, ago(c.close, 2)), 3),
}

CONDITIONS: dict[str, Reference] = {
    "close > open": rose,
    "close <= open[1]": lambda c: each(lambda a, b: a <= b, c.close, ago(c.open, 1)),
    "floor(close) == floor(open)": lambda c: each(lambda a, b: math.floor(a) == math.floor(b), c.close, c.open),
    "floor(close) != floor(close[3])": lambda c: each(
        lambda a, b: math.floor(a) != math.floor(b), c.close, ago(c.close, 3)
    ),
    "low < open < close <= high": lambda c: each(lambda low, a, b, h: low < a < b <= h, c.low, c.open, c.close, c.high),
    "open > low < close": lambda c: each(lambda a, low, b: a > low and low < b, c.open, c.low, c.close),
    "close between low[1] and high[1]": lambda c: each(
        lambda a, low, h: low <= a <= h, c.close, ago(c.low, 1), ago(c.high, 1)
    ),
    "close between open - 1 and open + 1 and close > open": lambda c: each(
        lambda a, b: b - 1 <= a <= b + 1 and a > b, c.close, c.open
    ),
    "not close > open": lambda c: negated(rose(c)),
    "not not close > sma(close, 5)": lambda c: above(c.close, sma(c, 5)),
    "close > open and close > sma(close, 20)": lambda c: both(rose(c), above(c.close, sma(c, 20))),
    "close > open or close > sma(close, 20)": lambda c: either(rose(c), above(c.close, sma(c, 20))),
    "close > open or close > sma(close, 20) and volume > volume[1]": lambda c: either(
        rose(c), both(above(c.close, sma(c, 20)), above(c.volume, ago(c.volume, 1)))
    ),
    "not close > open and volume > volume[1]": lambda c: both(negated(rose(c)), above(c.volume, ago(c.volume, 1))),
    "if close > open then high else low": lambda c: chosen(rose(c), c.high, c.low),
    "if close > sma(close, 9) then close > open else true": lambda c: chosen(
        above(c.close, sma(c, 9)), rose(c), [True] * len(c)
    ),
    "if close > open then 1 else if close < open then -1 else 0": lambda c: each(
        lambda a, b: float((a > b) - (a < b)), c.close, c.open
    ),
    "if volume > volume[1] then sma(close, 4) else 7": lambda c: chosen(
        above(c.volume, ago(c.volume, 1)), sma(c, 4), [7.0] * len(c)
    ),
    "(close > open)[3]": lambda c: ago(rose(c), 3),
    "close[0] > close[1][2]": lambda c: above(c.close, ago(c.close, 3)),
    "close > open and true or false": rose,
}

HISTORY: dict[str, Reference] = {
    "close > highest(high, 20)[1]": lambda c: above(c.close, ago(highest(c, 20), 1)),
    "within(5, close > highest(high, 10)[1])": lambda c: within(5, above(c.close, ago(highest(c, 10), 1))),
    "within(1, close > open)": rose,
    "throughout(3, close > open)": lambda c: throughout(3, rose(c)),
    "throughout(4, close > sma(close, 10))": lambda c: throughout(4, above(c.close, sma(c, 10))),
    "count(close > open, 10)": lambda c: count(rose(c), 10),
    "count(close > sma(close, 7), 5) >= 3": lambda c: each(lambda n: n >= 3, count(above(c.close, sma(c, 7)), 5)),
    "since(close > highest(high, 20)[1])": lambda c: since(above(c.close, ago(highest(c, 20), 1))),
    "since(crossover(close, sma(close, 10))) < 4": lambda c: each(
        lambda bars: bars < 4, since(crossover(c.close, sma(c, 10)))
    ),
    "value_when(volume > volume[1], close)": lambda c: value_when(above(c.volume, ago(c.volume, 1)), c.close),
    "value_when(close > open, sma(close, 12))": lambda c: value_when(rose(c), sma(c, 12)),
    "value_when(close > open, 3)": lambda c: value_when(rose(c), [3.0] * len(c)),
    "rising(close)": lambda c: rising(c.close, 1),
    "rising(sma(close, 5), 3)": lambda c: rising(sma(c, 5), 3),
    "falling(close, 2)": lambda c: rising(scaled(c.close, -1), 2),
    "crossover(ema(close, 3), ema(close, 8))": lambda c: crossover(ema(c, 3), ema(c, 8)),
    "crossover(close, 101)": lambda c: crossover(c.close, [101.0] * len(c)),
    "crossunder(close, sma(close, 10))": lambda c: crossover(scaled(c.close, -1), scaled(sma(c, 10), -1)),
    "not crossover(close, sma(close, 10))": lambda c: negated(crossover(c.close, sma(c, 10))),
    "sma(sma(close, 5), 4)": lambda c: [
        None if t < 7 else math.fsum(sma(c, 5)[t - 3 : t + 1]) / 4 for t in range(len(c))
    ],
}

INDICATED: dict[str, Reference] = {
    "rsi(close, 9) < 40": lambda c: each(lambda v: v < 40, c.indicator("rsi", "close", period=9)),
    "macd(close, 5, 12, signal=4).histogram": lambda c: c.indicator("macd", "close", 2, fast=5, slow=12, signal=4),
    "macd(close, 5, 12, 4)": lambda c: c.indicator("macd", "close", 0, fast=5, slow=12, signal=4),
    "BOLLINGER(Close, 15, 1.5).Lower": lambda c: c.indicator("bollinger", "close", 2, period=15, width=1.5),
    "atr(7) / close": lambda c: each(lambda a, b: a / b, c.indicator("atr", "high low close", period=7), c.close),
    "quantile(volume, 11, 0.3)": lambda c: c.indicator("rolling_quantile", "volume", period=11, fraction=0.3),
    "volume > 1.5 * sma(volume, 20)": lambda c: above(c.volume, scaled(sma(c, 20, "volume"), 1.5)),
    "adx(8).plus_di > adx(8).minus_di": lambda c: above(
        c.indicator("adx", "high low close", 1, period=8), c.indicator("adx", "high low close", 2, period=8)
    ),
    "correlation(close, volume, 12)": lambda c: c.indicator("correlation", "close volume", period=12),
}

NAMED: dict[str, Reference] = {
    "n = param(5, 2, 30)\nclose > sma(close, n)": lambda c: above(c.close, sma(c, 5)),
    "trend = sma(close, 5)\nup = close > trend\nup and trend > trend[2]": lambda c: both(
        above(c.close, sma(c, 5)), above(sma(c, 5), ago(sma(c, 5), 2))
    ),
    "two = 1 + 1\nhalf = 1 / two; close * half": lambda c: scaled(c.close, 0.5),
    "home = sector\nhome == 'technology' and close > open": rose,
    "close > open   # a green day\n  and volume\n  > volume[1]\n": lambda c: both(
        rose(c), above(c.volume, ago(c.volume, 1))
    ),
}

OUTER: dict[str, Reference] = {
    "weekly(close)": lambda c: on_outer_bars(c, lambda w: w.close),
    "weekly(open) + weekly(high) - weekly(low)": lambda c: on_outer_bars(
        c, lambda w: each(lambda a, h, low: a + h - low, w.open, w.high, w.low)
    ),
    "weekly(volume)": lambda c: on_outer_bars(c, lambda w: w.volume),
    "monthly(close > open)": lambda c: on_outer_bars(c, rose, outer="monthly"),
    "close > monthly(high)[1]": lambda c: above(c.close, ago(on_outer_bars(c, lambda m: m.high, outer="monthly"), 1)),
    "weekly(sma(close, 3)[1])": lambda c: on_outer_bars(c, lambda w: ago(sma(w, 3), 1)),
    "weekly(within(2, close > open))": lambda c: on_outer_bars(c, lambda w: within(2, rose(w))),
    "weekly(rsi(close, 4)) > 50": lambda c: over(on_outer_bars(c, lambda w: w.indicator("rsi", "close", period=4)), 50),
    "slow = sma(close, 4)\nclose > slow and weekly(close > slow)": lambda c: both(
        above(c.close, sma(c, 4)), on_outer_bars(c, lambda w: above(w.close, sma(w, 4)))
    ),
    "two = param(2, 1, 9)\nbase = close / sma(close, two)\nmonthly(base)": lambda c: on_outer_bars(
        c, lambda m: each(lambda a, b: a / b, m.close, sma(m, 2)), outer="monthly"
    ),
}

CORPUS: dict[str, Reference] = {**ARITHMETIC, **CONDITIONS, **HISTORY, **INDICATED, **NAMED, **OUTER}

# These compare symbols: what they give takes the columns of all of them.
Together = Callable[[list[Columns]], list[list[Any]]]


def returns(market: list[Columns], n_bars: int) -> list[list[Any]]:
    return [each(lambda a, b: 100 * (a / b - 1), c.close, ago(c.close, n_bars)) for c in market]


TOGETHER: dict[str, Together] = {
    "rank(close)": lambda market: among(market, [c.close for c in market], place_from_above),
    "rank(floor(close / 5))": lambda market: among(
        market, [[math.floor(value / 5) for value in c.close] for c in market], place_from_above
    ),
    "percentile(roc(close, 5))": lambda market: among(market, returns(market, 5), share_below),
    "percentile(floor(close / 5)) >= 50": lambda market: [
        each(lambda share: share >= 50, values)
        for values in among(market, [[math.floor(v / 5) for v in c.close] for c in market], share_below)
    ],
    "rank(weekly(close))": lambda market: among(
        market, [on_outer_bars(c, lambda w: w.close) for c in market], place_from_above
    ),
}
