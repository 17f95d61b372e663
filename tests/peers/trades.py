"""A trade as every backtester can tell it, and what the first difference between two lists of them is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from backtests.engine import EXIT_REASONS, Outcome

RELATIVE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTrade:
    """One position from its entry to its exit, or to the last bar while it is open.

    Bars are indexes. Prices are those of the fills, slippage included; ``units`` are positive on both sides and
    ``side`` is 1 for bought and -1 for sold ones. ``fees`` are those of both fills and ``pnl`` is what is left after
    them. An exit reason is one of ``EXIT_REASONS``, or None if the backtester does not tell. An open trade has the last
    bar and the last close for its exit.
    """

    entry_bar: int
    exit_bar: int
    side: int
    entry_price: float
    exit_price: float
    units: float
    fees: float
    pnl: float
    exit_reason: str | None = None
    is_open: bool = False


def ours_of(outcome: Outcome) -> list[PeerTrade]:
    """Return the engine's trades as a backtester's."""
    told = []
    for trade in outcome.trades:
        reason = EXIT_REASONS[trade["exit_reason"]]
        told.append(
            PeerTrade(
                entry_bar=int(trade["entry_bar"]),
                exit_bar=int(trade["exit_bar"]),
                side=int(trade["side"]),
                entry_price=float(trade["entry_price"]),
                exit_price=float(trade["exit_price"]),
                units=float(trade["units"]),
                fees=float(trade["fees"]),
                pnl=float(trade["pnl"]),
                exit_reason=reason,
                is_open=reason == "open",
            )
        )
    return told


def compare(
    ours: Sequence[PeerTrade],
    theirs: Sequence[PeerTrade],
    *,
    relative: float = RELATIVE,
    ignore: Collection[str] = (),
) -> str | None:
    """Return a readable text of the first trade that differs, or None if there is none.

    Bars, sides and what is open must be equal, as must reasons where both tell one. Prices and units may be
    ``relative`` apart, fees and profits that much of what the position was worth: they are small differences of large
    amounts. Fields in ``ignore`` are not looked at.
    """
    names = [field.name for field in fields(PeerTrade) if field.name not in ignore]
    for number in range(max(len(ours), len(theirs))):
        if number >= len(ours):
            return f"trade {number} of {len(theirs)} is theirs alone: {theirs[number]}"
        if number >= len(theirs):
            return f"trade {number} of {len(ours)} is ours alone: {ours[number]}"
        mine, other = ours[number], theirs[number]
        if different := [name for name in names if not _same(name, mine, other, relative)]:
            values = (f"{name} {getattr(mine, name)!r} != {getattr(other, name)!r}" for name in different)
            return f"trade {number}: {', '.join(values)}\n  ours   {mine}\n  theirs {other}"
    return None


def _same(name: str, mine: PeerTrade, other: PeerTrade, relative: float) -> bool:
    ours, theirs = getattr(mine, name), getattr(other, name)
    if name == "exit_reason":
        return ours is None or theirs is None or bool(ours == theirs)
    if name in {"entry_price", "exit_price", "units"}:
        return bool(abs(ours - theirs) <= relative * abs(theirs))
    if name in {"fees", "pnl"}:
        worth = other.units * max(other.entry_price, other.exit_price)
        return bool(abs(ours - theirs) <= relative * worth)
    return bool(ours == theirs)
