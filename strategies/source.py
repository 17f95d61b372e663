"""The source that decides a strategy's signals, as a digest: results of different sources never count as the same."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from strategies import indicators

# Indicators are in every digest, and the rest of Trawl's own package does not decide signals.
OWN_PACKAGE = "strategies"


def source_digest(kind: type, *, root: type) -> str:
    """Return a digest of the modules that hold ``kind`` and its bases below ``root``, and of the indicators.

    A module outside of Trawl counts with those that it imports from its own package: two files of one folder may share
    a third. What it takes from elsewhere, such as numpy, does not count.
    """
    bases = [base.__module__ for base in kind.__mro__ if issubclass(base, root) and base is not root]
    return _digest_of(tuple(dict.fromkeys(bases)))


@cache
def _digest_of(names: tuple[str, ...]) -> str:
    # The class's own module first, as one file: this is the digest of a built-in strategy.
    digest = hashlib.blake2b(digest_size=8)
    for module in dict.fromkeys(part for name in names for part in _with_imports(sys.modules[name])):
        digest.update(_source(module).encode())
    for path in sorted(Path(indicators.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _with_imports(module: ModuleType) -> list[ModuleType]:
    found = [module]
    for current in found:
        imported = (sys.modules[name] for name in _imported_names(current) if name in sys.modules)
        found += [other for other in imported if other not in found and getattr(other, "__file__", None)]
    return found


def _imported_names(module: ModuleType) -> Iterator[str]:
    """Yield the names of modules of the same package that a module imports anywhere in its source."""
    top = module.__name__.partition(".")[0]
    if top == OWN_PACKAGE or not module.__package__:
        return
    for node in ast.walk(ast.parse(_source(module))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), module.__package__)
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.partition(".")[0] == top)


def _source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except OSError:
        # An empty file, such as that of a package, or one that was compiled from another language.
        return ""
