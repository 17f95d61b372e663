"""Nothing is lost: what a killed process was asking is asked by another one, once."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from backtests.models import NewBars, Universe
from backtests.runs.engines.threads import ThreadsEngine
from backtests.schedules import looking
from backtests.schedules.looking import look_after_schedules
from tests.backtests.processes import Outside
from tests.backtests.schedules.builders import ask_all, import_day, make_schedule, newest, read
from tests.backtests.schedules.conftest import N_BARS
from tests.builders import DAY_S, MONDAY_S, price_columns, write_prices
from tests.waiting import wait_for

# Imports a file, and is killed in the middle of asking what is due then.
KILLED_WHILE_ASKING = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from backtests.schedules import asking
from backtests.schedules.looking import ask_due
call_command("import_prices", sys.argv[1], universe="Test", market="stocks", quiet=True)
asking.screen = lambda request: os.kill(os.getpid(), signal.SIGKILL)
list(ask_due(is_settled=False))
"""


def test_what_a_killed_process_was_asking_is_asked_by_another_one_at_once(
    outside: Outside, universe: Universe, tmp_path: Path
) -> None:
    schedule = make_schedule(universe)
    columns = price_columns(["UP", "NEW"], 2, start_s=MONDAY_S + (N_BARS - 1) * DAY_S)
    path = write_prices(tmp_path / "prices.csv", columns)
    killed = outside.execute("-c", KILLED_WHILE_ASKING, str(path), PYTHONPATH=".")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = read(schedule)
    assert (left.attempts, left.due_at, NewBars.objects.count()) == (1, None, 0)
    assert left.is_being_asked
    assert ask_all() == []

    asker = look_after_schedules()
    assert asker is not None
    asker.join()
    outcome = newest(schedule)
    assert (outcome.new_tickers, outcome.gone) == (["NEW"], [])
    assert (schedule.outcomes.count(), read(schedule).attempts) == (2, 0)
    assert look_after_schedules() is None


def test_a_server_asks_after_an_import_by_itself(engine: ThreadsEngine, universe: Universe, settings: Any) -> None:
    # Its keeper looks as often as the leases need it.
    settings.LEASE_S = 1.0
    schedule = make_schedule(universe)
    engine.also_looks.append(look_after_schedules)
    engine.take_up_unfinished()
    import_day({"DOWN": 999.0})
    wait_for("the schedule is asked", lambda: schedule.outcomes.count() == 2)
    assert newest(schedule).new_tickers == ["DOWN"]
    engine.stop()
    # What it has started would otherwise meet the end of the test's database.
    wait_for("nothing is asked any more", lambda: not looking._asking.locked())


def test_where_nothing_is_due_nothing_is_started(universe: Universe) -> None:
    make_schedule(universe)
    assert look_after_schedules() is None


@pytest.mark.django_db
def test_a_look_asks_the_database_no_more_than_it_must(universe: Universe, django_assert_num_queries: object) -> None:
    make_schedule(universe)
    with django_assert_num_queries(4):  # type: ignore[operator]
        look_after_schedules()
