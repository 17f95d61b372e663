"""A faster way for many symbols gives what ``signals`` gives for each, or it is condemned by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.conformance import report
from strategies.conformance.report import Finding, examine
from strategies.conformance.together import FEWEST_SERIES, check_together, series_of
from strategies.errors import ContractBroken
from strategies.registry import strategies
from strategies.together import TOGETHER
from tests.builders import make_bars, make_market
from tests.strategies.conformance.cheats import Honest

MARKET = {
    name: bars[: 400 - 70 * number]
    for number, (name, bars) in enumerate(make_market(5, n_symbols=4, n_bars=400).items())
}


class Apart(Honest):
    """Say what every strategy says anyway."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [self.signals(each) for each in bars]


class Neighbours(Honest):
    """Take the next symbol's prices where it has enough of them."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        following = (*bars[1:], *bars[:1])
        others = [other if len(other) >= len(each) else each for each, other in zip(bars, following, strict=True)]
        return [self.signals(other[: len(each)]) for each, other in zip(bars, others, strict=True)]


class FirstGroup(Honest):
    """Forget every symbol after the first 16."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        made = [self.signals(each) for each in bars[:TOGETHER]]
        return made + [Signals(np.zeros(len(each), bool), np.zeros(len(each), bool)) for each in bars[TOGETHER:]]


class LastGroup(Honest):
    """Lose the exits of a group that is not full."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        made = [self.signals(each) for each in bars]
        full = len(bars) // TOGETHER * TOGETHER
        return made[:full] + [Signals(each.entry, np.zeros(len(each.exit), bool)) for each in made[full:]]


class ShortSeries(Honest):
    """Enter on the last bar where there are hardly enough of them."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        made = [self.signals(each) for each in bars]
        for each in made:
            if len(each.entry) == self.warmup + 1:
                each.entry[-1] ^= True
        return made


class OneParameter(Honest):
    """Be wrong for one value of a parameter only."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        length = 19 if self.length == 20 else self.length
        return [type(self)(length=length).signals(each) for each in bars]


class OwnShort(Honest):
    """Forget the signals of short positions."""

    def signals(self, bars: Bars) -> Signals:
        signals = super().signals(bars)
        return Signals(signals.entry, signals.exit, short_entry=np.zeros(len(bars), bool))

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [Honest.signals(self, each) for each in bars]


class TooFew(Honest):
    """Leave out series without a bar."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [self.signals(each) for each in bars if len(each)]


class OneByOne(Honest):
    """Give them as they come."""

    def signals_all(self, bars: Sequence[Bars]) -> Iterator[Signals]:  # type: ignore[override]
        return (self.signals(each) for each in bars)


class Pairs(Honest):
    """Give no Signals."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [(self.signals(each).entry, self.signals(each).exit) for each in bars]  # type: ignore[misc]


class NoFlags(Honest):
    """Give numbers."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [Signals(np.ones(len(each)), np.ones(len(each))) for each in bars]  # type: ignore[arg-type]


class NeedsBars(Honest):
    """Fail where one series has no bar."""

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        return [self.signals(each) for each in bars if each.close[0] > 0]


WRONG = (Neighbours, FirstGroup, LastGroup, ShortSeries, OneParameter, OwnShort, TooFew, OneByOne, Pairs, NoFlags)


def finding_of(kind: type[Strategy], **values: float) -> Finding:
    (finding,) = [item for item in examine(kind, MARKET, values=values) if item.part.key == "together"]
    return finding


def test_series_are_of_every_length_and_more_than_two_groups() -> None:
    for market in (MARKET, {"S0": MARKET["S0"]}, make_market(5, n_symbols=20, n_bars=60)):
        series = series_of(market, warmup=10)
        assert len(series) >= FEWEST_SERIES > 2 * TOGETHER
        assert {0, 1, 2, 3, 9, 10, 11, 12} <= {len(each.bars) for each in series}
        assert [each.symbol for each in series if len(each.bars) == len(market[each.symbol])] == list(market)
        for each in series:
            np.testing.assert_array_equal(each.bars.time, market[each.symbol].time[each.first :][: len(each.bars)])
        assert all(len(one.bars) != len(other.bars) for one, other in pairwise(series[:17]))


def test_a_market_of_one_bar_has_series_too() -> None:
    assert check_together(Honest(), {"S0": make_bars([100.0])}) >= FEWEST_SERIES


@pytest.mark.parametrize("kind", [Honest, Apart])
def test_who_asks_signals_for_each_passes(kind: type[Strategy]) -> None:
    assert check_together(kind(), MARKET) == FEWEST_SERIES


@pytest.mark.parametrize("kind", strategies().values(), ids=strategies())
def test_every_strategy_of_the_library_passes(kind: type[Strategy]) -> None:
    assert finding_of(kind).verdict == "pass"


@pytest.mark.parametrize("kind", WRONG)
def test_who_gives_something_else_is_condemned_by_name(kind: type[Strategy]) -> None:
    finding = finding_of(kind)
    assert finding.verdict == "fail"
    assert "signals_all" in finding.found
    assert [item.part.key for item in examine(kind, MARKET) if item.verdict == "fail"] == ["together"]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Neighbours, r"^on S\d the (entry|exit) of bar \d+ is (true|false) from signals, and (true|false) from sig"),
        (FirstGroup, r"^on S\d the entry of bar \d+ is true from signals, and false from .*, as number \d+ of 33"),
        (LastGroup, r"^on S\d the exit of bar \d+ is true from signals, and false from .*, as number 33 of 33"),
        (ShortSeries, r"^on S\d the entry of bar \d+ is false from .* series and with 11 bars$"),
        (OwnShort, r"^on S\d the short entry of bar \d+ is false from signals, and true from signals_all"),
        (TooFew, r"^signals_all must return a list of 33 signals; it returned 32$"),
        (OneByOne, r"^signals_all must return a list of 33 signals; it returned a generator$"),
        (Pairs, r"^on S0 a tuple and no Signals comes from signals_all, as number 1 of 33 series and with 0 bars$"),
        (NoFlags, r"^on S0 entry must be bool of shape \(0,\); the strategy returned float64 \(0,\), from signals_all"),
    ],
)  # fmt: skip
def test_a_breach_names_the_symbol_the_bar_and_the_series(kind: type[Strategy], says: str) -> None:
    with pytest.raises(ContractBroken, match=says):
        check_together(kind(), MARKET)


def test_a_breach_is_where_the_symbols_own_bars_have_it() -> None:
    finding = finding_of(Neighbours)
    assert finding.bar is not None
    assert finding.time is not None
    assert int(MARKET[finding.symbol].time[finding.bar]) == int(finding.time.timestamp())
    assert f" of {finding.time:%Y-%m-%d} is " in finding.found


def test_a_value_of_a_parameter_that_is_wrong_is_named() -> None:
    assert "with length=20, band_width=1.5: the " in finding_of(OneParameter).found
    assert "with length=20, band_width=1.5: the " in finding_of(OneParameter, length=20).found


def test_an_error_is_named_with_its_line() -> None:
    found = finding_of(NeedsBars).found
    assert found.startswith("with length=10, band_width=1.5: signals_all raises IndexError: index 0 is out of bounds")
    assert ", in line " in found


def test_what_was_compared_is_said() -> None:
    assert finding_of(Honest).found == "signals_all is not overridden: it asks signals for each symbol"
    assert finding_of(Apart).found == "33 series at once, 7 combinations"


def test_an_override_is_not_inherited_so_that_a_subclass_is_not_condemned_for_it() -> None:
    class Heir(Neighbours):
        """Change what its parent takes for granted."""

    assert finding_of(Heir).found.startswith("signals_all is not overridden")


def test_what_takes_too_long_is_examined_with_the_values_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 25))
    monkeypatch.setattr(report, "monotonic", lambda: next(clock))
    assert finding_of(Apart).found == "33 series at once, 2 combinations"
