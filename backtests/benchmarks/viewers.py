"""Many viewers in a process of their own, as cheap as can be: what is measured is the server.

Each line of the input is one command as JSON, each line of the output its answer; times are of the system's one clock.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from time import perf_counter
from typing import Any

ROW_END, END = b"</tr>", b"event: done"
# What is cut in two by the network is found with the last bytes of one part and the first of the next.
SEAM = len(ROW_END) - 1
# The end is within the last bytes: nothing comes after it but the close of the last chunk.
LAST = 64
STALLED: list[socket.socket] = []
SMALLEST_BUFFER = 4096

# All viewers take turns with one buffer: each is done with it before the next one reads.
BUFFER = bytearray(1 << 20)


class Viewer(asyncio.BufferedProtocol):
    """Asks for a stream, counts its rows and closes at its end."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._tail = b""
        self.n_rows = 0
        self.first_at = 0.0
        self.ended_at = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def get_buffer(self, _sizehint: int) -> bytearray:
        return BUFFER

    def buffer_updated(self, n_bytes: int) -> None:
        seam = self._tail[-SEAM:] + BUFFER[: min(SEAM, n_bytes)]
        self.n_rows += BUFFER.count(ROW_END, 0, n_bytes) + seam.count(ROW_END)
        if self.n_rows and not self.first_at:
            self.first_at = perf_counter()
        self._tail = (self._tail + BUFFER[max(0, n_bytes - LAST) : n_bytes])[-LAST:]
        if END in self._tail:
            self.ended_at = perf_counter()
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.done.set_result(None)


async def watch(host: str, port: int, path: str, n: int) -> dict[str, Any]:
    """Have so many viewers connect at the same time, each reading to its end."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    loop, began = asyncio.get_running_loop(), perf_counter()

    async def one() -> Viewer:
        _, viewer = await loop.create_connection(lambda: Viewer(request), host, port)
        await viewer.done
        return viewer

    viewers = await asyncio.gather(*(one() for _ in range(n)))
    return {
        "began": began,
        "first": max(viewer.first_at for viewer in viewers),
        "ended": max(viewer.ended_at for viewer in viewers),
        "unfinished": sum(not viewer.ended_at for viewer in viewers),
        "rows": sorted({viewer.n_rows for viewer in viewers}),
    }


def stall(host: str, port: int, path: str, n: int) -> None:
    """Have so many viewers ask for a stream and read nothing of it."""
    for _ in range(n):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
        connection.connect((host, port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        STALLED.append(connection)


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        kind, answer = command.pop("kind"), {}
        if kind == "watch":
            answer = asyncio.run(watch(**command))
        elif kind == "stall":
            stall(**command)
        else:
            while STALLED:
                STALLED.pop().close()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
