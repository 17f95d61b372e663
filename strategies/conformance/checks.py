"""What a strategy keeps on any bars. Each check returns nothing, or raises ContractBroken and says what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from strategies.bars import PRICE_FIELDS, Bars, BoolArray, FloatArray, IntArray, Signals
from strategies.base import Strategy
from strategies.errors import ContractBroken, SignalsError, StrategyError

BARS_FIELDS = ("time", "open", "high", "low", "close", "volume")

CUTS_AT_BEGINS, CUTS_AT_ENDS, CUTS_SPREAD = 50, 20, 50  # where a series is cut to look for look-ahead: see _cuts
CHANGED_FROM = 7  # bars from which on the future is changed, evenly spread
FACTORS = (0.5, 1e6)  # what prices and volumes of the future are multiplied with
HARDLY_ANY = 4  # series of no bar up to without so many
ASKED_FIRST = 10  # series of which a part is asked for before the whole: half where signals begin, half evenly spread
YEAR_OF_WEEKS_S = 364 * 86_400


def check_signals_fit(strategy: Strategy, bars: Bars) -> None:
    """Signals are two arrays of bool, a value for each bar, also where there is hardly any bar."""
    for part in (bars, *(bars[:t] for t in range(min(HARDLY_ANY, len(bars))))):
        signals = _signals_on(strategy, part, is_whole=part is bars)
        if not isinstance(signals, Signals):
            raise ContractBroken(f"signals must return Signals(entry=..., exit=...); it returned {_kind_of(signals)}")
        try:
            signals.checked(part)
        except StrategyError as error:
            raise ContractBroken(f"{error}, when given {len(part)} bars") from error


def check_truncated(strategy: Strategy, bars: Bars) -> None:
    """The signals on the first t bars are the first t signals: nothing depends on bars that come later."""
    whole = strategy.signals(bars)
    for t in _cuts(whole, len(bars)).tolist():
        part = strategy.signals(bars[:t])
        if (found := first_difference(part, head(whole, t))) is not None:
            name, bar = found
            after_it = t - 1 == bar or first_difference(strategy.signals(bars[: bar + 1]), head(whole, bar + 1))
            when = "the bars after it are removed" if after_it else f"only the first {t} bars are given"
            raise ContractBroken(
                f"the {name} of {{bar}} is {word(whole, name, bar)}, and {word(part, name, bar)} when {when}", bar
            )
    _check_part_first(strategy, bars)


def _check_part_first(strategy: Strategy, bars: Bars) -> None:
    """The same in the other order, on bars that it has not seen: who remembers a start knows what came after it."""
    begins, _ = _turns(strategy.signals(bars))
    cuts = np.union1d(_some(begins, ASKED_FIRST // 2), _spread(ASKED_FIRST // 2, 1, len(bars) - 1))
    for number, t in enumerate(cuts[cuts < len(bars)].tolist(), start=1):
        # Each time other bars, so that neither their first time nor their first price is known.
        factor = 2**number
        unseen = _moved(bars, number * YEAR_OF_WEEKS_S, factor)
        part = strategy.signals(unseen[:t])
        try:
            whole = strategy.signals(unseen).checked(unseen)
        except SignalsError as error:
            raise ContractBroken(f"{error}, when it has seen the first {t} of these bars before") from error
        if (found := first_difference(part, head(whole, t))) is not None:
            name, bar = found
            was, became = word(whole, name, bar), word(part, name, bar)
            when = f"it sees the first {t} bars before all of them, on prices {factor} times as high"
            raise ContractBroken(f"the {name} of {{bar}} is {was}, and {became} when {when}", bar)


def check_future_changed(strategy: Strategy, bars: Bars) -> None:
    """Signals stay the same whatever the prices and volumes of later bars are."""
    whole = strategy.signals(bars)
    for t in _spread(CHANGED_FROM, 1, len(bars) - 1).tolist():
        for factor in FACTORS:
            other = writable(bars)
            for name in BARS_FIELDS[1:]:
                getattr(other, name)[t:] *= factor
                getattr(other, name).flags.writeable = False
            changed = strategy.signals(other)
            if (found := first_difference(head(changed, t), head(whole, t))) is not None:
                name, bar = found
                was, became = word(whole, name, bar), word(changed, name, bar)
                later = "the next bar" if t - bar == 1 else f"{t - bar} bars later"
                when = f"the prices from {later} on are multiplied by {factor:g}"
                raise ContractBroken(f"the {name} of {{bar}} is {was}, and {became} when {when}", bar)


def check_warmup(strategy: Strategy, bars: Bars) -> None:
    """No signal stands before the warm-up has passed."""
    warmup = strategy.warmup
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
        raise ContractBroken(f"warmup must be a whole number of bars, 0 or more; it is {warmup!r}")
    signals = strategy.signals(bars)
    for name, array in flags_of(signals).items():
        if array[:warmup].any():
            bar = int(np.argmax(array))
            passed = f"{bar} bar{'' if bar == 1 else 's'}"
            raise ContractBroken(f"the {name} of {{bar}} stands after {passed}, and warmup says {warmup}", bar)


def check_deterministic(strategy: Strategy, bars: Bars) -> None:
    """The same bars give the same signals: the second time, by an equal strategy, and after other bars."""
    first = strategy.signals(bars)
    _refuse_difference(first, strategy.signals(bars), "when the same strategy is asked a second time")
    _refuse_difference(first, type(strategy)(**strategy.values).signals(bars), "when an equal strategy is asked")
    part = bars[len(bars) // 3 :]
    fresh = type(strategy)(**strategy.values).signals(part)
    _refuse_difference(fresh, strategy.signals(part), "when the strategy has seen other bars before")


def check_inputs_untouched(strategy: Strategy, bars: Bars) -> None:
    """The arrays of the bars are those of everybody: a strategy reads them only."""
    given = writable(bars)
    strategy.signals(given)
    for name in BARS_FIELDS:
        is_changed = getattr(given, name) != getattr(bars, name)
        if is_changed.any():
            bar = int(np.argmax(is_changed))
            raise ContractBroken(
                f"the strategy changed {name} of {{bar}} from {getattr(bars, name)[bar]:.8g} to "
                f"{getattr(given, name)[bar]:.8g}; it must work on a copy",
                bar,
            )


# What a strategy keeps on any bars, in the order in which a breach of one makes those after it hard to read.
CHECKS: tuple[Callable[[Strategy, Bars], None], ...] = (
    check_inputs_untouched,
    check_signals_fit,
    check_deterministic,
    check_warmup,
    check_truncated,
    check_future_changed,
)


def flags_of(signals: Signals) -> dict[str, BoolArray]:
    """Return the four arrays that a position follows, by what they are called: without its own, short mirrors long."""
    short_entry = signals.exit if signals.short_entry is None else signals.short_entry
    short_exit = signals.entry if signals.short_exit is None else signals.short_exit
    return {"entry": signals.entry, "exit": signals.exit, "short entry": short_entry, "short exit": short_exit}


def levels_of(signals: Signals) -> dict[str, FloatArray]:
    """Return the prices that come with the signals, NaN for none."""
    none = np.full(len(signals.entry), np.nan)
    return {
        "stop": none if signals.stop is None else signals.stop,
        "target": none if signals.target is None else signals.target,
    }


def first_difference(signals: Signals, others: Signals) -> tuple[str, int] | None:
    """Return where two signals of one length first differ, as the name of the array and the bar, or None."""
    found = []
    other_flags = flags_of(others)
    for name, flags in flags_of(signals).items():
        differs = flags != other_flags[name]
        if np.any(differs):
            found.append((int(np.argmax(differs)), name))
    other_levels = levels_of(others)
    for name, levels in levels_of(signals).items():
        other = other_levels[name]
        differs = (levels != other) & ~(np.isnan(levels) & np.isnan(other))
        if np.any(differs):
            found.append((int(np.argmax(differs)), name))
    if not found:
        return None
    bar, name = min(found)
    return name, bar


def head(signals: Signals, t: int) -> Signals:
    """Return the first t signals."""
    return signals[:t]


def writable(bars: Bars) -> Bars:
    """Return a copy of bars whose arrays can be changed."""
    return Bars(*(getattr(bars, name).copy() for name in BARS_FIELDS))


def _moved(bars: Bars, later_s: int, factor: int) -> Bars:
    """Return bars that are so many seconds later and at so many times the prices."""
    columns: dict[str, Any] = {name: getattr(bars, name) * factor for name in PRICE_FIELDS}
    columns["time"] = bars.time + later_s
    for column in columns.values():
        column.flags.writeable = False
    return replace(bars, **columns)


def _signals_on(strategy: Strategy, part: Bars, *, is_whole: bool) -> Signals:
    try:
        return strategy.signals(part)
    except Exception as error:
        if is_whole:
            raise
        raise ContractBroken(f"with only {len(part)} bars it raises {type(error).__name__}: {error}") from error


def _cuts(signals: Signals, n_bars: int) -> IntArray:
    """Return how many bars to leave: a signal that sees the future shows best when it is the last one.

    Where signals stand for long, it shows only on the bar on which they begin or end.
    """
    begins, ends = _turns(signals)
    chosen = (_some(begins, CUTS_AT_BEGINS), _some(ends, CUTS_AT_ENDS), _spread(CUTS_SPREAD, 0, n_bars))
    return np.unique(np.clip(np.concatenate((np.arange(HARDLY_ANY), *chosen, [n_bars - 1])), 0, n_bars))


def _turns(signals: Signals) -> tuple[IntArray, IntArray]:
    """Return how many bars there are up to each on which a signal begins, that one included, and on which one ends."""
    steps = [np.diff(flags.astype(np.int8), prepend=0) for flags in flags_of(signals).values()]
    begins, ends = (np.logical_or.reduce([step == turn for step in steps]) for turn in (1, -1))
    return np.flatnonzero(begins) + 1, np.flatnonzero(ends) + 1


def _some(numbers: IntArray, n: int) -> IntArray:
    """Return up to n of these numbers, evenly chosen."""
    return numbers[_spread(min(len(numbers), n), 0, len(numbers) - 1)]


def _spread(n: int, first: int, last: int) -> IntArray:
    """Return up to n whole numbers from first to last, evenly spread."""
    return np.unique(np.linspace(first, last, n if first <= last else 0).astype(np.int64))


def _refuse_difference(first: Signals, second: Signals, when: str) -> None:
    if (found := first_difference(first, second)) is not None:
        name, bar = found
        was, became = word(first, name, bar), word(second, name, bar)
        raise ContractBroken(f"the {name} of {{bar}} is {was}, and {became} {when}", bar)


def word(signals: Signals, name: str, bar: int) -> str:
    """Return what a signal is on a bar: true or false, or a price."""
    levels = levels_of(signals)
    if name in levels:
        return "none" if np.isnan(levels[name][bar]) else f"{levels[name][bar]:.8g}"
    return "true" if flags_of(signals)[name][bar] else "false"


def _kind_of(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
