"""Screens that are there from the start: an idea, why it is one, and its formula."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadyScreen:
    """One screen of the library."""

    key: str
    name: str
    idea: str
    formula: str


READY_SCREENS: tuple[ReadyScreen, ...] = (
    ReadyScreen(
        "high-volume-breakout",
        "High Volume Breakout",
        "The close leaves the range of ten weeks on twice the usual volume: many have to buy at once.",
        "close > highest(high, 50)[1] and volume > 2 * sma(volume, 20)",
    ),
    ReadyScreen(
        "year-high",
        "52-week high",
        "Nobody who bought within a year sits on a loss, and nobody waits to get out even.",
        "close >= highest(close, 252)",
    ),
    ReadyScreen(
        "near-year-high",
        "Within 5 % of the 52-week high",
        "Strong, and resting: the high is near enough to be taken out any day.",
        "distance_pct = 100 * (1 - close / highest(high, 252))\ndistance_pct between 0 and 5",
    ),
    ReadyScreen(
        "golden-cross",
        "Golden cross",
        "Within five days the average of 50 has crossed above that of 200: the long trend has turned up.",
        "within(5, crossover(sma(close, 50), sma(close, 200)))",
    ),
    ReadyScreen(
        "death-cross",
        "Death cross",
        "Within five days the average of 50 has crossed below that of 200: the long trend has turned down.",
        "within(5, crossunder(sma(close, 50), sma(close, 200)))",
    ),
    ReadyScreen(
        "oversold-in-uptrend",
        "RSI oversold in an uptrend",
        "A sharp dip of two days that stays above the average of 200, as L. Connors buys it.",
        "rsi(close, 2) < 10 and close > sma(close, 200)",
    ),
    ReadyScreen(
        "overbought-in-downtrend",
        "RSI overbought in a downtrend",
        "The mirror image: a sharp bounce that stays below the average of 200.",
        "rsi(close, 2) > 90 and close < sma(close, 200)",
    ),
    ReadyScreen(
        "bollinger-squeeze",
        "Bollinger squeeze",
        "The bands are narrower than on nineteen of twenty days of half a year: a move builds up.",
        "width = (bollinger(close, 20, 2).upper - bollinger(close, 20, 2).lower) / sma(close, 20)\n"
        "width <= quantile(width, 126, 0.05)",
    ),
    ReadyScreen(
        "squeeze-release",
        "Squeeze that lets go",
        "The bands lay within the Keltner channel until yesterday, and the close leaves both upwards.",
        "band = bollinger(close, 20, 2).upper\nchannel = keltner(20, 20, 1.5).upper\n"
        "squeezed = band < channel and bollinger(close, 20, 2).lower > keltner(20, 20, 1.5).lower\n"
        "squeezed[1] and close > band and close > channel",
    ),
    ReadyScreen(
        "gap-up",
        "Gap up",
        "Opened more than 3 % above yesterday's high, and has kept the gap open.",
        "gap_pct = 100 * (open / high[1] - 1)\ngap_pct > 3 and low > high[1]",
    ),
    ReadyScreen(
        "gap-down",
        "Gap down",
        "Opened more than 3 % below yesterday's low, and has kept the gap open.",
        "gap_pct = 100 * (open / low[1] - 1)\ngap_pct < -3 and high < low[1]",
    ),
    ReadyScreen(
        "inside-day",
        "Inside day",
        "A day within the range of the one before: whoever moves it first, moves it far.",
        "high < high[1] and low > low[1]",
    ),
    ReadyScreen(
        "narrowest-range-of-seven",
        "NR7",
        "The narrowest range of seven days, T. Crabel's sign of a day with a trend to come.",
        "range = high - low\nrange == lowest(range, 7)",
    ),
    ReadyScreen(
        "outside-up-day",
        "Outside day, closed up",
        "Lower than yesterday's low, then a close above yesterday's high: sellers were run over.",
        "low < low[1] and close > high[1]",
    ),
    ReadyScreen(
        "trend-template",
        "Trend template",
        "The averages in order, the longest rising, near the high, far from the low: stage two, after M. Minervini.",
        "average = sma(close, 50)\nlong = sma(close, 200)\n"
        "close > average and average > sma(close, 150) and sma(close, 150) > long\n"
        "and long > long[21] and close > 1.3 * lowest(low, 252)\nand close > 0.75 * highest(high, 252)",
    ),
    ReadyScreen(
        "volatility-contraction",
        "Volatility contraction",
        "Ranges shrink from quarter to month to week, on drying volume, above the average of ten weeks.",
        "week = (highest(high, 5) - lowest(low, 5)) / close\nmonth = (highest(high, 21) - lowest(low, 21)) / close\n"
        "quarter = (highest(high, 63) - lowest(low, 63)) / close\n"
        "week < 0.5 * month and month < 0.6 * quarter\nand sma(volume, 5) < sma(volume, 50) and close > sma(close, 50)",
    ),
    ReadyScreen(
        "macd-turn",
        "MACD turn",
        "The MACD crosses above its signal below zero: a fall that loses its force.",
        "crossover(macd(close, 12, 26, 9), macd(close, 12, 26, 9).signal) and macd(close, 12, 26, 9) < 0",
    ),
    ReadyScreen(
        "momentum-leaders",
        "Momentum leaders",
        "Among the best tenth of the market over a year, the last month left out, as N. Jegadeesh and S. Titman rank.",
        "momentum_pct = roc(close, 231)[21]\npercentile(momentum_pct) >= 90",
    ),
    ReadyScreen(
        "steady-climb",
        "Steady climb",
        "Ten days of rising closes in the last fifteen, while the average of twenty stands above that of fifty.",
        "count(close > close[1], 15) >= 10 and sma(close, 20) > sma(close, 50)",
    ),
    ReadyScreen(
        "strong-trend",
        "Strong trend",
        "An ADX above 30 that rises, with the plus side on top.",
        "adx(14) > 30 and rising(adx(14), 3) and adx(14).plus_di > adx(14).minus_di",
    ),
    ReadyScreen(
        "supertrend-turn",
        "Supertrend turned up",
        "The Supertrend has turned within three days.",
        "direction = supertrend(10, 3).direction\nwithin(3, direction > 0 and direction[1] < 0)",
    ),
    ReadyScreen(
        "weekly-and-daily",
        "Weekly strength, daily dip",
        "Strong by the week, weak for three days in a row: a dip inside a larger move.",
        "weekly(rsi(close, 14)) > 60 and falling(close, 3)",
    ),
    ReadyScreen(
        "volume-spike",
        "Volume spike",
        "Four times the usual volume: something has happened.",
        "times = volume / sma(volume, 50)[1]\ntimes > 4",
    ),
    ReadyScreen(
        "month-low-reversal",
        "Hammer at a month's low",
        "A new low of a month that was bought back into the upper third of the day.",
        "low <= lowest(low, 21) and close > low + 0.66 * (high - low) and high > low",
    ),
)
READY_SCREENS_BY_KEY = {screen.key: screen for screen in READY_SCREENS}
