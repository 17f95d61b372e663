from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from backtests.runs.engines import courtesy
from backtests.runs.engines.courtesy import Message, RequestsFirst, note_look, wait_for_first_look, wait_for_requests
from tests.waiting import wait_for


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
        await answer({"type": "http.response.body", "more_body": True})  # type: ignore[operator]
        seen.append(worker_is_held_up())
        await answer({"type": "http.response.body"})  # type: ignore[operator]

    asyncio.run(RequestsFirst(streams)({}, receive, send))
    assert seen == [True, True, False]


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


def test_the_worker_of_a_new_run_waits_until_somebody_has_seen_its_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "PATIENCE_S", 60.0)
    worker = threading.Thread(target=wait_for_first_look, args=["new"], daemon=True)
    worker.start()
    wait_for("a worker that waits", lambda: "new" in courtesy._unseen)
    note_look("another")
    assert worker.is_alive()
    note_look("new")
    worker.join(timeout=30)
    assert not worker.is_alive()
    assert not courtesy._unseen


def test_two_workers_of_one_run_wait_for_the_same_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "PATIENCE_S", 60.0)
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    workers = [threading.Thread(target=wait_for_first_look, args=["new"], daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    waiting: Any = wait_for("workers that wait", lambda: courtesy._unseen.get("new"))
    wait_for("both of them", lambda: len(waiting._cond._waiters) == 2)
    note_look("new")
    for worker in workers:
        worker.join(timeout=30)
    assert not any(worker.is_alive() for worker in workers)
    assert not failed


def test_nobody_needs_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "PATIENCE_S", 0.001)
    wait_for_first_look("new")
    assert not courtesy._unseen
