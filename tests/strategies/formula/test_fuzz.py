"""Whatever is written: a formula is refused with its reason, or it computes, without a warning and in time."""

from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies.formula import compile_formula, evaluate, operations
from tests.builders import DAY_S
from tests.strategies.formula.fuzz import Report, by_chance, market, tried
from tests.strategies.formula.markets import cut
from tests.strategies.formula.sentences import TOKENS, Choose, valid

CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def chooser(data: st.DataObject) -> Choose:
    return lambda below: data.draw(st.integers(0, below - 1))


@CALM
@given(st.text(max_size=200))
def test_any_text_is_refused_or_computed(text: str) -> None:
    tried(text)


@CALM
@given(st.lists(st.sampled_from(TOKENS), max_size=40), st.sampled_from(["", " "]))
def test_any_order_of_tokens_is_refused_or_computed(tokens: list[str], space: str) -> None:
    tried(space.join(tokens)[:4000])


@CALM
@given(st.data())
def test_any_tree_is_computed(data: st.DataObject) -> None:
    text = valid(chooser(data))
    program = compile_formula(text)
    flat, others = market()
    found = evaluate(program, flat, others)
    # Computed a symbol at a time it is the same; ranks need all of them.
    if not program.compares_symbols:
        with mock.patch("strategies.formula.evaluate.BARS_AT_ONCE", 1):
            alone = evaluate(program, flat, others)
        for part in program.asked:
            compared = (found.matches, alone.matches) if part.kind == "condition" else (found.numbers, alone.numbers)
            assert compared[0](part).tobytes() == compared[1](part).tobytes()


@CALM
@given(st.data(), st.integers(1, 80))
def test_no_tree_knows_a_later_bar(data: st.DataObject, n_days: int) -> None:
    program = compile_formula(valid(chooser(data)))
    flat, others = market()
    end_s = int(flat.time[0]) + n_days * DAY_S
    before, kept = cut(flat, end_s)
    found = evaluate(program, flat, others)
    known = evaluate(program, before, {ticker: cut(other, end_s)[0] for ticker, other in others.items()})
    for part in program.asked:
        if part.kind == "condition":
            assert known.matches(part).tolist() == found.matches(part)[kept].tolist()
            assert known.fails(part).tolist() == found.fails(part)[kept].tolist()
        else:
            np.testing.assert_array_equal(known.numbers(part), found.numbers(part)[kept])


def test_the_fuzzer_finds_what_is_wrong() -> None:
    report = Report(seconds=30.0)
    with mock.patch.dict(operations.OPERATIONS, {"not": lambda _flat, one: one.true}):
        report.try_one("not close > open")
    assert report.n_inputs == 1
    assert len(report.crashes) == 1
    assert report.end() == 1


def test_a_second_of_fuzzing_finds_nothing() -> None:
    report = Report(seconds=1.0)
    by_chance(report, seed=7)
    assert report.crashes == {}
    assert report.n_computed > 20
