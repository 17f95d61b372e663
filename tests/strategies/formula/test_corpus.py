"""Every formula of the corpus gives what plain lists give, on several symbols at once and on few bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategies.formula import compile_formula
from tests.strategies.formula.corpus import CORPUS, TOGETHER
from tests.strategies.formula.markets import Answers, ask, flat_of, stocks
from tests.strategies.formula.references import Columns

EACH = pytest.mark.parametrize("text", CORPUS)


def agree(ours: Answers, theirs: Answers) -> None:
    assert [value is None for value in ours] == [value is None for value in theirs]
    known: Any = [(one, other) for one, other in zip(ours, theirs, strict=True) if one is not None]
    assert len({type(one) for one, _ in known}) <= 1
    np.testing.assert_allclose([one for one, _ in known], [other for _, other in known], rtol=1e-9, atol=1e-9)


@EACH
def test_a_formula_gives_what_plain_lists_give(text: str) -> None:
    # Symbols of the first sector alone: one formula asks for it.
    for seed, n_bars in ((1, 90), (2, 61), (3, 2), (4, 1)):
        first, _, third = stocks(seed, n_bars=n_bars)
        flat = flat_of([first])
        agree(ask(text, flat), CORPUS[text](Columns(first)))
        agree(ask(text, flat_of([third])), CORPUS[text](Columns(third)))


@EACH
def test_symbols_behind_each_other_do_not_touch(text: str) -> None:
    bars = stocks(5, n_bars=75)
    if "sector" in text:
        bars = bars[:1] + bars[:1]
    found = ask(text, flat_of(bars))
    expected = [value for each in bars for value in CORPUS[text](Columns(each))]
    if "sector" in text:
        expected[len(bars[0]) :] = [False] * len(bars[1])
    agree(found, expected)


@EACH
def test_no_bars_give_no_answers(text: str) -> None:
    assert ask(text, flat_of([])) == []
    bars = stocks(6, n_bars=3)
    assert ask(text, flat_of([bars[0][:0]])) == []
    assert ask(text, flat_of([bars[0], bars[1][:0], bars[2]]))[:3] == ask(text, flat_of([bars[0]]))


@pytest.mark.parametrize("text", TOGETHER)
def test_what_compares_symbols_compares_those_that_have_the_bar(text: str) -> None:
    for seed in (1, 2):
        market = stocks(seed, n_symbols=4, n_bars=70)
        expected = TOGETHER[text]([Columns(bars) for bars in market])
        agree(ask(text, flat_of(market)), [value for values in expected for value in values])


def test_the_corpus_is_large_and_its_formulas_differ() -> None:
    programs = {(compile_formula(text).steps, compile_formula(text).answer) for text in (*CORPUS, *TOGETHER)}
    assert len(programs) >= 90
