"""Daphne with backpressure: who sends to a client that does not read is held up, and in the end the client is dropped.

Daphne takes whatever an application sends and keeps it until the client has read it. Here ``await send(...)`` of a part
of a body returns when the connection's buffer has room again, as it does with other ASGI servers, so that applications
need not know which server they run under. A viewer that stops reading costs the 64 KiB that Twisted buffers and the
part that was being sent (``tracks.PART_BYTES``): less than 1 MiB.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from daphne.server import Server, twisted_loop
from django.conf import settings
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]

from backtests.streams.pokes import use_server_loop
from backtests.streams.tracks import PART_BYTES

logger = logging.getLogger(__name__)

UNSENT_BYTES = 256 * 1024


@implementer(IPushProducer)
class Gate:
    """Closed while a connection's buffer is full. Twisted opens and closes it."""

    def __init__(self) -> None:
        self._is_open = True
        self._waiting: asyncio.Future[bool] | None = None

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._is_open = False

    def resumeProducing(self) -> None:  # noqa: N802
        self._is_open = True
        _answer(self._waiting, True)

    def stopProducing(self) -> None:  # noqa: N802 - the connection is lost: nobody shall wait for it
        self.resumeProducing()

    async def opened(self, within_s: float) -> bool:
        """Wait until the gate is open; return False if it is not for so long. One waits at a time."""
        if self._is_open:
            return True
        self._waiting = twisted_loop.create_future()
        too_late = twisted_loop.call_later(within_s, _answer, self._waiting, False)
        try:
            return await self._waiting
        finally:
            too_late.cancel()


def _answer(waiting: asyncio.Future[bool] | None, answer: bool) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(answer)


class FlowServer(Server):  # type: ignore[misc]  # Daphne has no types
    """Daphne's server, whose applications are held up by clients that do not read."""

    def run(self) -> None:
        use_server_loop(twisted_loop)
        super().run()

    def listen_success(self, port: Any) -> None:
        # Twisted writes a line of every request for a log that nobody keeps.
        self.http_factory.log = lambda request: None
        super().listen_success(port)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        is_body, is_last = message["type"] == "http.response.body", not message.get("more_body", False)
        # Without a channel the client has hung up meanwhile.
        if is_body and is_last and isinstance(protocol.producer, Gate) and protocol.channel is not None:
            protocol.unregisterProducer()
        if is_body and protocol.channel is not None:
            with _written_now(protocol.channel.transport):
                await super().handle_reply(protocol, message)
        else:
            await super().handle_reply(protocol, message)
        # Bodies sent at once need no gate: they are in memory already.
        if not is_body or is_last or protocol.finished or protocol.channel is None:
            return
        if protocol.producer is None:
            protocol.registerProducer(Gate(), True)
            protocol.channel.transport.SEND_LIMIT = PART_BYTES
            _keep_little(protocol.channel.transport.getHandle())
        left = math.inf
        # Half the time for what may be on its way, half for nothing at all; whoever reads anything is waited for.
        while not await protocol.producer.opened(settings.STALL_S / 2):
            if protocol.channel is None:
                return
            transport = protocol.channel.transport
            before, left = left, len(transport.dataBuffer) - transport.offset
            if left >= before:
                logger.warning("a viewer that has read nothing for %g s was dropped", settings.STALL_S)
                transport.abortConnection()
                return


@contextmanager
def _written_now(transport: Any) -> Iterator[None]:
    """Give the system at once what Twisted would write in the loop's next round, before which others may come.

    Twisted asks to be called when it can write, which takes as long as writing: here only if something is left.
    """
    transport.startWriting = _do_nothing
    try:
        yield
    finally:
        del transport.startWriting
    # An error, or that the connection is to be closed, is met again by Twisted, which knows what to do.
    if transport.connected and (transport.doWrite() is not None or transport.dataBuffer or transport._tempDataBuffer):
        transport.startWriting()


def _do_nothing() -> None:
    pass


def _keep_little(connection: socket.socket) -> None:
    """Have the system keep little of what it cannot send: it would take megabytes, and hide that somebody reads."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        # A connection on this machine's own file system has no such option.
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
