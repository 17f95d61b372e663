"""One digest over all trades of each strategy: a change of any of them is meant, or it is a fault."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from backtests.engine import ENGINE_VERSION, EXIT_REASONS, PRESETS, TRADE, Rules, simulate
from backtests.engine.coded import coded
from backtests.engine.trades import Outcome
from strategies.registry import get_strategy, strategies
from tests.backtests.engine.references import general
from tests.builders import SHAPES, make_market

# These change only when trades do: with another fill rule, cost or definition of an indicator, and then ENGINE_VERSION
# rises with them, because stored results no longer say what a new run would. A faster kernel leaves them as they are,
# a new strategy adds its line, and a new rule changes none.
VERSION = "2"
FINGERPRINTS = {
    "adx-trend": "892dd6e540f8ed11",
    "bollinger": "466bb2092697512c",
    "bollinger-breakout": "c9dd513341c2e892",
    "buy-and-hold": "fcbd444635c70f88",
    "donchian": "4c830bbf29e94a02",
    "ema-cross": "1ca9a5c03695f487",
    "keltner-breakout": "5c13d33b2be5e46c",
    "macd": "1aaf03c0cf6be4d0",
    "momentum": "055fbb6edbcb8084",
    "narrow-range": "cc262f62203117c4",
    "opening-gap": "94fe496655f335ce",
    "rsi": "9c751294f30840cb",
    "rsi-2": "afdcd1d9f3134f0c",
    "sma-cross": "b3afaec2e0914b93",
    "squeeze": "eccf69c9f0925974",
    "supertrend": "0b56983e2bb9ae8d",
    "triple-average": "4c31005f267feb15",
    "volume-breakout": "da8f80b8ad17f2ac",
    "year-high": "d5c44e555bc1589e",
    "zscore": "2c2f51309e430704",
}

# The same for rules of the general simulation, which have one digest each over all strategies.
STOPS: dict[str, Any] = {"stop_loss_pct": 4.0, "take_profit_pct": 9.0, "trailing_stop_pct": 6.0}
RULE_SETS = {
    "stops": Rules(**STOPS, time_stop_bars=40, reentry_delay=2),
    "both sides": Rules(direction="both", fill="same_close", at_end="close", borrow_pct=5),
    "short, true ranges": Rules(direction="short", trailing_atr=3, fill="next_close", whole_units=True, fixed_fee=1),
    "volatility": Rules(direction="both", sizing="volatility", volatility_pct=15, trailing_atr=2, trail_from="bar"),
    **{preset.key: preset.rules for preset in PRESETS.values()},
    **{
        f"{preset.key}, stops": Rules.of({**preset.values, **STOPS, "direction": "both"}) for preset in PRESETS.values()
    },
}
RULE_FINGERPRINTS = {
    "stops": "7ab94619ee1812e2",
    "both sides": "e67659f75235cb3e",
    "short, true ranges": "65988bb519f0a397",
    "volatility": "e0bf28290bc61c39",
    "vectorbt": "a772ff4f782fe396",
    "backtesting.py": "45f6a89a8e841ece",
    "backtrader": "6eba864b619b54a9",
    "freqtrade": "40a717addfc6df68",
    "tradingview": "a7975c8fb91171db",
    "vectorbt, stops": "244892229437adfc",
    "backtesting.py, stops": "a708bd347b11c2bd",
    "backtrader, stops": "c95a6afa383358ca",
    "freqtrade, stops": "8b469e2a9ae6356b",
    "tradingview, stops": "d5a014c92ba46c96",
}

KEYS = tuple(strategies())
YEAR = 252


def as_text(name: str, value: float) -> str:
    """Twelve digits; what is a difference of two larger numbers has fewer, and is given to a millionth."""
    if name == "exit_reason":
        return EXIT_REASONS[int(value)]
    differs = name in {"pnl", "return_pct", "mae_pct", "mfe_pct"}
    # A loss of nothing, whichever its sign, is nothing.
    return f"{value + 0.0:.6f}".replace("-0.000000", "0.000000") if differs else f"{value:.12g}"


def told(outcome: Outcome) -> bytes:
    lines = []
    for trade in outcome.trades:
        values = zip(TRADE.names or (), trade.item(), strict=True)
        lines.append(" ".join(as_text(name, value) for name, value in values))
    return "\n".join(lines).encode()


def fingerprint(keys: tuple[str, ...], rules: Rules, n_symbols: int) -> str:
    """A digest of the trades of strategies on every shape of market."""
    digest = hashlib.blake2b(digest_size=8)
    for shape in SHAPES:
        for ticker, bars in make_market(2024, n_symbols=n_symbols, n_bars=750, shape=shape).items():
            for key in keys:
                digest.update(f"{shape} {ticker} {key}\n".encode())
                digest.update(told(simulate(bars, get_strategy(key)().signals(bars), rules, bars_per_year=YEAR)))
    return digest.hexdigest()


def test_the_trades_of_every_strategy_are_what_they_were() -> None:
    assert {key: fingerprint((key,), Rules(), 5) for key in KEYS} == FINGERPRINTS
    assert ENGINE_VERSION == VERSION


@pytest.mark.parametrize("name", RULE_SETS)
def test_the_trades_under_other_rules_are_what_they_were(name: str) -> None:
    assert fingerprint(KEYS, RULE_SETS[name], 2) == RULE_FINGERPRINTS[name]
    if coded(RULE_SETS[name]).is_plain:
        assert fingerprint(KEYS, general(RULE_SETS[name]), 2) == RULE_FINGERPRINTS[name]


def test_no_two_strategies_and_no_two_sets_of_rules_trade_alike() -> None:
    assert len(set(FINGERPRINTS.values())) == len(FINGERPRINTS) == len(strategies())
    assert len(set(RULE_FINGERPRINTS.values())) == len(RULE_FINGERPRINTS) == len(RULE_SETS)


def test_the_fingerprint_covers_many_trades() -> None:
    """Also of a strategy that looks back for a year and trades a few times in the bars after it."""
    markets = [make_market(2024, n_symbols=5, n_bars=750, shape=shape) for shape in SHAPES]
    for key in strategies():
        found = [
            simulate(bars, get_strategy(key)().signals(bars), Rules()).trades
            for market in markets
            for bars in market.values()
        ]
        assert sum(map(len, found)) >= 25, key
