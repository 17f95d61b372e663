"""Pokes: "look again at this run", by channel layer. Losing one costs a poll interval and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings

logger = logging.getLogger(__name__)

_server_loop: asyncio.AbstractEventLoop | None = None


def group_of(run_id: str) -> str:
    """Return the name of the group that the feeds of a run listen to."""
    return f"run.{run_id}"


def use_server_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Send pokes on this loop from now on: the layer's queues belong to it and are not safe in other threads."""
    global _server_loop  # noqa: PLW0603 - one server loop a process, known only when the first stream opens
    _server_loop = loop


async def listen(run_id: str, poked: asyncio.Event) -> None:
    """Set the event at every poke of a run, until cancelled, and once when it begins to hear them.

    While the layer is away, the event is set at the poll interval: looking goes on without it.
    """
    layer, group = get_channel_layer(), group_of(run_id)
    while True:
        channel = None
        try:
            channel = await layer.new_channel()
            await layer.group_add(group, channel)
            while True:
                poked.set()
                await layer.receive(channel)
        except Exception as error:  # noqa: BLE001 - Redis may be away, and comes back
            logger.warning("no pokes of run %s at the moment: %s", run_id, error)
            poked.set()
            await asyncio.sleep(settings.POLL_S)
        finally:
            if channel is not None:
                with contextlib.suppress(Exception):
                    await layer.group_discard(group, channel)


def poke(run_id: str) -> None:
    """Tell every feed of a run, in this and other processes, to look at the database again."""
    layer = get_channel_layer()
    message = {"type": "look.again"}
    try:
        if _server_loop is not None and _server_loop.is_running():
            asyncio.run_coroutine_threadsafe(layer.group_send(group_of(run_id), message), _server_loop)
        elif not isinstance(layer, InMemoryChannelLayer):
            async_to_sync(layer.group_send)(group_of(run_id), message)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the messages, the results are saved
        logger.warning("a poke of run %s was lost: %s", run_id, error)
