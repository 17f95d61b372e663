"""A measured figure, and the machine that it was measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Figure:
    """Several measurements of one thing. ``goal`` is what is aimed at, in the same unit.

    ``ratio`` is how many times as long another tool takes as Trawl does, and ``least_ratio`` what that is aimed to be.
    """

    label: str
    values: Sequence[float]
    unit: str = "ms"
    goal: float | None = None
    ratio: float | None = None
    least_ratio: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def machine() -> str:
    """Return the processor, its count, the Python, and how fast it is now, in one line.

    A shared machine may be twice as fast in the next hour: figures of two runs compare only as far as this one does.
    """
    named = f"{_processor()}, {os.cpu_count()} processors, Python {platform.python_version()}, {platform.system()}"
    return f"{named}; a step of a plain loop takes {_step_ns():.0f} ns"


def _step_ns() -> float:
    times = []
    for _ in range(5):
        began, total = perf_counter(), 0
        for number in range(200_000):
            total += number * number
        times.append(perf_counter() - began)
    return statistics.median(times) / 200_000 * 1e9


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def peak_memory_mib(pid: int) -> float | None:
    """Return the most memory that a process has held, in MiB; None where the system does not tell."""
    return _memory_mib(pid, "VmHWM")


def memory_mib(pid: int) -> float | None:
    """Return the memory that a process holds, in MiB; None where the system does not tell."""
    return _memory_mib(pid, "VmRSS")


def _memory_mib(pid: int, name: str) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) / 1024 for line in lines if line.startswith(name)]
    return found[0] if found else None
