"""Waiting for a condition, up to a deadline that only a hang reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 30.0
LOOK_EVERY_S = 0.01

Value = TypeVar("Value")


def wait_for(what: str, look: Callable[[], Value]) -> Value:
    """Return what ``look`` returns as soon as that is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {DEADLINE_S:g} s still not: {what}")
        time.sleep(LOOK_EVERY_S)
    return value
