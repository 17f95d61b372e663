"""A real server on a data folder of its own, for a benchmark to talk to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

from django.conf import settings

MANAGE = Path(settings.BASE_DIR) / "manage.py"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a running server listens, and how long it took to start."""

    host: str
    port: int
    pid: int
    start_s: float


@contextmanager
def own_data_dir() -> Iterator[dict[str, str]]:
    """Yield an environment with an empty data folder and SQLite in it; the folder goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="trawl-benchmark-") as folder:
        kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        yield {**kept, "TRAWL_DATA_DIR": folder}


def manage(environment: dict[str, str], *arguments: str) -> str:
    """Run a management command in this environment and return what it prints."""
    command = [sys.executable, str(MANAGE), *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Server]:
    """Serve on a free port until the block ends."""
    began = perf_counter()
    command = [sys.executable, str(MANAGE), "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield _address(process, began)
        finally:
            process.terminate()


def form_of(connection: HTTPConnection, path: str) -> tuple[str, str]:
    """Ask for a page with a form, as a browser does; return the cookie and the CSRF token to send it with."""
    connection.request("GET", path)
    response = connection.getresponse()
    page = response.read().decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found is not None
    return (response.getheader("Set-Cookie") or "").split(";")[0], found[1]


def _address(process: subprocess.Popen[str], began: float) -> Server:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://([\d.]+):(\d+)/", line):
            return Server(found[1], int(found[2]), process.pid, perf_counter() - began)
    raise RuntimeError(f"the server ended with status {process.wait()} before it listened")
