"""A proxy that cuts streams of charts, or holds them back, where a test wants it; and knows what it has passed on."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.browser.proxies import OWN_HEADERS
from tests.waiting import DEADLINE_S


@dataclass
class Stream:
    """One stream of charts: where it began, and the numbers of the batches that have been passed on whole."""

    after: str
    batches: list[int] = field(default_factory=list)
    has_ended: bool = False


class CuttingProxy:
    """Passes everything on, and streams of charts batch by batch.

    The first stream is cut within the batch after ``cut_after``; every stream waits after ``hold_after`` batches until
    ``go_on`` is set, and is cut there if the server is lost by then: what it had sent ahead is lost, too.
    """

    def __init__(self, url: str, *, cut_after: int | None = None, hold_after: int | None = None) -> None:
        self.target = urlsplit(url)
        self.streams: list[Stream] = []
        self.cut_after, self.hold_after = cut_after, hold_after
        self.go_on = threading.Event()
        self.has_lost_server = False

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805
                self._pass_on(handler)

            def do_POST(handler) -> None:  # noqa: N805
                self._pass_on(handler)

            def log_message(handler, *_: object) -> None:  # noqa: N805
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(str(self.target.hostname), int(self.target.port or 80), timeout=120)
        try:
            connection.request(handler.command, handler.path, body or None, dict(handler.headers))
            answer = connection.getresponse()
            is_stream = (answer.getheader("Content-Type") or "").startswith("text/event-stream")
            content = b"" if is_stream else answer.read()
            handler.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OWN_HEADERS:
                    handler.send_header(name, value)
            # A stream ends where its connection does.
            handler.send_header(*(("Connection", "close") if is_stream else ("Content-Length", str(len(content)))))
            handler.end_headers()
            handler.wfile.write(content)
            if is_stream:
                self._stream(handler, answer)
        except (OSError, http.client.HTTPException):
            # The browser has gone, or the server has.
            handler.close_connection = True
        finally:
            connection.close()

    def _stream(self, handler: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
        handler.close_connection = True
        address = urlsplit(handler.path)
        asked = parse_qs(address.query).get("after", ["0"])[0]
        stream = Stream(handler.headers.get("Last-Event-ID") or asked)
        is_of_charts = address.path.endswith("/charts")
        is_first = not self.streams
        if is_of_charts:
            self.streams.append(stream)
        try:
            for frame in _frames(answer):
                n_passed = len(stream.batches)
                if is_of_charts and is_first and n_passed == self.cut_after:
                    handler.wfile.write(frame[: len(frame) // 2])
                    return
                if is_of_charts and n_passed == self.hold_after:
                    assert self.go_on.wait(DEADLINE_S)
                    if self.has_lost_server:
                        return
                handler.wfile.write(frame)
                handler.wfile.flush()
                if b"<figure" in frame:
                    stream.batches.append(int(frame.split(b"\n", 1)[0].removeprefix(b"id: ")))
        finally:
            stream.has_ended = True


def _frames(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    lines: list[bytes] = []
    while line := answer.readline():
        lines.append(line)
        if line == b"\n":
            yield b"".join(lines)
            lines = []
