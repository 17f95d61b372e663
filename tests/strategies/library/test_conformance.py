"""What every registered strategy keeps: one suite over all of them. test_checks.py shows that it would see a breach."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from strategies.bars import Bars
from strategies.base import Strategy
from strategies.conformance.checks import CHECKS
from strategies.conformance.parameters import check_bad_values_refused, check_unknown_refused, variants
from strategies.conformance.together import check_together
from strategies.errors import ParameterError
from strategies.library.buy_and_hold import BuyAndHold
from strategies.registry import strategies
from strategies.together import TOGETHER
from tests.builders import SHAPES, Shape, make_bars, make_market

# Values that lie within their own bounds but do not fit together, and the parameter that the refusal names.
MISFITS: dict[str, list[tuple[dict[str, float], str]]] = {
    "ema-cross": [({"fast": 26}, "fast"), ({"slow": 12}, "fast"), ({"fast": 100, "slow": 99}, "fast")],
    "macd": [({"fast": 26}, "fast"), ({"slow": 12}, "fast"), ({"fast": 100, "slow": 99}, "fast")],
    "momentum": [({"lookback": 21}, "skip"), ({"lookback": 10}, "skip"), ({"lookback": 100, "skip": 100}, "skip")],
    "rsi": [({"low": 70, "high": 30}, "low"), ({"low": 50, "high": 50}, "low"), ({"low": 71}, "low")],
    "sma-cross": [({"fast": 50}, "fast"), ({"slow": 20}, "fast"), ({"fast": 100, "slow": 99}, "fast")],
    "triple-average": [
        ({"fast": 9}, "fast"),
        ({"medium": 4}, "fast"),
        ({"medium": 18}, "medium"),
        ({"slow": 9}, "medium"),
    ],
    "zscore": [({"low": 1, "high": -1}, "low"), ({"low": 1, "high": 1}, "low"), ({"high": -2}, "low")],
}

EVERY = pytest.mark.parametrize("kind", strategies().values(), ids=strategies())

# Buy-and-hold is the yardstick and not an idea about the market: it has nothing to set, buys even where nothing moves
# and never sells. It is left out of the three tests that this breaks, and has one of its own; no other may be.
DECIDING = {key: kind for key, kind in strategies().items() if kind is not BuyAndHold}
EVERY_DECIDING = pytest.mark.parametrize("kind", DECIDING.values(), ids=DECIDING)


def market_of(shape: Shape) -> list[Bars]:
    return list(make_market(11, n_symbols=2, n_bars=400, shape=shape).values())


def markets() -> list[Bars]:
    return [bars for shape in SHAPES for bars in market_of(shape)]


@EVERY
@pytest.mark.parametrize("check", CHECKS)
def test_a_strategy_keeps_the_contract(kind: type[Strategy], check: Callable[[Strategy, Bars], None]) -> None:
    for bars in markets():
        check(kind(), bars)


@EVERY
@pytest.mark.parametrize("check", CHECKS)
def test_a_strategy_keeps_the_contract_at_its_bounds(
    kind: type[Strategy], check: Callable[[Strategy, Bars], None]
) -> None:
    bars = make_market(12, n_symbols=1, n_bars=900, shape="waves")["S0"]
    for strategy in variants(kind):
        check(strategy, bars)


@EVERY
def test_many_symbols_at_once_have_the_signals_of_each(kind: type[Strategy]) -> None:
    market = {f"{shape}{number}": bars for shape in SHAPES for number, bars in enumerate(market_of(shape))}
    for strategy in variants(kind):
        assert check_together(strategy, market) > 2 * TOGETHER


@EVERY
@pytest.mark.parametrize("closes", [[], [100.0], [100.0, 101.0], [100.0, 101.0, 99.0]])
def test_a_strategy_works_on_hardly_any_bars(kind: type[Strategy], closes: list[float]) -> None:
    bars = make_bars(closes)
    for check in CHECKS:
        check(kind(), bars)


@EVERY
def test_the_first_signal_comes_right_after_the_warm_up(kind: type[Strategy]) -> None:
    """A warm-up that is longer than needed would take bars from every test of a period."""
    strategy = kind()
    n_bars = strategy.warmup + 1
    market = make_market(13, n_symbols=400, n_bars=n_bars, shape="walk", price=50.0)
    signals = [strategy.signals(bars) for bars in market.values()]
    assert any(made.entry[strategy.warmup] or made.exit[strategy.warmup] for made in signals)


@EVERY_DECIDING
def test_a_strategy_enters_and_leaves_on_a_market_that_turns(kind: type[Strategy]) -> None:
    """The longer a strategy looks back, the more bars it needs to meet a turn of its own length."""
    strategy = kind()
    for bars in make_market(14, n_bars=600 + 10 * strategy.warmup, shape="waves").values():
        signals = strategy.signals(bars)
        assert signals.entry[strategy.warmup :].any()
        assert signals.exit[strategy.warmup :].any()


@EVERY_DECIDING
def test_a_market_that_does_not_move_gives_no_signal(kind: type[Strategy]) -> None:
    signals = kind().signals(make_bars([100.0] * 500))
    assert not signals.entry.any()
    assert not signals.exit.any()


def test_buy_and_hold_buys_the_first_bar_of_any_market_and_never_sells() -> None:
    assert (BuyAndHold.parameters(), BuyAndHold().warmup) == ({}, 0)
    assert set(strategies()) - set(DECIDING) == {"buy-and-hold"}
    for bars in [*markets(), make_bars([100.0] * 500)]:
        signals = BuyAndHold().signals(bars)
        assert signals.entry.nonzero()[0].tolist() == [0]
        assert not signals.exit.any()


@EVERY_DECIDING
def test_a_strategy_refuses_each_value_that_a_parameter_cannot_take(kind: type[Strategy]) -> None:
    assert kind.parameters()
    check_bad_values_refused(kind)


@EVERY
def test_a_strategy_refuses_an_unknown_parameter(kind: type[Strategy]) -> None:
    check_unknown_refused(kind)


@EVERY
def test_values_that_do_not_fit_together_are_refused_by_name(kind: type[Strategy]) -> None:
    assert (kind.check is not Strategy.check) == (kind.key in MISFITS)
    for values, name in MISFITS.get(kind.key, []):
        with pytest.raises(ParameterError) as caught:
            kind(**values)
        assert caught.value.name == name


@EVERY
def test_a_strategy_says_what_it_is(kind: type[Strategy]) -> None:
    assert kind.key
    assert kind.label
    assert kind.label != kind.key
    assert kind.help().endswith(".")
    assert "Source: " in (inspect.getdoc(kind) or "")
    for key, parameter in kind.parameters().items():
        assert parameter.help, key
        assert parameter.label, key
        assert parameter.low < parameter.high, key


@EVERY
def test_a_strategy_is_one_short_file(kind: type[Strategy]) -> None:
    source = Path(inspect.getsourcefile(kind) or "")
    assert len(source.read_text().splitlines()) <= 60
    assert [other.key for other in strategies().values() if inspect.getsourcefile(other) == str(source)] == [kind.key]


@EVERY
@pytest.mark.parametrize("cost", ["fee_pct", "slippage_pct"])
def test_costs_never_help(kind: type[Strategy], cost: str) -> None:
    free: dict[str, Any] = {"fee_pct": 0.0, "slippage_pct": 0.0}
    for bars in markets():
        signals = kind().signals(bars)
        ends = [
            simulate(bars, signals, Rules(**{**free, cost: 100 * share})).equity[-1]
            for share in (0.0, 0.0001, 0.001, 0.01, 0.1)
        ]
        assert ends == sorted(ends, reverse=True)
        assert (len(set(ends)) == 5) == (len(simulate(bars, signals, Rules()).trades) > 0)
