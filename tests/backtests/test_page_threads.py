"""Requests that share threads: real threads, and an application that tells which one it is in."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from backtests.page_threads import MOST_KEPT, PageThread, PageThreads
from backtests.runs.engines.courtesy import Message, Receive, Send
from tests.waiting import DEADLINE_S


async def receive() -> Message:
    raise AssertionError


async def send(message: Message) -> None:
    raise AssertionError


class Threads:
    """An application whose requests note their threads, and wait in them for as many others as they are told to."""

    def __init__(self) -> None:
        self.seen: list[threading.Thread] = []
        self.together = threading.Barrier(1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await sync_to_async(self._meet)()

    def _meet(self) -> None:
        self.seen.append(threading.current_thread())
        self.together.wait(DEADLINE_S)


async def ask(application: PageThreads, n: int = 1) -> None:
    await asyncio.wait_for(asyncio.gather(*(application({}, receive, send) for _ in range(n))), DEADLINE_S)


async def given_back(application: PageThreads, n: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while len(application._free) < n:  # noqa: ASYNC110 - threads come back by themselves
            await asyncio.sleep(0.001)


def test_one_request_after_the_other_is_answered_in_one_thread() -> None:
    inner = Threads()

    async def main() -> None:
        application = PageThreads(inner)
        for _ in range(3):
            await ask(application)
            await given_back(application, 1)

    asyncio.run(main())
    assert len(inner.seen) == 3
    assert len(set(inner.seen)) == 1


def test_requests_at_the_same_time_have_a_thread_each_and_only_some_are_kept() -> None:
    inner, n = Threads(), MOST_KEPT + 2
    inner.together = threading.Barrier(n)

    async def main() -> PageThreads:
        application = PageThreads(inner)
        await ask(application, n)
        await given_back(application, MOST_KEPT)
        return application

    application = asyncio.run(main())
    assert len(set(inner.seen)) == n
    assert len(application._free) == MOST_KEPT
    kept = {each.submit(threading.current_thread).result(DEADLINE_S) for each in application._free}
    for thread in set(inner.seen) - kept:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    assert all(thread.is_alive() for thread in kept)


@pytest.mark.django_db(transaction=True)
def test_the_connections_of_threads_that_end_are_closed_and_the_others_of_a_file_are_not() -> None:
    inner, n = Threads(), MOST_KEPT + 2
    inner.together = threading.Barrier(n)
    held: list[BaseDatabaseWrapper] = []

    async def asks(scope: Message, receive: Receive, send: Send) -> None:
        await sync_to_async(hold)()
        await inner(scope, receive, send)

    def hold() -> None:
        connection.ensure_connection()
        held.append(connections["default"])

    async def main() -> None:
        application = PageThreads(asks)
        await ask(application, n)
        await given_back(application, MOST_KEPT)
        n_open = MOST_KEPT if connection.vendor == "sqlite" else 0
        async with asyncio.timeout(DEADLINE_S):
            while sum(each.connection is not None for each in held) != n_open:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
        for thread in application._free:
            thread.submit(connections.close_all).result(DEADLINE_S)

    asyncio.run(main())
    assert len(held) == n


def test_who_has_left_keeps_its_thread_until_that_is_done() -> None:
    inner, at_work, may_end = Threads(), threading.Event(), threading.Event()

    def work() -> None:
        at_work.set()
        assert may_end.wait(DEADLINE_S)

    async def main() -> None:
        async def slow(scope: Message, receive: Receive, send: Send) -> None:
            await sync_to_async(work)()

        application = PageThreads(slow)
        leaving = asyncio.create_task(application({}, receive, send))
        await asyncio.to_thread(at_work.wait, DEADLINE_S)
        leaving.cancel()
        application._application = inner
        await ask(application)
        assert not may_end.is_set()
        await given_back(application, 1)
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await given_back(application, 2)

    asyncio.run(main())


def test_a_request_that_fails_gives_its_thread_back() -> None:
    async def fails(scope: Message, receive: Receive, send: Send) -> None:
        await sync_to_async(lambda: None)()
        raise RuntimeError("broken")

    async def main() -> None:
        application = PageThreads(fails)
        with pytest.raises(RuntimeError, match="broken"):
            await ask(application)
        await given_back(application, 1)

    asyncio.run(main())


def test_a_thread_that_waits_for_ever_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import threading; from backtests.page_threads import PageThread; at_work = threading.Event()\n"
        "PageThread().submit(lambda: (at_work.set(), threading.Event().wait())); at_work.wait(); print('ended')"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (ended.returncode, ended.stdout) == (0, "ended\n"), ended.stderr


def test_what_a_call_raises_is_raised_where_it_was_asked_for() -> None:
    thread = PageThread()
    with pytest.raises(ZeroDivisionError):
        thread.submit(lambda: 1 // 0).result(DEADLINE_S)
    assert thread.submit(int, "7").result(DEADLINE_S) == 7
    thread.end()


def test_what_was_raised_is_freed_without_looking_for_cycles() -> None:
    class Broken(Exception):
        pass

    def fails() -> None:
        raise Broken

    thread, gone = PageThread(), threading.Event()
    gc.disable()
    try:
        error = thread.submit(fails).exception(DEADLINE_S)
        assert error is not None
        weakref.finalize(error, gone.set)
        del error
        thread.submit(int).result(DEADLINE_S)
        assert gone.is_set()
    finally:
        gc.enable()
        thread.end()
