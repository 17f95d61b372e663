"""Compiled kernels are kept, but never beyond a change of any kernel that they contain."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]
INNER = """
from strategies.indicators.kernel import F64, kernel

@kernel((F64,))
def _inner(value):
    return value + {constant}
"""
OUTER = """
from inner import _inner
from strategies.indicators.kernel import F64, forget_old_kernels, kernel

@kernel((F64,))
def _outer(value):
    return 2.0 * _inner(value)

print(_outer(1.0), sum(_outer.stats.cache_hits.values()))
forget_old_kernels()
"""


def run(folder: Path, constant: float) -> tuple[float, int]:
    """What the outer kernel gives in a process of its own, and how often it was found compiled.

    The process leaves no bytecode behind: Python would take it for that of a file of the same size and second.
    """
    (folder / "inner.py").write_text(textwrap.dedent(INNER.format(constant=constant)))
    (folder / "outer.py").write_text(textwrap.dedent(OUTER))
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]; import outer"]
    done = subprocess.run(command, env={"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    value, hits = done.stdout.split()
    return float(value), int(hits)


def test_a_kernel_is_compiled_once(tmp_path: Path) -> None:
    assert run(tmp_path, 1.0) == (4.0, 0)
    assert run(tmp_path, 1.0) == (4.0, 1)


def test_a_change_of_a_kernel_in_another_file_is_seen_by_those_that_call_it(tmp_path: Path) -> None:
    assert run(tmp_path, 1.0) == (4.0, 0)
    assert run(tmp_path, 5.0) == (12.0, 0)


def test_what_was_compiled_of_earlier_sources_is_deleted(tmp_path: Path) -> None:
    run(tmp_path, 1.0)
    before = list((tmp_path / "__pycache__").glob("kernels-*"))
    run(tmp_path, 5.0)
    after = list((tmp_path / "__pycache__").glob("kernels-*"))
    assert (len(before), len(after)) == (1, 1)
    assert before != after
