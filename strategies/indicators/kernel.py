"""How kernels are compiled, and the check of a period that every windowed indicator shares.

Kernels have explicit signatures that take read-only arrays: a writable array is accepted too, so that one compilation
serves both, and importing the module is all the warming that it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import njit, types

from strategies.bars import FloatArray
from strategies.errors import IndicatorError

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


def checked_series(name: str, series: FloatArray, period: int, *, low: int = 1) -> FloatArray:
    """Return ``series`` as a contiguous float64 array, or raise IndicatorError about it or the period."""
    if isinstance(period, bool) or not isinstance(period, int | np.integer) or period < low:
        raise IndicatorError(f"{name}: period must be a whole number of at least {low}; it is {period!r}")
    array = np.ascontiguousarray(series, dtype=np.float64)
    if array.ndim != 1:
        raise IndicatorError(f"{name}: the series must have one dimension; it has {array.ndim}")
    return array
