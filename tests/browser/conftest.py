"""Real servers for a real browser, each with a data folder of its own that holds a small demo market."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

MANAGE = Path(settings.BASE_DIR) / "manage.py"
N_STOCKS, N_COINS, N_HOURLY = 60, 6, 2

# A server's start calls every strategy once; then the chunks of 1, 2 and 4 symbols pass, and the fourth one waits.
ROWS_BEFORE_THE_GATE = 7
CALLS_BEFORE_THE_GATE = 1 + ROWS_BEFORE_THE_GATE


@dataclass
class Server:
    """A running server. ``gate`` is the file that lets the strategy ``gated`` through."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    gate: Path

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a small demo market; servers get copies."""
    data_dir = tmp_path_factory.mktemp("market")
    counts = ["--stocks", str(N_STOCKS), "--coins", str(N_COINS), "--hourly", str(N_HOURLY)]
    for arguments in (["migrate", "--verbosity", "0"], ["load_demo", *counts]):
        command = [sys.executable, str(MANAGE), *arguments]
        subprocess.run(command, env=environment_of(data_dir), check=True, capture_output=True, timeout=120)
    return data_dir


@pytest.fixture(scope="session")
def start_server(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """A function that starts a server, by default on a fresh copy of the market and a free port."""
    started: list[Server] = []

    def start(*, data_dir: Path | None = None, port: int = 0, calls_before_gate: int = 0) -> Server:
        own = tmp_path_factory.mktemp("server")
        folder = data_dir or Path(shutil.copytree(market, own / "data"))
        gate = own / "gate"
        environment = environment_of(folder)
        if calls_before_gate:
            environment |= {"GATE_FILE": str(gate), "GATE_AFTER": str(calls_before_gate)}
        command = [sys.executable, str(MANAGE), "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        server = Server(process, _address(process), folder, gate)
        started.append(server)
        return server

    yield start
    for server in started:
        server.process.kill()
        server.process.wait(timeout=10)
        if server.process.stdout is not None:
            server.process.stdout.close()


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> Server:
    """A server in which nothing waits, shared by all tests."""
    return start_server()


@pytest.fixture
def gated_server(start_server: StartServer) -> Iterator[Server]:
    """A server in which a run of the strategy ``gated`` stops after seven rows until its gate is opened."""
    started = start_server(calls_before_gate=CALLS_BEFORE_THE_GATE)
    yield started
    started.kill()


def environment_of(data_dir: Path) -> dict[str, str]:
    """Return the environment of a server or command in a data folder of its own."""
    foreign = ("TRAWL_", "GATE_", "DATABASE_URL", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own = {"TRAWL_DATA_DIR": str(data_dir), "TRAWL_WORKERS": "1", "TRAWL_LEASE_S": "2", "TRAWL_SETTLE_S": "0"}
    return {**kept, **own, "DJANGO_SETTINGS_MODULE": "tests.gated.settings", "PYTHONPATH": str(settings.BASE_DIR)}


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if found := re.search(r"http://[\d.]+:\d+", line):
            return found[0]
    pytest.fail(f"the server ended with status {process.wait()} after printing {''.join(printed)!r}")
