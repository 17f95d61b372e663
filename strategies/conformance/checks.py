"""What a strategy keeps on any bars. Each check returns nothing, or raises ContractBroken and says what it found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategies.bars import Bars, BoolArray, IntArray, Signals
from strategies.base import Strategy
from strategies.errors import ContractBroken, StrategyError

BARS_FIELDS = ("time", "open", "high", "low", "close", "volume")

MOST_CUTS = 100  # places at which a series is cut to look for look-ahead: half at signals, half evenly spread
CHANGED_FROM = 7  # bars from which on the future is changed, evenly spread
FACTORS = (0.5, 1e6)  # what prices and volumes of the future are multiplied with
HARDLY_ANY = 4  # series of no bar up to without so many


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
                f"the {name} of {{bar}} is {_word(whole, name, bar)}, and {_word(part, name, bar)} when {when}", bar
            )


def check_future_changed(strategy: Strategy, bars: Bars) -> None:
    """Signals stay the same whatever the prices and volumes of later bars are."""
    whole = strategy.signals(bars)
    for t in np.unique(np.linspace(1, len(bars) - 1, CHANGED_FROM).astype(np.int64)).tolist() if len(bars) > 1 else ():
        for factor in FACTORS:
            other = writable(bars)
            for name in BARS_FIELDS[1:]:
                getattr(other, name)[t:] *= factor
                getattr(other, name).flags.writeable = False
            changed = strategy.signals(other)
            if (found := first_difference(head(changed, t), head(whole, t))) is not None:
                name, bar = found
                was, became = _word(whole, name, bar), _word(changed, name, bar)
                later = "the next bar" if t - bar == 1 else f"{t - bar} bars later"
                when = f"the prices from {later} on are multiplied by {factor:g}"
                raise ContractBroken(f"the {name} of {{bar}} is {was}, and {became} when {when}", bar)


def check_warmup(strategy: Strategy, bars: Bars) -> None:
    """No signal stands before the warm-up has passed."""
    warmup = strategy.warmup
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
        raise ContractBroken(f"warmup must be a whole number of bars, 0 or more; it is {warmup!r}")
    signals = strategy.signals(bars)
    for name, array in (("entry", signals.entry), ("exit", signals.exit)):
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


def first_difference(signals: Signals, others: Signals) -> tuple[str, int] | None:
    """Return where two signals of one length first differ, as entry or exit and the bar, or None."""
    found = []
    for name in ("entry", "exit"):
        differs: BoolArray = getattr(signals, name) != getattr(others, name)
        if np.any(differs):
            found.append((int(np.argmax(differs)), name))
    if not found:
        return None
    bar, name = min(found)
    return name, bar


def head(signals: Signals, t: int) -> Signals:
    """Return the first t signals."""
    return Signals(signals.entry[:t], signals.exit[:t])


def writable(bars: Bars) -> Bars:
    """Return a copy of bars whose arrays can be changed."""
    return Bars(*(getattr(bars, name).copy() for name in BARS_FIELDS))


def _signals_on(strategy: Strategy, part: Bars, *, is_whole: bool) -> Signals:
    try:
        return strategy.signals(part)
    except Exception as error:
        if is_whole:
            raise
        raise ContractBroken(f"with only {len(part)} bars it raises {type(error).__name__}: {error}") from error


def _cuts(signals: Signals, n_bars: int) -> IntArray:
    """Return how many bars to leave: a signal that sees the future shows best when it is the last one."""
    after_signals = np.flatnonzero(signals.entry | signals.exit) + 1
    chosen = np.linspace(0, len(after_signals) - 1, min(len(after_signals), MOST_CUTS // 2)).astype(np.int64)
    spread = np.linspace(0, n_bars, MOST_CUTS // 2).astype(np.int64)
    cuts = np.concatenate((np.arange(HARDLY_ANY), after_signals[chosen], spread, [n_bars - 1]))
    return np.unique(np.clip(cuts, 0, n_bars))


def _refuse_difference(first: Signals, second: Signals, when: str) -> None:
    if (found := first_difference(first, second)) is not None:
        name, bar = found
        was, became = _word(first, name, bar), _word(second, name, bar)
        raise ContractBroken(f"the {name} of {{bar}} is {was}, and {became} {when}", bar)


def _word(signals: Signals, name: str, bar: int) -> str:
    return "true" if getattr(signals, name)[bar] else "false"


def _kind_of(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
