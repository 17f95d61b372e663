"""How many bars before the last one a value depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from strategies.formula.program import DAY_S, Step
from strategies.indicators.table import INDICATORS_BY_KEY

# Bars after which what an average started from weighs less than 1e-12 of it, for each bar of its period: an exponential
# one loses 2 ÷ (period + 1) of its past with each bar, Wilder's 1 ÷ period.
_EXPONENTIAL, _WILDER = 14.0, 28.0
_FADES = {
    "ema": _EXPONENTIAL,
    "dema": 2 * _EXPONENTIAL,
    "tema": 3 * _EXPONENTIAL,
    "trix": 3 * _EXPONENTIAL,
    "macd": _EXPONENTIAL,
    "ppo": _EXPONENTIAL,
    "force_index": _EXPONENTIAL,
    "rma": _WILDER,
    "rsi": _WILDER,
    "atr": _WILDER,
    "natr": _WILDER,
    "adx": 2 * _WILDER,
    "stochastic_rsi": _WILDER,
    "keltner": _WILDER,
    "heikin_ashi": 45.0,
}
# These never forget: their start is in every later value, or may be.
_NEVER_FORGET = {"kama", "supertrend", "parabolic_sar", "obv", "accumulation_distribution"}
# Days, with those of a weekend before, which count to the week or month after it.
_OUTER_DAYS = {"weekly": 7, "monthly": 33}


def reach_of(step: Step, inputs: Sequence[float], interval_s: int = DAY_S) -> float:
    """Return the reach of a step in bars of so many seconds, given those of its inputs; infinite if it has no end."""
    own = max(inputs, default=0.0)
    key = step.operation.partition(":")[0]
    if key in INDICATORS_BY_KEY:
        return own + _of_indicator(key, step)
    if key in {"since", "value_when"}:
        return math.inf
    if key in {"ago", "count", "within", "throughout", "sum"}:
        return own + float(step.constants[0])
    if key in {"crossover", "crossunder"}:
        return own + 1
    if key == "from_outer":
        # The first outer bar is cut, and the last one is not over yet.
        return (own + 2) * math.ceil(_OUTER_DAYS[str(step.constants[0])] * DAY_S / interval_s)
    return own


def _of_indicator(key: str, step: Step) -> float:
    if key in _NEVER_FORGET:
        return math.inf
    indicator = INDICATORS_BY_KEY[key]
    values = {item.key: value for item, value in zip(indicator.parameters, step.constants, strict=True)}
    first = max(indicator.first_valid(**values))  # type: ignore[arg-type]
    if key not in _FADES:
        return float(first)
    periods = [float(value) for name, value in values.items() if name not in {"width", "window"}]
    return first + _FADES[key] * (max(periods, default=1.0) + 1)
