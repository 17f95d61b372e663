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
        self._is_open = asyncio.Event()
        self._is_open.set()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._is_open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._is_open.set()

    def stopProducing(self) -> None:  # noqa: N802 - the connection is lost: nobody shall wait for it
        self._is_open.set()

    async def opened(self, within_s: float) -> bool:
        """Wait until the gate is open; return False if it is not for so long."""
        if self._is_open.is_set():
            return True
        try:
            async with asyncio.timeout(within_s):
                await self._is_open.wait()
        except TimeoutError:
            return False
        return True


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
        transport = protocol.channel.transport if protocol.channel is not None else None
        await super().handle_reply(protocol, message)
        if is_body and transport is not None:
            _write_now(transport)
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
            transport = protocol.channel.transport
            before, left = left, len(transport.dataBuffer) - transport.offset
            if left >= before:
                logger.warning("a viewer that has read nothing for %g s was dropped", settings.STALL_S)
                transport.abortConnection()
                return


def _write_now(transport: Any) -> None:
    """Give the system at once what Twisted would write in the loop's next round, before which others may come."""
    if transport.connected and not transport.disconnecting and transport.doWrite() is not None:
        # Twisted will meet the same error, and knows what to do.
        transport.startWriting()


def _keep_little(connection: socket.socket) -> None:
    """Have the system keep little of what it cannot send: it would take megabytes, and hide that somebody reads."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
        connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
