"""The table of functions: what they take, what they give, and what they mean. The checks and the docs follow it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from strategies.formula.limits import FARTHEST_AGO
from strategies.formula.program import Kind
from strategies.indicators.declaration import Indicator
from strategies.indicators.table import INDICATORS
from strategies.params import Float, Int

ArgumentKind = Literal["number", "condition", "bars", "setting", "text"]

FIELDS = {
    "open": "The bar's first price",
    "high": "The bar's highest price",
    "low": "The bar's lowest price",
    "close": "The bar's last price",
    "volume": "Units traded in the bar",
    "typical": "(high + low + close) ÷ 3",
    "turnover": "close × volume",
}
TEXTS = {
    "ticker": "The symbol's code, such as AAPL",
    "sector": "The symbol's sector, as its universe names it",
    "market": "stocks or crypto",
}
# Other names for indicators that traders know under them.
ALIASES = {
    "highest": "rolling_max",
    "lowest": "rolling_min",
    "bars_since_highest": "rolling_argmax",
    "bars_since_lowest": "rolling_argmin",
    "median": "rolling_median",
    "quantile": "rolling_quantile",
    "percent_rank": "rolling_rank",
    "stdev": "rolling_deviation",
    "regression": "linear_regression",
    "vwap": "rolling_vwap",
    "sar": "parabolic_sar",
    "ad": "accumulation_distribution",
}
# What other languages call it: said to whoever writes that, but not understood, so that a thing has one name.
ELSEWHERE = {
    "sma": ("ma", "avg", "average", "mean"),
    "rma": ("smma", "wilder", "wilders"),
    "bollinger": ("bb", "bbands"),
    "stdev": ("std", "stddev"),
    "stochastic": ("stoch",),
    "highest": ("hhv",),
    "lowest": ("llv",),
    "crossover": ("cross", "crossabove", "cross_above", "crosses_above", "crossed_above", "above"),
    "crossunder": ("crossbelow", "cross_below", "crosses_below", "crossed_below", "below"),
    "since": ("barssince", "bars_since"),
    "value_when": ("valuewhen",),
    "throughout": ("every", "all"),
    "within": ("any", "exist"),
    "count": ("countif",),
    "log": ("ln",),
    "open": ("o",),
    "high": ("h",),
    "low": ("l",),
    "close": ("c", "price", "last"),
    "volume": ("v", "vol"),
    "ticker": ("name",),
    "close[1]": ("ref", "prev", "previous", "shift", "lag", "delay"),
    "if close > open then 1 else 0": ("iff", "iif"),
}
# What an indicator takes of the bar by itself: nobody would have it take anything else.
_OWN_FIELDS = {"open", "high", "low", "close", "volume"}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: a series of numbers, a condition, a whole number of bars, a fixed number, or a text in quotes."""

    name: str
    kind: ArgumentKind
    default: int | float | None = None
    low: float = 1
    high: float = FARTHEST_AGO


@dataclass(frozen=True, slots=True)
class Function:
    """One row of the table. ``many`` says that the last argument may be given several times."""

    key: str
    arguments: tuple[Argument, ...]
    gives: Kind
    help: str
    example: str
    many: bool = False
    indicator: Indicator | None = None
    outputs: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """The call as one writes it, with defaults."""
        told = [item.name if item.default is None else f"{item.name}={item.default:g}" for item in self.arguments]
        return f"{self.key}({', '.join([*told, '...'] if self.many else told)})"


def _number(name: str) -> Argument:
    return Argument(name, "number")


def _condition(name: str = "condition") -> Argument:
    return Argument(name, "condition")


def _bars(name: str = "bars", default: int | None = None) -> Argument:
    return Argument(name, "bars", default)


_SERIES = (_number("series"),)
_PAIR = (_number("first"), _number("second"))

OWN: tuple[Function, ...] = (
    Function("abs", _SERIES, "number", "The size of a number without its sign", "abs(close - open)"),
    Function("sqrt", _SERIES, "number", "The square root; unknown below zero", "sqrt(volume)"),
    Function("log", _SERIES, "number", "The natural logarithm; unknown at or below zero", "log(close / close[1])"),
    Function("exp", _SERIES, "number", "e to the power of a number", "exp(log(close))"),
    Function("sign", _SERIES, "number", "1 above zero, −1 below, 0 at zero", "sign(close - open)"),
    Function("floor", _SERIES, "number", "The next whole number at or below", "floor(close)"),
    Function("min", _PAIR, "number", "The smallest of several numbers", "min(open, close)", many=True),
    Function("max", _PAIR, "number", "The largest of several numbers", "max(open, close, close[1])", many=True),
    Function("change", (*_SERIES, _bars(default=1)), "number", "Value − value so many bars ago", "change(close, 5)"),
    Function("sum", (*_SERIES, _bars()), "number", "The sum of the last so many values", "sum(volume, 10)"),
    Function("crossover", _PAIR, "condition", "The first was not above the second one bar ago, and is now",
             "crossover(ema(close, 12), ema(close, 26))"),
    Function("crossunder", _PAIR, "condition", "The first was not below the second one bar ago, and is now",
             "crossunder(close, sma(close, 50))"),
    Function("within", (_bars(), _condition()), "condition", "The condition was true on one of the last so many bars",
             "within(20, close > highest(high, 50)[1])"),
    Function("throughout", (_bars(), _condition()), "condition",
             "The condition was true on each of the last so many bars", "throughout(5, close > sma(close, 20))"),
    Function("count", (_condition(), _bars()), "number", "On how many of the last so many bars the condition was true",
             "count(close > open, 10) >= 7"),
    Function("since", (_condition(),), "number", "How many bars ago the condition was last true; unknown before that",
             "since(crossover(close, sma(close, 200))) < 10"),
    Function("rising", (*_SERIES, _bars(default=1)), "condition", "Higher than the value before, so many bars in a row",
             "rising(sma(close, 50), 5)"),
    Function("falling", (*_SERIES, _bars(default=1)), "condition", "Lower than the value before, so many bars in a row",
             "falling(close, 3)"),
    Function("value_when", (_condition(), *_SERIES), "number", "The value on the last bar with a true condition",
             "close > value_when(volume > 3 * sma(volume, 20), high)"),
    Function("rank", _SERIES, "number",
             "The place among all symbols at this time: 1 is the largest, equal ones share the better place",
             "rank(roc(close, 126)) <= 20"),
    Function("percentile", _SERIES, "number",
             "The share of the other symbols whose value is lower at this time, from 0 to 100",
             "percentile(roc(close, 252)) >= 80"),
)  # fmt: skip

# These have rules of their own for what they are given (calls.py).
SPECIAL: tuple[Function, ...] = (
    Function("weekly", (_number("value"),), "number", "The value on weekly bars, as of the last week that is over",
             "weekly(rsi(close, 14)) > 50"),
    Function("monthly", (_number("value"),), "number", "The value on monthly bars, as of the last month that is over",
             "close > monthly(highest(high, 12))"),
    Function("symbol", (Argument("ticker", "text"), _number("value")), "number",
             "The value on another symbol's bars, as of its last bar that is not later than this one",
             'close / symbol("SPY", close)'),
    Function("param", (Argument("default", "setting"), Argument("low", "setting"), Argument("high", "setting")),
             "number", "A number that can be set from outside, from low to high", "fast = param(20, 5, 60)"),
)  # fmt: skip


def _of_indicator(indicator: Indicator) -> Function:
    given = [Argument(item, "number") for item in indicator.inputs if item not in _OWN_FIELDS]
    settings = [_setting(item) for item in indicator.parameters]
    label = f"{indicator.label}: {indicator.formula}"
    arguments = ", ".join(["close"] * len(given) + [f"{item.default:g}" for item in indicator.parameters])
    names = tuple(output.key for output in indicator.outputs)
    chosen = f".{names[-1]}" if len(names) > 1 else ""
    example = f"{indicator.key}({arguments}){chosen}"
    return Function(indicator.key, (*given, *settings), "number", label, example, indicator=indicator, outputs=names)


def _setting(item: Int | Float) -> Argument:
    kind: ArgumentKind = "bars" if isinstance(item, Int) else "setting"
    return Argument(item.key, kind, item.default, item.low, item.high)


FUNCTIONS: dict[str, Function] = {
    function.key: function for function in (*OWN, *SPECIAL, *(_of_indicator(indicator) for indicator in INDICATORS))
}
NAMES = (*FIELDS, *TEXTS, *FUNCTIONS, *ALIASES, "true", "false")


# Under the name by which they are called, so that messages name what was written.
_ALIASED = {
    alias: replace(FUNCTIONS[key], key=alias, example=FUNCTIONS[key].example.replace(key, alias))
    for alias, key in ALIASES.items()
}


def find_function(name: str) -> Function | None:
    """Return the function with this name or alias, or None."""
    return FUNCTIONS.get(name) or _ALIASED.get(name)
