"""Workers let requests go first: between two chunks a worker waits, for a moment at most, while a page is being made.

Python runs one thread at a time. A worker that starts on a run at once delays the very answer that the user waits for,
by a millisecond at each of a dozen changes of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATIENCE_S = 0.006

_quiet = threading.Event()
_quiet.set()


def wait_for_requests() -> None:
    """Return when no request is waiting for its answer, after 6 ms at the latest."""
    _quiet.wait(PATIENCE_S)


class RequestsFirst:
    """An ASGI application that knows how many requests are not answered yet. A stream is answered when it begins."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._n_waiting = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        answered = False

        def answer() -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._n_waiting -= 1
                if self._n_waiting == 0:
                    _quiet.set()

        async def send_and_count(message: Message) -> None:
            await send(message)
            answer()

        self._n_waiting += 1
        _quiet.clear()
        try:
            await self._application(scope, receive, send_and_count)
        finally:
            answer()
