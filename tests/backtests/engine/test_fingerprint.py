"""One digest over all trades of each strategy: a change of any of them is meant, or it is a fault."""

from __future__ import annotations

import hashlib

from backtests.engine import ENGINE_VERSION, TRADE, Rules, simulate
from strategies.registry import get_strategy, strategies
from tests.builders import SHAPES, make_market

# These change only when trades do: with another fill rule, cost or definition of an indicator, and then ENGINE_VERSION
# rises with them, because stored results no longer say what a new run would. A faster kernel leaves them as they are,
# a new strategy adds its line.
VERSION = "1"
FINGERPRINTS = {
    "bollinger": "be4b75ba911d6bad",
    "rsi": "743db4b44d2fb46a",
    "sma-cross": "4e871a53f8fa8e1b",
}


def as_text(name: str, value: float) -> str:
    """Twelve digits; a profit is a difference of two larger sums and has fewer, so that it is given to a millionth."""
    return f"{value:.6f}" if name in {"pnl", "return_pct"} else f"{value:.12g}"


def fingerprint(key: str) -> str:
    """A digest of the trades of one strategy on every shape of market."""
    digest = hashlib.blake2b(digest_size=8)
    for shape in SHAPES:
        for ticker, bars in make_market(2024, n_symbols=5, n_bars=750, shape=shape).items():
            digest.update(f"{shape} {ticker}\n".encode())
            for trade in simulate(bars, get_strategy(key)().signals(bars), Rules()).trades:
                values = zip(TRADE.names or (), trade.item(), strict=True)
                digest.update(" ".join(as_text(name, value) for name, value in values).encode())
    return digest.hexdigest()


def test_the_trades_of_every_strategy_are_what_they_were() -> None:
    assert {key: fingerprint(key) for key in strategies()} == FINGERPRINTS
    assert ENGINE_VERSION == VERSION


def test_the_fingerprint_covers_many_trades() -> None:
    market = make_market(2024, n_symbols=5, n_bars=750, shape="waves")
    for key in strategies():
        trades = [simulate(bars, get_strategy(key)().signals(bars), Rules()).trades for bars in market.values()]
        assert all(len(found) >= 5 for found in trades), key
