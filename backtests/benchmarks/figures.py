"""A measured figure, and the machine that it was measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


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
    """Return the processor, its count and the Python in one line."""
    return f"{_processor()}, {os.cpu_count()} processors, Python {platform.python_version()}, {platform.system()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def peak_memory_mib(pid: int) -> float | None:
    """Return the most memory that a process has held, in MiB; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    peaks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else None
