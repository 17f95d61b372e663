"""Errors of the engine.

EngineError
├── RulesError    a rule with a value that it cannot take
└── TooShort      fewer bars than a simulation needs
"""

from __future__ import annotations


class EngineError(ValueError):
    """Base of everything that the engine raises on purpose."""


class RulesError(EngineError):
    """A rule with a value that it cannot take. ``name`` is the rule's key, ``problem`` what is wrong with it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class TooShort(EngineError):
    """Fewer bars than a simulation needs."""
