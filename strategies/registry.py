"""Which strategies exist: every Strategy class in the modules of strategies.library, by key."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from strategies import library
from strategies.base import Strategy
from strategies.errors import UnknownStrategy


def register(strategy: type[Strategy]) -> type[Strategy]:
    """Make a strategy known under its key. Raises ValueError if another class has that key."""
    known = _registry()
    if known.setdefault(strategy.key, strategy) is not strategy:
        raise ValueError(f"two strategies have the key {strategy.key!r}: {known[strategy.key]} and {strategy}")
    return strategy


def strategies() -> dict[str, type[Strategy]]:
    """Return every registered strategy by key, sorted by key."""
    return dict(sorted(_registry().items()))


def get_strategy(key: str) -> type[Strategy]:
    """Return the strategy with this key, or raise UnknownStrategy, which names the known ones."""
    known = _registry()
    if key not in known:
        raise UnknownStrategy(key, known)
    return known[key]


@cache
def _registry() -> dict[str, type[Strategy]]:
    found: dict[str, type[Strategy]] = {}
    for info in pkgutil.iter_modules(library.__path__):
        module = importlib.import_module(f"{library.__name__}.{info.name}")
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Strategy) and item.__module__ == module.__name__:
                if item.key in found:
                    raise ValueError(f"two strategies have the key {item.key!r}: {found[item.key]} and {item}")
                found[item.key] = item
    return found
