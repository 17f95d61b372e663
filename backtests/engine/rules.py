"""How signals become trades: every rule, declared once with its default, its range and its meaning."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from backtests.engine.errors import RulesError
from backtests.engine.rule import Rule, choice, number, switch, whole

Fill = Literal["next_open", "same_close", "next_close"]
Direction = Literal["long", "short", "both"]
Sizing = Literal["equity", "cash", "units", "volatility"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How signals become trades. ``RULES`` is the table of its fields; docs/rules.md explains each one.

    Percentages are percentages: a fee of 0.1 is 0.1 %. None switches a rule off that may be off.

    Raises
    ------
    RulesError
        If a value is none that its rule takes; it names the rule, what was expected and what came.
    """

    cash: float = number(10_000.0, "Cash", "Costs", "money", 0.01, 1e12, "Starting equity for every symbol")
    fee_pct: float = number(0.1, "Fee", "Costs", "%", 0, 50, "Of the traded value, on each side")
    fixed_fee: float = number(0.0, "Fixed fee", "Costs", "money", 0, 1e9, "On top, for every fill")
    slippage_pct: float = number(0.05, "Slippage", "Costs", "%", 0, 50, "How much worse than its price each fill is")
    slippage_on: Literal["both", "entry"] = choice(
        "Slippage on", "Costs", "Which fills slip", {"both": "entries and exits", "entry": "entries alone"}
    )
    borrow_pct: float = number(
        1.0, "Borrow cost", "Costs", "%", 0, 1000, "Of a short position's value, a year, charged on every close"
    )

    fill: Fill = choice(
        "Fill",
        "Fills",
        "When a signal on the close of a bar is traded",
        {
            "next_open": "at the open of the next bar",
            "same_close": "at the close that gave the signal",
            "next_close": "at the close of the next bar",
        },
    )
    direction: Direction = choice(
        "Direction",
        "Fills",
        "Which positions may be held",
        {
            "long": "bought units only",
            "short": "sold units only: entered where a long position would be left, and the other way round",
            "both": "both in turn: what leaves one enters the other; entries of both at once do nothing",
        },
    )
    collision: Literal["exit", "ignore"] = choice(
        "Entry and exit together",
        "Fills",
        "What counts when one bar says both while a position is held",
        {"exit": "the exit counts", "ignore": "neither counts"},
    )
    reentry_delay: int = whole(
        0,
        "Re-entry delay",
        "Fills",
        "bars",
        0,
        100_000,
        "Bars after that of an exit without an entry; 0 allows one at the same fill",
    )
    skip_bars: int = whole(0, "Skipped bars", "Fills", "bars", 0, 100_000, "First bars whose signals do not count")

    sizing: Sizing = choice(
        "Size",
        "Size",
        "How large a position is; never larger than the account",
        {
            "equity": "a share of equity",
            "cash": "an amount of money",
            "units": "a number of units",
            "volatility": "a share of equity at which the position would have the wanted volatility",
        },
    )
    size_pct: float = number(
        100.0, "Share of equity", "Size", "%", 0.01, 100, "How much of equity, if the size is a share of it"
    )
    size_cash: float = number(
        1_000.0, "Amount", "Size", "money", 0.01, 1e12, "How much money, if the size is an amount"
    )
    size_units: float = number(
        1.0, "Units", "Size", "units", 1e-9, 1e12, "How many units, if the size is a number of them"
    )
    volatility_pct: float = number(
        20.0, "Wanted volatility", "Size", "%", 0.01, 1000, "A year, for sizing by volatility; at most all equity"
    )
    volatility_bars: int = whole(
        20,
        "Volatility bars",
        "Size",
        "bars",
        2,
        10_000,
        "Bar returns up to the signal that volatility is taken from; nothing is entered before there are so many",
    )
    whole_units: bool = switch("Whole units", "Size", "Round units down to whole ones; nothing is traded below one")
    size_price: Literal["fill", "signal_close"] = choice(
        "Size is decided",
        "Size",
        "Of which price and which equity the units are computed",
        {
            "fill": "at the fill, of its price and the equity then",
            "signal_close": "at the close that gave the signal; a worse fill may then cost more than the cash",
        },
    )
    size_costs: Literal["included", "on_top", "per_unit"] = choice(
        "Costs in the size",
        "Size",
        "Whether the costs of the entry, slippage among them, are part of the amount that the units are computed from",
        {
            "included": "included: amount and costs together are what is spent",
            "on_top": "on top: the units are the amount divided by the price before slippage",
            "per_unit": "included: the fee before slippage, and the fixed fee on every unit, of a hair less than all",
        },
    )
    cash_check: Literal["fill", "signal_and_fill", "value", "off"] = choice(
        "An entry that costs too much",
        "Size",
        "When an entry is refused for want of cash",
        {
            "fill": "refused if it costs more than the cash at the fill",
            "signal_and_fill": "refused if a purchase costs more than the cash, at the fill or at the signal's close",
            "value": "refused if its value without costs is more than the cash at the fill",
            "off": "made all the same: costs may exceed the cash",
        },
    )

    stop_loss_pct: float | None = number(
        None, "Stop-loss", "Exits", "%", 0.001, 1000, "Leave when the price is this far on the wrong side of the base"
    )
    take_profit_pct: float | None = number(
        None, "Take-profit", "Exits", "%", 0.001, 100_000, "Leave when the price is this far on the right side of it"
    )
    trailing_stop_pct: float | None = number(
        None, "Trailing stop", "Exits", "%", 0.001, 1000, "Leave this far behind the best price since the entry"
    )
    trailing_atr: float | None = number(
        None, "Trailing ATR", "Exits", "ratio", 0.01, 1000, "Leave this many average true ranges behind the best price"
    )
    atr_bars: int = whole(14, "ATR bars", "Exits", "bars", 1, 10_000, "Bars of the average true range")
    time_stop_bars: int | None = whole(
        None, "Time stop", "Exits", "bars", 1, 1_000_000, "Leave after so many bars, where signals fill"
    )
    target_of: Literal["price", "net"] = choice(
        "Take-profit of",
        "Exits",
        "What the take-profit is a percentage of",
        {
            "price": "the price: it is met when the price is there",
            "net": "the profit after the fees of both sides but fixed ones: it is met when the price goes beyond it",
        },
    )
    stop_base: Literal["fill", "entry_close", "signal_close"] = choice(
        "Stop base",
        "Exits",
        "The price from which stop-loss, take-profit and trailing stop are measured",
        {
            "fill": "the price of the entry, slippage included",
            "entry_close": "the close of the bar of the entry",
            "signal_close": "the close that gave the signal",
        },
    )
    stops_from: Literal["entry_bar", "next_bar"] = choice(
        "Stops are active",
        "Exits",
        "From which bar on a position's stops are looked at",
        {"entry_bar": "from the entry on", "next_bar": "from the bar after the entry on"},
    )
    trail_from: Literal["extreme", "close", "entry_bar_close", "bar"] = choice(
        "Best price",
        "Exits",
        "What the trailing stop follows",
        {
            "extreme": "the stop base and the best price of every bar, from the next bar on",
            "close": "the stop base and the close of every bar, from the next bar on",
            "entry_bar_close": "the close of every bar, from the next bar on, the stop base not counted",
            "bar": (
                "the best price of the bar itself too, unless the bar meets the stop as it stood; on the entry bar "
                "such a stop fills no better than from the open"
            ),
        },
    )
    bar_path: Literal["stop_first", "stop_always", "nearer_extreme"] = choice(
        "Within a bar",
        "Exits",
        "Which is taken when both stop and target lie within one bar",
        {
            "stop_first": "the stop, unless the bar opens beyond the target alone",
            "stop_always": (
                "the stop, even if the bar opens beyond the target; but the target before a trailing stop that follows "
                "the bar itself and has moved"
            ),
            "nearer_extreme": "what is met first on the way to the extreme nearer the open, then to the other",
        },
    )
    gap_fill: Literal["open", "inside"] = choice(
        "Through a gap",
        "Exits",
        "What a stop or target fills at when the bar opens beyond it",
        {
            "open": "the open",
            "inside": "its own price if the bar reaches it; else the open for a stop, the bar's nearest for a target",
        },
    )
    stop_bar_signals: Literal["count", "ignore"] = choice(
        "Signals on the bar of a stop",
        "Exits",
        "What becomes of the signals of a bar on which a stop or target was met",
        {"count": "they count as on any bar", "ignore": "they are ignored"},
    )
    stop_slippage: bool = switch(
        "Slippage on stops", "Exits", "A stop is a market order; a target never slips", default=True
    )
    at_end: Literal["mark", "close", "last_open"] = choice(
        "At the end",
        "Exits",
        "What becomes of a position that is still held on the last bar",
        {
            "mark": "it stays open and is valued at the last close, without the costs of leaving",
            "close": "it is closed at the last close",
            "last_open": "it is closed at the last open, unless the last bar meets a stop or target; none is entered",
        },
    )

    sharpe: Literal["bar", "bar_from_cash", "geometric", "monthly", "yearly"] = choice(
        "Sharpe ratio",
        "Metrics",
        "Which returns the Sharpe ratio is taken of",
        {
            "bar": "of bars, made annual by the square root of their number in a year",
            "bar_from_cash": "of bars, the first one from the starting cash",
            "geometric": "the compounded annual return over annual volatility",
            "monthly": "of calendar months, not made annual",
            "yearly": "of calendar years",
        },
    )
    risk_free_pct: float = number(
        0.0, "Risk-free rate", "Metrics", "%", -50, 100, "A year, subtracted by the Sharpe ratio"
    )
    days_a_year: int | None = whole(
        None, "Days a year", "Metrics", "days", 1, 366, "Sessions a year; off takes those of the market"
    )

    def __post_init__(self) -> None:
        for rule in RULES:
            object.__setattr__(self, rule.key, rule.clean(getattr(self, rule.key)))
        if self.stop_base == "entry_close" and self.fill == "next_open" and self.stops_from == "entry_bar":
            raise RulesError("stop_base", "is not known from the entry on; set stops_from to next_bar as well")

    @classmethod
    def of(cls, values: dict[str, Any]) -> Rules:
        """Return the rules with these values, by key, and defaults for the others; an unknown key is refused."""
        if unknown := sorted(set(values) - set(RULES_BY_KEY)):
            raise RulesError(unknown[0], f"is no rule; the rules are: {', '.join(RULES_BY_KEY)}")
        return cls(**values)


_DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(Rules)}
RULES: tuple[Rule, ...] = tuple(
    Rule(key=item.name, default=_DEFAULTS[item.name], **item.metadata) for item in fields(Rules)
)
RULES_BY_KEY = {rule.key: rule for rule in RULES}
