"""A sweep gives for every parameter set what evaluating it alone gives, and computes equal lines once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtests.engine import METRICS, PRESETS, RULES_BY_KEY, EngineError, Rules, TooShort, evaluate
from backtests.engine.coded import ALL_IN, coded
from backtests.engine.sweep import EVERY, QUICK, Sweep
from backtests.engine.table import INDEX
from strategies.bars import Bars, FloatArray, Signals
from strategies.base import Strategy
from strategies.indicators import sma
from strategies.library.ema_cross import EmaCross
from strategies.library.rsi import Rsi
from strategies.library.sma_cross import SmaCross
from strategies.lines import Line, LineCross
from strategies.params import Int
from tests.builders import SHAPES, another_value, make_bars, make_market

GRID: list[Strategy] = [SmaCross(fast=fast, slow=slow) for fast in (2, 5, 9) for slow in (10, 20, 400)]
MIXED: list[Strategy] = [*GRID, EmaCross(fast=3, slow=8), EmaCross()]
PLAIN = (Rules(), Rules(fee_pct=0.0, slippage_pct=0.0), Rules(cash=77.0, fee_pct=2.0, risk_free_pct=3.0))
OTHER = (Rules(direction="both"), Rules(stop_loss_pct=2.0), Rules(sharpe="monthly"), Rules(fill="same_close"))
# Plain, but not every position takes all of the account, or not every signal is heard.
PARTLY = {
    **{key: replace(PRESETS[key].rules, sharpe="bar") for key in ("backtesting.py", "backtrader", "tradingview")},
    "backtesting.py as it is": PRESETS["backtesting.py"].rules,
    **{key: Rules(**{key: another_value(RULES_BY_KEY[key])}) for key in ALL_IN},
    "half": Rules(size_pct=50.0, slippage_on="entry"),
    "few units": Rules(cash=350.0, whole_units=True, fixed_fee=2.5),
    "wanted volatility": Rules(sizing="volatility", volatility_bars=5, volatility_pct=10.0),
    "debts": Rules(size_costs="on_top", cash_check="off", fee_pct=2.0),
    "late": Rules(skip_bars=120),
}
MARKET = [(shape, bars) for shape in SHAPES for bars in make_market(5, n_symbols=2, n_bars=350, shape=shape).values()]


def swept(bars: Bars, strategies: list[Strategy], rules: Rules, **options: Any) -> FloatArray:
    return Sweep(strategies, rules, **options).of(bars)


def one_by_one(bars: Bars, strategies: list[Strategy], rules: Rules) -> FloatArray:
    return np.array([evaluate(bars, each.signals(bars), rules, bars_per_year=252)[1] for each in strategies])


@pytest.mark.parametrize("rules", [*PLAIN, *OTHER], ids=str)
def test_a_sweep_gives_what_each_parameter_set_gives_alone(rules: Rules) -> None:
    n_trades = 0.0
    for _, bars in MARKET:
        found = swept(bars, MIXED, rules, bars_per_year=252)
        np.testing.assert_array_equal(found, one_by_one(bars, MIXED, rules))
        n_trades += found[:, INDEX["trades"]].sum()
    assert n_trades > 100


@pytest.mark.parametrize("rules", PLAIN, ids=str)
def test_a_quick_sweep_gives_the_same_four_metrics(rules: Rules) -> None:
    for shape, bars in MARKET:
        found = swept(bars, MIXED, rules, bars_per_year=252, keys=QUICK)
        wanted = one_by_one(bars, MIXED, rules)[:, [INDEX[key] for key in QUICK]]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9, err_msg=shape)


@pytest.mark.parametrize("keys", [EVERY, QUICK, ("trades", "return_pct")], ids=["every", "quick", "two"])
@pytest.mark.parametrize("rules", PARTLY.values(), ids=PARTLY)
def test_plain_rules_that_are_not_all_in_are_swept_as_each_is_alone(rules: Rules, keys: tuple[str, ...]) -> None:
    assert coded(rules).is_plain
    assert not coded(rules).is_all_in
    n_trades = 0.0
    for _, bars in MARKET:
        found, wanted = swept(bars, GRID, rules, bars_per_year=252, keys=keys), one_by_one(bars, GRID, rules)
        np.testing.assert_array_equal(found, wanted[:, [INDEX[key] for key in keys]])
        n_trades += found[:, keys.index("trades")].sum()
    assert n_trades > 100


def test_rules_that_are_not_all_in_give_something_else() -> None:
    """So that the comparison above would see it if they were taken for all-in."""
    bars = [bars for _, bars in MARKET]
    plain = [one_by_one(each, GRID, Rules()) for each in bars]
    for name, rules in PARTLY.items():
        # Without another size nothing costs too much, and no average crosses on the first bar.
        if name not in {"cash_check", "skip_bars"}:
            partly = (one_by_one(each, GRID, rules) for each in bars)
            pairs = zip(plain, partly, strict=True)
            assert any(not np.array_equal(one, other, equal_nan=True) for one, other in pairs), name


def test_metrics_come_in_the_order_in_which_they_are_asked_for() -> None:
    bars = MARKET[0][1]
    every = swept(bars, GRID, Rules(), bars_per_year=252)
    assert every.shape == (len(GRID), len(METRICS))
    for keys in (("trades", "sharpe"), ("sqn", "trades"), ("bars",), tuple(reversed(EVERY))):
        found = swept(bars, GRID, Rules(), bars_per_year=252, keys=keys)
        np.testing.assert_allclose(found, every[:, [INDEX[key] for key in keys]], rtol=1e-12)


def test_strategies_of_any_kind_may_be_swept() -> None:
    bars = make_market(6, n_symbols=1, shape="waves")["S0"]
    mixed = [Rsi(period=5), SmaCross(), Rsi()]
    np.testing.assert_array_equal(swept(bars, mixed, Rules(), bars_per_year=252), one_by_one(bars, mixed, Rules()))
    assert swept(bars, [], Rules(), bars_per_year=252, keys=("sharpe",)).shape == (0, 1)


def test_equal_lines_are_computed_once() -> None:
    calls: list[int] = []

    def counted(series: FloatArray, period: int) -> FloatArray:
        calls.append(period)
        return sma(series, period)

    class Counted(LineCross):
        key = "counted"
        label = "Counted"
        fast = Int(2, low=1, high=9, help="Fast")
        slow = Int(20, low=10, high=99, help="Slow")

        def lines(self) -> tuple[Line, Line]:
            return Line(counted, "close", (self.fast,)), Line(counted, "close", (self.slow,))

    bars = MARKET[0][1]
    swept(bars, [Counted(fast=fast, slow=slow) for fast in (2, 3) for slow in (10, 20, 30)], Rules(), bars_per_year=252)
    assert sorted(calls) == [2, 3, 10, 20, 30]


def test_signals_of_ones_own_are_not_passed_over_for_the_lines() -> None:
    class Never(SmaCross):
        def signals(self, bars: Bars) -> Signals:
            return Signals(entry=np.zeros(len(bars), dtype=np.bool_), exit=np.zeros(len(bars), dtype=np.bool_))

    for _, bars in MARKET:
        assert swept(bars, [Never()], Rules(), bars_per_year=252, keys=("trades", "open_trades")).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"keys": ("sharp",)}, "keys: 'sharp' is no metric; the metrics are: start, "),
        ({"bars_per_year": 0.0}, "bars_per_year must be a positive number; it is 0.0"),
    ],
)
def test_what_cannot_be_swept_is_refused_by_name(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(EngineError, match=says):
        swept(MARKET[0][1], GRID, Rules(), **{"bars_per_year": 252, **changed})


@pytest.mark.parametrize("wrong", [None, {"cash": 1}, "backtrader", Rules])
def test_rules_of_another_kind_are_refused_by_name(wrong: Any) -> None:
    for strategies in (GRID, [Rsi()], []):
        with pytest.raises(EngineError, match=rf"^rules must be Rules; it is {type(wrong).__name__}$"):
            Sweep(strategies, wrong, bars_per_year=252)


@pytest.mark.parametrize("strategies", [GRID, [Rsi()]])
def test_one_bar_is_too_short(strategies: list[Strategy]) -> None:
    with pytest.raises(TooShort, match="at least 2 bars; there are 1"):
        swept(make_bars([1.0]), strategies, replace(Rules(), cash=5.0), bars_per_year=252)


@pytest.mark.parametrize("n_bars", [2, 3, 9])
def test_a_short_market_is_swept(n_bars: int) -> None:
    bars = make_bars([10.0, 12.0, 9.0, 13.0, 8.0, 14.0, 7.0, 15.0, 6.0][:n_bars])
    grid: list[Strategy] = [SmaCross(fast=2, slow=3), SmaCross(fast=2, slow=5)]
    for keys in (QUICK, EVERY):
        found = swept(bars, grid, Rules(), bars_per_year=252, keys=keys)
        wanted = one_by_one(bars, grid, Rules())[:, [INDEX[key] for key in keys]]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("keys", [QUICK, EVERY])
def test_equity_beyond_any_number_is_refused(keys: tuple[str, ...]) -> None:
    closes = ([1e-30] * 3 + [1e30] * 3) * 8
    opens = [1e30] * len(closes)
    for t in np.flatnonzero(SmaCross(fast=2, slow=3).signals(make_bars(closes)).entry):
        opens[t + 1] = 1e-30
    bars = make_bars(closes, opens=opens)
    with pytest.raises(EngineError, match="equity grows beyond any number"):
        swept(bars, [SmaCross(fast=2, slow=3)], Rules(), bars_per_year=252, keys=keys)


def test_bars_are_wanted() -> None:
    with pytest.raises(EngineError, match="bars must be Bars; it is list"):
        Sweep(GRID, Rules(), bars_per_year=252).of([1.0, 2.0])  # type: ignore[arg-type]


@pytest.mark.parametrize("jump", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("at", [3, 60, 200])
def test_a_jump_without_a_position_leaves_a_quick_sweep_exact(jump: float, at: int) -> None:
    closes = MARKET[0][1].close.copy()
    closes[:at] /= jump
    bars = make_bars(closes.tolist())
    found = swept(bars, MIXED, Rules(), bars_per_year=252, keys=QUICK)
    wanted = one_by_one(bars, MIXED, Rules())[:, [INDEX[key] for key in QUICK]]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("strategies", "keys", "says"),
    [
        (None, QUICK, "strategies must be Sequence; it is NoneType"),
        ([1], QUICK, "strategies: each must be Strategy; it is int"),
        ([SmaCross], QUICK, "strategies: each must be Strategy; it is type"),
        (GRID, "sharpe", "keys must be a sequence of metrics' keys; it is the text 'sharpe'"),
    ],
)
def test_a_sweep_names_what_it_cannot_take(strategies: Any, keys: Any, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        Sweep(strategies, Rules(), bars_per_year=252, keys=keys)


def test_a_line_of_another_length_is_refused() -> None:
    class Level(LineCross):
        key = "level"
        label = "Level"

        def lines(self) -> tuple[Line, Line]:
            return Line(sma, "close", (3,)), Line(lambda series: series[:1], "close", ())

    with pytest.raises(EngineError, match=r"a line must have one value a bar, 350; its shape is \(1,\)"):
        Sweep([Level()], Rules(), bars_per_year=252).of(MARKET[0][1])
