"""Pokes: "look again at this run", by channel layer. Losing one costs a poll interval and nothing else."""

from __future__ import annotations

import asyncio
import logging

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)

_server_loop: asyncio.AbstractEventLoop | None = None


def group_of(run_id: str) -> str:
    """Return the name of the group that the feeds of a run listen to."""
    return f"run.{run_id}"


def use_server_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Send pokes on this loop from now on: the layer's queues belong to it and are not safe in other threads."""
    global _server_loop  # noqa: PLW0603 - one server loop a process, known only when the first stream opens
    _server_loop = loop


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
