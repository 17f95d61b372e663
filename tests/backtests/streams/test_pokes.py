from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer

from backtests.models import Run
from backtests.streams import pokes
from backtests.streams.feed import HEARTBEAT
from backtests.streams.pokes import listening, poke, use_server_loop
from tests.backtests.processes import Outside
from tests.backtests.streams.frames import parse
from tests.backtests.streams.watching import sequences, until
from tests.builders import make_market, store_universe
from tests.waiting import DEADLINE_S, wait_for

LOST = "other processes were not told of run one"
REDIS_URL = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"


def heard(act: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Listen to the pokes of run one while something is done."""

    async def main() -> None:
        use_server_loop(asyncio.get_running_loop())
        poked = asyncio.Event()
        with listening("one", poked):
            await act(poked)

    asyncio.run(main())


def test_a_poke_from_a_worker_thread_is_heard() -> None:
    async def act(poked: asyncio.Event) -> None:
        for _ in range(3):
            await asyncio.to_thread(poke, "one")
            await asyncio.wait_for(poked.wait(), DEADLINE_S)
            poked.clear()

    heard(act)


def test_many_pokes_at_once_are_one_reason_to_look() -> None:
    async def act(poked: asyncio.Event) -> None:
        for _ in range(500):
            await asyncio.to_thread(poke, "one")
        await asyncio.wait_for(poked.wait(), DEADLINE_S)

    heard(act)


def test_a_poke_of_another_run_is_not() -> None:
    async def act(poked: asyncio.Event) -> None:
        other = asyncio.Event()
        with listening("another", other):
            await asyncio.to_thread(poke, "another")
            await asyncio.wait_for(other.wait(), DEADLINE_S)
            assert not poked.is_set()

    heard(act)


def test_all_who_listen_to_a_run_are_woken() -> None:
    async def act(poked: asyncio.Event) -> None:
        second = asyncio.Event()
        with listening("one", second):
            await asyncio.to_thread(poke, "one")
            await asyncio.wait_for(asyncio.gather(poked.wait(), second.wait()), DEADLINE_S)

    heard(act)


def test_a_listener_that_ends_leaves_nothing_behind() -> None:
    async def act(poked: asyncio.Event) -> None:
        assert "one" in pokes._LISTENING

    heard(act)
    assert pokes._LISTENING == {}


def test_without_a_server_a_poke_is_lost_quietly() -> None:
    poke("one")


@contextmanager
def redis_at(port: int) -> Iterator[None]:
    """Have a channel layer whose Redis would be at this port."""
    before = channel_layers["default"]
    channel_layers.set("default", RedisPubSubChannelLayer(hosts=[f"redis://127.0.0.1:{port}"]))
    try:
        yield
    finally:
        channel_layers.set("default", before)


def test_without_redis_a_poke_is_heard_in_this_process_and_lost_to_others(caplog: pytest.LogCaptureFixture) -> None:
    async def act(poked: asyncio.Event) -> None:
        await asyncio.to_thread(poke, "one")
        await asyncio.wait_for(poked.wait(), DEADLINE_S)
        await until(lambda: LOST in caplog.text)

    with redis_at(port=1):
        heard(act)


def test_a_redis_that_swallows_everything_holds_nobody_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pokes, "REDIS_PATIENCE_S", 0.2)

    async def act(poked: asyncio.Event) -> None:
        for number in range(1, 4):
            began = monotonic()
            for _ in range(100):
                await asyncio.to_thread(poke, "one")
                await asyncio.wait_for(poked.wait(), DEADLINE_S)
                poked.clear()
            assert monotonic() - began < 2.0, "a hundred pokes take milliseconds"
            await until(lambda: caplog.text.count(LOST) >= number)  # noqa: B023 - asked at once
        assert len(pokes._TELLING) <= 1

    # It takes connections and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent, redis_at(silent.getsockname()[1]):
        heard(act)
    assert pokes._TELLING == {}


@pytest.mark.redis
@pytest.mark.usefixtures("gated")
def test_rows_that_another_process_saves_arrive_by_redis(outside: Outside, tmp_path: Path) -> None:
    store_universe("Test", make_market(n_symbols=12, n_bars=60))
    gate = tmp_path / "gate"
    # The server looks by itself once a minute, and leaves other processes' chunks alone for longer than that.
    apart: dict[str, Any] = {"REDIS_URL": REDIS_URL, "TRAWL_POLL_S": "60", "TRAWL_LEASE_S": "3600"}
    server = outside.serve(**apart)
    outside.start("run_scan", "--strategy", "gated", "--universe", "test", GATE_FILE=str(gate), GATE_AFTER="3", **apart)
    run = wait_for("three rows are saved", lambda: Run.objects.filter(n_done=3).first())
    assert run is not None
    with server.client() as client, client.stream("GET", f"/runs/{run.pk}/stream") as stream:
        sent = b""
        for part in stream.iter_bytes():
            sent += part
            gate.touch()
            assert HEARTBEAT not in sent, "nobody said that there were rows"
    frames = parse(sent)
    assert frames[0].sequences == [1, 2, 3]
    assert sequences(frames) == list(range(1, 13))
    assert frames[-1].event == "done"
