"""Commands and servers as processes of their own, on the database of the test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import connection

from tests.waiting import DEADLINE_S, wait_for

MANAGE = Path(settings.BASE_DIR) / "manage.py"


@dataclass
class Server:
    """A running server and the folder where its output goes."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def client(self) -> httpx.Client:
        # Without the environment's proxies: the server is on this machine.
        return httpx.Client(base_url=self.url, timeout=DEADLINE_S, trust_env=False)

    def start_run(self, **fields: str) -> str:
        """Start a run as a browser does, from the form's page; return its id."""
        with self.client() as client:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/").text)
            assert token is not None
            answer = client.post("/runs/start/", data={"csrfmiddlewaretoken": token[1], **fields})
            assert answer.status_code == 302, answer.text
            return answer.headers["location"].strip("/").split("/")[-1]


@dataclass
class Outside:
    """Starts manage.py in a data folder of its own whose database is that of the test; ends what it started.

    ``database`` are the variables of another database.
    """

    data_dir: Path
    database: dict[str, str] | None = None
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.database is None and connection.vendor == "sqlite":
            (self.data_dir / "trawl.sqlite3").symlink_to(connection.settings_dict["NAME"])

    def environment(self, **variables: str) -> dict[str, str]:
        foreign = ("TRAWL_", "GATE_", "DATABASE_URL", "REDIS_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"TRAWL_DATA_DIR": str(self.data_dir), "TRAWL_WORKERS": "1", "PYTHONUNBUFFERED": "1"}
        database = _database() if self.database is None else self.database
        return {**kept, **own, **database, "DJANGO_SETTINGS_MODULE": "tests.gated.settings", **variables}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.execute(str(MANAGE), *arguments, **variables)

    def execute(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments to its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment(**variables),
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * DEADLINE_S,
        )

    def start(self, *arguments: str, **variables: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a command; return it and the file of its output."""
        path = self.data_dir / f"output-{len(self._started)}"
        with path.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(MANAGE), *arguments],
                env=self.environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._started.append(process)
        return process, path

    def serve(self, **variables: str) -> Server:
        """Start a server on a free port and wait until it answers."""
        process, path = self.start("serve", "--port", "0", **variables)

        def address() -> str:
            found = re.search(r"http://[\d.]+:\d+", path.read_text())
            assert found or process.poll() is None, f"the server ended: {path.read_text()}"
            return found[0] if found else ""

        return Server(process, wait_for("the server answers", address), path)

    def end(self) -> None:
        for process in self._started:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as a power cut would."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=DEADLINE_S)


def _database() -> dict[str, str]:
    if connection.vendor == "sqlite":
        return {}
    place = connection.settings_dict
    user = quote(place["USER"]) + (f":{quote(place['PASSWORD'])}" if place["PASSWORD"] else "")
    return {"DATABASE_URL": f"postgres://{user}@{place['HOST']}:{place['PORT'] or 5432}/{place['NAME']}"}
