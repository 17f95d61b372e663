"""A proxy that holds back every answer until it is whole, as some companies' proxies do."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What belongs to one connection, and what the proxy says itself.
OWN_HEADERS = {"connection", "transfer-encoding", "content-length", "date", "server"}


class BufferingProxy:
    """Passes requests on to a server, and each answer back when its end has come."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.n_streams = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805
                self._pass_on(handler, str(place.hostname), int(place.port or 80))

            def do_POST(handler) -> None:  # noqa: N805
                handler.do_GET()

            def log_message(handler, *_: object) -> None:  # noqa: N805
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, handler: BaseHTTPRequestHandler, host: str, port: int) -> None:
        self.n_streams += "/stream" in handler.path
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(host, port, timeout=120)
        try:
            connection.request(handler.command, handler.path, body or None, dict(handler.headers))
            answer = connection.getresponse()
            content = answer.read()
            handler.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OWN_HEADERS:
                    handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:
            # The browser has gone, or the server has.
            handler.close_connection = True
        finally:
            connection.close()
