"""Threads that stay: a request gets one that earlier requests have used, with the database connection that it holds.

Django gives every request a new thread, ends it in another new one, and opens a connection in between. For SQLite this
takes longer than most pages: two threads, a file to open, functions to register and a schema to read.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.db import connection, connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from backtests.connections import give_back
from backtests.runs.engines.courtesy import Application, Message, Receive, Send

# More come and go when more requests are answered at once. Each keeps what SQLite has cached: some megabytes.
MOST_KEPT = 4


class PageThread(Executor):
    """One thread that executes one call after the other.

    Unlike those of ThreadPoolExecutor it does not hold up the end of the process: a request that is in the middle when
    the server stops may wait for an event loop that is no more.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="page", daemon=True).start()

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.put((future, partial(call, *args, **kwargs)))
        return future

    def end(self) -> None:
        """End the thread when it is done with its calls."""
        self._calls.put(None)

    def _work(self) -> None:
        while (asked := self._calls.get()) is not None:
            _execute(*asked)
            # What a call has held, such as its answer, would stay until the next one.
            del asked


def _execute(future: Future[Any] | None, call: Callable[[], Any]) -> None:
    if future is None or not future.set_running_or_notify_cancel():
        return
    try:
        answer = call()
    except BaseException as error:  # noqa: BLE001 - it is whoever has called that is told
        future.set_exception(error)
        # The error knows this frame: with its future in it, neither would ever be freed.
        future = None
    else:
        future.set_result(answer)


class PageThreads:
    """An ASGI application that lends each request a thread of its own for what is not asynchronous."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._free: deque[PageThread] = deque()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        thread = self._free.pop() if self._free else PageThread()
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self._application(scope, receive, send)
        finally:
            # By the thread itself: it may still be at work for somebody who has left.
            thread.submit(self._give_back, thread)

    def _give_back(self, thread: PageThread) -> None:
        try:
            # Of a request that was broken off nobody else has done so.
            give_back()
        finally:
            if len(self._free) < MOST_KEPT:
                self._free.append(thread)
            else:
                # A thread's connections outlive it: they are parts of cycles, which are seldom looked for.
                connections.close_all()
                thread.end()


class StreamsHoldNoConnection:
    """Middleware, the outermost of a request's thread: a stream that Django answers keeps its thread to its end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.streaming and not connection.in_atomic_block:
            connection.close()
        return response
