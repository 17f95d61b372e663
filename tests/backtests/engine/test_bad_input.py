"""Nonsense is refused by name before there is a number. ``Bars`` itself trusts its caller; ``Bars.of`` checks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backtests.engine import (
    EngineError,
    Outcome,
    Rules,
    RulesError,
    TooShort,
    evaluate,
    evaluate_all,
    measure,
    preset_rules,
    simulate,
)
from backtests.engine.periods import bars_per_year
from strategies.bars import PRICE_FIELDS, Bars, Signals
from strategies.errors import BarsError, SignalsError
from tests.backtests.engine.references import random_signals, signals_on
from tests.builders import make_bars, make_market

COLUMNS: dict[str, list[float]] = {
    "time": [0, 60, 120],
    "open": [10.0, 11.0, 12.0],
    "high": [12.0, 13.0, 14.0],
    "low": [9.0, 10.0, 11.0],
    "close": [11.0, 12.0, 13.0],
    "volume": [1.0, 0.0, 2.0],
}
BARS = make_bars([10.0, 11.0, 12.0, 13.0])
SIGNALS = signals_on(4, entry=[0], exit=[2])
GENERAL = Rules(direction="both", stop_loss_pct=5.0)

Run = Callable[[Bars, Signals, Rules], Any]


def simulated(bars: Bars, signals: Signals, rules: Rules) -> Any:
    return simulate(bars, signals, rules, bars_per_year=252)


def evaluated(bars: Bars, signals: Signals, rules: Rules) -> Any:
    return evaluate(bars, signals, rules, bars_per_year=252)


both_runs = pytest.mark.parametrize("run", [simulated, evaluated])
both_kernels = pytest.mark.parametrize("rules", [Rules(), GENERAL], ids=["plain", "general"])


def test_the_columns_are_fine_as_they_are() -> None:
    assert len(Bars.of(**COLUMNS)) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time", [0, 120, 60]),
        ("time", [0, 60, 60]),
        ("time", [0.0, 60.5, 120.0]),
        ("time", [0, 60]),
        ("volume", [1.0, -1.0, 2.0]),
        ("volume", [1.0, math.nan, 2.0]),
        *((name, [11.0, bad, 11.0]) for name in PRICE_FIELDS for bad in (math.nan, math.inf, 0.0, -11.0)),
        *((name, [11.0, 11.0]) for name in (*PRICE_FIELDS, "volume")),
        *((name, [[11.0], [11.0], [11.0]]) for name in (*PRICE_FIELDS, "volume")),
        ("open", [10.0, 14.0, 12.0]),
        ("close", [11.0, 9.0, 13.0]),
        ("open", ["a", "b", "c"]),
    ],
)
def test_bars_that_cannot_be_are_refused_by_column(name: str, values: list[Any]) -> None:
    with pytest.raises(BarsError, match=rf"\b{name}\b"):
        Bars.of(**{**COLUMNS, name: values})


@both_runs
@both_kernels
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_bars_are_refused(run: Run, rules: Rules, n: int) -> None:
    with pytest.raises(TooShort, match=rf"^a simulation needs at least 2 bars; there are {n}$"):
        run(BARS[:n], signals_on(n), rules)


@both_runs
@both_kernels
@pytest.mark.parametrize("name", ["entry", "exit", "short_entry", "short_exit"])
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(3, bool),
        np.zeros(5, bool),
        np.zeros((4, 1), bool),
        np.zeros(4),
        np.zeros(4, np.int8),
        [True] * 4,
        "yes",
    ],
    ids=["shorter", "longer", "2-d", "floats", "bytes", "list", "text"],
)
def test_signals_of_another_shape_or_type_are_refused_by_name(run: Run, rules: Rules, name: str, wrong: Any) -> None:
    flags = {"entry": SIGNALS.entry, "exit": SIGNALS.exit, name: wrong}
    with pytest.raises(SignalsError, match=rf"^{name} must be bool of shape \(4,\); the strategy returned "):
        run(BARS, Signals(**flags), rules)


@pytest.mark.parametrize("wrong", [0, 0.0, -252, math.nan, math.inf, -math.inf])
def test_an_absurd_number_of_bars_a_year_is_refused(wrong: float) -> None:
    outcome = simulate(BARS, SIGNALS, Rules())
    message = r"^bars_per_year must be a positive number; it is "
    for rules in (Rules(), GENERAL):
        with pytest.raises(EngineError, match=message):
            evaluate(BARS, SIGNALS, rules, bars_per_year=wrong)
    with pytest.raises(EngineError, match=message):
        measure(BARS, outcome, Rules(), bars_per_year=wrong)
    if not math.isnan(wrong):
        for rules in (Rules(), Rules(direction="short")):
            with pytest.raises(EngineError, match=message):
                simulate(BARS, SIGNALS, rules, bars_per_year=wrong)


def test_rules_that_need_the_bars_of_a_year_say_so() -> None:
    for key, rules in (("borrow_pct", Rules(direction="short")), ("sizing", Rules(sizing="volatility"))):
        with pytest.raises(RulesError, match=rf"^{key}: needs bars_per_year, the bars of a year; it is nan$"):
            simulate(BARS, SIGNALS, rules)


@pytest.mark.parametrize("place", ["bars", "signals", "rules"])
@pytest.mark.parametrize("wrong", [None, [1, 0, 1], {"cash": 1}])
def test_an_argument_of_another_kind_is_refused_by_name(place: str, wrong: Any) -> None:
    given: dict[str, Any] = {"bars": BARS, "signals": SIGNALS, "rules": Rules(), place: wrong}
    wanted = rf"^{place} must be {place.capitalize()}; it is {type(wrong).__name__}$"
    with pytest.raises(EngineError, match=wanted):
        simulate(**given)
    with pytest.raises(EngineError, match=wanted):
        evaluate(**given, bars_per_year=252)


def test_equity_beyond_any_number_is_no_result() -> None:
    closes = [1e-30, 1e-30, 1e30, 1e30, 1e-30, 1e-30] * 8
    bars = make_bars(closes, opens=closes)
    signals = Signals(entry=np.array([price < 1 for price in closes]), exit=np.array([price > 1 for price in closes]))
    with pytest.raises(EngineError, match=r"^bars: equity grows beyond any number on such prices$"):
        simulate(bars, signals, Rules())
    with pytest.raises(EngineError, match=r"^bars: equity grows beyond any number on such prices$"):
        evaluate(bars, signals, Rules(), bars_per_year=252)


def test_an_outcome_of_other_cash_is_refused() -> None:
    outcome = simulate(BARS, SIGNALS, Rules())
    with pytest.raises(EngineError, match=r"^rules: cash is 5, but the outcome began with 10000$"):
        measure(BARS, outcome, Rules(cash=5), bars_per_year=252)


@pytest.mark.parametrize("days", [0, -5, 367, math.nan])
def test_a_year_of_absurd_length_is_refused(days: Any) -> None:
    with pytest.raises(EngineError, match=r"^days_a_year must be from 1 to 366; it is "):
        bars_per_year("stocks", "1d", days)


def test_bars_of_a_year_that_nothing_needs_may_be_left_out() -> None:
    for rules in (Rules(), Rules(stop_loss_pct=5), Rules(direction="both", borrow_pct=0), Rules(fill="same_close")):
        outcome = simulate(BARS, SIGNALS, rules)
        assert np.isfinite(outcome.equity).all()
        assert outcome.equity.tobytes() == simulate(BARS, SIGNALS, rules, bars_per_year=252).equity.tobytes()


def test_metrics_of_other_bars_are_refused() -> None:
    outcome = simulate(BARS, SIGNALS, Rules())
    with pytest.raises(EngineError, match=r"^metrics need 2 bars or more and their equity; got 3 and 4$"):
        measure(BARS[:3], outcome, Rules(), bars_per_year=252)


@pytest.mark.parametrize("part", [slice(0, 4, 2), slice(None, None, -1), 0, "all"])
def test_bars_are_cut_only_by_a_plain_slice(part: Any) -> None:
    with pytest.raises(BarsError, match=r"^bars are cut by a slice of step 1, not by "):
        BARS[part]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"cash": 0}, "cash"),
        ({"cash": -1}, "cash"),
        ({"cash": math.nan}, "cash"),
        ({"fee_pct": -0.1}, "fee_pct"),
        ({"fixed_fee": -1}, "fixed_fee"),
        ({"slippage_pct": 51}, "slippage_pct"),
        ({"size_pct": 101}, "size_pct"),
        ({"stop_loss_pct": 0}, "stop_loss_pct"),
        ({"atr_bars": 0}, "atr_bars"),
        ({"reentry_delay": 1.5}, "reentry_delay"),
        ({"fill": "open"}, "fill"),
        ({"leverage": 2}, "leverage"),
    ],
)
def test_rules_that_cannot_be_are_refused_by_name(values: dict[str, Any], name: str) -> None:
    for make in (Rules.of, lambda given: preset_rules("backtrader", given)):
        with pytest.raises(RulesError, match=f"^{name}: ") as caught:
            make(values)
        assert caught.value.name == name


@pytest.mark.parametrize(
    ("market", "interval"), [("stock", "1d"), ("", "1d"), ("stocks", "0m"), ("crypto", "-1h"), ("stocks", "1y")]
)
def test_an_unknown_market_or_period_is_refused(market: str, interval: str) -> None:
    wrong = "interval" if market in {"stocks", "crypto"} else "market"
    with pytest.raises(EngineError, match=rf"^{wrong} must be one of .*; it is "):
        bars_per_year(market, interval)


def measured_trades(change: str) -> None:
    bars = next(iter(make_market(3, n_bars=200).values()))
    outcome = simulate(bars, random_signals(5, 200), Rules())
    trades = outcome.trades.copy()
    assert len(trades) > 3
    if change == "beyond":
        trades["exit_bar"][-1] = 10**8
    elif change == "before":
        trades["entry_bar"][0] = -1
    elif change == "reversed":
        trades = trades[::-1].copy()
    elif change == "backwards":
        trades["exit_bar"][1] = trades["entry_bar"][1] - 1
    measure(bars, Outcome(trades, outcome.equity), Rules(), bars_per_year=252)


@pytest.mark.parametrize("change", ["beyond", "before", "reversed", "backwards"])
def test_trades_that_are_not_on_the_bars_are_not_measured(change: str) -> None:
    with pytest.raises(EngineError, match="outcome: its trades must follow one another on bars 0 to 199"):
        measured_trades(change)


def test_what_is_measured_is_named_if_it_is_of_another_kind() -> None:
    bars = next(iter(make_market(3, n_bars=20).values()))
    outcome = simulate(bars, random_signals(5, 20), Rules())
    for given, says in (
        ((None, outcome, Rules()), "bars must be Bars; it is NoneType"),
        ((bars, None, Rules()), "outcome must be Outcome; it is NoneType"),
        ((bars, outcome, None), "rules must be Rules; it is NoneType"),
        ((bars, Outcome(outcome.trades, outcome.equity.astype("f4")), Rules()), "outcome must hold equity as float64"),
    ):
        with pytest.raises(EngineError, match=says):
            measure(*given, bars_per_year=252)


def test_bars_whose_columns_differ_in_length_are_refused() -> None:
    bars = next(iter(make_market(3, n_bars=20).values()))
    short = Bars(bars.time, bars.open, bars.high[:-1], bars.low, bars.close, bars.volume)
    with pytest.raises(EngineError, match="bars: all columns must have one length; time has 20, open 20, high 19"):
        simulate(short, random_signals(5, 20), Rules())


@pytest.mark.parametrize("given", [1, None, iter(())], ids=["a number", "nothing", "a generator"])
def test_many_symbols_are_sequences(given: Any) -> None:
    kind = type(given).__name__
    with pytest.raises(EngineError, match=f"bars must be Sequence; it is {kind}"):
        evaluate_all(given, [], Rules(), bars_per_year=252)
    with pytest.raises(EngineError, match=f"signals must be Sequence; it is {kind}"):
        evaluate_all([], given, Rules(), bars_per_year=252)
