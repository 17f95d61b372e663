"""Which strategies a user may choose.

The strategies of the code are everybody's. One that is a formula belongs to whoever has backtested it: others do not
see it in their lists, and cannot start it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from backtests.accounts.access import sees_all
from backtests.runs.errors import RequestRefused
from strategies.models import Screen
from strategies.models import Strategy as StrategyRow
from strategies.registry import strategies

# The form lists no more of somebody's backtested formulas; each click on "Backtest it" may make one.
MOST_LISTED = 20

Choices = list[tuple[str, str]]


def active_strategies(user: Any = None) -> dict[str, StrategyRow]:
    """Return the strategies that a user is offered, by key: those of the code by label, then formulas, newest first.

    Without a user they are those that belong to nobody.
    """
    rows = list(_known().filter(_own(user), is_active=True).order_by("label"))
    of_code = [row for row in rows if not row.formula]
    of_formulas = [row for row in rows if row.formula]
    of_formulas.sort(key=lambda row: row.updated_at, reverse=True)
    return {row.key: row for row in (*of_code, *of_formulas)}


def active_strategy(key: str, user: Any = None) -> StrategyRow:
    """Return the row of a strategy that a user may start, or raise RequestRefused naming those that are offered."""
    # Those of the code are everybody's, which needs no asking.
    row = (StrategyRow.objects.all() if key in strategies() else _allowed(user)).filter(key=key).first()
    if row is not None and row.is_active:
        return row
    known = ", ".join(sorted(active_strategies(user))) or "none"
    raise RequestRefused(
        "strategy", f"{key!r} {'is unknown' if row is None else 'is switched off'}; valid are: {known}"
    )


def is_startable(key: str, user: Any = None) -> bool:
    """Whether a user may start this strategy, offered or not."""
    return _allowed(user).filter(key=key, is_active=True).exists()


def is_known_to(user: Any, key: str) -> bool:
    """Whether a user may see what this strategy is, switched off or not."""
    return key in strategies() or _allowed(user).filter(key=key).exists()


def grouped_choices(
    rows: Mapping[str, StrategyRow], user: Any = None, chosen: str = ""
) -> list[tuple[str, str | Choices]]:
    """Return what a form offers: strategies of the code, then saved formulas, then the newest backtested screens.

    The ``chosen`` one is among them, whoever's it is: staff may start a run like one of somebody else's.
    """
    plain: Choices = [(key, row.label) for key, row in rows.items() if not row.formula]
    names = _saved_names(user) if len(plain) < len(rows) else {}
    saved = [(key, names[row.formula]) for key, row in rows.items() if row.formula in names]
    asked = [(key, row.label) for key, row in rows.items() if row.formula and row.formula not in names]
    listed = [each for place, each in enumerate(asked) if place < MOST_LISTED or each[0] == chosen]
    if chosen and chosen not in rows:
        listed += _allowed(user).filter(key=chosen, is_active=True).values_list("key", "label")
    groups = [("Saved formulas", saved), ("Backtested screens", listed)]
    return [*plain, *((name, offered) for name, offered in groups if offered)]


def _saved_names(user: Any) -> dict[str, str]:
    """Return the names of a user's saved screens by formula."""
    owner = user if user is not None and user.is_authenticated else None
    return dict(Screen.objects.filter(owner=owner).order_by("-name").values_list("formula", "name"))


def _known() -> QuerySet[StrategyRow]:
    """Return the strategies that have code."""
    return StrategyRow.objects.filter(Q(key__in=strategies()) | ~Q(formula=""))


def _allowed(user: Any) -> QuerySet[StrategyRow]:
    """Return the strategies that a user may look at and start: staff see the runs of all, and so their strategies."""
    return _known() if sees_all(user) else _known().filter(_own(user))


def _own(user: Any) -> Q:
    is_somebody = user is not None and user.is_authenticated
    return Q(owner=None) | Q(owner=user) if is_somebody else Q(owner=None)
