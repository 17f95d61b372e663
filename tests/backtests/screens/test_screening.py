from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from backtests.models import PriceBlock, Universe
from backtests.runs.errors import RequestRefused
from backtests.screens import screening
from backtests.screens.screening import Match, Screened, ScreenRequest, screen
from strategies.bars import Bars
from strategies.formula import Facts, Flat, compile_formula, evaluate
from strategies.ready_screens import READY_SCREENS, READY_SCREENS_BY_KEY
from tests.builders import SHAPES, make_bars, make_market, store_universe


def asked(formula: str, universe: Universe, **options: object) -> Screened:
    return screen(ScreenRequest(compile_formula(formula), universe, **options))  # type: ignore[arg-type]


def tickers(matches: list[Match]) -> list[str]:
    return [match.ticker for match in matches]


def test_it_finds_who_matches_on_the_last_bar_with_the_values_of_the_parts(universe: Universe) -> None:
    found = asked("close > highest(high, 20)[1] and volume > 2 * sma(volume, 20)", universe)
    (match,) = found.matches
    assert match.ticker == "UP"
    assert found.columns == ("close", "highest(high, 20)[1]", "volume", "2 * sma(volume, 20)")
    assert match.values == (159.0, 158.0, 5000.0, 2 * (19 * 1000.0 + 5000.0) / 20)
    assert match.change_pct == pytest.approx(100 / 158)
    assert (found.n_symbols, found.n_tested) == (5, 3)


def test_who_cannot_be_asked_is_named_with_the_reason(universe: Universe) -> None:
    failures = {failure.ticker: failure.reason for failure in asked("close > 0", universe).failures}
    assert failures == {"STALE": "its last bar is of 2024-01-20", "NONE": "no 1d prices are stored"}


def test_it_is_asked_as_of_any_day(universe: Universe) -> None:
    found = asked("close == 119", universe, as_of=date(2024, 1, 20))
    assert tickers(found.matches) == ["UP"]
    then = asked("close > 0", universe, as_of=date(2024, 1, 20))
    assert set(tickers(then.matches)) == {"DOWN", "FLAT", "STALE", "UP"}


def test_before_the_first_bar_nobody_matches(universe: Universe) -> None:
    found = asked("close > 0", universe, as_of=date(2020, 1, 1))
    assert (found.matches, found.time_s, found.n_tested) == ([], None, 0)
    assert {failure.reason for failure in found.failures if failure.ticker != "NONE"} == {"no bars up to 2020-01-01"}


def test_matches_are_sorted_by_a_column_either_way(universe: Universe) -> None:
    for sort, order in (
        ("close", ["FLAT", "DOWN", "UP"]),
        ("-close", ["UP", "DOWN", "FLAT"]),
        ("-ticker", ["UP", "FLAT", "DOWN"]),
    ):
        assert tickers(asked("close > 0", universe, sort=sort).matches) == order


def test_who_has_no_value_comes_last_either_way(universe: Universe) -> None:
    formula = "quiet = since(volume > 2000)\nclose > 0 or quiet > 0"
    for sort in ("quiet", "-quiet"):
        assert tickers(asked(formula, universe, sort=sort).matches)[0] == "UP"


def test_another_column_is_refused(universe: Universe) -> None:
    with pytest.raises(RequestRefused, match="there are: ticker, close, change_pct, volume"):
        asked("volume > 0", universe, sort="-price")


def test_chosen_symbols_are_asked_alone(universe: Universe) -> None:
    found = asked("close > 0", universe, tickers=("UP", "FLAT"))
    assert set(tickers(found.matches)) == {"UP", "FLAT"}
    assert found.n_symbols == 2


def test_a_number_is_no_screen(universe: Universe) -> None:
    with pytest.raises(RequestRefused, match="must end in a condition"):
        asked("close + 1", universe)


def test_a_strategy_is_asked_for_its_entry(universe: Universe) -> None:
    assert tickers(asked("enter: close > 150\nexit: close < 100", universe).matches) == ["UP"]


def test_another_symbol_is_found_wherever_it_is_stored(universe: Universe) -> None:
    store_universe("Index", {"SPY": make_market(n_bars=60)["S0"]})
    found = asked('strength = close / symbol("spy", close)\nstrength > 0', universe)
    assert len(found.matches) == 3


def test_another_symbol_that_is_not_there_is_named(universe: Universe) -> None:
    with pytest.raises(RequestRefused, match="asks for the symbol QQQ, which is not stored"):
        asked('close > symbol("QQQ", close)', universe)
    with pytest.raises(RequestRefused, match="asks for the symbol NONE, which has no 1d prices"):
        asked('close > symbol("NONE", close)', universe)


def test_symbols_are_ranked_among_all(universe: Universe) -> None:
    found = asked("place = rank(close)\nplace <= 2", universe, sort="place")
    assert [(match.ticker, match.values) for match in found.matches] == [("UP", (1.0,)), ("DOWN", (2.0,))]


RANKS = "strong = percentile(roc(close, 5))\nrank(sma(strong, 5)) <= 7 and rank(obv(close)) < 30"


@pytest.fixture
def wide(db: None) -> tuple[Universe, dict[str, Bars]]:
    """Three times as many symbols as are asked at once, which end on other days."""
    made = make_market(seed=3, n_symbols=48, n_bars=60, shape="walk")
    market = {ticker: bars[: 60 - number % 3] for number, (ticker, bars) in enumerate(made.items())}
    return store_universe("Wide", market), market


def test_ranks_are_those_of_the_whole_market_though_it_is_asked_in_parts(
    wide: tuple[Universe, dict[str, Bars]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "SYMBOLS_AT_ONCE", 1)
    universe, market = wide
    program, flat = compile_formula(RANKS), Flat.of(list(market.values()))
    evaluated, last = evaluate(program, flat), flat.edges[1:] - 1
    assert program.answer is not None
    matching = evaluated.matches(program.answer)[last]
    values = np.array([evaluated.numbers(part)[last] for part in program.columns]).T
    expected = {ticker: tuple(own) for ticker, own, is_match in zip(market, values, matching, strict=True) if is_match}
    assert {match.ticker: match.values for match in asked(RANKS, universe).matches} == expected
    assert 2 < len(expected) < 20


def test_a_screen_that_ranks_more_than_fits_into_memory_is_refused(
    wide: tuple[Universe, dict[str, Bars]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtests.runs.ranked.MOST_VALUES", 48 * 2)
    assert asked("rank(close) <= 2", wide[0]).matches
    with pytest.raises(RequestRefused, match="choose fewer symbols"):
        asked("rank(close) <= 2 and rank(obv(close)) < 9", wide[0])


def test_a_damaged_block_fails_alone(universe: Universe) -> None:
    PriceBlock.objects.filter(symbol__ticker="FLAT").update(close=b"\0" * 480)
    found = asked("close > 0", universe)
    assert set(tickers(found.matches)) == {"UP", "DOWN"}
    (reason,) = [failure.reason for failure in found.failures if failure.ticker == "FLAT"]
    assert reason.startswith("bad data: a price block does not match its checksum")


@pytest.mark.parametrize("ready", READY_SCREENS, ids=lambda ready: ready.key)
def test_a_screen_says_what_the_formula_says_on_all_bars(db: None, ready: object) -> None:
    """Only the bars that the formula reaches are read: the answer must be that of all of them."""
    market = {
        f"{shape}{name}": bars
        for shape in SHAPES
        for name, bars in make_market(seed=7, n_symbols=3, n_bars=700, shape=shape).items()
    }
    stored = store_universe("Shapes", market)
    program = compile_formula(ready.formula)  # type: ignore[attr-defined]
    facts = [Facts(ticker, "", "stocks") for ticker in market]
    flat = Flat.of(list(market.values()), facts)
    matches = evaluate(program, flat).matches(ScreenRequest(program, stored).condition)[flat.edges[1:] - 1]
    expected = {ticker for ticker, is_match in zip(market, matches, strict=True) if is_match}
    assert set(tickers(screen(ScreenRequest(program, stored)).matches)) == expected


def test_weeks_of_hours_reach_as_far_back_as_they_do(db: None) -> None:
    hours = {"S0": make_bars([100.0 + (number % 500) for number in range(1500)], step_s=3600)}
    stored = store_universe("Hours", hours, interval="1h", market="crypto")
    program = compile_formula("level = weekly(highest(high, 3))\nlevel > 0")
    (match,) = screen(ScreenRequest(program, stored, interval="1h")).matches
    assert match.values == (599.0,)


@pytest.mark.parametrize("formula", ["close > 0", "rank(close) > 0"])
def test_a_formula_that_takes_too_long_is_refused(
    formula: str, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "MOST_S", -1.0)
    with pytest.raises(RequestRefused, match="shorten its windows, or ask fewer symbols"):
        asked(formula, universe)


def test_the_library_is_worth_its_name() -> None:
    assert len(READY_SCREENS) >= 20
    assert (
        len({ready.key for ready in READY_SCREENS})
        == len({ready.name for ready in READY_SCREENS})
        == len(READY_SCREENS)
    )
    assert np.all([ready.idea.endswith(".") for ready in READY_SCREENS])


@pytest.mark.parametrize(
    "said",
    [
        "close > bollinger(close, 20, 2).upper",
        "close > keltner(20, 20, 1.5).upper",
        "(bollinger(close, 20, 2).upper < keltner(20, 20, 1.5).upper)[1]",
        "(bollinger(close, 20, 2).lower > keltner(20, 20, 1.5).lower)[1]",
    ],
)
def test_a_squeeze_that_lets_go_lay_within_the_channel_and_leaves_both(said: str) -> None:
    """The bands and the channel have different middles: what holds above need not hold below."""
    flat = Flat.of(list(make_market(seed=7, n_symbols=6, n_bars=700, shape="gaps").values()))
    found, expected = (
        evaluate(program, flat).matches(program.answer)
        for program in (compile_formula(READY_SCREENS_BY_KEY["squeeze-release"].formula), compile_formula(said))
        if program.answer
    )
    assert found.any()
    assert not (found & ~expected).any()
