"""Strategies of the users: files in a folder, and packages that are installed beside Trawl.

1. ``load`` executes each file of the folder and each entry point of the group ``trawl.strategies`` once.
2. Whatever they declare is checked (strategies.conformance.declaration) and registered.
3. Whatever cannot be used is noted as Broken and logged; everything else works.

A file that is edited is read again at the next start: until then its code and the digest of its code stay as they were.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from strategies.base import Strategy
from strategies.conformance.declaration import check_declaration
from strategies.errors import ContractBroken, FileBroken
from strategies.files import declared_in, line_of, load_file, strategy_files, why
from strategies.registry import register, strategies

logger = logging.getLogger(__name__)

GROUP = "trawl.strategies"
NO_STRATEGY = "it declares no strategy, a class that extends strategies.base.Strategy"


@dataclass(frozen=True, slots=True)
class Broken:
    """A strategy that cannot be used, or a file without one: where it comes from and why."""

    source: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.source}{'' if self.line is None else f', line {self.line}'}: {self.reason}"


_sources: dict[str, str] = {}
_broken: list[Broken] = []


def load(folder: Path) -> None:
    """Register what the files of a folder and the installed packages declare; a folder that is not there is empty."""
    for path in strategy_files(folder):
        _take(path.name, partial(_declared_by_file, path))
    for point in _installed():
        _take(_name_of(point), partial(_declared_by, point))


def broken() -> tuple[Broken, ...]:
    """Return what could not be used, in the order in which it was loaded."""
    return tuple(_broken)


def source_of(key: str) -> str:
    """Return the file or package that a strategy comes from, or nothing for one that is Trawl's own."""
    return _sources.get(key, "")


def _take(source: str, find: Callable[[], list[type[Strategy]]]) -> None:
    try:
        found = find()
        if not found:
            raise FileBroken(NO_STRATEGY)
    except FileBroken as error:
        _note(Broken(source, error.reason, error.line))
        return
    for kind in found:
        try:
            check_declaration(kind)
            _refuse_taken(kind)
            # Before an edit can change the file: the digest must be that of the code that runs.
            kind.code_version()
            register(kind)
        except ContractBroken as error:
            _note(Broken(source, f"{kind.__name__}: {error}", line_of(kind)))
        else:
            _sources.setdefault(kind.key, source)


def _refuse_taken(kind: type[Strategy]) -> None:
    holder = strategies().get(kind.key)
    # An installed package may name a class and its module: both are one strategy.
    if holder is not None and not (holder is kind and kind.key in _sources):
        whose = f"that of {source_of(kind.key) or f'the built-in {holder.label}'}"
        raise ContractBroken(f"its key {kind.key!r} is already {whose}; choose another one")


def _note(problem: Broken) -> None:
    _broken.append(problem)
    logger.warning("a strategy is broken and left out: %s", problem)


def _installed() -> list[EntryPoint]:
    """Return the entry points of the group, each once, in an order that does not depend on the search path."""
    points = {(_name_of(point), point.value): point for point in entry_points(group=GROUP)}
    return [points[key] for key in sorted(points)]


def _name_of(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return f"{point.name} of {package}"


def _declared_by_file(path: Path) -> list[type[Strategy]]:
    return declared_in(load_file(path))


def _declared_by(point: EntryPoint) -> list[type[Strategy]]:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            loaded = point.load()
    except (Exception, SystemExit) as error:
        raise why(error, None) from error
    if isinstance(loaded, ModuleType):
        return declared_in(loaded)
    if isinstance(loaded, type) and issubclass(loaded, Strategy):
        return [loaded]
    raise FileBroken(f"{point.value} must be a module or a Strategy class; it is a {type(loaded).__name__}")
