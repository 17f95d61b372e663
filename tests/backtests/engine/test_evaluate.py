from __future__ import annotations

import numpy as np
import pytest

from backtests.engine import EngineError, Rules, TooShort, evaluate, measure, simulate
from strategies.base import Strategy
from strategies.registry import strategies
from tests.builders import SHAPES, Shape, make_bars, make_market


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strategy", strategies().values(), ids=lambda strategy: strategy.key)
def test_it_is_simulation_and_metrics_to_the_last_bit(strategy: type[Strategy], shape: Shape) -> None:
    rules = Rules(cash=2500.0, fee=0.002, slippage=0.001)
    for bars in make_market(5, n_symbols=6, n_bars=700, shape=shape).values():
        signals = strategy().signals(bars)
        apart = simulate(bars, signals, rules)
        together, values = evaluate(bars, signals, rules, bars_per_year=365)
        assert together.trades.tobytes() == apart.trades.tobytes()
        assert together.equity.tobytes() == apart.equity.tobytes()
        np.testing.assert_array_equal(values, measure(bars, apart, cash=2500.0, bars_per_year=365))


def test_it_refuses_what_they_refuse() -> None:
    bars = make_bars([10.0, 11.0, 12.0])
    signals = strategies()["rsi"]().signals(bars)
    with pytest.raises(TooShort, match="at least 2 bars"):
        evaluate(bars[:1], signals, Rules(), bars_per_year=252)
    with pytest.raises(ValueError, match="entry must be bool of shape"):
        evaluate(bars[:2], signals, Rules(), bars_per_year=252)
    with pytest.raises(EngineError, match="bars_per_year must be positive"):
        evaluate(bars, signals, Rules(), bars_per_year=0)
