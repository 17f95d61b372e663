"""How kernels are compiled.

Kernels have explicit signatures that take read-only arrays: a writable array is accepted too, so that one compilation
serves both, and importing the module is all the warming that it needs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any, cast

from numba import config, njit, types

F64 = types.float64
I64 = types.int64
U64 = types.uint64
BOOL = types.boolean
FLOATS = types.Array(types.float64, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
BOOLS = types.Array(types.boolean, 1, "C", readonly=True)
FLOATS_OUT = types.Array(types.float64, 1, "C")
INTS_OUT = types.Array(types.int64, 1, "C")
BOOLS_OUT = types.Array(types.boolean, 1, "C")
TABLE = types.Array(types.float64, 2, "C", readonly=True)
TABLE_OUT = types.Array(types.float64, 2, "C")

Kernel = Callable[..., Any]

_FOLDERS: set[Path] = set()


def kernel(*signatures: Any, fastmath: Collection[str] = (), borrows: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile a function for these signatures, without the GIL and with the result kept on disk.

    Division follows NumPy (a division by zero is infinity or NaN, never an exception): kernels that divide test first.
    ``fastmath`` names what LLVM may assume of this function's floats; nothing unless its values allow it. A kernel that
    ``borrows`` makes no array of its own: those of its caller are then not counted whenever it cuts a part of one, nor
    wrapped one by one where Python calls it, which takes as long as some of the loops do.
    """
    # False is the only value that says something: callers and callees may differ.
    counted: Any = {"_nrt": False} if borrows else {}

    def compiled(function: Kernel) -> Kernel:
        config.CACHE_DIR = str(cache_folder(Path(function.__code__.co_filename).parent))  # type: ignore[attr-defined]
        try:
            made = njit(
                list(signatures), nogil=True, cache=True, error_model="numpy", fastmath=set(fastmath), **counted
            )(function)
        finally:
            config.CACHE_DIR = ""  # type: ignore[attr-defined]
        return cast(Kernel, made)

    return compiled


@cache
def cache_folder(package: Path) -> Path:
    """Return where the compiled kernels of a package are kept: a folder of their own for each state of the sources.

    Numba looks for changes at the file of a kernel alone. A kernel contains those that it calls, so that one whose own
    file is unchanged would go on as it was when another file has changed.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted({*package.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        digest.update(path.read_bytes())
    home = package / "__pycache__" if os.access(package, os.W_OK) else Path.home() / ".cache" / "trawl"
    folder = home / f"kernels-{digest.hexdigest()}"
    _FOLDERS.add(folder)
    return folder


def forget_old_kernels() -> None:
    """Delete what was compiled of other states of the sources than those of this process."""
    for folder in _FOLDERS:
        for other in folder.parent.glob("kernels-*"):
            if other not in _FOLDERS:
                shutil.rmtree(other, ignore_errors=True)
