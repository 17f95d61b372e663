"""What words and signs mean, on bars few enough to be counted by hand; None is what is unknown."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from strategies.bars import Bars
from strategies.errors import ParameterError
from strategies.formula import Facts, Flat, FormulaError, compile_formula, evaluate
from strategies.formula.strategy import strategy_of
from tests.builders import DAY_S, make_bars
from tests.strategies.formula.markets import Answers, answers, as_flat, ask, flat_of

CLOSES = [10.0, 12, 11, 13, 13, 9]
# On bar 0 nothing is known of the bar before; on bar 3 the close is divided by nothing.
UNKNOWN = "close / (close - 13) > 0"
T, F = True, False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 - 4 / 2 + close * 0", [5.0] * 6),
        ("-2 ^ 2 + close * 0", [-4.0] * 6),
        ("(-2) ^ 2 + close * 0", [4.0] * 6),
        ("2 ^ 3 ^ 2 + close * 0", [512.0] * 6),
        ("8 / 4 / 2 + close * 0", [1.0] * 6),
        ("10 - 4 - 3 + close * 0", [3.0] * 6),
        ("close[1] - close", [None, -2.0, 1.0, -2.0, 0.0, 4.0]),
        ("close[1 + 1]", [None, None, 10.0, 12.0, 11.0, 13.0]),
        ("10 < close < 13", [F, T, T, F, F, F]),
        ("9 <= close < 11 or close == 13", [T, F, F, T, T, T]),
        ("9 < close < 11 < 12 + close", [T, F, F, F, F, F]),
        ("close between 10 and 12", [T, T, T, F, F, F]),
        ("not close between 10 and 12 and close < 13", [F, F, F, F, F, T]),
        ("close > 10 or close > 11 and close < 10", [F, T, T, T, T, F]),
        ("(close > 10 or close > 11) and close < 10", [F] * 6),
        ("not close > 10 or close == 13", [T, F, F, T, T, T]),
        ("not (close > 10 or close == 13)", [T, F, F, F, F, T]),
        ("if close > 11 then 1 else if close > 10 then 2 else 3", [3.0, 1.0, 2.0, 1.0, 1.0, 3.0]),
        ("1 + (if close > 11 then 1 else 2)", [3.0, 2.0, 3.0, 2.0, 2.0, 3.0]),
        ("CLOSE > 10 AND Close < 13", [F, T, T, F, F, F]),
        ("7", [7.0] * 6),
        ("true", [T] * 6),
        ("not true", [F] * 6),
    ],
)  # fmt: skip
def test_signs_and_their_order(text: str, expected: Answers) -> None:
    assert ask(text, CLOSES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UNKNOWN, [F, F, F, None, None, F]),
        (f"not ({UNKNOWN})", [T, T, T, None, None, T]),
        (f"({UNKNOWN}) and close > 13", [F, F, F, F, F, F]),
        (f"({UNKNOWN}) and close > 12", [F, F, F, None, None, F]),
        (f"({UNKNOWN}) or close > 12", [F, F, F, T, T, F]),
        (f"({UNKNOWN}) or close > 13", [F, F, F, None, None, F]),
        (f"if {UNKNOWN} then 1 else 2", [2.0, 2.0, 2.0, None, None, 2.0]),
        (f"if close > 12 then {UNKNOWN} else true", [T, T, T, None, None, T]),
        ("close > close[1] or not close > close[1]", [None, T, T, T, T, T]),
        ("close == close / 0", [None] * 6),
        ("close != close / 0", [None] * 6),
        (f"within(2, {UNKNOWN})", [None, F, F, None, None, None]),
        ("within(2, close == 13)", [None, F, F, T, T, T]),
        ("within(3, close > 10)", [None, T, T, T, T, T]),
        (f"throughout(2, {UNKNOWN})", [F, F, F, F, None, F]),
        ("throughout(2, close > 10)", [F, F, T, T, T, F]),
        (f"count({UNKNOWN}, 2)", [None, 0.0, 0.0, None, None, None]),
        ("count(close > 11, 3)", [None, None, 1.0, 2.0, 2.0, 2.0]),
        ("since(close == 12)", [None, 0.0, 1.0, 2.0, 3.0, 4.0]),
        ("since(close > 11)", [None, 0.0, 1.0, 0.0, 0.0, 1.0]),
        ("value_when(close < 12, close)", [10.0, 10.0, 11.0, 11.0, 11.0, 9.0]),
        ("value_when(close > 10, close[2])", [None, None, 10.0, 12.0, 11.0, 11.0]),
        ("rising(close)", [None, T, F, T, F, F]),
        ("rising(close, 2)", [None, None, F, F, F, F]),
        ("falling(close, 1)", [None, F, T, F, F, T]),
        ("crossover(close, 11)", [None, T, F, T, F, F]),
        ("crossunder(close, 11)", [None, F, F, F, F, T]),
        ("crossover(close, close[1])", [None, None, F, T, F, F]),
        ("change(close, 2)", [None, None, 1.0, 1.0, 2.0, -4.0]),
        ("sum(close, 2)", [None, 22.0, 23.0, 24.0, 26.0, 22.0]),
        ("sqrt(close - 10)", [0.0, 2.0 ** 0.5, 1.0, 3.0 ** 0.5, 3.0 ** 0.5, None]),
        ("log(close - 10) > -1", [None, T, T, T, T, None]),
        ("min(close, close[1])", [None, 10.0, 11.0, 11.0, 13.0, 9.0]),
        ("max(close, close / 0)", [None] * 6),
        ("exp(close * 40) * exp(close * 40)", [None] * 6),
    ],
)  # fmt: skip
def test_what_is_unknown_stays_so(text: str, expected: Answers) -> None:
    assert ask(text, CLOSES) == expected


def test_an_unknown_condition_never_matches() -> None:
    program = compile_formula(f"not ({UNKNOWN})")
    assert program.answer is not None
    assert evaluate(program, as_flat(CLOSES)).matches(program.answer).tolist() == [T, T, T, F, F, T]


def facts(*each: tuple[str, str, str]) -> Flat:
    return Flat.of([make_bars([1.0])] * len(each), [Facts(*one) for one in each])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ticker == "aapl"', [T, F, F]),
        ('ticker != "AAPL"', [F, T, T]),
        ('ticker in ("AAPL", "XOM")', [T, T, F]),
        ('ticker not in ("AAPL", "XOM",)', [F, F, T]),
        ("sector == 'Energy'", [F, T, None]),
        ("sector != 'Energy'", [T, F, None]),
        ("not sector in ('Energy')", [T, F, None]),
        ("'crypto' == market", [F, F, T]),
        ("market == 'stocks' and close > 0", [T, T, F]),
    ],
)  # fmt: skip
def test_what_is_known_of_a_symbol_besides_its_bars(text: str, expected: Answers) -> None:
    flat = facts(("AAPL", "Technology", "stocks"), ("XOM", "Energy", "stocks"), ("BTC", "", "crypto"))
    assert ask(text, flat) == expected


def test_ranks_are_among_those_that_have_the_bar_and_a_value() -> None:
    closes = ([5.0, 7, 7], [6.0, 7, 3], [7.0, 1, 9])
    bars = [make_bars(list(each)) for each in closes]
    late = make_bars([8.0, 2.0], start_s=int(bars[0].time[1]))
    flat = flat_of([*bars, late])
    assert ask("rank(close)", flat) == [3.0, 2.0, 2.0, 2.0, 2.0, 3.0, 1.0, 4.0, 1.0, 1.0, 4.0]
    assert ask("percentile(close)", flat)[9:] == [100.0, 0.0]
    assert ask("rank(close[1])", flat) == [None, 3.0, 2.0, None, 2.0, 2.0, None, 1.0, 4.0, None, 1.0]
    assert ask("percentile(close)", bars[0]) == [None] * 3


def test_equal_values_share_the_better_place() -> None:
    flat = flat_of([make_bars([value]) for value in (3.0, 5.0, 5.0, 4.0)])
    assert ask("rank(close)", flat) == [4.0, 1.0, 1.0, 3.0]
    assert ask("rank(-close)", flat) == [1.0, 3.0, 3.0, 2.0]
    assert ask("percentile(close)", flat) == pytest.approx([0.0, 200 / 3, 200 / 3, 100 / 3])


def other(closes: list[float], *, start: int = 0, step_s: int = DAY_S) -> dict[str, Flat]:
    first = make_bars([1.0]).time[0] + start * DAY_S
    return {"SPY": Flat.of([make_bars(closes, start_s=int(first), step_s=step_s)], interval_s=step_s)}


def test_another_symbol_is_taken_as_of_its_last_bar() -> None:
    assert ask('symbol("spy", close)', CLOSES, other([1.0, 2, 3, 4, 5, 6, 7])) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert ask("symbol('SPY', close[1])", CLOSES, other([1.0, 2, 3], start=2)) == [None, None, None, 1.0, 2.0, 2.0]
    assert ask('symbol("SPY", close > 1)', CLOSES, other([1.0, 2], step_s=2 * DAY_S)) == [None, F, F, T, T, T]
    assert ask("close - symbol('SPY', close)", [3.0], other([1.0], start=5)) == [None]
    assert ask('symbol("SPY", sector == "X")', [3.0], other([1.0])) == [None]


def test_a_longer_bar_of_another_symbol_is_known_when_it_is_over() -> None:
    hourly = Flat.of([make_bars([1.0] * 50, step_s=3600)], interval_s=3600)
    found = ask('symbol("SPY", close)', hourly, other([7.0, 8.0, 9.0]))
    assert found == [None] * 23 + [7.0] * 24 + [8.0] * 3


def test_a_symbol_without_prices_is_named() -> None:
    program = compile_formula('close > symbol("SPY", close)')
    assert program.tickers == ("SPY",)
    with pytest.raises(FormulaError, match="asks for the symbol SPY, and there are no prices of it here"):
        evaluate(program, as_flat(CLOSES))
    empty = {"SPY": Flat.of([make_bars([1.0])[:0]])}
    assert ask('close > symbol("SPY", close)', CLOSES, empty) == [None] * 6


def test_a_parameter_has_its_default_and_its_bounds() -> None:
    text = "level = param(11, 5, 20); share = param(0.5, 0.1, 2)\nclose * share > level"
    program = compile_formula(text, {"share": 1})
    assert [(item.key, item.kind, item.default, item.low, item.high) for item in program.parameters] == [
        ("level", "int", 11, 5, 20), ("share", "float", 0.5, 0.1, 2.0),
    ]  # fmt: skip
    assert program.values == {"level": 11, "share": 1.0}
    assert ask(text, CLOSES, share=1) == [F, T, F, T, T, F]
    assert ask(text, CLOSES, share=2, level=20) == [F, T, T, T, T, F]
    for values, problem in (
        ({"level": 21}, "level: must be from 5 to 20; it is 21"),
        ({"level": 7.5}, "level: must be a whole number; it is 7.5"),
        ({"share": float("nan")}, "share: must be a number; it is nan"),
        ({"size": 3}, "size: is not a parameter of this formula; its parameters are: level, share"),
    ):
        with pytest.raises(ParameterError, match=problem):
            compile_formula(text, values)


def test_a_strategy_says_when_to_enter_and_to_leave() -> None:
    text = """
    level = param(11, 5, 20)
    enter: close > level
    exit: close < level
    short: close < 10
    cover: not close < 10
    stop: 2.5
    target: level * 2
    """
    program = compile_formula(text)
    assert program.is_strategy
    assert program.answer is None
    assert program.levels == {"stop": 2.5, "target": 22.0}
    found = {name: answers(program, part, as_flat(CLOSES)) for name, part in program.sections.items()}
    assert found == {
        "enter": [F, T, F, T, T, F], "exit": [T, F, F, F, F, T],
        "short": [F, F, F, F, F, T], "cover": [T, T, T, T, T, F],
    }  # fmt: skip
    assert compile_formula(text, {"level": 20}).levels["target"] == 40.0


def test_stops_and_targets_may_be_prices() -> None:
    text = "enter: close > 10\nstop: min(low, close[1])\ntarget: 20"
    program = compile_formula(text)
    assert program.levels == {"target": 20.0}
    (signals,) = strategy_of(text, key="priced", label="Priced")().signals_all([make_bars(CLOSES)])
    assert signals.target is None
    assert signals.stop is not None
    np.testing.assert_array_equal(signals.stop, [np.nan, *(min(pair) for pair in pairwise(CLOSES))])
    short = compile_formula("short: close < 1\ntarget: close / 2\nn = param(3, 1, 9)\nstop: n")
    assert (list(short.sections), short.levels) == (["short", "target"], {"stop": 3.0})


def test_columns_are_named_numbers_and_what_is_compared() -> None:
    program = compile_formula(
        "trend = sma(close, 2)\nfixed = 3\nup = close > trend # not a column: a condition\n"
        "up and close / # half\n  open > 1 and close > fixed and weekly(close > open) and -1 < (close - open)"
    )
    assert [part.label for part in program.columns] == ["trend", "close", "close / open", "close - open"]
    assert [part.label for part in program.named] == ["trend", "fixed", "up"]
    found = [answers(program, part, as_flat(CLOSES))[1] for part in (*program.columns, *program.named)]
    assert found == [11.0, 12.0, 1.2, 2.0, 11.0, 3.0, T]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("crossover(ema(close, 12), ema(close, 26))", ["ema(close, 12)", "ema(close, 26)"]),
        ("within(5, crossunder(close, 100)) and true", ["close"]),
        ("slow = sma(close, 5)\nthroughout(2, crossover(first=open, second=slow))", ["slow", "open"]),
        ("rising(volume, 3) or falling(high - low) or rising(volume)", ["volume", "high - low"]),
        ('weekly(rising(close)) and symbol("SPY", crossover(close, open))', []),
    ],
)
def test_what_functions_make_conditions_of_is_a_column_too(text: str, columns: list[str]) -> None:
    program = compile_formula(text)
    assert [part.label for part in program.columns] == columns
    assert all(part.kind == "number" for part in program.columns)


def test_only_the_parts_that_are_wanted_are_kept() -> None:
    program = compile_formula("a = close * 2\nb = close * 3\na > b")
    found = evaluate(program, as_flat(CLOSES), parts=program.named[:1])
    assert found.numbers(program.named[0]).tolist() == [2 * close for close in CLOSES]
    with pytest.raises(KeyError):
        found.numbers(program.named[1])


def test_equal_computations_are_done_once() -> None:
    one = compile_formula("bollinger(close, 20, 2).upper > 1 and bollinger(Close).upper > 2")
    assert sum(step.operation.startswith("bollinger") for step in one.steps) == 1
    assert one.fields == {"close"}
    assert compile_formula("typical > 1 and turnover > 1").fields == {"high", "low", "close", "volume"}


def test_the_bars_stay_as_they_are() -> None:
    bars: list[Bars] = [make_bars(CLOSES), make_bars(CLOSES[::-1])]
    flat = flat_of(bars)
    before = {name: column.copy() for name, column in flat.columns.items()}
    for column in flat.columns.values():
        column.flags.writeable = False
    for text in ("rank(close) > 1", "weekly(close) > open", "-close + sum(volume, 2)", "abs(close[1])"):
        ask(text, flat)
    for name, column in flat.columns.items():
        np.testing.assert_array_equal(column, before[name])
