"""What would have happened? Signals and rules in, trades, equity and metrics out. Pure: no Django, no database."""

from backtests.engine.errors import EngineError, RulesError, TooShort
from backtests.engine.evaluate import evaluate
from backtests.engine.metrics import METRICS, METRICS_BY_KEY, Metric, measure
from backtests.engine.rules import Rules
from backtests.engine.simulate import TRADE, Outcome, simulate

# Part of every result's digest: raise it whenever the same input would give other numbers.
ENGINE_VERSION = "1"

__all__ = [
    "ENGINE_VERSION",
    "METRICS",
    "METRICS_BY_KEY",
    "TRADE",
    "EngineError",
    "Metric",
    "Outcome",
    "Rules",
    "RulesError",
    "TooShort",
    "evaluate",
    "measure",
    "simulate",
]
