"""How kernels are compiled.

Kernels have explicit signatures that take read-only arrays: a writable array is accepted too, so that one compilation
serves both, and importing the module is all the warming that it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import njit, types

F64 = types.float64
I64 = types.int64
FLOATS = types.Array(types.float64, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
BOOLS = types.Array(types.boolean, 1, "C", readonly=True)
FLOATS_OUT = types.Array(types.float64, 1, "C")
BOOLS_OUT = types.Array(types.boolean, 1, "C")

Kernel = Callable[..., Any]


def kernel(*signatures: Any) -> Callable[[Kernel], Kernel]:
    """Compile a function for these signatures, without the GIL and with the result kept on disk.

    Division follows NumPy (a division by zero is infinity or NaN, never an exception): kernels that divide test first.
    """
    compiled = njit(list(signatures), nogil=True, cache=True, error_model="numpy")
    return cast(Callable[[Kernel], Kernel], compiled)
