"""The table of indicators: the one place where an indicator is declared. Docs and tests follow it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from strategies.errors import IndicatorError
from strategies.indicators.declaration import Indicator
from strategies.indicators.rows_of_moves import AVERAGES, CHANGES, OSCILLATORS, TREND
from strategies.indicators.rows_of_sizes import LEVELS, STATISTICS, VOLATILITY, VOLUME

INDICATORS: tuple[Indicator, ...] = (
    *AVERAGES,
    *OSCILLATORS,
    *CHANGES,
    *TREND,
    *VOLATILITY,
    *VOLUME,
    *STATISTICS,
    *LEVELS,
)
INDICATORS_BY_KEY = {indicator.key: indicator for indicator in INDICATORS}


def get_indicator(key: str) -> Indicator:
    """Return the indicator with this key, or raise IndicatorError, which names the known ones."""
    if key not in INDICATORS_BY_KEY:
        raise IndicatorError(f"unknown indicator {key!r}; known are: {', '.join(sorted(INDICATORS_BY_KEY))}")
    return INDICATORS_BY_KEY[key]


def compile_all() -> None:
    """Compile every kernel of the package, or load it from disk where that has been done before."""
    package = __name__.rpartition(".")[0]
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        # Kernels have explicit signatures: to import them is to compile them.
        importlib.import_module(f"{package}.{info.name}")
