"""Every registered strategy has a row, so that it can be labelled, found and switched off."""

from __future__ import annotations

from django.db.models import Q

from strategies.models import Strategy
from strategies.registry import strategies
from strategies.user_strategies import source_of

SOURCE_LENGTH = 200


def sync_builtins() -> None:
    """Create or refresh the row of every registered strategy; activity is the administrator's and stays.

    A strategy whose code is gone is switched off, not deleted: runs refer to it. It is switched on again when its code
    is back, unless the administrator had switched it off before.
    """
    known = strategies()
    for key in known:
        _save_row(key)
    of_code = Strategy.objects.filter(Q(is_builtin=True) | ~Q(source=""))
    of_code.exclude(key__in=known).filter(is_active=True).update(is_active=False, is_missing=True)
    Strategy.objects.filter(key__in=known, is_missing=True).update(is_active=True, is_missing=False)


def sync_new() -> None:
    """Create the rows of users' strategies that have none yet: their files came after the last start of a server."""
    added = {key for key in strategies() if source_of(key)}
    if added:
        for key in added - set(Strategy.objects.values_list("key", flat=True)):
            _save_row(key)


def _save_row(key: str) -> None:
    strategy, source = strategies()[key], source_of(key)
    Strategy.objects.update_or_create(
        key=key,
        defaults={
            "label": strategy.label,
            "help": strategy.help(),
            "default_parameters": strategy().values,
            "is_builtin": not source,
            "source": source[:SOURCE_LENGTH],
        },
    )
