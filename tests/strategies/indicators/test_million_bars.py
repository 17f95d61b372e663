"""Rounding does not accumulate: after a million bars every value is the one of its own short past, exactly summed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from strategies.bars import FloatArray
from strategies.indicators.declaration import Indicator
from strategies.indicators.table import INDICATORS
from tests.strategies.indicators.references import million_inputs, outputs_of
from tests.strategies.indicators.slow_levels import money_flow, signed_volume, slow_outputs

N_BARS = 1_000_000
SAMPLES = (150_001, 499_999, 777_777, N_BARS - 1)

# A recursion has forgotten what is older than this, to the last digit.
REACH = {
    **{"ema": 500, "rma": 600, "dema": 600, "tema": 700, "macd": 800, "ppo": 800, "trix": 500, "keltner": 500},
    **{"rsi": 650, "stochastic_rsi": 650, "adx": 800, "atr": 650, "natr": 650, "force_index": 500, "heikin_ashi": 120},
    **{"kama": 6000, "supertrend": 3000, "parabolic_sar": 3000},
}
RUNNING: dict[str, Callable[..., list[float]]] = {"obv": signed_volume, "accumulation_distribution": money_flow}


@cache
def inputs_of_a_million() -> dict[str, FloatArray]:
    return million_inputs()


def reach(indicator: Indicator) -> int:
    return REACH.get(indicator.key, max(indicator.first_valid()) + 1)


@pytest.mark.parametrize("indicator", [row for row in INDICATORS if row.key not in RUNNING], ids=lambda row: row.key)
def test_a_value_after_a_million_bars_is_that_of_its_own_past(indicator: Indicator) -> None:
    inputs = inputs_of_a_million()
    whole = outputs_of(indicator, inputs)
    for t in SAMPLES:
        past = [inputs[name][t - reach(indicator) + 1 : t + 1] for name in indicator.inputs]
        for ours, slow in zip(whole, slow_outputs(indicator.key, past, **indicator.values()), strict=True):
            size = np.nanmax(np.abs(ours[t - 100 : t + 1]))
            assert ours[t] == pytest.approx(slow[-1], rel=1e-11, abs=1e-11 * size), f"bar {t}"


@pytest.mark.parametrize("key", RUNNING)
def test_a_running_total_of_a_million_bars_is_exact(key: str) -> None:
    indicator = {row.key: row for row in INDICATORS}[key]
    inputs = inputs_of_a_million()
    columns: list[Any] = [inputs[name].tolist() for name in indicator.inputs]
    added = RUNNING[key](*columns)
    (total,) = outputs_of(indicator, inputs)
    for t in SAMPLES:
        exact = math.fsum(added[: t + 1])
        # Of what is added each has its own last digit, their sum has no more.
        assert total[t] == pytest.approx(exact, rel=1e-13, abs=1e-9 if key == "obv" else 1e-5)
