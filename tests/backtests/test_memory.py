from __future__ import annotations

import resource
import threading

import numpy as np
import pytest

from backtests.memory import KEPT_BYTES, keep_freed_memory

PAGE_BYTES = resource.getpagesize()


def _pages_taken_again() -> int:
    """Return how many pages the system has had to give for arrays of 8 MB together that are freed and made again."""

    def make() -> None:
        arrays = [np.ones(125_000) for _ in range(8)]
        del arrays

    make()
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(20):
        make()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def test_a_thread_takes_the_memory_that_it_has_freed_for_the_next_arrays() -> None:
    if not keep_freed_memory():
        pytest.fail("this C library cannot be told what to keep; the speed of formulas rests on it")
    pages: list[int] = []
    worker = threading.Thread(target=lambda: pages.append(_pages_taken_again()))
    worker.start()
    worker.join()
    pages.append(_pages_taken_again())

    assert KEPT_BYTES > 8_000_000
    assert max(pages) < 20 * 8_000_000 // PAGE_BYTES // 10
