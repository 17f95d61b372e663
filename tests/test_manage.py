"""What goes wrong before a command can speak for itself is one line, not a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

MANAGE = Path(settings.BASE_DIR) / "manage.py"


def start(data_dir: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TRAWL_DATA_DIR": str(data_dir), **variables}
    command = [sys.executable, str(MANAGE), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    "arguments", [("run_scan", "--strategy", "rsi", "--universe", "sp-500"), ("load_demo", "--stocks", "1")]
)
def test_an_unprepared_database_is_named_with_what_prepares_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    process = start(tmp_path, *arguments)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 1
    assert printed.startswith("trawl: the database cannot be used: no such table: ")
    assert "`make setup` prepares it" in printed
    assert printed.count("\n") == 1


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    process = start(tmp_path, "serve", "--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert "Traceback" not in printed
    assert process.returncode in {0, 130}
