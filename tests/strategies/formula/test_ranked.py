"""Ranks computed for some symbols and some times after the others are those of the whole market at once."""

from __future__ import annotations

import numpy as np
import pytest

from strategies.bars import Bars, FloatArray
from strategies.formula import Facts, Flat, Program, compile_formula, evaluate
from strategies.formula import ranked as ranked_module
from strategies.formula.ranked import passes_of, ranked, values_of
from strategies.formula.strategy import strategy_of
from tests.builders import make_market
from tests.strategies.formula.markets import stocks

FORMULAS = (
    "rank(close) <= 3",
    "percentile(roc(close, 20)) >= 60",
    "rank(weekly(close) / close) < percentile(volume) / 10",
    "strong = percentile(roc(close, 10))\nrank(sma(strong, 5) + rank(volume)) <= 2 and strong > 50",
)


def gappy() -> list[Bars]:
    """Symbols that begin, end and pause at other times, one of them without bars, two of them alike."""
    bars = stocks(7, n_symbols=6, n_bars=260)
    return [bars[0], bars[1][40:], bars[2][:200], bars[3][:0], bars[0], bars[4][100:160], bars[5]]


def in_parts(program: Program, bars: list[Bars], size: int) -> dict[int, FloatArray]:
    """Return the results of the ranking steps as a run computes them: a few symbols at a time, pass by pass."""
    places: dict[int, list[FloatArray]] = {}
    for numbers in passes_of(program):
        made: dict[int, list[FloatArray]] = {number: [] for number in numbers}
        for first in range(0, len(bars), size):
            part = slice(first, first + size)
            flat = Flat.of(bars[part])
            before = {number: np.concatenate(own[part]) for number, own in places.items()}
            for number, values in values_of(program, numbers, flat, {}, before).items():
                made[number] += [values[one:end] for one, end in zip(flat.edges[:-1], flat.edges[1:], strict=True)]
        for number, own in made.items():
            ranked(program.steps[number].operation, [each.time for each in bars], own)
        places |= made
    return {number: np.concatenate(own) for number, own in places.items()}


@pytest.mark.parametrize("at_once", [2_000_000, 100, 7])
@pytest.mark.parametrize("text", FORMULAS)
def test_parts_of_a_market_give_the_same_to_the_bit(text: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked_module, "VALUES_AT_ONCE", at_once)
    program, bars = compile_formula(text), gappy()
    flat = Flat.of(bars)
    ranks = in_parts(program, bars, size=2)
    whole, parts = evaluate(program, flat), evaluate(program, flat, ranks=ranks)
    for part in program.asked:
        for got in ("matches", "fails") if part.kind == "condition" else ("numbers",):
            np.testing.assert_array_equal(getattr(parts, got)(part), getattr(whole, got)(part), err_msg=part.label)
    assert program.answer is not None
    assert 0 < whole.matches(program.answer).sum() < len(flat)


def test_what_ranks_ranks_comes_in_a_later_pass() -> None:
    program = compile_formula(FORMULAS[3])
    kinds = [[program.steps[number].operation for number in numbers] for numbers in passes_of(program)]
    assert kinds == [["percentile", "rank"], ["rank"]]
    assert passes_of(compile_formula("close > 1")) == []


def test_no_bars_are_no_ranks() -> None:
    ranked("rank", [], [])
    values = np.zeros(0)
    ranked("rank", [np.zeros(0, dtype=np.int64)], [values])
    assert len(values) == 0


def test_a_strategy_ranks_the_symbols_that_it_is_given_together() -> None:
    bars = list(make_market(n_symbols=4, n_bars=120, shape="walk").values())
    strategy = strategy_of("enter: rank(close) <= 1\nexit: rank(close) > 1", key="first", label="First")()
    together = strategy.signals_knowing(bars, [Facts()] * 4)
    assert np.array_equal(sum(each.entry.astype(int) for each in together), np.ones(120))
    for alone, one in zip(strategy.signals_all(bars), bars, strict=True):
        assert np.array_equal(alone.entry, strategy.signals(one).entry)
        assert alone.entry.all()
    assert not strategy.is_of_bars_alone
