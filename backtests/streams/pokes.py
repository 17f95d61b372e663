"""Pokes: "look again at this run". Losing one costs a poll interval and nothing else.

Feeds of this process are woken directly. Those of other processes are told by Redis, where there is one: on the
server's event loop or, in a command, on a loop in a thread of its own. Nobody who pokes ever waits for Redis.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import math
import threading
import time
from collections.abc import Iterator
from functools import cache

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings

logger = logging.getLogger(__name__)

# A Redis that has not answered within this time is away.
REDIS_PATIENCE_S = 2.0
# A command that ends waits so long for its last pokes to be told.
LAST_POKES_S = 0.5

# The channel layer tries again every second while Redis is away, and would tell each time with all its calls.
AWAY_TOLD_EVERY_S = 60.0

_server_loop: asyncio.AbstractEventLoop | None = None
_LISTENING: dict[str, set[asyncio.Event]] = {}

# The runs whose pokes are being told to other processes, and whether there has been another one since that began.
_TELLING: dict[str, bool] = {}
_told = threading.Condition()


class _AwayInOneLine(logging.Filter):
    """Says that Redis is away in one line, once a minute."""

    told_at = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info is None:
            return True
        if time.monotonic() - self.told_at < AWAY_TOLD_EVERY_S:
            return False
        self.told_at = time.monotonic()
        record.msg, record.args = "Redis is away, and rows come at the poll interval: %s", (record.exc_info[1],)
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


logging.getLogger("channels_redis.pubsub").addFilter(_AwayInOneLine())


def use_server_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Wake feeds on this loop from now on, and tell other processes on it."""
    global _server_loop  # noqa: PLW0603 - one server loop a process
    _server_loop = loop


def server_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that serves requests in this process, if one does."""
    return _server_loop if _server_loop is not None and _server_loop.is_running() else None


def poke(run_id: str) -> None:
    """Tell every feed of a run, in this and other processes, to look at the database again."""
    loop = server_loop()
    if loop is not None:
        loop.call_soon_threadsafe(_wake, run_id)
    if isinstance(get_channel_layer(), InMemoryChannelLayer):
        return
    with _told:
        is_being_told = run_id in _TELLING
        _TELLING[run_id] = is_being_told
    if not is_being_told:
        asyncio.run_coroutine_threadsafe(_tell_others(run_id), loop or _own_loop())


@contextlib.contextmanager
def listening(run_id: str, poked: asyncio.Event) -> Iterator[None]:
    """Set the event at every poke of a run, and once when those of other processes begin to be heard."""
    _LISTENING.setdefault(run_id, set()).add(poked)
    to_others = asyncio.create_task(_listen_to_others(run_id, poked))
    try:
        yield
    finally:
        to_others.cancel()
        _LISTENING[run_id].discard(poked)
        if not _LISTENING[run_id]:
            del _LISTENING[run_id]


def _group_of(run_id: str) -> str:
    return f"run.{run_id}"


def _wake(run_id: str) -> None:
    for poked in _LISTENING.get(run_id, ()):
        poked.set()


async def _tell_others(run_id: str) -> None:
    """Tell other processes of the pokes of a run; of those that come meanwhile, all are one."""
    is_poked_again = True
    try:
        while is_poked_again:
            try:
                async with asyncio.timeout(REDIS_PATIENCE_S):
                    await get_channel_layer().group_send(_group_of(run_id), {"type": "look.again"})
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the messages, the results are saved
                logger.warning("other processes were not told of run %s: %r", run_id, error)
            with _told:
                is_poked_again = _TELLING[run_id]
                _TELLING[run_id] = False
                if not is_poked_again:
                    del _TELLING[run_id]
    finally:
        with _told:
            _TELLING.pop(run_id, None)
            _told.notify_all()


async def _listen_to_others(run_id: str, poked: asyncio.Event) -> None:
    """Set the event at every poke from Redis. While it is away, the feed looks at the poll interval."""
    layer = get_channel_layer()
    while not isinstance(layer, InMemoryChannelLayer):
        channel = None
        try:
            async with asyncio.timeout(REDIS_PATIENCE_S):
                channel = await layer.new_channel()
                await layer.group_add(_group_of(run_id), channel)
            while True:
                # Only now is nothing missed after a look: what has been saved before is to be read.
                poked.set()
                await layer.receive(channel)
        except Exception as error:  # noqa: BLE001 - Redis may be away, and comes back
            logger.warning("no pokes of run %s from other processes at the moment: %r", run_id, error)
            await asyncio.sleep(settings.POLL_S)
        finally:
            if channel is not None:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(REDIS_PATIENCE_S):
                        await layer.group_discard(_group_of(run_id), channel)


@cache
def _own_loop() -> asyncio.AbstractEventLoop:
    """Return a loop for pokes where there is no server's; a command that ends waits for the last of them."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="pokes", daemon=True).start()
    atexit.register(_wait_for_last_pokes)
    return loop


def _wait_for_last_pokes() -> None:
    with _told:
        _told.wait_for(lambda: not _TELLING, LAST_POKES_S)
