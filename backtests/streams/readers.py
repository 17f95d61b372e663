"""One thread asks the database for all streams of this process: however many there are, they need one connection.

Feeds go first. Questions of viewers who come at the same time are asked together, because changing threads takes longer
than a question.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection

from backtests.connections import give_back
from backtests.runs.engines.outage import AWAY

# So many take about 5 ms, and a feed that has news waits for no more than these.
MOST_AT_ONCE = 16

Answer = TypeVar("Answer")
Question = Callable[[], Any]


class Reader:
    """The thread, and what it will be asked next."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
        self._of_feeds: deque[tuple[Question, asyncio.Future[Any]]] = deque()
        self._of_viewers: deque[tuple[Question, asyncio.Future[Any]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Callable[[], Answer], *, is_of_feed: bool) -> Answer:
        """Return the answer to a question, or raise what it raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        (self._of_feeds if is_of_feed else self._of_viewers).append((question, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        loop = asyncio.get_running_loop()
        while waiting := self._of_feeds or self._of_viewers:
            asked = [waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(waiting)))]
            answers = await loop.run_in_executor(self._thread, _together, [question for question, _ in asked])
            for (_, waiter), (answer, error) in zip(asked, answers, strict=True):
                if waiter.done():
                    continue
                if error is None:
                    waiter.set_result(answer)
                else:
                    waiter.set_exception(error)


_READER = Reader()


async def ask(question: Callable[[], Answer]) -> Answer:
    """Ask for a viewer."""
    return await _READER.ask(question, is_of_feed=False)


async def ask_first(question: Callable[[], Answer]) -> Answer:
    """Ask for a feed, before all viewers who wait."""
    return await _READER.ask(question, is_of_feed=True)


def _together(questions: Sequence[Question]) -> list[tuple[Any, Exception | None]]:
    answers: list[tuple[Any, Exception | None]] = []
    for question in questions:
        _, error = answers[-1] if answers else (None, None)
        # While the database is away each would wait for it, one after the other.
        answers.append((None, error) if isinstance(error, AWAY) else _answered(question))
    give_back()
    return answers


def _answered(question: Question) -> tuple[Any, Exception | None]:
    try:
        return question(), None
    except Exception as error:  # noqa: BLE001 - it is whoever has asked who is told
        connection.close()
        return None, error
