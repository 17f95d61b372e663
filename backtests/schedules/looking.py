"""Look after schedules, as a server and ``manage.py run_schedules`` do: ask what is due, and tell of what is new."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from django.db import connection

from backtests.models import NewBars
from backtests.runs.engines.courtesy import wait_for_requests
from backtests.runs.engines.outage import AWAY, on_one_line
from backtests.schedules.asking import ask
from backtests.schedules.due import claim, free_schedules, give_up_dead, mark_due
from backtests.schedules.models import Outcome
from backtests.schedules.notices import notify_outcomes

logger = logging.getLogger(__name__)

_asking = threading.Lock()


def look_after_schedules() -> threading.Thread | None:
    """Have what is due asked by a thread of its own, unless one is at it; return that.

    Called by a server's keeper every few seconds: where nothing is to be done, that takes three short queries.
    """
    notify_outcomes()
    give_up_dead()
    if not (NewBars.objects.exists() or free_schedules()) or not _asking.acquire(blocking=False):
        return None
    asker = threading.Thread(target=_ask_due, name="schedules", daemon=True)
    asker.start()
    return asker


def _ask_due() -> None:
    try:
        for _ in ask_due():
            notify_outcomes()
    except AWAY as error:
        logger.warning("schedules are asked later: %s", on_one_line(error))
    except Exception:
        logger.exception("schedules could not be asked; they are tried again")
    finally:
        connection.close()
        _asking.release()


def ask_due(*, is_settled: bool = True) -> Iterator[Outcome]:
    """Ask every schedule that is due and that nobody else is asking, and yield each outcome."""
    mark_due()
    for schedule_id in free_schedules(is_settled=is_settled):
        wait_for_requests()
        schedule = claim(schedule_id, is_settled=is_settled)
        if schedule is not None and (outcome := ask(schedule)) is not None:
            yield outcome


def ask_now(schedule_id: int) -> Outcome | None:
    """Ask a schedule because its owner wishes it; None if somebody is asking it at this moment."""
    schedule = claim(schedule_id, is_wished=True)
    return ask(schedule) if schedule is not None else None
