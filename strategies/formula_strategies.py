"""The strategies that are formulas: each is a row, and its class is made of it wherever it is needed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from strategies.base import Strategy
from strategies.errors import StrategyError
from strategies.formula.strategy import FormulaStrategy, strategy_of
from strategies.registry import get_strategy, strategies

if TYPE_CHECKING:
    from strategies.models import Strategy as StrategyRow

KEY = "formula-"
LONGEST_LABEL = 100


def class_of(row: StrategyRow) -> type[Strategy]:
    """Return the class of a strategy's row. Raises UnknownStrategy, or FormulaError if it is no strategy any more."""
    if row.formula:
        return _made(row.key, row.label, row.help, row.formula)
    return get_strategy(row.key)


def class_or_none(row: StrategyRow) -> type[Strategy] | None:
    """Return the class of a strategy's row, or None if it is gone."""
    try:
        return class_of(row)
    except StrategyError:
        return None


def find_class(key: str) -> type[Strategy] | None:
    """Return the class with this key, switched on or not, or None."""
    if not key.startswith(KEY):
        return strategies().get(key)
    from strategies.models import Strategy as StrategyRow

    rest = key.removeprefix(KEY)
    row = StrategyRow.objects.filter(key=key).first() if rest.isascii() and rest.isalnum() else None
    return class_or_none(row) if row is not None else None


@lru_cache(maxsize=256)
def _made(key: str, label: str, idea: str, formula: str) -> type[FormulaStrategy]:
    return strategy_of(formula, key=key, label=label, idea=idea)


def key_of(formula: str, owner: Any = None) -> str:
    """Return the key of a formula's strategy: the same for the same text of the same owner."""
    told = formula if owner is None else f"{owner.pk}\n{formula}"
    return KEY + hashlib.blake2b(told.encode(), digest_size=5).hexdigest()


def save_formula(formula: str, *, label: str, idea: str = "", owner: Any = None) -> StrategyRow:
    """Return the row of a formula's strategy, made if it is not there, which is then the owner's newest.

    Raises FormulaError if it is no strategy.
    """
    from strategies.models import Strategy as StrategyRow

    key = key_of(formula, owner)
    row = StrategyRow.objects.filter(key=key).first()
    if row is not None:
        row.save(update_fields=["updated_at"])
        return row
    kind = _made(key, label[:LONGEST_LABEL], idea, formula)
    made = {"help": idea, "formula": formula, "is_builtin": False, "default_parameters": kind().values, "owner": owner}
    row, _ = StrategyRow.objects.get_or_create(key=key, defaults={**made, "label": _free(label, owner)})
    return row


def _free(label: str, owner: Any) -> str:
    """Return a label that no other strategy of this owner has: two of the same name could not be told apart."""
    from strategies.models import Strategy as StrategyRow

    label = label[:LONGEST_LABEL]
    taken = set(StrategyRow.objects.filter(owner=owner).exclude(formula="").values_list("label", flat=True))
    others = (f"{label[: LONGEST_LABEL - 6]} ({number})" for number in range(2, len(taken) + 3))
    return next(each for each in (label, *others) if each not in taken)
