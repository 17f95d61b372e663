"""Workers let people go first: those who wait for a page, and those who wait for the first row of a run.

Python runs one thread at a time. A worker that goes on at once delays the very answer that the user waits for, by a
millisecond at each of a dozen changes of threads. So between two chunks it waits, for a moment at most.
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


# Runs whose first row nobody has been sent yet.
_unseen: dict[str, threading.Event] = {}


def wait_for_requests() -> None:
    """Return when no request is waiting for its answer, after 6 ms at the latest."""
    _quiet.wait(PATIENCE_S)


def wait_for_first_look(run_id: str) -> None:
    """Return when somebody has been sent the first row of a run that has just begun, after 6 ms at the latest."""
    # Of a run that has long been waiting for its first row several workers may come here.
    _unseen.setdefault(run_id, threading.Event()).wait(PATIENCE_S)
    _unseen.pop(run_id, None)


def note_look(run_id: str) -> None:
    """Say that somebody has been sent what there is of a run."""
    if (waiting := _unseen.get(run_id)) is not None:
        waiting.set()


class RequestsFirst:
    """An ASGI application that knows how many requests are not answered yet."""

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
            if message["type"] == "http.response.body":
                answer()

        self._n_waiting += 1
        _quiet.clear()
        try:
            await self._application(scope, receive, send_and_count)
        finally:
            answer()
