"""Ways for a database to be away for a while, each as it happens: a lock of somebody else's, a cut connection."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

# What the log of a server says, once each.
NOTICED = "runs wait for the database, and go on with it: "
OVER = "runs go on: the database is back after "

_LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold an SQLite database in another process's exclusive transaction."""
    command = [sys.executable, "-c", _LOCK, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        # Leaving closes its input, and it ends.
        yield


class Line:
    """A line to a server that can be cut: nothing passes, and nobody answers, until it is mended."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{self._port}"))
        self._accept()

    @contextmanager
    def cut(self) -> Iterator[None]:
        self.close()
        yield
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._accept()

    def close(self) -> None:
        _hang_up(self._listener)
        for each in list(self._sockets):
            _hang_up(each)

    def _accept(self) -> None:
        threading.Thread(target=self._accept_on, args=(self._listener,), daemon=True).start()

    def _accept_on(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._server)
                self._sockets |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                sink.sendall(received)
        for each in (source, sink):
            _hang_up(each)
            self._sockets.discard(each)


def _hang_up(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
