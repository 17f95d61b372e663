"""System checks: a strategy that cannot be used is named wherever Django reports what is wrong."""

from __future__ import annotations

from typing import Any

from django.core import checks

from strategies.user_strategies import broken

HINT = (
    "It is left out and everything else works. Correct it and start again; "
    "`manage.py check_strategy` tells more about a file, and docs/strategies.md what a strategy needs."
)


def broken_strategies(app_configs: Any, **_kwargs: Any) -> list[checks.CheckMessage]:
    """Return a warning for each strategy of the users that cannot be used."""
    return [checks.Warning(f"A strategy is broken: {problem}", hint=HINT, id="strategies.W001") for problem in broken()]
