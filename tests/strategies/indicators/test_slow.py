"""Every indicator is its slow twin: on every shape of market, for several parameters, and through a spike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategies.bars import FloatArray
from strategies.indicators.declaration import Indicator
from strategies.indicators.table import INDICATORS, get_indicator
from tests.strategies.indicators.references import frozen, make_inputs, outputs_of, seeded_inputs
from tests.strategies.indicators.slow_levels import SLOW, slow_outputs

# Parameters beside the defaults: the least that work, odd and even ones.
CHOICES: tuple[dict[str, Any], ...] = (
    {},
    {"period": 2, "fast": 1, "slow": 2, "smooth": 1, "signal": 1, "window": 1, "shift": 1},
    {"period": 7, "fast": 9, "slow": 4, "medium": 2, "width": 0.4, "fraction": 0.25, "atr_period": 12, "signal": 5},
    {"period": 50, "step": 0.3, "maximum": 0.4, "conversion": 30, "base": 8, "span": 3, "fraction": 1.0},
)

# What a value depends on reaches back to the first bar, however little of it is left.
RECURSIVE = {
    *("ema", "rma", "dema", "tema", "kama", "rsi", "stochastic_rsi", "macd", "ppo", "trix", "adx", "supertrend"),
    *("parabolic_sar", "atr", "natr", "keltner", "obv", "accumulation_distribution", "force_index", "heikin_ashi"),
}

EACH = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda row: row.key)


def agree(indicator: Indicator, inputs: dict[str, FloatArray], *, size: float, **given: Any) -> None:
    given = {item.key: given[item.key] for item in indicator.parameters if item.key in given}
    theirs = slow_outputs(indicator.key, [inputs[name] for name in indicator.inputs], **indicator.values(**given))
    ours = outputs_of(indicator, inputs, **given)
    for output, our, their in zip(indicator.outputs, ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-9, atol=1e-10 * size, err_msg=f"{output.key} {given}")


def test_every_indicator_has_a_slow_twin() -> None:
    assert set(SLOW) == {indicator.key for indicator in INDICATORS}


@EACH
def test_an_indicator_is_its_slow_twin(indicator: Indicator) -> None:
    for given in CHOICES:
        for inputs in seeded_inputs(130):
            agree(indicator, inputs, size=100.0, **given)


@EACH
@pytest.mark.parametrize("price", [1e-8, 1e9])
def test_prices_of_any_size_are_as_exact(indicator: Indicator, price: float) -> None:
    inputs = make_inputs(4, 130, price=price)
    # The size of these does not follow from that of prices.
    size = max(1.0, price) if indicator.key in {"stochastic_rsi", "ppo"} else price
    for given in CHOICES[:2]:
        agree(indicator, inputs, size=size, **given)


@EACH
def test_a_spike_leaves_no_more_than_the_formula_says(indicator: Indicator) -> None:
    inputs = {name: values.copy() for name, values in make_inputs(6, 200).items()}
    for name in ("series", "high", "close", "volume"):
        inputs[name][60] = 1e9 * (10 if name == "volume" else 1)
    # The relative strength after a spike is a hair, and its stochastic divides one hair by another.
    agree(indicator, inputs, size=1e5 if indicator.key == "stochastic_rsi" else 1e3)


@pytest.mark.parametrize("key", sorted(SLOW.keys() - RECURSIVE))
def test_a_window_after_a_spike_has_forgotten_it(key: str) -> None:
    plain = make_inputs(6, 300)
    spiked = {name: values.copy() for name, values in plain.items()}
    for name in ("series", "high", "close", "volume"):
        spiked[name][60] *= 1e12
    pairs = zip(outputs_of(get_indicator(key), spiked), outputs_of(get_indicator(key), plain), strict=True)
    for ours, clean in pairs:
        np.testing.assert_allclose(ours[170:], clean[170:], rtol=1e-12, atol=1e-12)


def test_whole_numbers_with_many_ties_are_ranked_as_they_should() -> None:
    random = np.random.default_rng(9)
    inputs = {name: frozen(np.floor(4 * random.random(200)) + 1) for name in ("series", "other", "close")}
    inputs |= {"high": frozen(inputs["close"] + 1), "low": frozen(inputs["close"] - 0.5)}
    keys = [key for key in SLOW if key.startswith(("rolling_m", "rolling_a", "rolling_q", "rolling_r"))]
    for key in [*keys, "rolling_min", "correlation", "zscore", "cutler_rsi", "aroon", "stochastic", "donchian"]:
        for given in CHOICES[:3]:
            agree(get_indicator(key), inputs, size=1.0, **given)
