"""A PostgreSQL server of one's own, which can be stopped as by a crash and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.tooling.services import postgresql_programs


class Cluster:
    """A server in a folder of its own under /tmp; it runs until ``remove``."""

    def __init__(self) -> None:
        programs = postgresql_programs()
        assert programs is not None, "this test needs pg_ctl and initdb"
        self._programs = programs
        # PostgreSQL refuses to be run by root.
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._folder = Path(tempfile.mkdtemp(prefix="trawl-cluster-", dir="/tmp"))
        shutil.chown(self._folder, self._user)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._call("initdb", "--username=trawl", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        self.start()
        self.url = f"postgres://trawl@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        self._call("pg_ctl", "start", "--wait", f"--options={options}", f"--log={self._folder / 'log'}")

    def crash(self) -> None:
        """Stop it at once: nothing is written any more, and what was is found by recovery."""
        self._call("pg_ctl", "stop", "--wait", "--mode=immediate")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, values).fetchall()

    def remove(self) -> None:
        try:
            self.crash()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments, f"--pgdata={self._folder / 'server'}"]
        user = self._user if os.geteuid() == 0 else None
        subprocess.run(command, user=user, cwd=self._folder, stdout=subprocess.DEVNULL, check=True)
