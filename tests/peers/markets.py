"""The bars and signals on which Trawl and another backtester must trade alike, and the rules to vary on them.

Awkward bars are made by hand around a price of 128, which every way of filling the signal gives as the entry price, so
that a stop of 6.25 % lies at exactly 120 and a target of 12.5 % at exactly 144.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategies.bars import Bars, BoolArray, Signals
from tests.builders import DAY_S, MONDAY_S, SHAPES, make_market

MIRRORED = "mirrored: "
Prices = tuple[float, float, float, float]  # open, high, low, close
CALM: Prices = (128, 129, 127, 128)
STEADY: Prices = (128, 128, 128, 128)
DENSITIES = {"seldom": 0.03, "often": 0.15, "always": 0.5}


@dataclass(frozen=True, slots=True)
class Case:
    """Bars and the signals on them."""

    name: str
    bars: Bars
    signals: Signals


@dataclass(frozen=True, slots=True)
class Variation:
    """Rules that differ from a preset's: what a user of that backtester may set himself."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


def cases() -> list[Case]:
    """Return every case: random markets, bars made by hand, their mirror images, and extreme prices."""
    by_hand = awkward()
    return [*random_markets(), *by_hand, *(mirrored(case) for case in by_hand), *extreme_prices()]


def variations() -> list[Variation]:
    """Return every direction with every kind of exit, with costs that take turns, and then the sizes."""
    exits: dict[str, dict[str, float]] = {
        "signals": {},
        "stop": {"stop_loss_pct": 6.25},
        "target": {"take_profit_pct": 12.5},
        "stop and target": {"stop_loss_pct": 6.25, "take_profit_pct": 12.5},
        "tight stop and target": {"stop_loss_pct": 1.25, "take_profit_pct": 1.5},
        "trailing": {"trailing_stop_pct": 6.25},
        "tight trailing and target": {"trailing_stop_pct": 1.5, "take_profit_pct": 4.0},
    }
    costs: dict[str, dict[str, float]] = {
        "free": {"fee_pct": 0.0, "slippage_pct": 0.0},
        "fee": {"fee_pct": 0.25, "slippage_pct": 0.0},
        "fee and slippage": {"fee_pct": 0.1, "slippage_pct": 0.2},
        "fixed fee": {"fee_pct": 0.1, "slippage_pct": 0.0, "fixed_fee": 4.0},
    }
    varied = []
    for number, (direction, leaving) in enumerate((d, e) for d in ("long", "short", "both") for e in exits):
        cost = list(costs)[number % len(costs)]
        values = {"direction": direction, **exits[leaving], **costs[cost]}
        varied.append(Variation(f"{direction}, {leaving}, {cost}", values))
    whole = {"whole_units": True, **costs["fee and slippage"]}
    varied.append(Variation("whole units", whole))
    varied.append(Variation("whole units, stop and target", {**whole, **exits["stop and target"]}))
    varied.append(Variation("half of equity", {"size_pct": 50.0, **costs["fee"]}))
    return varied


def random_markets(n_bars: int = 150) -> list[Case]:
    """Return a market of each shape, with wicks, under signals of each density; and one in whole cents."""
    found = []
    for number, shape in enumerate(SHAPES):
        for place, (name, density) in enumerate(DENSITIES.items()):
            bars = make_market(11 + number, n_symbols=3, n_bars=n_bars, shape=shape)[f"S{place}"]
            signals = random_signals(n_bars, density, seed=100 * number + place)
            found.append(Case(f"{shape}, {name}", with_wicks(bars, seed=number), signals))
    ticks = in_ticks(with_wicks(make_market(5, n_symbols=1, n_bars=n_bars, shape="gaps", price=20.0)["S0"], seed=5))
    return [*found, Case("ticks, often", ticks, random_signals(n_bars, 0.15, seed=5))]


def four_signals(n_bars: int = 150) -> list[Case]:
    """Return markets whose signals for a sold position are its own, not those of a bought one the other way round."""
    found = []
    for number, shape in enumerate(SHAPES):
        density = list(DENSITIES.values())[number % len(DENSITIES)]
        bars = make_market(31 + number, n_symbols=1, n_bars=n_bars, shape=shape)["S0"]
        bought = random_signals(n_bars, density, seed=300 + number)
        sold = random_signals(n_bars, density, seed=400 + number)
        signals = Signals(entry=bought.entry, exit=bought.exit, short_entry=sold.entry, short_exit=sold.exit)
        found.append(Case(f"four signals, {shape}", with_wicks(bars, seed=number), signals))
    return found


def random_signals(n_bars: int, density: float, *, seed: int) -> Signals:
    """Return entries and exits that each stand on this share of the bars, now and then together."""
    draws = np.random.default_rng([seed, 2]).random((2, n_bars))
    return Signals(entry=draws[0] < density, exit=draws[1] < density)


def with_wicks(bars: Bars, *, seed: int) -> Bars:
    """Return the bars with highs and lows up to 2 % further out than open and close; flat ones stay flat."""
    if np.all(bars.high == bars.low):
        return bars
    wicks = 0.02 * np.random.default_rng([seed, 3]).random((2, len(bars))) ** 2
    high, low = bars.high * (1 + wicks[0]), bars.low * (1 - wicks[1])
    return Bars.of(time=bars.time, open=bars.open, high=high, low=low, close=bars.close, volume=bars.volume)


def in_ticks(bars: Bars) -> Bars:
    """Return the bars with prices in whole cents, which meet a stop's own price now and then."""
    prices = {name: np.round(getattr(bars, name), 2) for name in ("open", "high", "low", "close")}
    return Bars.of(time=bars.time, **prices, volume=bars.volume)


def drawn(name: str, rows: Sequence[Prices], *, entry: Sequence[int] = (1,), leave: Sequence[int] = ()) -> Case:
    """Return a case of these bars, with signals on the bars of these numbers."""
    columns = np.array(rows, dtype=float).reshape(len(rows), 4).T
    bars = Bars.of(
        time=[MONDAY_S + number * DAY_S for number in range(len(rows))],
        open=columns[0],
        high=columns[1],
        low=columns[2],
        close=columns[3],
        volume=[1000.0] * len(rows),
    )
    return Case(name, bars, Signals(entry=_flags(len(rows), entry), exit=_flags(len(rows), leave)))


def _flags(n: int, numbers: Sequence[int]) -> BoolArray:
    flags = np.zeros(n, dtype=bool)
    flags[list(numbers)] = True
    return flags


def awkward() -> list[Case]:
    """Return the bars made by hand."""
    return [*_through_stops(), *_together(), *_at_the_edges()]


def _through_stops() -> list[Case]:
    # The signal stands on bar 1; every fill of it costs 128, at the latest on the close of bar 2.
    before: list[Prices] = [CALM, CALM, STEADY]
    after: list[Prices] = [CALM, CALM, CALM]
    held: list[Prices] = [CALM, CALM]
    one_bar: dict[str, Prices] = {
        "gap down through the stop": (110, 112, 109, 111),
        "gap down to the stop exactly": (120, 122, 119, 121),
        "low at the stop exactly": (127, 128, 120, 126),
        "low a hair above the stop": (127, 128, 120.000001, 126),
        "stop within the bar": (127, 128, 118, 126),
        "close below the stop": (127, 128, 117, 117.5),
        "gap up through the target": (150, 152, 149, 151),
        "gap up to the target exactly": (144, 146, 143, 145),
        "high at the target exactly": (129, 144, 127, 130),
        "high a hair below the target": (129, 143.999999, 127, 130),
        "target within the bar": (129, 146, 127, 130),
        "stop and target, open nearer the low": (126, 148, 118, 130),
        "stop and target, open nearer the high": (140, 146, 118, 130),
        "stop and target, open halfway": (132, 146, 118, 130),
        "gap down, then up to the target": (112, 148, 110, 140),
        "gap up, then down to the stop": (146, 148, 110, 112),
        "up, then down by the trailing distance": (128, 140, 127, 139),
    }
    found = [drawn(name, [*before, *held, row, *after]) for name, row in one_bar.items()]
    found += [drawn(f"{name}, right after the entry", [*before, row, *after]) for name, row in one_bar.items()]
    on_entry: dict[str, Prices] = {
        "stop on the bar of the entry": (128, 129, 116, 128),
        "target on the bar of the entry": (128, 147, 127, 128),
        "stop and target on the bar of the entry": (128, 147, 116, 128),
        "stop on the bar of the entry, closing below": (128, 129, 116, 117),
        "trailing stop on the bar of the entry": (128, 142, 127, 130),
    }
    for name, row in on_entry.items():
        found.append(drawn(name, [CALM, CALM, row, *after]))
        found.append(drawn(f"{name} of the signal", [CALM, row, STEADY, *after]))
    falling: list[Prices] = [(128, 136, 127, 135), (135, 143, 134, 142), (142, 143, 131, 132), (132, 133, 119, 120)]
    return [*found, drawn("up and down again", [*before, *falling, *after], entry=(1, 5, 7))]


def _together() -> list[Case]:
    down: Prices = (127, 128, 110, 112)
    up: Prices = (130, 150, 129, 149)
    calm: list[Prices] = [CALM] * 8
    stopped: list[Prices] = [CALM, CALM, STEADY, CALM, down, CALM, CALM, CALM]
    won: list[Prices] = [CALM, CALM, STEADY, CALM, up, CALM, CALM, CALM]
    return [
        drawn("entry and exit together while flat", calm, entry=(1,), leave=(1,)),
        drawn("entry and exit together while held", calm, entry=(1, 3), leave=(3,)),
        drawn("entry and exit together on every bar", calm, entry=range(8), leave=range(8)),
        drawn("entry on every bar", calm, entry=range(8)),
        drawn("exit on every bar", calm, entry=(), leave=range(8)),
        drawn("no signal", calm, entry=()),
        drawn("exit right after the entry", calm, entry=(1,), leave=(2,)),
        drawn("exit, then entry right away", calm, entry=(1, 4), leave=(3,)),
        drawn("exit before the entry", calm, entry=(4,), leave=(2,)),
        drawn("exit signal on the bar of the stop", stopped, leave=(4,)),
        drawn("exit signal before the bar of the stop", stopped, leave=(3,)),
        drawn("exit signal two bars before that of the stop", stopped, leave=(2,)),
        drawn("entry signal on the bar of the stop", stopped, entry=(1, 4)),
        drawn("entry signal before the bar of the stop", stopped, entry=(1, 3)),
        drawn("entry and exit on the bar of the stop", stopped, entry=(1, 4), leave=(4,)),
        drawn("exit signal on the bar of the target", won, leave=(4,)),
        drawn("exit signal before the bar of the target", won, leave=(3,)),
        drawn("entry signal on the bar of the target", won, entry=(1, 4)),
        drawn("entry signals on every bar and a stop", stopped, entry=range(8)),
    ]


def _at_the_edges() -> list[Case]:
    calm: list[Prices] = [CALM] * 5
    flat: list[Prices] = [STEADY] * 6
    stop_last: list[Prices] = [CALM, CALM, STEADY, CALM, (127, 128, 110, 112)]
    return [
        drawn("one bar, no signal", [CALM], entry=()),
        drawn("one bar, entry", [CALM], entry=(0,)),
        drawn("two bars, entry", [CALM, (129, 131, 128, 130)], entry=(0,)),
        drawn("two bars, entry and exit", [CALM, (129, 131, 128, 130)], entry=(0,), leave=(1,)),
        drawn("two bars, entry on the second", [CALM, CALM], entry=(1,)),
        drawn("entry on the first bar", calm, entry=(0,), leave=(2,)),
        drawn("entry on the last bar", calm, entry=(4,)),
        drawn("entry on the last bar but one", calm, entry=(3,)),
        drawn("exit on the last bar", calm, entry=(1,), leave=(4,)),
        drawn("exit on the last bar but one", calm, entry=(1,), leave=(3,)),
        drawn("reversal on the last bar but one", calm, entry=(1,), leave=(3, 4)),
        drawn("held at the end", [*calm, (128, 135, 127, 133)], entry=(1,)),
        drawn("stop on the last bar", stop_last),
        drawn("flat prices", flat, entry=(1, 4), leave=(3,)),
    ]


def mirrored(case: Case) -> Case:
    """Return the case with prices on the other side of 128 and the signals exchanged: what was long is short."""
    bars, about = case.bars, 2 * 128.0
    turned = Bars.of(
        time=bars.time,
        open=about - bars.open,
        high=about - bars.low,
        low=about - bars.high,
        close=about - bars.close,
        volume=bars.volume,
    )
    return Case(f"{MIRRORED}{case.name}", turned, Signals(entry=case.signals.exit, exit=case.signals.entry))


def extreme_prices(n_bars: int = 60) -> list[Case]:
    """Return markets whose prices are tiny, huge, about the starting cash, and ever closer to nothing."""
    signals = random_signals(n_bars, 0.15, seed=8)
    found = []
    for name, price in {"tiny": 1e-6, "huge": 1e9, "dear": 6_000.0}.items():
        bars = with_wicks(make_market(8, n_symbols=1, n_bars=n_bars, shape="gaps", price=price)["S0"], seed=8)
        found.append(Case(f"{name} prices", bars, signals))
    # A price that doubles takes all the equity of a short position, and one that halves most of a long one.
    doubling: list[Prices] = [(64, 64, 64, 64), (64, 64, 64, 64), (64, 128, 64, 128), (128, 256, 128, 256), STEADY]
    halving: list[Prices] = [STEADY, STEADY, (128, 128, 64, 64), (64, 64, 16, 16), (16, 17, 15, 16)]
    found.append(drawn("doubling", doubling, entry=(3,), leave=(1,)))
    found.append(drawn("doubling while sold", [*doubling, STEADY, STEADY], entry=(), leave=(1, 5)))
    found.append(drawn("halving", [*halving, STEADY], entry=(1, 4), leave=(3,)))
    return found
