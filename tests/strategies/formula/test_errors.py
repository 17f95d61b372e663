"""What is told of wrong formulas: what was expected, what came, where, and what may have been meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from strategies.errors import StrategyError
from strategies.formula import FormulaError, Place, compile_formula
from strategies.formula.functions import ELSEWHERE, NAMES
from tests.strategies.formula.wrong import WRONG, all_told

TOLD = Path(__file__).with_name("wrong.txt")


def test_what_is_told_is_what_has_been_read_and_found_good() -> None:
    again = "read it, then: .venv/bin/python -m tests.strategies.formula.wrong > tests/strategies/formula/wrong.txt"
    assert TOLD.read_text() == all_told(), again


def test_they_are_many_and_differ() -> None:
    assert len(set(WRONG)) == len(WRONG) >= 140


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_place_is_in_the_text(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        compile_formula(text)
    error = caught.value
    assert error.problem in str(error)
    assert "\n" not in str(error)
    if error.place is None:
        assert len(error.shown_in(text).splitlines()) == 1
        return
    lines = text.split("\n")
    assert 1 <= error.place.line <= len(lines)
    assert 1 <= error.place.column <= len(lines[error.place.line - 1]) + 1
    message, line, marks = error.shown_in(text).split("\n")
    assert message == str(error)
    # The marks stand under what is named.
    first = max(0, error.place.column - 60)
    assert marks.index("^") - 4 == error.place.column - 1 - first
    assert len(line) <= 124


@pytest.mark.parametrize(
    ("text", "place", "marked"),
    [
        ("close > clse", Place(1, 9, 4), "clse"),
        ("close > open\n  and sma(close, 0) > 1", Place(2, 18, 1), "0"),
        ("close\t>\tclse", Place(1, 9, 4), "clse"),
        ("# about \u2028 lines\nclse > 1", Place(2, 1, 4), "clse"),
        ("'a\x85b' == sector\r\nand volme > 1", Place(2, 5, 5), "volme"),
        ("close" + " " * 300 + "> clse", Place(1, 308, 4), "clse"),
    ],
)
def test_the_marks_stand_under_it(text: str, place: Place, marked: str) -> None:
    with pytest.raises(FormulaError) as caught:
        compile_formula(text)
    assert caught.value.place == place
    _, line, marks = caught.value.shown_in(text).split("\n")
    assert line[marks.index("^") : marks.rindex("^") + 1] == marked


def test_a_formula_error_is_a_strategy_error() -> None:
    assert issubclass(FormulaError, StrategyError)


@pytest.mark.parametrize("given", [None, 3, b"close > open", ["close > open"]])
def test_what_is_no_text_is_refused(given: object) -> None:
    with pytest.raises(FormulaError, match="a formula is a text; this is"):
        compile_formula(given)  # type: ignore[arg-type]


def test_what_others_call_it_is_no_name_of_ours_and_leads_to_one() -> None:
    theirs = [name for names in ELSEWHERE.values() for name in names]
    assert len(set(theirs)) == len(theirs)
    assert not set(theirs) & set(NAMES)
    for meant in ELSEWHERE:
        assert meant in NAMES or compile_formula(meant).answer


def test_every_mistake_has_a_place_but_that_there_is_nothing_or_too_much() -> None:
    without = {text for text in WRONG if text.strip(" \n;") and "# nothing" not in text and not place_told(text)}
    assert all(len(text) > 4000 for text in without)


def place_told(text: str) -> Place | None:
    with pytest.raises(FormulaError) as caught:
        compile_formula(text)
    return caught.value.place
