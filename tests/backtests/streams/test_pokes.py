from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer

from backtests.models import Run
from backtests.streams.feed import HEARTBEAT
from backtests.streams.pokes import group_of, listen, poke, use_server_loop
from tests.backtests.processes import Outside
from tests.backtests.streams.frames import parse
from tests.backtests.streams.watching import sequences
from tests.builders import make_market, store_universe
from tests.waiting import DEADLINE_S, wait_for

REDIS_URL = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"


def listening(act: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Listen to the pokes of run one, and act once they are heard."""

    async def main() -> None:
        use_server_loop(asyncio.get_running_loop())
        poked = asyncio.Event()
        listener = asyncio.create_task(listen("one", poked))
        await asyncio.wait_for(poked.wait(), DEADLINE_S)
        poked.clear()
        await act(poked)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)

    asyncio.run(main())


def test_a_poke_from_a_worker_thread_is_heard() -> None:
    async def act(poked: asyncio.Event) -> None:
        for _ in range(3):
            await asyncio.to_thread(poke, "one")
            await asyncio.wait_for(poked.wait(), DEADLINE_S)
            poked.clear()

    listening(act)


def test_many_pokes_at_once_are_one_reason_to_look() -> None:
    async def act(poked: asyncio.Event) -> None:
        for _ in range(500):
            await asyncio.to_thread(poke, "one")
        await asyncio.wait_for(poked.wait(), DEADLINE_S)

    listening(act)


def test_a_poke_of_another_run_is_not() -> None:
    async def act(poked: asyncio.Event) -> None:
        other = asyncio.Event()
        listener = asyncio.create_task(listen("another", other))
        await asyncio.wait_for(other.wait(), DEADLINE_S)
        other.clear()
        await asyncio.to_thread(poke, "another")
        await asyncio.wait_for(other.wait(), DEADLINE_S)
        assert not poked.is_set()
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)

    listening(act)


def test_a_listener_that_ends_leaves_nothing_in_the_layer() -> None:
    async def act(poked: asyncio.Event) -> None:
        assert group_of("one") in channel_layers["default"].groups

    listening(act)
    assert group_of("one") not in channel_layers["default"].groups


def test_without_a_server_a_poke_is_lost_quietly() -> None:
    poke("one")


def test_without_redis_a_poke_is_lost_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    before = channel_layers["default"]
    channel_layers.set("default", RedisPubSubChannelLayer(hosts=["redis://127.0.0.1:1"]))
    try:
        poke("one")
    finally:
        channel_layers.set("default", before)
    assert "a poke of run one was lost: " in caplog.text


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
