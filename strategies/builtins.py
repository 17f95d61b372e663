"""Every registered strategy has a row, so that it can be labelled, found and switched off."""

from __future__ import annotations

from strategies.models import Strategy
from strategies.registry import strategies


def sync_builtins() -> None:
    """Create or refresh the row of every registered strategy; activity is the administrator's and stays.

    A built-in that no longer exists is switched off, not deleted: runs refer to it.
    """
    known = strategies()
    for key, strategy in known.items():
        Strategy.objects.update_or_create(
            key=key,
            defaults={
                "label": strategy.label,
                "help": strategy.help(),
                "default_parameters": strategy().values,
                "is_builtin": True,
            },
        )
    Strategy.objects.filter(is_builtin=True).exclude(key__in=known).update(is_active=False)
