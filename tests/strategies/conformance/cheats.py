"""Strategies that break the contract, each in one way, and one that keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from strategies.bars import Bars, BoolArray, Signals
from strategies.base import Strategy
from strategies.indicators import crossed_above, crossed_below, ema, sma
from tests.strategies.test_params import Example


class Honest(Example):
    """Trade the crosses of the close and its average."""

    key = "honest"

    @property
    def warmup(self) -> int:
        return self.length

    def signals(self, bars: Bars) -> Signals:
        average = sma(bars.close, self.length)
        return Signals(entry=crossed_above(bars.close, average), exit=crossed_below(bars.close, average))


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


class RareGlance(Honest):
    """See the future on one bar in twenty only."""

    def signals(self, bars: Bars) -> Signals:
        signals = super().signals(bars)
        tomorrow = np.append(bars.close[1:], bars.close[-1:])
        glance = (np.arange(len(bars)) % 20 == 7) & (tomorrow > bars.close)
        return Signals(entry=signals.entry | glance, exit=signals.exit)


class RareSignals(Honest):
    """Give few signals, each with a glance at the next bar."""

    def signals(self, bars: Bars) -> Signals:
        number = np.arange(len(bars))
        tomorrow = np.append(bars.close[1:], bars.close[-1:])
        return Signals(entry=(number % 97 == 35) & (tomorrow > bars.close), exit=number % 97 == 60)


class FirstAndNext(Honest):
    """Compare the next close with the first one."""

    def signals(self, bars: Bars) -> Signals:
        first = bars.close[:1].repeat(len(bars))
        tomorrow = np.append(bars.close[1:], bars.close[-1:])
        late = np.arange(len(bars)) >= self.warmup
        return Signals(entry=late & (tomorrow > first), exit=late & (tomorrow < first))


class RecursiveGlance(Honest):
    """Compare with the next value of an average that forgets its start bit by bit."""

    def signals(self, bars: Bars) -> Signals:
        average = ema(bars.close, self.length)
        average = np.append(average[1:], average[-1:])
        return Signals(entry=crossed_above(bars.close, average), exit=crossed_below(bars.close, average))


class RememberedStart(Honest):
    """Keep what the next closes gave for whoever comes with the same first bar again."""

    is_kept_forever = False

    def __init__(self, **values: float) -> None:
        super().__init__(**values)
        self.known: dict[tuple[int, float], Signals] = {}

    def signals(self, bars: Bars) -> Signals:
        if not len(bars):
            return super().signals(bars)
        start = int(bars.time[0]), float(bars.close[0])
        if start not in self.known or (len(self.known[start].entry) < len(bars) and not self.is_kept_forever):
            self.known[start] = RecursiveGlance(**self.values).signals(bars)
        return Signals(self.known[start].entry[: len(bars)], self.known[start].exit[: len(bars)])


class RememberedForever(RememberedStart):
    """Keep it even where more bars come with it."""

    is_kept_forever = True


class ShortGlance(Honest):
    """Look ahead for short positions only."""

    def signals(self, bars: Bars) -> Signals:
        signals = super().signals(bars)
        tomorrow = np.append(bars.close[1:], bars.close[-1:])
        late = np.arange(len(bars)) >= self.warmup
        return Signals(
            signals.entry, signals.exit, short_entry=late & (tomorrow < bars.close), short_exit=signals.entry
        )


class StopGlance(Honest):
    """Put the stop below the low of tomorrow, where it is not met."""

    def signals(self, bars: Bars) -> Signals:
        return replace(super().signals(bars), stop=np.append(bars.low[1:], bars.low[-1:]) - 0.01)


class HastyShort(Honest):
    """Give signals to sell short before the warm-up has passed."""

    def signals(self, bars: Bars) -> Signals:
        signals = super().signals(bars)
        return Signals(signals.entry, signals.exit, short_entry=bars.close < bars.open)


class Hasty(Example):
    """Give signals before the warm-up has passed."""

    @property
    def warmup(self) -> int:
        return 50

    def signals(self, bars: Bars) -> Signals:
        return Signals(entry=bars.close > bars.open, exit=bars.close < bars.open)


class NoNumber(Honest):
    """Have a warm-up that is no number of bars."""

    @property
    def warmup(self) -> int:
        return self.length / 2  # type: ignore[return-value]


class Forgetful(Example):
    """Decide otherwise each time."""

    calls = 0

    def signals(self, bars: Bars) -> Signals:
        type(self).calls += 1
        entry: BoolArray = np.arange(len(bars)) % 7 == type(self).calls % 7
        return Signals(entry=entry, exit=~entry)


class Remembering(Example):
    """Keep the level of the first bars that it sees."""

    level: float | None = None

    def signals(self, bars: Bars) -> Signals:
        if self.level is None and len(bars):
            self.level = float(bars.close[0])
        level = self.level or 0.0
        return Signals(entry=crossed_below(bars.close, level), exit=crossed_above(bars.close, level))


class Shared(Example):
    """Know each strategy's place among those made so far."""

    made: ClassVar[list[int]] = []

    def __init__(self, **values: float) -> None:
        super().__init__(**values)
        self.made.append(len(self.made))
        self.place = len(self.made)

    def signals(self, bars: Bars) -> Signals:
        entry: BoolArray = np.arange(len(bars)) % 7 == self.place % 7
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


class Numbers(Example):
    """Give 0 and 1."""

    def signals(self, bars: Bars) -> Signals:
        rises = (bars.close > bars.open).astype(np.int64)
        return Signals(entry=rises, exit=1 - rises)  # type: ignore[arg-type]


class Nothing(Example):
    """Forget to return what was made."""

    def signals(self, bars: Bars) -> Signals:
        return None  # type: ignore[return-value]


class NeedsThree(Honest):
    """Fail on hardly any bars."""

    def signals(self, bars: Bars) -> Signals:
        if len(bars) == 1:
            return Signals(entry=np.zeros(0, bool), exit=np.zeros(0, bool))
        return super().signals(bars)


CHEATS: tuple[type[Strategy], ...] = tuple(
    kind for kind in list(globals().values()) if isinstance(kind, type) and kind.__module__ == __name__
)
