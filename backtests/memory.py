"""What a process does with memory that it no longer needs."""

from __future__ import annotations

import ctypes
import os

# The bars of a chunk, as they were read and as they are computed with.
KEPT_BYTES = 64 * 1024 * 1024
# The most that glibc takes.
LARGEST_KEPT_BYTES = 32 * 1024 * 1024
# Names of the C library's own settings, and their numbers there.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = ("MALLOC_TRIM_THRESHOLD_", -1), ("MALLOC_MMAP_THRESHOLD_", -3)


def keep_freed_memory() -> bool:
    """Let each thread keep 64 MB that it has freed, for the next array; return whether this C library can be told so.

    As it comes, glibc gives an array of more than 128 KB back to the system as soon as it is freed, and gets the next
    one of as many bytes page by page, under a lock that all threads wait for: a scan or a formula over a large market
    spends half of its time on that. What the environment says of these settings stays as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    for (name, number), n_bytes in ((_TRIM_THRESHOLD, KEPT_BYTES), (_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)):
        if name not in os.environ:
            mallopt(number, n_bytes)
    return True
