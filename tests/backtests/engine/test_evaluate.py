from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from backtests.engine import PRESETS, EngineError, Rules, TooShort, evaluate, measure, simulate
from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.registry import strategies
from tests.backtests.engine.references import any_markets, any_rules, examples
from tests.builders import SHAPES, Shape, make_bars, make_market


def assert_together_as_apart(bars: Bars, signals: Signals, rules: Rules) -> None:
    apart = simulate(bars, signals, rules, bars_per_year=365)
    together, values = evaluate(bars, signals, rules, bars_per_year=365)
    assert together.trades.tobytes() == apart.trades.tobytes()
    assert together.equity.tobytes() == apart.equity.tobytes()
    np.testing.assert_array_equal(values, measure(bars, apart, rules, bars_per_year=365))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strategy", strategies().values(), ids=lambda strategy: strategy.key)
def test_it_is_simulation_and_metrics_to_the_last_bit(strategy: type[Strategy], shape: Shape) -> None:
    rules = Rules(cash=2500.0, fee_pct=0.2, slippage_pct=0.1)
    for bars in make_market(5, n_symbols=6, n_bars=700, shape=shape).values():
        assert_together_as_apart(bars, strategy().signals(bars), rules)


@pytest.mark.parametrize("direction", ["long", "short", "both"])
@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_simulation_and_metrics_under_every_preset(preset: str, direction: str) -> None:
    rules = Rules.of({**PRESETS[preset].values, "direction": direction, "stop_loss_pct": 4.0, "trailing_stop_pct": 6.0})
    for bars in make_market(6, n_symbols=3, n_bars=500).values():
        assert_together_as_apart(bars, strategies()["sma-cross"]().signals(bars), rules)


@examples
@given(market=any_markets(), rules=any_rules(cash=1000.0))
def test_it_is_simulation_and_metrics_under_any_rules(market: tuple[Bars, Signals], rules: Rules) -> None:
    assert_together_as_apart(*market, rules)


@pytest.mark.parametrize("rules", [Rules(), Rules(direction="both", fill="same_close")], ids=["plain", "general"])
def test_it_refuses_what_they_refuse(rules: Rules) -> None:
    bars = make_bars([10.0, 11.0, 12.0])
    signals = strategies()["rsi"]().signals(bars)
    with pytest.raises(TooShort, match="at least 2 bars"):
        evaluate(bars[:1], signals, rules, bars_per_year=252)
    with pytest.raises(ValueError, match="entry must be bool of shape"):
        evaluate(bars[:2], signals, rules, bars_per_year=252)
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(EngineError, match=r"^bars_per_year must be a positive number; it is "):
            evaluate(bars, signals, rules, bars_per_year=wrong)
