"""When a schedule is due: once for every import that brings its symbols new bars, and asked by one process alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from backtests.models import NewBars, ScreenRun, Symbol, Universe
from backtests.prices.demo import load_demo
from backtests.prices.store import write_bars
from backtests.schedules import due
from backtests.schedules.asking import ask
from backtests.schedules.due import claim, free_schedules, give_up_dead, mark_due
from backtests.schedules.looking import ask_due, ask_now
from backtests.schedules.making import Notice, schedule_screen
from backtests.schedules.models import Outcome, Schedule
from tests.backtests.schedules.builders import ask_all, import_day, make_schedule, noted, read
from tests.backtests.schedules.conftest import N_BARS
from tests.builders import DAY_S, MONDAY_S, make_bars, price_columns, store_universe, write_prices
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("bars", "notes"),
    [
        (make_bars([1.0, 2.0], start_s=MONDAY_S + (N_BARS - 1) * DAY_S), ["UP"]),
        (make_bars([1.0], start_s=MONDAY_S + (N_BARS + 5000) * DAY_S), ["UP"]),
        (make_bars([7.0], start_s=MONDAY_S + (N_BARS - 1) * DAY_S), ["UP"]),
        (make_bars([7.0], start_s=MONDAY_S + 3 * DAY_S), []),
        (make_bars([7.0], start_s=MONDAY_S - 5000 * DAY_S), []),
        (make_bars([100.0 + day for day in range(N_BARS)]), []),
    ],
    ids=["later", "in a block of its own", "the last with other prices", "repaired", "older", "the same again"],
)
def test_what_changes_the_newest_bar_is_noted(universe: Universe, bars: Any, notes: list[str]) -> None:
    write_bars([(Symbol.objects.get(ticker="UP"), bars)], interval="1d", source="test")
    assert noted() == notes


def test_the_end_of_an_older_block_is_no_newest_bar(universe: Universe) -> None:
    import_day({"UP": 1.0}, day=N_BARS + 5000)
    NewBars.objects.all().delete()
    import_day({"UP": 7.0}, day=N_BARS - 1)
    assert noted() == []
    import_day({"UP": 2.0}, day=N_BARS + 5000)
    assert noted() == ["UP"]


def test_an_import_that_fails_notes_nothing(universe: Universe) -> None:
    with transaction.atomic():
        import_day({"UP": 1.0})
        assert noted() == ["UP"]
        transaction.set_rollback(True)
    assert noted() == []


def test_every_import_that_brings_new_bars_makes_it_due_once(universe: Universe) -> None:
    schedule = make_schedule(universe)
    assert ask_all() == []
    for day in (N_BARS, N_BARS + 1):
        import_day({"UP": 200.0 + day}, day=day)
        assert [outcome.schedule_id for outcome in ask_all()] == [schedule.pk]
        assert ask_all() == []
    import_day({"UP": 200.0 + N_BARS + 1}, day=N_BARS + 1)
    import_day({"UP": 3.0}, day=5)
    assert ask_all() == []
    assert NewBars.objects.count() == 0


def test_commands_that_import_make_it_due(universe: Universe, tmp_path: Path) -> None:
    path = write_prices(tmp_path / "prices.csv", price_columns(["UP"], 1, start_s=MONDAY_S + N_BARS * DAY_S))
    schedule = make_schedule(universe)
    call_command("import_prices", str(path), universe="Test", market="stocks", quiet=True)
    mark_due()
    assert read(schedule).due_at is not None


def test_a_load_of_the_demo_market_makes_it_due() -> None:
    load_demo(n_stocks=2, n_coins=0, n_hourly=0)
    NewBars.objects.all().delete()
    schedule = make_schedule(Universe.objects.get(slug="demo-stocks"))
    load_demo(n_stocks=2, n_coins=0, n_hourly=0)
    assert ask_all() == []
    load_demo(n_stocks=3, n_coins=0, n_hourly=0)
    assert [outcome.schedule_id for outcome in ask_all()] == [schedule.pk]


def test_bars_of_other_symbols_and_intervals_do_not_matter(universe: Universe) -> None:
    make_schedule(universe)
    store_universe("Other", {"ELSE": make_bars([1.0, 2.0])})
    import_day({"UP": 1.0}, interval="1h")
    assert ask_all() == []


def test_of_chosen_symbols_only_these_matter(universe: Universe) -> None:
    chosen = ScreenRun.objects.create(pk="chosen", formula="close > 0", universe=universe, tickers=["FLAT"])
    schedule = schedule_screen(chosen, Notice())
    ask_now(schedule.pk)
    import_day({"UP": 1.0, "DOWN": 1.0})
    assert ask_all() == []
    import_day({"FLAT": 51.0})
    (outcome,) = ask_all()
    assert outcome.matches == ["FLAT"]


def test_one_that_is_off_or_of_somebody_who_is_gone_is_not_due(universe: Universe) -> None:
    gone = User.objects.create_user("gone", is_active=False)
    off = make_schedule(universe, "close > 1")
    Schedule.objects.filter(pk=off.pk).update(is_on=False)
    make_schedule(universe, owner=gone)
    import_day({"UP": 1.0})
    assert ask_all() == []


def test_files_imported_one_after_the_other_are_one_import(
    universe: Universe, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SETTLE_S = 20.0
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    schedule = make_schedule(universe)
    day = N_BARS
    for _ in range(3):
        import_day({"UP": 1.0}, day=(day := day + 1))
        assert ask_all() == []
        now += timedelta(seconds=19)
    assert free_schedules() == []
    now += timedelta(seconds=2)
    assert len(ask_all()) == 1
    # Imports without end hold it up for ten times as long at most.
    n_imports = 0
    while not ask_all():
        import_day({"UP": 1.0}, day=(day := day + 1))
        now += timedelta(seconds=10)
        n_imports += 1
        assert n_imports < 40
    assert n_imports == 10 * 20 / 10 + 1
    assert schedule.outcomes.count() == 3


def test_a_clock_that_is_put_back_holds_nothing_up(universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0})
    mark_due()
    later = timezone.now() + timedelta(days=1)
    Schedule.objects.filter(pk=schedule.pk).update(due_since=later, due_at=later)
    assert len(ask_all()) == 1


def test_whoever_does_not_wait_asks_at_once(universe: Universe, settings: Any) -> None:
    settings.SETTLE_S = 20.0
    make_schedule(universe)
    import_day({"UP": 1.0})
    assert ask_all() == []
    assert len(ask_all(is_settled=False)) == 1


def test_an_import_while_it_is_asked_makes_it_due_once_more(
    universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0})

    def with_an_import(claimed: Schedule) -> Outcome | None:
        import_day({"DOWN": 500.0})
        mark_due()
        monkeypatch.setattr("backtests.schedules.looking.ask", ask)
        return ask(claimed)

    monkeypatch.setattr("backtests.schedules.looking.ask", with_an_import)
    assert len(ask_all()) == 1
    assert read(schedule).due_at is not None
    assert len(ask_all()) == 1


def at_the_same_moment(function: Callable[[], Any], n_threads: int = 4) -> list[Any]:
    ready = threading.Barrier(n_threads)

    def run(_number: int) -> Any:
        try:
            ready.wait(DEADLINE_S)
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, range(n_threads)))


def test_of_processes_that_look_at_the_same_moment_one_asks(transactional_db: None, universe: Universe) -> None:
    schedules = [make_schedule(universe, f"close > {level}") for level in range(3)]
    for day in range(N_BARS, N_BARS + 4):
        import_day({"UP": 1.0 + day}, day=day)
        asked = at_the_same_moment(lambda: [outcome.schedule_id for outcome in ask_due()])
        # One that found nothing to mark, as another was at it, may have come too early to ask.
        asked += [[outcome.schedule_id for outcome in ask_due()]]
        assert sorted(pk for own in asked for pk in own) == [schedule.pk for schedule in schedules]


def test_of_processes_that_find_the_same_one_free_one_gets_it(
    transactional_db: None, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0})
    mark_due()
    assert free_schedules() == [schedule.pk]
    got = at_the_same_moment(lambda: claim(schedule.pk))
    assert len([claimed for claimed in got if claimed]) == 1
    assert read(schedule).attempts == 1


def test_one_that_is_being_asked_is_not_asked_by_another(universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0})
    mark_due()
    assert claim(schedule.pk) is not None
    import_day({"UP": 2.0})
    mark_due()
    assert free_schedules() == []
    assert claim(schedule.pk) is None
    assert claim(schedule.pk, is_wished=True) is None
    assert ask_now(schedule.pk) is None


@pytest.mark.parametrize("leases", [-1, 9], ids=["over", "of another clock"])
def test_one_that_was_left_is_taken_up_when_its_lease_is_no_good(
    universe: Universe, leases: int, settings: Any
) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0, "DOWN": 900.0})
    mark_due()
    assert claim(schedule.pk) is not None
    until = timezone.now() + timedelta(seconds=leases * due.LEASES * settings.LEASE_S)
    Schedule.objects.filter(pk=schedule.pk).update(worker="elsewhere:1:x", leased_until=until)
    (outcome,) = ask_all()
    assert outcome.new_tickers == ["DOWN"]
    assert read(schedule).leased_until is None


def test_whoever_comes_too_late_saves_nothing(universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0})
    mark_due()
    slow = claim(schedule.pk)
    assert slow is not None
    Schedule.objects.filter(pk=schedule.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert len(ask_all()) == 1
    n_outcomes = schedule.outcomes.count()
    assert ask(slow) is None
    assert schedule.outcomes.count() == n_outcomes


def test_what_breaks_its_process_again_and_again_is_given_up(universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0})
    mark_due()
    for _ in range(due.MOST_ATTEMPTS):
        assert claim(schedule.pk) is not None
        Schedule.objects.filter(pk=schedule.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    (outcome,) = ask_all()
    assert "given up after 3 attempts" in outcome.error
    assert (read(schedule).attempts, read(schedule).error) == (0, outcome.error)


def test_leases_of_processes_that_live_stay(universe: Universe) -> None:
    schedule = make_schedule(universe)
    assert claim(schedule.pk, is_wished=True) is not None
    assert give_up_dead() == 0
    Schedule.objects.filter(pk=schedule.pk).update(worker="elsewhere:1:x")
    assert give_up_dead() == 0
    assert free_schedules() == []
