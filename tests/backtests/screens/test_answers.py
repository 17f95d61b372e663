from __future__ import annotations

import pytest

from backtests.models import Symbol, Universe
from backtests.prices.store import write_bars
from backtests.screens import answers
from backtests.screens.answers import Answers
from backtests.screens.screening import ScreenRequest
from strategies.formula import compile_formula
from tests.builders import DAY_S, MONDAY_S, make_bars, store_universe


def request(universe: Universe, formula: str = "close > 0", sort: str = "") -> ScreenRequest:
    return ScreenRequest(compile_formula(formula), universe, sort=sort)


def test_within_five_minutes_the_same_is_answered_from_memory(
    universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, now = Answers(), 1000.0
    monkeypatch.setattr(answers, "monotonic", lambda: now)
    first = kept.of(request(universe))
    assert not first.is_repeated
    now += answers.KEPT_S - 1
    again = kept.of(request(universe))
    assert again.screened is first.screened
    assert again.is_repeated
    assert not first.is_repeated
    now += 2
    assert kept.of(request(universe)).screened is not first.screened


def test_something_else_is_another_answer(universe: Universe) -> None:
    kept = Answers()
    one, other = kept.of(request(universe)), kept.of(request(universe, "close > 100"))
    assert len(one.screened.matches) == 3
    assert len(other.screened.matches) == 2


def test_another_order_computes_nothing_again(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Answers()
    kept.of(request(universe))
    monkeypatch.setattr(answers, "screen", lambda *_: pytest.fail("it was computed again"))
    ordered = kept.of(request(universe, sort="-close"))
    assert [match.ticker for match in ordered.screened.matches] == ["UP", "DOWN", "FLAT"]


def test_new_bars_are_another_answer(universe: Universe) -> None:
    kept = Answers()
    first = kept.of(request(universe, "close > 150"))
    symbol = Symbol.objects.get(ticker="DOWN")
    write_bars([(symbol, make_bars([300.0], start_s=MONDAY_S + 60 * DAY_S))], interval="1d", source="test")
    second = kept.of(request(universe, "close > 150"))
    assert [match.ticker for match in first.screened.matches] == ["UP"]
    assert {match.ticker for match in second.screened.matches} == {"UP", "DOWN"}


def test_values_of_parameters_are_part_of_what_is_asked(universe: Universe) -> None:
    kept, formula = Answers(), "level = param(100, 1, 1000)\nclose > level"
    low = ScreenRequest(compile_formula(formula, {"level": 1}), universe)
    high = ScreenRequest(compile_formula(formula, {"level": 150}), universe)
    assert (len(kept.of(low).screened.matches), len(kept.of(high).screened.matches)) == (3, 1)


def test_the_oldest_answers_are_dropped(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", 2)
    kept = Answers()
    first = kept.of(request(universe))
    for level in (1, 2):
        kept.of(request(universe, f"close > {level}"))
    assert kept.of(request(universe)).screened is not first.screened


def test_bars_of_a_symbol_that_is_only_named_are_part_of_what_was_asked(universe: Universe) -> None:
    store_universe("Index", {"SPY": make_bars([100.0 + day for day in range(60)])})
    kept, formula = Answers(), 'close > symbol("SPY", close)'
    assert kept.of(request(universe, formula)).screened.matches == []
    spy = Symbol.objects.get(ticker="SPY")
    write_bars([(spy, make_bars([10.0], start_s=MONDAY_S + 59 * DAY_S))], interval="1d", source="test")
    again = kept.of(request(universe, formula))
    assert (again.is_repeated, [match.ticker for match in again.screened.matches]) == (False, ["DOWN", "UP", "FLAT"])


def test_another_name_or_sector_is_another_answer(universe: Universe) -> None:
    kept = Answers()
    first = kept.of(request(universe))
    Symbol.objects.filter(ticker="UP").update(sector="Energy")
    assert kept.of(request(universe)).state != first.state
