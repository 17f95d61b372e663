"""The rest of the table slowly: bands, volume, statistics, levels and stops; and all of it by key."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from strategies.bars import FloatArray
from tests.strategies.indicators import slow
from tests.strategies.indicators.references import Values, as_array, slow_deviation, slow_rsi
from tests.strategies.indicators.slow import Numbers, each, ema, mean, over, products, squares, typical, windows


def supertrend(high: Numbers, low: Numbers, close: Numbers, period: int, width: float) -> list[Values]:
    lines: Values = []
    sides: Values = []
    above = below = math.nan
    for t, reach in enumerate(slow.atr(high, low, close, period)):
        if reach is None:
            lines.append(None)
            sides.append(None)
            continue
        middle = (high[t] + low[t]) / 2
        top, bottom = middle + width * reach, middle - width * reach
        if math.isnan(above):
            above, below, side = top, bottom, 1.0
        else:
            above = top if top < above or close[t - 1] > above else above
            below = bottom if bottom > below or close[t - 1] < below else below
            side = -1.0 if side > 0 and close[t] < below else 1.0 if side < 0 and close[t] > above else side
        lines.append(below if side > 0 else above)
        sides.append(side)
    return [lines, sides]


def parabolic_sar(high: Numbers, low: Numbers, step: float, maximum: float) -> Values:
    stops: Values = [None] * min(len(high), 1)
    is_rising = len(high) < 2 or not (low[0] - low[1] > max(high[1] - high[0], 0))
    speed = min(step, maximum)
    for t in range(1, len(high)):
        if t == 1:
            stop, extreme = (low[0], high[1]) if is_rising else (high[0], low[1])
        bars = [t, max(t - 1, 1)]
        if low[t] <= stop if is_rising else high[t] >= stop:
            is_rising, speed, stop = not is_rising, min(step, maximum), extreme
            extreme = high[t] if is_rising else low[t]
            stop = min(stop, *(low[i] for i in bars)) if is_rising else max(stop, *(high[i] for i in bars))
            stops.append(stop)
        else:
            stops.append(stop)
            if high[t] > extreme if is_rising else low[t] < extreme:
                extreme, speed = high[t] if is_rising else low[t], min(speed + step, maximum)
        stop += speed * (extreme - stop)
        stop = min(stop, *(low[i] for i in bars)) if is_rising else max(stop, *(high[i] for i in bars))
    return stops


def bollinger(values: Numbers, period: int, width: float) -> list[Values]:
    middle, deviation = slow.sma(values, period), slow_deviation(values, period)
    upper = each(lambda m, d: m + width * d, middle, deviation)
    return [upper, middle, each(lambda m, d: m - width * d, middle, deviation)]


def keltner(high: Numbers, low: Numbers, close: Numbers, *, period: int, atr_period: int, width: float) -> list[Values]:
    middle, reach = ema(typical(high, low, close), period), slow.atr(high, low, close, atr_period)
    upper = each(lambda m, r: m + width * r, middle, reach)
    return [upper, middle, each(lambda m, r: m - width * r, middle, reach)]


def middles(high: Numbers, low: Numbers, period: int) -> Values:
    return windows([high, low], period, lambda h, low_: (max(h) + min(low_)) / 2)


def donchian(high: Numbers, low: Numbers, period: int) -> list[Values]:
    return [over(high, period, max), middles(high, low, period), over(low, period, min)]


def historical_volatility(values: Numbers, period: int, bars_per_year: float) -> Values:
    def annual(window: list[float]) -> float:
        returns = [math.log(new / old) for old, new in itertools.pairwise(window)]
        return 100 * math.sqrt(squares(returns) / (period - 1) * bars_per_year)

    return over(values, period + 1, annual)


def parkinson(high: Numbers, low: Numbers, period: int, bars_per_year: float) -> Values:
    logs = [math.log(h / low_) ** 2 for h, low_ in zip(high, low, strict=True)]
    share = bars_per_year / (4 * math.log(2) * period)
    return over(logs, period, lambda window: 100 * math.sqrt(math.fsum(window) * share))


def running(values: Numbers) -> Values:
    return [math.fsum(values[: t + 1]) for t in range(len(values))]


def signed_volume(values: Numbers, volume: Numbers) -> list[float]:
    signs = [1.0, *(float(np.sign(new - old)) for old, new in itertools.pairwise(values))]
    return [sign * traded for sign, traded in zip(signs, volume, strict=False)]


def money_flow(high: Numbers, low: Numbers, close: Numbers, volume: Numbers) -> list[float]:
    rows = zip(high, low, close, volume, strict=True)
    return [v * (2 * c - low_ - h) / (h - low_) if h > low_ else 0.0 for h, low_, c, v in rows]


def cmf(high: Numbers, low: Numbers, close: Numbers, volume: Numbers, period: int) -> Values:
    flow = money_flow(high, low, close, volume)
    return windows([flow, volume], period, lambda f, v: math.fsum(f) / math.fsum(v) if sum(v) else 0.0)


def force_index(values: Numbers, volume: Numbers, period: int) -> Values:
    return ema(each(lambda moved, traded: moved * traded, slow.change(values, 1), volume), period)


def mfi(high: Numbers, low: Numbers, close: Numbers, volume: Numbers, period: int) -> Values:
    prices = typical(high, low, close)

    def index(price: list[float], traded: list[float]) -> float:
        flows = [p * v * np.sign(p - before) for before, p, v in zip(price[:-1], price[1:], traded[1:], strict=True)]
        rising = math.fsum(flow for flow in flows if flow > 0)
        total = math.fsum(abs(flow) for flow in flows)
        return 100 * rising / total if total else 50.0

    return windows([prices, volume], period + 1, index)


def quantile(window: list[float], fraction: float) -> float:
    ordered, position = sorted(window), fraction * (len(window) - 1)
    lower = math.floor(position)
    upper = min(lower + 1, len(window) - 1)
    return ordered[lower] + (position - lower) * (ordered[upper] - ordered[lower])


def rank(window: list[float]) -> float:
    return 100 * sum(value < window[-1] for value in window[:-1]) / (len(window) - 1)


def correlated(values: list[float], others: list[float]) -> float:
    size = math.sqrt(squares(values) * squares(others))
    return products(values, others) / size if size else 0.0


def beta(values: Numbers, others: Numbers, period: int) -> Values:
    def slope(window: list[float], other: list[float]) -> float:
        moves, other_moves = ([new / old - 1 for old, new in itertools.pairwise(prices)] for prices in (window, other))
        size = squares(other_moves)
        return products(moves, other_moves) / size if size else 0.0

    return windows([values, others], period + 1, slope)


def linear_regression(values: Numbers, period: int) -> list[Values]:
    places = [place - (period - 1) / 2 for place in range(period)]
    slope = over(values, period, lambda window: products(places, window) / squares(places))
    average = slow.sma(values, period)
    last = each(lambda m, s: m + s * (period - 1) / 2, average, slope)
    return [last, slope, each(lambda m, s: m - s * (period - 1) / 2, average, slope)]


def score(window: list[float]) -> float:
    deviation = math.sqrt(squares(window) / len(window))
    return (window[-1] - mean(window)) / deviation if max(window) > min(window) else 0.0


def ichimoku(high: Numbers, low: Numbers, *, conversion: int, base: int, span: int, shift: int) -> list[Values]:
    fast, middle, wide = (middles(high, low, period) for period in (conversion, base, span))
    spans: list[Values] = [each(lambda a, b: (a + b) / 2, fast, middle), wide]
    return [fast, middle, *([*[None] * shift, *values][: len(values)] for values in spans)]


def heikin_ashi(open_: Numbers, high: Numbers, low: Numbers, close: Numbers) -> list[Values]:
    candles: list[list[float]] = []
    for o, h, low_, c in zip(open_, high, low, close, strict=True):
        middle = (o + h + low_ + c) / 4
        start = (candles[-1][0] + candles[-1][3]) / 2 if candles else (o + c) / 2
        candles.append([start, max(h, start, middle), min(low_, start, middle), middle])
    return [[candle[i] for candle in candles] for i in range(4)]


def pivots(high: Numbers, low: Numbers, close: Numbers, period: int) -> list[Values]:
    found: list[Values] = [[None] * min(period, len(close)) for _ in range(7)]
    for t in range(period, len(close)):
        top, bottom = max(high[t - period : t]), min(low[t - period : t])
        pivot, span = (top + bottom + close[t - 1]) / 3, top - bottom
        levels = [pivot, 2 * pivot - bottom, 2 * pivot - top, pivot + span, pivot - span]
        levels += [top + 2 * (pivot - bottom), bottom - 2 * (top - pivot)]
        for values, level in zip(found, levels, strict=True):
            values.append(level)
    return found


SLOW: dict[str, Callable[..., Any]] = {
    **{key: getattr(slow, key) for key in ("sma", "ema", "rma", "wma", "dema", "tema", "hma", "kama", "vwma")},
    "rolling_vwap": lambda h, low_, c, v, period: slow.vwma(typical(h, low_, c), v, period),
    "rsi": slow_rsi,
    **{key: getattr(slow, key) for key in ("cutler_rsi", "stochastic", "stochastic_rsi", "williams_r", "cci")},
    **{key: getattr(slow, key) for key in ("ultimate", "roc", "macd", "ppo", "trix", "adx", "aroon")},
    "momentum": slow.change,
    "supertrend": supertrend,
    "parabolic_sar": parabolic_sar,
    "true_range": slow.true_range,
    "atr": slow.atr,
    "natr": lambda h, low_, c, period: each(lambda r, p: 100 * r / p, slow.atr(h, low_, c, period), c),
    "bollinger": bollinger,
    "keltner": keltner,
    "donchian": donchian,
    "rolling_deviation": slow_deviation,
    "historical_volatility": historical_volatility,
    "parkinson": parkinson,
    "obv": lambda values, volume: running(signed_volume(values, volume)),
    "accumulation_distribution": lambda *columns: running(money_flow(*columns)),
    "cmf": cmf,
    "force_index": force_index,
    "mfi": mfi,
    "rolling_min": lambda values, period: over(values, period, min),
    "rolling_max": lambda values, period: over(values, period, max),
    "rolling_argmin": lambda values, period: slow.bars_since(values, period, -1),
    "rolling_argmax": lambda values, period: slow.bars_since(values, period, 1),
    "rolling_median": lambda values, period: over(values, period, lambda window: quantile(window, 0.5)),
    "rolling_quantile": lambda values, period, fraction: over(values, period, lambda w: quantile(w, fraction)),
    "rolling_rank": lambda values, period: over(values, period + 1, rank),
    "correlation": lambda values, others, period: windows([values, others], period, correlated),
    "beta": beta,
    "linear_regression": linear_regression,
    "zscore": lambda values, period: over(values, period, score),
    "ichimoku": ichimoku,
    "heikin_ashi": heikin_ashi,
    "pivots": pivots,
}


def slow_outputs(key: str, inputs: list[FloatArray], **values: Any) -> tuple[FloatArray, ...]:
    """The outputs of an indicator's slow twin, as arrays."""
    found = SLOW[key](*(array.tolist() for array in inputs), **values)
    is_one = not found or not isinstance(found[0], list)
    return tuple(as_array(output) for output in ([found] if is_one else found))
