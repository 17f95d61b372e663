"""Strategies in files outside of Trawl: a file becomes a module, and a module the strategies that it declares.

The files of a folder are the modules of one package, so that they may share code: ``from ._shared import average``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from strategies.base import Strategy
from strategies.errors import FileBroken

SUFFIX = ".py"
PACKAGES = "trawl_strategies_"  # what the names of the folders' packages begin with

_failures: dict[str, FileBroken] = {}


class _SourceLoader(SourceFileLoader):
    """Compiles the file as it stands: kept bytecode counts as fresh for an edit of the same second and length."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class _Finder:
    """Finds the files of the folders' packages."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith(PACKAGES) or not path:
            return None
        file = Path(path[0], name.rpartition(".")[2] + SUFFIX)
        return spec_from_file_location(name, file, loader=_SourceLoader(name, str(file))) if file.is_file() else None


def strategy_files(folder: Path) -> list[Path]:
    """Return the files of a folder that should declare strategies, by name.

    Names that begin with an underscore hold what several files share; those that begin with a dot are an editor's.
    """
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file() and path.name[0] not in "_.")


def load_file(path: Path) -> ModuleType:
    """Return the module of a file, which is executed the first time only.

    Raises
    ------
    FileBroken
        If it cannot be read, compiled or executed, with the line where that shows.
    """
    path = path.resolve()
    if "." in path.stem:
        raise FileBroken(f"a file's name has one dot, before {SUFFIX[1:]}")
    name = f"{_package_of(path.parent)}.{path.stem}"
    if name in _failures:
        raise _failures[name]
    try:
        # Somebody's print must not get into what a command prints, which may be JSON.
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        _failures[name] = why(error, path)
        raise _failures[name] from error


def declared_in(module: ModuleType) -> list[type[Strategy]]:
    """Return the strategies that a module, or one inside of it if it is a package, declares; not those it imports.

    A class whose name begins with an underscore is one that others build on.
    """
    found: dict[type[Strategy], None] = {}
    for item in vars(module).values():
        is_strategy = isinstance(item, type) and issubclass(item, Strategy) and not item.__name__.startswith("_")
        if is_strategy and f"{item.__module__}.".startswith(f"{module.__name__}."):
            found[item] = None
    return list(found)


def why(error: BaseException, path: Path | None) -> FileBroken:
    """Return an error of somebody's code as one line, with the line of the file where it comes from."""
    if isinstance(error, FileBroken):
        return error
    text = " ".join(str(error).split())[:500]
    if isinstance(error, SyntaxError) and path is not None and error.filename == str(path):
        return FileBroken(f"{type(error).__name__}: {error.msg}", error.lineno)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if path and frame.filename == str(path)]
    return FileBroken(f"{type(error).__name__}: {text}".rstrip(": "), frames[-1].lineno if frames else None)


def line_of(kind: type) -> int | None:
    """Return the line at which a class begins, if its source can be found."""
    try:
        return inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        return None


def _package_of(folder: Path) -> str:
    """Return the name of the package whose modules a folder's files are: the same for the same folder, always."""
    name = PACKAGES + hashlib.blake2b(str(folder).encode(), digest_size=4).hexdigest()
    if name not in sys.modules:
        if _Finder not in sys.meta_path:
            sys.meta_path.insert(0, _Finder)
        package = ModuleType(name, f"The strategies in {folder}.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name
