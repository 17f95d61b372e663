"""No value knows a later bar, none knows another symbol's, and the last one knows no more than the reach says."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from strategies.bars import Bars
from strategies.formula import Evaluated, Facts, Flat, Part, Program, compile_formula, evaluate
from strategies.formula.functions import FUNCTIONS
from strategies.formula.page import SIGNS, formulas_page
from tests.builders import DAY_S, make_bars
from tests.strategies.formula.corpus import CORPUS, TOGETHER
from tests.strategies.formula.markets import HOUR_S, ask, coins, compiled, cut, flat_of, last_bars, one_by_one, stocks

EXAMPLES = {
    **{f"{function.key}: {function.example}": function.example for function in FUNCTIONS.values()},
    "several names": "a = sma(close, 3)\nb = weekly(a > a[1])\nb and monthly(a) > 1 and symbol('SPY', weekly(a)) > 1",
    "symbols in history": "count(symbol('SPY', close > open), 5) > 2",
    "ranks in history": "sum(rank(weekly(close)), 3) + percentile(symbol('SPY', close) * close)",
}
EXAMPLES |= {example: example for _, _, example in SIGNS}
EXAMPLES |= {text: text for text in re.findall(r"```formula\n(.*?)```", formulas_page(), re.DOTALL)}
EXAMPLES.pop(f"param: {FUNCTIONS['param'].example}")
FORMULAS = {**EXAMPLES, **{text: text for text in (*CORPUS, *TOGETHER)}}
EACH = pytest.mark.parametrize("name", FORMULAS)

MARKETS: dict[str, Flat] = {
    "stocks": flat_of(stocks(21, n_symbols=4, n_bars=330)),
    "coins": flat_of(coins(22, n_bars=260), "crypto"),
    "hours": flat_of(coins(23, n_bars=420, step_s=HOUR_S), "crypto", interval_s=HOUR_S),
    "exchange hours": flat_of(coins(24, n_bars=420, step_s=HOUR_S), "stocks", interval_s=HOUR_S),
}


def arrays(found: Evaluated, part: Part) -> tuple[Any, ...]:
    return (found.matches(part), found.fails(part)) if part.kind == "condition" else (found.numbers(part),)


@cache
def spy(market: str, interval_s: int, n_bars: int = 430) -> dict[str, Flat]:
    bars = coins(25, n_symbols=1, n_bars=n_bars, step_s=interval_s)[0]
    return {"SPY": Flat.of([bars], [Facts("SPY", "", market)], interval_s=interval_s)}


@EACH
def test_later_bars_change_nothing(name: str) -> None:
    for market, whole in MARKETS.items():
        knows_nothing_later(compiled(FORMULAS[name]), whole, market)


def knows_nothing_later(program: Program, whole: Flat, market: str) -> None:
    others = spy(whole.facts[0].market, whole.interval_s)
    everything = evaluate(program, whole, others)
    # After a Monday, a Thursday, a Friday, the end of a month; and in the midst of hours.
    for n_steps in (1, 4, 5, 31, 88, 177, 254) if market == "stocks" else (6, 119, 255):
        end_s = int(whole.time[0]) + n_steps * whole.interval_s
        flat, kept = cut(whole, end_s)
        known = {ticker: cut(other, end_s)[0] for ticker, other in others.items()}
        found = evaluate(program, flat, known)
        for part in program.asked:
            for values, all_values in zip(arrays(found, part), arrays(everything, part), strict=True):
                np.testing.assert_array_equal(values, all_values[kept], err_msg=f"{part.label}, {market}")


@EACH
def test_a_symbol_is_what_it_is_alone(name: str) -> None:
    program, flat = compiled(FORMULAS[name]), MARKETS["stocks"]
    if program.compares_symbols:
        return
    others = spy("stocks", DAY_S)
    together, alone = evaluate(program, flat, others), [evaluate(program, each, others) for each in one_by_one(flat)]
    for part in program.asked:
        each_alone = zip(*(arrays(found, part) for found in alone), strict=True)
        for values, apart in zip(arrays(together, part), each_alone, strict=True):
            np.testing.assert_array_equal(values, np.concatenate(apart), err_msg=part.label)


LONG = {
    DAY_S: flat_of(coins(31, n_symbols=1, n_bars=3100), "crypto"),
    HOUR_S: flat_of(coins(32, n_symbols=1, n_bars=10_400, step_s=HOUR_S), "crypto", interval_s=HOUR_S),
}


# Hours: fourteen weeks of Wilder's averages and twelve months reach back for years.
TOO_FAR = re.compile(r"weekly\(rsi|monthly")


@EACH
def test_the_last_value_needs_no_more_bars_than_the_reach_says(name: str) -> None:
    for interval_s, flat in LONG.items():
        reaches_no_further(name, compiled(FORMULAS[name]), flat, interval_s)


def reaches_no_further(name: str, program: Program, flat: Flat, interval_s: int) -> None:
    reach = program.reach_on(interval_s)
    if interval_s == DAY_S:
        assert program.reach == reach
    if math.isinf(reach):
        return
    if reach >= len(flat):
        assert interval_s == HOUR_S
        assert TOO_FAR.search(FORMULAS[name])
        return
    others = spy("crypto", interval_s, len(flat))
    whole, few = evaluate(program, flat, others), evaluate(program, last_bars(flat, 0, int(reach) + 1), others)
    for part in program.asked:
        if part.kind == "condition":
            assert (whole.matches(part)[-1], whole.fails(part)[-1]) == (few.matches(part)[-1], few.fails(part)[-1])
        elif part.kind == "number":
            value = whole.numbers(part)[-1]
            size = np.nanmax(np.abs(whole.numbers(part)), initial=0.0)
            np.testing.assert_allclose(few.numbers(part)[-1], value, rtol=1e-9, atol=1e-9 * size, err_msg=part.label)


def test_what_never_forgets_reaches_back_to_the_first_bar() -> None:
    for text in ("since(close > open) < 3", "obv(close)", "ema(value_when(close > open, close), 3)", "kama(close)"):
        assert compile_formula(text).reach == math.inf
    assert compile_formula("close").reach == 0
    assert compile_formula("highest(high, 50)[1]").reach == 50
    assert compile_formula("weekly(close)").reach_on(HOUR_S) == 2 * 7 * 24


def test_a_week_with_a_weekend_before_it_is_within_reach() -> None:
    """A month of an exchange that begins on a Saturday has bars of up to 33 days."""
    bars: Bars = make_bars([float(number + 1) for number in range(1500)])
    for end in range(900, 1100):
        flat = Flat.of([bars[:end]], [Facts(market="stocks")])
        for text in ("monthly(volume)", "weekly(sum(volume, 2))", "monthly(close[1])"):
            n_bars = int(compile_formula(text).reach) + 1
            assert ask(text, last_bars(flat, 0, n_bars))[-1] == ask(text, flat)[-1]
