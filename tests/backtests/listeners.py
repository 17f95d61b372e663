"""Small real servers on this machine that keep what they are sent: one of the web and one of mail."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Call:
    """A request that arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.body))


@dataclass
class Hook:
    """What a web server answers, one status after the other, the last for ever; and what it was sent."""

    statuses: Sequence[int]
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    stands_elsewhere: str = ""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/done"


@contextmanager
def webhook(*statuses: int, elsewhere: str = "", is_slow: bool = False) -> Iterator[Hook]:
    """Serve a webhook. With ``elsewhere`` it says that it has moved there; a slow one answers once it may."""
    hook = Hook(statuses or (204,), stands_elsewhere=elsewhere)
    if not is_slow:
        hook.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hook.calls.append(Call(self.command, self.path, dict(self.headers), body))
            hook.may_answer.wait()
            self.send_response(hook.statuses[min(len(hook.calls), len(hook.statuses)) - 1])
            if hook.stands_elsewhere:
                self.send_header("Location", hook.stands_elsewhere)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name that the base class calls

        def log_message(self, *arguments: Any) -> None:
            """Leave the tests' output alone."""

    with _serving(ThreadingHTTPServer((HOST, 0), Handler)) as port:
        hook.port = port
        yield hook
        hook.may_answer.set()


@dataclass
class Mailbox:
    """A mail server's port, and the mails that it took."""

    port: int = 0
    mails: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: int = 0


@contextmanager
def mail_server(*, refusals: int = 0) -> Iterator[Mailbox]:
    """Serve SMTP; so many mails are refused before the first is taken."""
    mailbox = Mailbox(refusals=refusals)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline():
                word, _, rest = line.decode().strip().partition(" ")
                if word.upper() == "DATA":
                    self._take_mail()
                elif word.upper() == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    if rest.upper().startswith("TO:"):
                        mailbox.recipients.append(rest[3:].strip("<> "))
                    self._say("250 ok")

        def _take_mail(self) -> None:
            self._say("354 go on")
            lines = iter(self.rfile.readline, b".\r\n")
            mail = message_from_bytes(b"".join(line.removeprefix(b".") for line in lines), policy=default)
            if mailbox.refusals:
                mailbox.refusals -= 1
                self._say("451 come back later")
                return
            mailbox.mails.append(mail)
            self._say("250 taken")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer((HOST, 0), Handler)) as port:
        mailbox.port = port
        yield mailbox


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[int]:
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield int(cast(Any, server.server_address)[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
