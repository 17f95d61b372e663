"""Many symbols evaluated together are what each of them is alone, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtests.engine import METRICS, PRESETS, TRADE, EngineError, Rules, TooShort, evaluate, evaluate_all
from backtests.engine.evaluate import Evaluated
from strategies.bars import Bars, BoolArray, Signals
from strategies.errors import SignalsError
from strategies.together import TOGETHER
from tests.backtests.engine.references import any_markets, any_rules, examples, general, random_signals, signals_on
from tests.builders import SHAPES, make_bars, make_market

# The package has a function of the module's name.
MODULE = import_module("backtests.engine.evaluate")
YEAR = 252.0
LENGTHS = (120, 2, 3, 7, 64, 8, 2, 33, 250, 15, 16, 17, 9, 100, 5)
COUNTS = (0, 1, 15, 16, 17, 40)

RULE_SETS = {
    "default": Rules(),
    "general kernel": general(Rules()),
    "short": Rules(direction="short"),
    "both": Rules(direction="both", fill="same_close", stop_loss_pct=3.0, at_end="close"),
    "average true ranges": Rules(trailing_atr=1.5, atr_bars=4),
    "average true ranges of both": Rules(direction="both", trailing_atr=0.5, atr_bars=60, sharpe="monthly"),
    "refused entries": Rules(cash=250.0, whole_units=True, size_price="signal_close", size_costs="on_top"),
    **{key: preset.rules for key, preset in PRESETS.items()},
    **{f"{key}, both": Rules.of({**preset.values, "direction": "both"}) for key, preset in PRESETS.items()},
}

Symbols = tuple[list[Bars], list[Signals]]


def make_symbols(
    n_symbols: int, *, share: float = 0.15, lengths: Sequence[int] = LENGTHS, own_short: int = 0
) -> Symbols:
    """Symbols of these lengths, of every shape in turn; ``own_short`` of three have short signals of their own."""
    bars: list[Bars] = []
    signals: list[Signals] = []
    for number in range(n_symbols):
        n_bars = lengths[number % len(lengths)]
        bars += make_market(number, n_symbols=1, n_bars=n_bars, shape=SHAPES[number % len(SHAPES)]).values()
        long = random_signals(number, n_bars, share)
        short = random_signals(1000 + number, n_bars, share)
        has_own = number % 3 < own_short
        signals.append(Signals(long.entry, long.exit, short.entry, short.exit) if has_own else long)
    return bars, signals


def assert_as_alone(found: Sequence[Evaluated], bars: Sequence[Bars], signals: Sequence[Signals], rules: Rules) -> int:
    """Every symbol has what it has alone; return the number of all trades."""
    assert len(found) == len(bars)
    for (outcome, values), own_bars, own_signals in zip(found, bars, signals, strict=True):
        alone, wanted = evaluate(own_bars, own_signals, rules, bars_per_year=YEAR)
        assert outcome.trades.dtype == TRADE
        assert outcome.trades.tobytes() == alone.trades.tobytes()
        assert outcome.equity.tobytes() == alone.equity.tobytes()
        assert values.shape == (len(METRICS),)
        defined = ~np.isnan(wanted)
        assert np.array_equal(defined, ~np.isnan(values))
        assert values[defined].tobytes() == wanted[defined].tobytes()
    return sum(len(outcome.trades) for outcome, _ in found)


def compare(bars: Sequence[Bars], signals: Sequence[Signals], rules: Rules) -> int:
    return assert_as_alone(list(evaluate_all(bars, signals, rules, bars_per_year=YEAR)), bars, signals, rules)


def refuse_at_once(
    bars: Sequence[Bars], signals: Sequence[Signals], rules: Any = None, *, bars_per_year: float = YEAR
) -> None:
    """Call and ask for nothing: what is refused is refused by the call."""
    evaluate_all(bars, signals, Rules() if rules is None else rules, bars_per_year=bars_per_year)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The lengths of the symbols of every group, in the order in which they are evaluated."""
    seen: list[list[int]] = []
    evaluate_together = MODULE._evaluate_together

    def noted(series: Any, rules: Rules, bars_per_year: float) -> Any:
        seen.append([len(each[0]) for each in series])
        return evaluate_together(series, rules, bars_per_year)

    monkeypatch.setattr(MODULE, "_evaluate_together", noted)
    return seen


# Against each symbol alone


@pytest.mark.parametrize("n_symbols", COUNTS)
@pytest.mark.parametrize("rules", RULE_SETS.values(), ids=RULE_SETS)
def test_symbols_together_have_what_each_has_alone(rules: Rules, n_symbols: int) -> None:
    n_trades = compare(*make_symbols(n_symbols, own_short=2), rules)
    assert n_trades >= 2 * (n_symbols - 1)


@pytest.mark.parametrize("own_short", [0, 3], ids=["mirrored", "explicit"])
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_short_signals_may_be_mirrored_or_explicit(direction: Any, own_short: int) -> None:
    for rules in (Rules(direction=direction), Rules(direction=direction, trailing_atr=2.0, fill="next_close")):
        assert compare(*make_symbols(40, own_short=own_short), rules) > 100


@pytest.mark.parametrize("n_symbols", COUNTS)
@pytest.mark.parametrize("name", ["default", "both", "average true ranges", "backtrader"])
def test_symbols_without_a_signal_have_no_trades(name: str, n_symbols: int) -> None:
    assert compare(*make_symbols(n_symbols, share=0.0), RULE_SETS[name]) == 0


def test_symbols_without_trades_stand_between_those_with_some() -> None:
    bars, busy = make_symbols(40)
    idle = make_symbols(40, share=0.0)[1]
    for every in (2, 3):
        signals = [idle[i] if i % every == 0 else busy[i] for i in range(40)]
        for rules in (Rules(), RULE_SETS["both"]):
            assert compare(bars, signals, rules) > 40


def test_an_entry_on_every_bar_has_room_for_its_trade() -> None:
    for rules in (Rules(), general(Rules()), Rules(direction="both"), Rules(time_stop_bars=1)):
        bars, signals = make_symbols(17, share=1.0)
        held = [Signals(each.entry, np.zeros_like(each.exit)) for each in signals]
        compare(bars, held, rules)
        # In and out on every second bar.
        turns = [Signals(np.arange(len(b)) % 2 == 0, np.arange(len(b)) % 2 == 1) for b in bars]
        assert compare(bars, turns, rules) > sum(len(each) for each in bars) // 2 - 2 * 17


@settings(examples, max_examples=100)
@given(market=st.lists(any_markets(max_bars=12), min_size=1, max_size=5), rules=any_rules(), copies=st.integers(1, 5))
def test_any_symbols_under_any_rules(market: list[tuple[Bars, Signals]], rules: Rules, copies: int) -> None:
    bars, signals = zip(*market * copies, strict=True)
    compare(bars, signals, rules)


def test_the_same_symbol_may_come_twice() -> None:
    bars, signals = make_symbols(1, lengths=[90])
    assert compare(bars * 20, signals * 20, Rules(direction="both")) > 20


def test_results_come_in_the_order_of_the_symbols() -> None:
    bars, signals = make_symbols(40, lengths=range(2, 42))
    for step in (1, -1):
        found = evaluate_all(bars[::step], signals[::step], Rules(), bars_per_year=YEAR)
        assert [len(outcome.equity) for outcome, _ in found] == [*range(2, 42)][::step]


def test_a_result_may_be_changed_without_changing_another() -> None:
    bars, signals = make_symbols(17)
    found = list(evaluate_all(bars, signals, Rules(), bars_per_year=YEAR))
    for outcome, values in found[::2]:
        outcome.equity[:] = values[:] = -1.0
        outcome.trades["pnl"] = -1.0
    assert assert_as_alone(found[1::2], bars[1::2], signals[1::2], Rules()) > 10


# Groups


@pytest.mark.parametrize("most_bars", [1, 2, 40, 130, 1000, 10**9])
@pytest.mark.parametrize("n_symbols", [1, 17, 40])
@pytest.mark.parametrize("name", ["default", "both"])
def test_groups_are_as_large_as_they_may_be_and_change_no_result(
    monkeypatch: pytest.MonkeyPatch, groups: list[list[int]], name: str, n_symbols: int, most_bars: int
) -> None:
    monkeypatch.setattr(MODULE, "MOST_BARS", most_bars)
    bars, signals = make_symbols(n_symbols)
    assert compare(bars, signals, RULE_SETS[name]) > 0
    assert [n_bars for group in groups for n_bars in group] == [len(each) for each in bars]
    assert all(len(group) == 1 or sum(group) <= most_bars for group in groups)
    assert max(map(len, groups)) <= TOGETHER
    assert all(len(group) == TOGETHER or sum(group) + after[0] > most_bars for group, after in pairwise(groups))


def test_a_symbol_longer_than_a_group_is_one_of_its_own(groups: list[list[int]]) -> None:
    longest = MODULE.MOST_BARS + 10
    bars, signals = make_symbols(5, lengths=[50, 60, 70, longest, 80], share=0.02)
    assert compare(bars, signals, Rules()) > 500
    assert groups == [[50, 60, 70], [longest], [80]]


def test_a_group_is_evaluated_when_it_is_asked_for(groups: list[list[int]]) -> None:
    bars, signals = make_symbols(40)
    found = evaluate_all(bars, signals, Rules(), bars_per_year=YEAR)
    assert isinstance(found, Iterator)
    assert groups == []
    for n_groups in (1, 2, 3):
        for _ in range(8 if n_groups == 3 else TOGETHER):
            next(found)
        assert [len(group) for group in groups] == [16, 16, 8][:n_groups]
    assert list(found) == []


# What is refused


@pytest.mark.parametrize("place", [0, 3, 16, 19])
@pytest.mark.parametrize(
    ("name", "wrong"), [("bars", None), ("bars", [1.0, 2.0]), ("signals", None), ("signals", "buy!")], ids=str
)
def test_a_symbol_of_another_kind_is_refused_at_once_by_name(name: str, wrong: Any, place: int) -> None:
    bars, signals = make_symbols(20)
    changed: list[Any] = bars if name == "bars" else signals
    changed[place] = wrong
    with pytest.raises(EngineError, match=rf"^{name} must be {name.capitalize()}; it is {type(wrong).__name__}$"):
        refuse_at_once(bars, signals)


def test_rules_of_another_kind_are_refused_at_once_by_name() -> None:
    with pytest.raises(EngineError, match=r"^rules must be Rules; it is dict$"):
        refuse_at_once(*make_symbols(3), {"cash": 1})


@pytest.mark.parametrize("rules", [Rules(), RULE_SETS["both"]], ids=["plain", "general"])
@pytest.mark.parametrize("place", [0, 16])
@pytest.mark.parametrize("n_bars", [0, 1])
def test_a_symbol_that_is_too_short_is_refused_at_once(rules: Rules, place: int, n_bars: int) -> None:
    bars, signals = make_symbols(20)
    bars[place], signals[place] = bars[place][:n_bars], signals_on(n_bars)
    with pytest.raises(TooShort, match=rf"^a simulation needs at least 2 bars; there are {n_bars}$"):
        refuse_at_once(bars, signals, rules)


@pytest.mark.parametrize("place", [0, 16])
@pytest.mark.parametrize("name", ["entry", "exit", "short_entry", "short_exit"])
@pytest.mark.parametrize(
    "wrong",
    [np.zeros(3, bool), np.zeros((4, 1), bool), np.zeros(4), [True] * 4],
    ids=["short", "2-d", "floats", "list"],
)
def test_a_signal_that_does_not_fit_is_refused_at_once_by_name(name: str, wrong: Any, place: int) -> None:
    bars, signals = make_symbols(20, lengths=[4])
    flags = {"entry": np.zeros(4, bool), "exit": np.zeros(4, bool), name: wrong}
    signals[place] = Signals(**flags)
    with pytest.raises(SignalsError, match=rf"^{name} must be bool of shape \(4,\); the strategy returned "):
        refuse_at_once(bars, signals)


@pytest.mark.parametrize("wrong", [0, -252, float("nan"), float("inf"), "252"])
def test_an_absurd_number_of_bars_a_year_is_refused_at_once(wrong: Any) -> None:
    for n_symbols in (0, 3):
        with pytest.raises(EngineError, match=r"^bars_per_year must be a positive number; it is "):
            refuse_at_once(*make_symbols(n_symbols), bars_per_year=wrong)


@pytest.mark.parametrize(("n_bars", "n_signals"), [(3, 2), (2, 3), (0, 1), (17, 16)])
def test_as_many_signals_as_bars_are_wanted_at_once(n_bars: int, n_signals: int) -> None:
    bars, signals = make_symbols(20)
    with pytest.raises(EngineError, match=f"signals must be as many as bars, {n_bars}; there are {n_signals}"):
        refuse_at_once(bars[:n_bars], signals[:n_signals])


def test_rules_are_wanted_even_where_there_are_no_symbols() -> None:
    with pytest.raises(EngineError, match="rules must be Rules; it is str"):
        evaluate_all([], [], "plain", bars_per_year=YEAR)  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", [Rules(), general(Rules(cash_check="off"))], ids=["plain", "general"])
@pytest.mark.parametrize("place", [0, 4, 15, 16, 19])
def test_equity_beyond_any_number_is_an_error_once_its_group_is_reached(place: int, rules: Rules) -> None:
    bars, signals = make_symbols(20)
    closes = [1e-30, 1e-30, 1e30, 1e30, 1e-30, 1e-30] * 8
    bars[place] = make_bars(closes, opens=closes)
    signals[place] = Signals(np.array([price < 1 for price in closes]), np.array([price > 1 for price in closes]))
    found = evaluate_all(bars, signals, rules, bars_per_year=YEAR)
    n_before = place // TOGETHER * TOGETHER
    before = [next(found) for _ in range(n_before)]
    assert_as_alone(before, bars[:n_before], signals[:n_before], rules)
    with pytest.raises(EngineError, match=r"^bars: equity grows beyond any number on such prices$"):
        next(found)


# Arrays of any layout


def strided(flags: BoolArray) -> BoolArray:
    return np.repeat(flags, 2)[::2]


def reversed_view(flags: BoolArray) -> BoolArray:
    return np.ascontiguousarray(flags[::-1])[::-1]


def read_only(flags: BoolArray) -> BoolArray:
    copy = flags.copy()
    copy.flags.writeable = False
    return copy


def column(flags: BoolArray) -> BoolArray:
    return np.stack([flags, ~flags], axis=1)[:, 0]


def flags_of(signals: Signals) -> list[BoolArray]:
    arrays = (signals.entry, signals.exit, signals.short_entry, signals.short_exit)
    return [flags for flags in arrays if flags is not None]


@pytest.mark.parametrize("name", ["default", "both", "average true ranges"])
def test_signals_may_be_laid_out_in_any_way(name: str) -> None:
    layouts = (strided, reversed_view, read_only, column, np.copy)
    bars, signals = make_symbols(20, own_short=3)
    laid = []
    for number, each in enumerate(signals):
        entry, exit_, *short = (layouts[(number + i) % 5](flags) for i, flags in enumerate(flags_of(each)))
        laid.append(Signals(entry, exit_, short[0], short[1]))
    assert all(len(flags_of(each)) == 4 for each in laid)
    found = list(evaluate_all(bars, laid, RULE_SETS[name], bars_per_year=YEAR))
    assert assert_as_alone(found, bars, signals, RULE_SETS[name]) > 20


def test_signals_are_left_as_they_were() -> None:
    bars, signals = make_symbols(20, own_short=3)
    before = [[flags.copy() for flags in flags_of(each)] for each in signals]
    for rules in (Rules(), RULE_SETS["both"]):
        list(evaluate_all(bars, signals, rules, bars_per_year=YEAR))
    for own, each in zip(before, signals, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(own, flags_of(each), strict=True))


def test_bars_may_be_writable_next_to_those_that_are_not() -> None:
    bars, signals = make_symbols(6)
    names = ("time", "open", "high", "low", "close", "volume")
    mixed = [
        Bars(*(getattr(each, name).copy() for name in names)) if number % 2 else each
        for number, each in enumerate(bars)
    ]
    for rules in (Rules(), RULE_SETS["both"]):
        found = list(evaluate_all(mixed, signals, rules, bars_per_year=YEAR))
        assert_as_alone(found, bars, signals, rules)
