"""Errors of runs.

RunError
├── RequestRefused          a run that cannot be started as asked; names the field
│   ├── ParameterRefused    a parameter of the strategy is why
│   └── RuleRefused         a rule is why
├── TooManyRuns             a run that cannot be started now, as its owner has too many
└── WrongState              a run cannot be paused, resumed, cancelled or tried again as it is
"""

from __future__ import annotations


class RunError(ValueError):
    """Base of everything that this package raises on purpose."""


class RequestRefused(RunError):
    """A run that cannot be started as asked. ``field`` is the part of the request, ``problem`` what is wrong there."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class ParameterRefused(RequestRefused):
    """A parameter that the strategy does not take: it may be called like a field or a rule, and is neither."""


class RuleRefused(RequestRefused):
    """A rule that there is not, or a value that it does not take: what was asked for may be called like a field."""


class TooManyRuns(RunError):
    """A run that cannot be started now: as many of its owner wait as may. It says how many, and what to do."""


class WrongState(RunError):
    """A run is not in a state from which what was asked for leads anywhere; the message names it and those that are."""
