"""What the signals say on every bar, for the backtesters whose users write that down themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtests.engine import Rules
from strategies.bars import BoolArray, Signals


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """On which bars a position of each side is wanted, and on which it is left."""

    enter_long: BoolArray
    leave_long: BoolArray
    enter_short: BoolArray
    leave_short: BoolArray


def decisions_of(signals: Signals, rules: Rules) -> Decisions:
    """Return what the signals say under the rules of direction and collision."""
    never = np.zeros(len(signals.entry), dtype=bool)
    # Sold short, a position is entered where a long one would be left, unless the signals say otherwise.
    short_entry = signals.exit if signals.short_entry is None else signals.short_entry
    short_exit = signals.entry if signals.short_exit is None else signals.short_exit
    enter_long, leave_long = (
        _sided(signals.entry, signals.exit, rules) if rules.direction != "short" else (never, never)
    )
    enter_short, leave_short = _sided(short_entry, short_exit, rules) if rules.direction != "long" else (never, never)
    # Entries that contradict each other count for neither.
    enter_long, enter_short = enter_long & ~enter_short, enter_short & ~enter_long
    return Decisions(
        enter_long=enter_long,
        leave_long=leave_long | enter_short,
        enter_short=enter_short,
        leave_short=leave_short | enter_long,
    )


def _sided(entry: BoolArray, leave: BoolArray, rules: Rules) -> tuple[BoolArray, BoolArray]:
    return entry & ~leave, leave & ~entry if rules.collision == "ignore" else leave
