"""What would have happened? Signals and rules in, trades, equity and metrics out. Pure: no Django, no database."""

from backtests.engine.errors import EngineError, RulesError, TooShort
from backtests.engine.evaluate import evaluate, evaluate_all
from backtests.engine.metrics import measure
from backtests.engine.presets import PRESETS, Preset, preset_rules
from backtests.engine.rule import Rule
from backtests.engine.rules import RULES, RULES_BY_KEY, Rules
from backtests.engine.simulate import simulate
from backtests.engine.table import METRICS, METRICS_BY_KEY, Metric
from backtests.engine.trades import EXIT_REASONS, TRADE, Outcome

# Part of every result's digest: raise it whenever the same input would give other numbers.
ENGINE_VERSION = "2"

__all__ = [
    "ENGINE_VERSION",
    "EXIT_REASONS",
    "METRICS",
    "METRICS_BY_KEY",
    "PRESETS",
    "RULES",
    "RULES_BY_KEY",
    "TRADE",
    "EngineError",
    "Metric",
    "Outcome",
    "Preset",
    "Rule",
    "Rules",
    "RulesError",
    "TooShort",
    "evaluate",
    "evaluate_all",
    "measure",
    "preset_rules",
    "simulate",
]
