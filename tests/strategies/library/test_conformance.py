"""What every registered strategy keeps: one suite over all of them, and cheats that show that it would see a breach."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtests.engine.rules import Rules
from backtests.engine.simulate import simulate
from strategies.bars import Bars, BoolArray, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.indicators import crossed_above, crossed_below, sma
from strategies.params import Int
from strategies.registry import strategies
from tests.builders import SHAPES, make_bars, make_market
from tests.strategies.test_params import Example

BARS_FIELDS = ("time", "open", "high", "low", "close", "volume")

# Values that lie within their own bounds but do not fit together, and the parameter that the refusal names.
MISFITS: dict[str, list[tuple[dict[str, float], str]]] = {
    "rsi": [({"low": 70, "high": 30}, "low"), ({"low": 50, "high": 50}, "low"), ({"low": 71}, "low")],
    "sma-cross": [({"fast": 50}, "fast"), ({"slow": 20}, "fast"), ({"fast": 100, "slow": 99}, "fast")],
}

EVERY = pytest.mark.parametrize("kind", strategies().values(), ids=strategies())


def markets() -> list[Bars]:
    return [bars for shape in SHAPES for bars in make_market(11, n_symbols=2, n_bars=400, shape=shape).values()]


def same(first: Signals, second: Signals) -> bool:
    return np.array_equal(first.entry, second.entry) and np.array_equal(first.exit, second.exit)


def writable(bars: Bars) -> Bars:
    return Bars(*(getattr(bars, name).copy() for name in BARS_FIELDS))


def variants(kind: type[Strategy]) -> list[Strategy]:
    """The strategy with its defaults and, where they fit together, with each parameter at its bounds."""
    changes: list[dict[str, float]] = [{}]
    for key, parameter in kind.parameters().items():
        changes += [{key: parameter.low}, {key: parameter.high}]
    changes += [{key: getattr(item, end) for key, item in kind.parameters().items()} for end in ("low", "high")]
    fitting: list[Strategy] = []
    for values in changes:
        # Without a check of its own a strategy has no reason to refuse what lies within the bounds.
        with suppress(*([ParameterError] if kind.check is not Strategy.check else [])):
            fitting.append(kind(**values))
    return fitting


def no_number_of(parameter: Any) -> list[Any]:
    """Values that this parameter must refuse."""
    step = 1 if isinstance(parameter, Int) else 1e-9
    bad: list[Any] = [parameter.low - step, parameter.high + step, -math.inf, math.inf, math.nan, 10**400]
    bad += ["", "ten", "nan", None, True, False, [parameter.default], {}, object()]
    return [*bad, parameter.low + 0.5] if isinstance(parameter, Int) else bad


# The checks that a cheat must fail.


def check_no_look_ahead(strategy: Strategy, bars: Bars) -> None:
    """Signals on the first t bars are the first t signals, whatever comes later and whether or not anything does."""
    whole = strategy.signals(bars)
    for t in [*range(4), *range(4, len(bars), 9), len(bars) - 1, len(bars)]:
        part = strategy.signals(bars[:t])
        assert same(part, Signals(whole.entry[:t], whole.exit[:t])), f"signals of the first {t} bars depend on later"
    for t in range(1, len(bars), 61):
        for factor in (0.5, 1e6):
            other = writable(bars)
            for name in BARS_FIELDS[1:]:
                getattr(other, name)[t:] *= factor
            changed = strategy.signals(other)
            same_before = Signals(changed.entry[:t], changed.exit[:t])
            assert same(same_before, Signals(whole.entry[:t], whole.exit[:t])), f"bars from {t} on change what was"


def check_signals_fit(strategy: Strategy, bars: Bars) -> None:
    signals = strategy.signals(bars)
    assert isinstance(signals, Signals)
    assert signals.checked(bars) is signals


def check_warmup(strategy: Strategy, bars: Bars) -> None:
    signals = strategy.signals(bars)
    early = signals.entry[: strategy.warmup] | signals.exit[: strategy.warmup]
    assert not early.any(), f"a signal stands before {strategy.warmup} bars have passed"


def check_deterministic(strategy: Strategy, bars: Bars) -> None:
    first = strategy.signals(bars)
    assert same(first, strategy.signals(bars)), "the same strategy decides otherwise the second time"
    assert same(first, type(strategy)(**strategy.values).signals(bars)), "an equal strategy decides otherwise"


def check_inputs_untouched(strategy: Strategy, bars: Bars) -> None:
    given, before = writable(bars), writable(bars)
    signals = strategy.signals(given)
    for name in BARS_FIELDS:
        assert np.array_equal(getattr(given, name), getattr(before, name)), f"the strategy changed {name}"
    assert same(strategy.signals(bars), signals), "read-only bars give other signals"


CHECKS: list[Callable[[Strategy, Bars], None]] = [
    check_no_look_ahead,
    check_signals_fit,
    check_warmup,
    check_deterministic,
    check_inputs_untouched,
]


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


@EVERY
def test_a_strategy_enters_and_leaves_on_a_market_that_turns(kind: type[Strategy]) -> None:
    strategy = kind()
    for bars in make_market(14, n_bars=600, shape="waves").values():
        signals = strategy.signals(bars)
        assert signals.entry[strategy.warmup :].any()
        assert signals.exit[strategy.warmup :].any()


@EVERY
def test_a_market_that_does_not_move_gives_no_signal(kind: type[Strategy]) -> None:
    signals = kind().signals(make_bars([100.0] * 500))
    assert not signals.entry.any()
    assert not signals.exit.any()


@EVERY
def test_a_strategy_refuses_each_value_that_a_parameter_cannot_take(kind: type[Strategy]) -> None:
    assert kind.parameters()
    for key, parameter in kind.parameters().items():
        for value in no_number_of(parameter):
            with pytest.raises(ParameterError) as caught:
                kind(**{key: value})
            assert caught.value.name == key, f"{value!r} is refused as {caught.value}"
            assert caught.value.problem.startswith("must be ")


@EVERY
def test_a_strategy_refuses_an_unknown_parameter(kind: type[Strategy]) -> None:
    with pytest.raises(ParameterError, match="is not a parameter of") as caught:
        kind(no_such_parameter=1)
    assert caught.value.name == "no_such_parameter"
    assert all(key in caught.value.problem for key in kind.parameters())


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
@pytest.mark.parametrize("cost", ["fee", "slippage"])
def test_costs_never_help(kind: type[Strategy], cost: str) -> None:
    for bars in markets():
        signals = kind().signals(bars)
        ends = [
            simulate(bars, signals, Rules(**{"fee": 0.0, "slippage": 0.0, cost: share})).equity[-1]
            for share in (0.0, 0.0001, 0.001, 0.01, 0.1)
        ]
        assert ends == sorted(ends, reverse=True)
        assert (len(set(ends)) == 5) == (len(simulate(bars, signals, Rules()).trades) > 0)


# Cheats: each breaks one part of the contract, and the check of that part says so.


class TomorrowsClose(Example):
    """Enter when the next close is higher."""

    def signals(self, bars: Bars) -> Signals:
        tomorrow = np.append(bars.close[1:], bars.close[-1:])
        return Signals(entry=tomorrow > bars.close, exit=tomorrow < bars.close)


class AverageOfAll(Example):
    """Compare with the average of the whole series, in the way that a careless normalisation does."""

    def signals(self, bars: Bars) -> Signals:
        level = float(bars.close.mean()) if len(bars) else 0.0
        return Signals(entry=crossed_below(bars.close, level), exit=crossed_above(bars.close, level))


class CenteredAverage(Example):
    """Compare with an average that is centred on the bar."""

    def signals(self, bars: Bars) -> Signals:
        average = np.roll(sma(bars.close, 5), -2)
        return Signals(entry=crossed_below(bars.close, average), exit=crossed_above(bars.close, average))


class Hasty(Example):
    """Give signals before the warm-up has passed."""

    @property
    def warmup(self) -> int:
        return 50

    def signals(self, bars: Bars) -> Signals:
        return Signals(entry=bars.close > bars.open, exit=bars.close < bars.open)


class Forgetful(Example):
    """Decide otherwise each time."""

    calls = 0

    def signals(self, bars: Bars) -> Signals:
        type(self).calls += 1
        entry: BoolArray = np.arange(len(bars)) % 7 == type(self).calls % 7
        return Signals(entry=entry, exit=~entry)


class Careless(Example):
    """Work in the arrays of others."""

    def signals(self, bars: Bars) -> Signals:
        if bars.close.flags.writeable:
            bars.close[:] -= 1.0
        return Signals(entry=bars.close > bars.open, exit=bars.close < bars.open)


class WrongShape(Example):
    """Lose the first bar in a difference."""

    def signals(self, bars: Bars) -> Signals:
        return Signals(entry=np.diff(bars.close) > 0, exit=np.diff(bars.close) < 0)


@pytest.mark.parametrize(
    ("cheat", "check", "says"),
    [
        (TomorrowsClose, check_no_look_ahead, "depend on later"),
        (AverageOfAll, check_no_look_ahead, "depend on later"),
        (CenteredAverage, check_no_look_ahead, "depend on later"),
        (Hasty, check_warmup, "before 50 bars have passed"),
        (Forgetful, check_deterministic, "otherwise the second time"),
        (Careless, check_inputs_untouched, "changed close"),
        (WrongShape, check_signals_fit, "must be bool of shape"),
    ],
)
def test_a_cheat_is_caught(cheat: type[Strategy], check: Callable[[Strategy, Bars], None], says: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=says):
        check(cheat(), make_market(11, n_symbols=1)["S0"])
