"""What a step costs for each bar, in about nanoseconds."""

from __future__ import annotations

from strategies.formula.program import Step
from strategies.indicators.table import INDICATORS_BY_KEY

# Measured; tests hold them to what the steps take.
ELEMENTWISE, WINDOW, INDICATOR, ACROSS = 5.0, 25.0, 40.0, 250.0

# These look at every bar of their window for every bar.
_BY_WINDOW = {"rolling_median": 1.0, "rolling_quantile": 1.0, "rolling_rank": 1.0, "cci": 1.2}
_PERIOD = {"rolling_median": 0, "rolling_quantile": 0, "rolling_rank": 0, "cci": 0}


def cost_of(step: Step) -> float:
    """Return about how many nanoseconds a step takes for each bar."""
    key = step.operation.partition(":")[0]
    if key in _BY_WINDOW:
        return INDICATOR + _BY_WINDOW[key] * float(step.constants[_PERIOD[key]])
    if key in INDICATORS_BY_KEY:
        return INDICATOR
    if key in {
        "count",
        "within",
        "throughout",
        "since",
        "value_when",
        "crossover",
        "crossunder",
        "power",
        "exp",
        "log",
    }:
        return WINDOW
    return ACROSS if key in {"rank", "percentile"} else ELEMENTWISE
