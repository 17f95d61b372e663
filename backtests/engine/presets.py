"""Rule presets: the conventions of other backtesters, as rules.

Under a preset a simulation gives, trade by trade, what that tool gives on the same bars and signals; what it cannot
meet stands in docs/presets.md. Cash and costs are the user's own; a preset leaves them at their defaults, except for
those that the tool does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backtests.engine.errors import RulesError
from backtests.engine.rules import Rules


@dataclass(frozen=True, slots=True)
class Preset:
    """The conventions of a tool: the rules in which it differs from the defaults, and what is worth knowing of it."""

    key: str
    label: str
    help: str
    values: Mapping[str, Any]

    @property
    def rules(self) -> Rules:
        """The rules of the preset."""
        return Rules.of(dict(self.values))


PRESETS = {
    preset.key: preset
    for preset in (
        Preset(
            "vectorbt",
            "vectorbt",
            "At the close that gave the signal; stops from the next bar on, without slippage; 365 days a year.",
            {
                "fill": "same_close",
                "collision": "ignore",
                "borrow_pct": 0.0,
                "stop_base": "entry_close",
                "stops_from": "next_bar",
                "bar_path": "stop_always",
                "stop_bar_signals": "ignore",
                "stop_slippage": False,
                "sharpe": "bar_from_cash",
                "days_a_year": 365,
            },
        ),
        Preset(
            "backtesting.py",
            "backtesting.py",
            "At the next open, in whole units; slippage on entries alone; stops measured from the close of the signal.",
            {
                "slippage_on": "entry",
                "borrow_pct": 0.0,
                "skip_bars": 1,
                "whole_units": True,
                "size_costs": "per_unit",
                "stop_base": "signal_close",
                "trail_from": "close",
                "bar_path": "stop_always",
                "stop_slippage": False,
                "sharpe": "geometric",
            },
        ),
        Preset(
            "backtrader",
            "backtrader",
            "At the next open, in a size decided at the close before; what costs more than the cash is refused.",
            {
                "borrow_pct": 0.0,
                "size_pct": 95.0,
                "size_price": "signal_close",
                "size_costs": "on_top",
                "cash_check": "signal_and_fill",
                "stops_from": "next_bar",
                "trail_from": "entry_bar_close",
                "bar_path": "stop_always",
                "sharpe": "yearly",
                "risk_free_pct": 1.0,
            },
        ),
        Preset(
            "freqtrade",
            "freqtrade",
            "At the next open, without slippage; stops at their own price if a bar reaches it; at the end the open.",
            {
                "slippage_pct": 0.0,
                "borrow_pct": 0.0,
                "collision": "ignore",
                "size_pct": 99.0,
                "size_costs": "on_top",
                "cash_check": "off",
                "target_of": "net",
                "trail_from": "bar",
                "bar_path": "stop_always",
                "gap_fill": "inside",
                "at_end": "last_open",
                "days_a_year": 365,
            },
        ),
        Preset(
            "tradingview",
            "TradingView",
            "At the next open, in a size decided at the close before; the extreme nearer the open comes first.",
            {
                "borrow_pct": 0.0,
                "size_pct": 95.0,
                "size_price": "signal_close",
                "cash_check": "value",
                "stops_from": "next_bar",
                "bar_path": "nearer_extreme",
                "sharpe": "monthly",
                "risk_free_pct": 2.0,
            },
        ),
    )
}


def preset_rules(key: str, values: Mapping[str, Any]) -> Rules:
    """Return the rules of a preset with these values of the user's own, or of none where the key is empty."""
    if key and key not in PRESETS:
        raise RulesError("preset", f"must be one of {', '.join(PRESETS)}; it is {key!r}")
    return Rules.of({**(PRESETS[key].values if key else {}), **values})
