"""What a strategy says of many symbols at once is what it says of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.library.bollinger import Bollinger
from strategies.library.ema_cross import EmaCross
from strategies.library.rsi import Rsi
from strategies.library.sma_cross import SmaCross
from strategies.lines import Line
from strategies.params import Int
from strategies.registry import strategies
from strategies.together import TOGETHER, filled
from tests.builders import SHAPES, Shape, make_bars, make_market

TOGETHER_STRATEGIES: list[Strategy] = [
    *(Rsi(period=period, low=low, high=high) for period, low, high in ((14, 30, 70), (2, 10, 90), (3, 49.5, 50))),
    *(Rsi(period=period, low=45.0, high=55.0) for period in (5, 200)),
    *(Bollinger(period=period, width=width) for period, width in ((20, 2), (2, 0.1), (3, 1), (60, 0.5), (400, 0.1))),
    *(SmaCross(fast=fast, slow=slow) for fast, slow in ((20, 50), (2, 3), (3, 5), (7, 60), (199, 400))),
]
FASTEST: list[Strategy] = [Rsi(period=2, low=49, high=51), Bollinger(period=2, width=0.1), SmaCross(fast=2, slow=3)]
ALL = pytest.mark.parametrize("strategy", TOGETHER_STRATEGIES, ids=lambda each: f"{each.key} {[*each.values.values()]}")
QUICK = pytest.mark.parametrize("strategy", FASTEST, ids=lambda each: each.key)

# One and two bars, none, about as many as a period, and enough for averages to be taken afresh.
LENGTHS = (300, 1, 2, 0, 3, 61, 59, 14, 15, 16, 1500, 4, 60, 21, 20, 19, 401)


def make_symbols(n_symbols: int, *, seed: int = 0, shape: Shape | None = None) -> list[Bars]:
    """Symbols of differing lengths, all of a shape or of every shape in turn."""
    made: list[Bars] = []
    for number in range(n_symbols):
        n_bars = LENGTHS[(seed + number) % len(LENGTHS)]
        own = shape or SHAPES[number % len(SHAPES)]
        market = make_market(100 * seed + number, n_symbols=1, n_bars=max(n_bars, 1), shape=own)
        made += [bars[:n_bars] for bars in market.values()]
    return made


def assert_equal(found: Sequence[Signals], wanted: Sequence[Signals], bars: Sequence[Bars]) -> int:
    """The same flags on every bar, in arrays that fit the bars; return how many stand."""
    assert len(found) == len(wanted) == len(bars)
    for one, other, own in zip(found, wanted, bars, strict=True):
        one.checked(own)
        assert one.entry.tobytes() == other.entry.tobytes()
        assert one.exit.tobytes() == other.exit.tobytes()
        assert one.short_entry is None
        assert one.short_exit is None
    return sum(int(each.entry.sum() + each.exit.sum()) for each in found)


def compare(strategy: Strategy, bars: Sequence[Bars]) -> int:
    return assert_equal(strategy.signals_all(bars), [strategy.signals(each) for each in bars], bars)


def test_these_strategies_have_a_way_of_their_own_and_no_others_have() -> None:
    own = {key for key, strategy in strategies().items() if strategy.signals_all is not Strategy.signals_all}
    assert own == {strategy.key for strategy in TOGETHER_STRATEGIES} == {"rsi", "bollinger", "sma-cross"}


@ALL
def test_signals_of_many_symbols_are_those_of_each(strategy: Strategy) -> None:
    found = {
        shape: sum(compare(strategy, make_symbols(17, seed=seed, shape=shape)) for seed in range(4)) for shape in SHAPES
    }
    assert found["walk"] > 0
    assert found["flat"] == 0


@ALL
@pytest.mark.parametrize("n_symbols", [0, 1, 15, 16, 17, 32, 33])
def test_any_number_of_symbols_is_taken(strategy: Strategy, n_symbols: int) -> None:
    for seed in range(2):
        compare(strategy, make_symbols(n_symbols, seed=seed))


@QUICK
def test_signals_stand_on_every_symbol_that_is_long_enough(strategy: Strategy) -> None:
    bars = make_symbols(33, seed=5, shape="walk")
    found = strategy.signals_all(bars)
    assert assert_equal(found, [strategy.signals(each) for each in bars], bars) > 1000
    assert all(each.entry.any() and each.exit.any() for each, own in zip(found, bars, strict=True) if len(own) > 50)


@ALL
@pytest.mark.parametrize("n_bars", [0, 1, 2, 3])
def test_symbols_may_all_be_as_short_as_can_be(strategy: Strategy, n_bars: int) -> None:
    compare(strategy, [make_bars([10.0, 12.0, 9.0][:n_bars])] * 18)


@ALL
def test_prices_of_any_size_and_spikes_are_seen_alike(strategy: Strategy) -> None:
    steps = 1.0 + 0.04 * (np.random.default_rng(8).random((20, 420)) - 0.5)
    closes = np.cumprod(steps, axis=1) * 10.0 ** np.linspace(-25, 25, 20)[:, np.newaxis]
    closes[5::7, 100::90] *= 1e4
    closes[::3, 200:230] = closes[::3, 200:201]
    assert compare(strategy, [make_bars(row.tolist()) for row in closes]) > 0


@QUICK
def test_bars_are_left_as_they_were_and_may_be_writable(strategy: Strategy) -> None:
    bars = make_symbols(17, seed=1)
    names = ("time", "open", "high", "low", "close", "volume")
    copies = [Bars(*(getattr(each, name).copy() for name in names)) for each in bars]
    mixed = [copies[i] if i % 2 else bars[i] for i in range(len(bars))]
    assert_equal(strategy.signals_all(mixed), strategy.signals_all(bars), bars)
    for one, other in zip(copies, bars, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@QUICK
def test_each_call_gives_arrays_of_its_own(strategy: Strategy) -> None:
    bars = make_symbols(17, shape="walk")
    first = strategy.signals_all(bars)
    for each in first[1:]:
        each.entry[:] = each.exit[:] = True
    wanted = [strategy.signals(each) for each in bars]
    assert_equal(first[:1], wanted[:1], bars[:1])
    assert_equal(strategy.signals_all(bars), wanted, bars)


@pytest.mark.parametrize("strategy", strategies().values(), ids=lambda strategy: strategy.key)
def test_every_strategy_says_of_many_what_it_says_of_each(strategy: type[Strategy]) -> None:
    bars = [each for shape in SHAPES for each in make_market(12, n_symbols=3, n_bars=260, shape=shape).values()]
    assert compare(strategy(), [*bars, bars[0][:1], bars[1][:2]]) > 0


# Subclasses


class LastClose(Strategy):
    """In on the first bar, out on the last."""

    key = "last-close"
    label = "Last close"

    def signals(self, bars: Bars) -> Signals:
        numbers = np.arange(len(bars))
        return Signals(entry=numbers == 0, exit=numbers == len(bars) - 1)


class Contrary(Rsi):
    """In where the RSI says out."""

    def signals(self, bars: Bars) -> Signals:
        signals = super().signals(bars)
        return Signals(entry=signals.exit, exit=signals.entry)


class Contrarian(Contrary):
    """A subclass of that which adds nothing."""


class Inverse(SmaCross):
    """The lines the other way round."""

    def lines(self) -> tuple[Line, Line]:
        first, second = super().lines()
        return second, first


class Wider(Bollinger):
    """With another default and without ``signals``."""

    period = Int(30, low=2, high=400, help="Bars in the middle band")


class Mixed(LastClose, Rsi):
    """With the signals of its first parent."""


class Twice(Rsi):
    """With a faster way of its own."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [Signals(entry=each.exit, exit=each.entry) for each in super().signals_all(bars)]


@pytest.mark.parametrize("strategy", [LastClose(), EmaCross(fast=3, slow=8)], ids=lambda each: each.key)
def test_a_strategy_without_a_way_of_its_own_is_asked_symbol_by_symbol(strategy: Strategy) -> None:
    assert type(strategy).signals_all is Strategy.signals_all
    assert compare(strategy, make_symbols(33, shape="walk")) > 33
    assert strategy.signals_all([]) == []


@pytest.mark.parametrize(
    ("strategy", "parent"),
    [
        (Contrary(period=5, low=40, high=60), Rsi(period=5, low=40, high=60)),
        (Contrarian(period=5, low=40, high=60), Rsi(period=5, low=40, high=60)),
        (Inverse(fast=3, slow=8), SmaCross(fast=3, slow=8)),
    ],
    ids=["signals", "signals of a parent", "lines"],
)
def test_what_a_subclass_overrides_is_heard(strategy: Strategy, parent: Strategy) -> None:
    bars = make_symbols(33, shape="walk")
    swapped = [Signals(entry=each.exit, exit=each.entry) for each in map(parent.signals, bars)]
    assert assert_equal(strategy.signals_all(bars), swapped, bars) > 100
    assert any(each.entry.tobytes() != each.exit.tobytes() for each in swapped)


def test_subclasses_have_their_own_signals_whatever_they_change() -> None:
    bars = make_symbols(17, shape="walk")
    for strategy in (Wider(), Wider(period=5), Mixed(), Contrary()):
        assert type(strategy).signals_all is Strategy.signals_all
        assert compare(strategy, bars) > 0
    assert_equal(Mixed().signals_all(bars), LastClose().signals_all(bars), bars)


def test_a_subclass_may_have_a_faster_way_of_its_own() -> None:
    bars = make_symbols(17, shape="walk")
    strategy = Twice(period=5, low=40, high=60)
    plain = Rsi(**strategy.values).signals_all(bars)
    swapped = [Signals(entry=each.exit, exit=each.entry) for each in plain]
    assert assert_equal(strategy.signals_all(bars), swapped, bars) > 100


def test_missing_symbols_are_filled_up_with_the_first() -> None:
    for n_items in range(1, TOGETHER + 1):
        items = list(range(n_items))
        assert filled(items) == (*items, *[0] * (TOGETHER - n_items))
