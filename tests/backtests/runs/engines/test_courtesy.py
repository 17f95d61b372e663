from __future__ import annotations

import asyncio
import threading

import pytest

from backtests.runs.engines import courtesy
from backtests.runs.engines.courtesy import Message, RequestsFirst, wait_for_requests


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def send(_message: Message) -> None:
    return None


def worker_is_held_up() -> bool:
    """Whether a worker that comes now would wait, judged without waiting for its patience to end."""
    return not courtesy._quiet.is_set()


def test_a_worker_waits_while_a_request_is_being_answered_and_not_for_its_stream() -> None:
    seen: list[bool] = []

    async def streams(_scope: Message, _receive: object, answer: object) -> None:
        seen.append(worker_is_held_up())
        await answer({"type": "http.response.start"})  # type: ignore[operator]
        seen.append(worker_is_held_up())
        await answer({"type": "http.response.body"})  # type: ignore[operator]

    asyncio.run(RequestsFirst(streams)({}, receive, send))
    assert seen == [True, False]


def test_a_request_that_fails_holds_nobody_up() -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(RequestsFirst(fails)({}, receive, send))
    assert not worker_is_held_up()


def test_of_two_requests_the_last_answer_lets_workers_go_on() -> None:
    async def both() -> list[bool]:
        answered = [asyncio.Event(), asyncio.Event()]

        async def waits(scope: Message, _receive: object, answer: object) -> None:
            await answered[scope["number"]].wait()
            await answer({"type": "http.response.start"})  # type: ignore[operator]

        first_in_line = RequestsFirst(waits)
        tasks = [asyncio.create_task(first_in_line({"number": number}, receive, send)) for number in (0, 1)]
        await asyncio.sleep(0)
        states = []
        for event, task in zip(answered, tasks, strict=True):
            event.set()
            await task
            states.append(worker_is_held_up())
        return states

    assert asyncio.run(both()) == [True, False]


def test_patience_ends_even_if_the_answer_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "_quiet", threading.Event())
    worker = threading.Thread(target=wait_for_requests)
    worker.start()
    worker.join(timeout=10)
    assert not worker.is_alive()


def test_a_worker_goes_on_as_soon_as_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "PATIENCE_S", 3600)
    quiet = threading.Event()
    monkeypatch.setattr(courtesy, "_quiet", quiet)
    worker = threading.Thread(target=wait_for_requests)
    worker.start()
    assert worker.is_alive()
    quiet.set()
    worker.join(timeout=10)
    assert not worker.is_alive()
