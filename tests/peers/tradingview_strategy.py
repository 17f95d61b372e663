"""
@pyne

A strategy of Pine Script that follows the signals which come with the bars.
"""

from pynecore.lib import bar_index, close, extra_fields, high, low, math, script, strategy
from pynecore.types import Persistent


@script.strategy("Follow", pyramiding=0)  # type: ignore[untyped-decorator]
def main() -> None:
    rules = extra_fields["rules"]
    best: Persistent[float] = 0.0
    size: float = strategy.position_size
    side: int = 1 if size > 0 else -1
    price: float = strategy.position_avg_price
    leaves: bool = (size > 0 and extra_fields["leave_long"]) or (size < 0 and extra_fields["leave_short"])
    enters: int = int(size <= 0 and extra_fields["enter_long"]) - int(size >= 0 and extra_fields["enter_short"])

    if leaves:
        strategy.close("long" if size > 0 else "short", comment="signal")
    if enters > 0:
        strategy.entry("long", strategy.long)
    if enters < 0:
        strategy.entry("short", strategy.short)

    if size != 0:
        if strategy.opentrades.entry_bar_index(strategy.opentrades - 1) == bar_index:
            best = price
        if strategy.opentrades.entry_bar_index(strategy.opentrades - 1) < bar_index or rules.fill == "next_open":
            best = math.max(best, high) if side > 0 else math.min(best, low)
    # The price of an order that fills at this very close is known now, so its stops are placed with it.
    if enters != 0 and rules.fill == "same_close":
        side = enters
        price = close
        best = close
    if (size != 0 and not leaves) or (enters != 0 and rules.fill == "same_close"):
        stop = None
        limit = None
        if rules.stop_loss_pct is not None:
            stop = price * (1 - side * rules.stop_loss_pct / 100)
        if rules.trailing_stop_pct is not None:
            trail: float = best * (1 - side * rules.trailing_stop_pct / 100)
            stop = trail if stop is None else (math.max(stop, trail) if side > 0 else math.min(stop, trail))
        if rules.take_profit_pct is not None:
            limit = price * (1 + side * rules.take_profit_pct / 100)
        if stop is not None or limit is not None:
            strategy.exit("stop or target", "long" if side > 0 else "short", stop=stop, limit=limit)
