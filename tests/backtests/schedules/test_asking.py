"""What a schedule finds: matches, those that are new and gone since the time before, or why there is no answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from backtests.models import Run, ScreenRun, Universe
from backtests.runs.errors import RequestRefused
from backtests.schedules import due
from backtests.schedules.errors import TooManySchedules
from backtests.schedules.looking import ask_now
from backtests.schedules.making import Notice, schedule_run, schedule_screen
from backtests.schedules.models import Schedule
from backtests.schedules.notices import message_about
from backtests.screens.asking import KEPT_DAYS, Asked, checked_screen, store
from backtests.screens.screening import screen
from strategies.models import Strategy
from tests.backtests.schedules.builders import ask_all, import_day, make_schedule, newest, read
from tests.backtests.schedules.conftest import N_BARS
from tests.builders import make_bars, make_run, store_universe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("idle_engine")]


def test_the_first_time_all_matches_are_stated_and_nothing_is_new(universe: Universe) -> None:
    outcome = newest(make_schedule(universe))
    assert (outcome.matches, outcome.new, outcome.gone) == (["UP"], [], [])
    assert (outcome.n_matches, outcome.n_tested, outcome.is_first, outcome.is_news) == (1, 3, True, False)


def test_the_first_time_is_news_to_whoever_wants_to_know_each_time(universe: Universe) -> None:
    assert newest(make_schedule(universe, is_always=True)).is_news


def test_what_matches_now_and_did_not_before_is_new(universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 150.0, "DOWN": 190.0, "FLAT": 55.0})
    (outcome,) = ask_all()
    assert sorted(outcome.matches) == sorted(outcome.new_tickers) == ["DOWN", "FLAT"]
    assert {
        "symbol": "FLAT",
        "name": "FLAT Incorporated",
        "close": 55.0,
        "change_pct": pytest.approx(10.0),
    } in outcome.new
    assert outcome.gone == ["UP"]
    assert outcome.is_news
    assert newest(schedule) == outcome
    assert str(outcome.since)[:10] == "2024-02-29"
    assert str(outcome.bar_time)[:10] == "2024-03-01"


def test_what_goes_on_matching_is_not_new_and_no_news(universe: Universe) -> None:
    make_schedule(universe)
    import_day({"UP": 999.0})
    (outcome,) = ask_all()
    assert (outcome.matches, outcome.new, outcome.gone, outcome.is_news) == (["UP"], [], [], False)


def test_what_is_gone_and_comes_back_is_new_again(universe: Universe) -> None:
    make_schedule(universe)
    found = []
    for day, close in enumerate((150.0, 160.0), start=N_BARS):
        import_day({"UP": close}, day=day)
        found += ask_all()
    assert [(outcome.new_tickers, outcome.gone) for outcome in found] == [([], ["UP"]), (["UP"], [])]


def test_an_outcome_leads_to_the_answer_as_of_its_day(universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"UP": 1.0, "DOWN": 2.0, "FLAT": 60.0})
    ask_all()
    first, second = (outcome.screen_run for outcome in schedule.outcomes.order_by("pk"))
    assert first
    assert second
    assert (first.as_of, second.as_of) == (date(2024, 2, 29), date(2024, 3, 1))
    assert newest(schedule).link() == second.get_absolute_url()


def test_its_answer_is_kept_as_long_as_the_outcome(universe: Universe) -> None:
    schedule = make_schedule(universe)
    old = timezone.now() - timedelta(days=KEPT_DAYS + 1)
    other, _ = checked_screen(Asked("close > 7", universe.slug))
    forgotten = store(other, "")
    ScreenRun.objects.update(asked_at=old)
    store(checked_screen(Asked("close > 8", universe.slug))[0], "")
    assert not ScreenRun.objects.filter(pk=forgotten.pk).exists()
    assert newest(schedule).screen_run is not None


def test_only_the_newest_outcomes_are_kept(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "KEPT_OUTCOMES", 3)
    schedule, other = make_schedule(universe), make_schedule(universe, "close > 0")
    made = [ask_now(schedule.pk) for _ in range(5)]
    assert list(schedule.outcomes.order_by("pk")) == made[2:]
    assert other.outcomes.count() == 1


def test_values_of_parameters_are_asked_with(universe: Universe) -> None:
    request, name = checked_screen(
        Asked("level = param(10, 1, 1000)\nclose > level", universe.slug, values={"level": 120})
    )
    schedule = schedule_screen(store(request, name), Notice())
    outcome = ask_now(schedule.pk)
    assert outcome
    assert sorted(outcome.matches) == ["DOWN", "UP"]


def test_a_formula_that_means_nothing_any_more_is_an_error_that_is_kept(universe: Universe) -> None:
    schedule, other = make_schedule(universe), make_schedule(universe, "close > 0")
    Schedule.objects.filter(pk=schedule.pk).update(asked={"formula": "clos > 1", "values": {}})
    import_day({"UP": 1.0})
    outcomes = {outcome.schedule_id: outcome for outcome in ask_all()}
    assert "did you mean `close`?" in outcomes[schedule.pk].error
    assert outcomes[schedule.pk].is_news
    assert read(schedule).error == outcomes[schedule.pk].error
    assert outcomes[other.pk].error == ""
    assert len(outcomes[other.pk].matches) == 3


def test_the_same_error_is_news_once_and_is_gone_with_the_next_answer(universe: Universe) -> None:
    schedule = make_schedule(universe)
    right = schedule.asked
    Schedule.objects.filter(pk=schedule.pk).update(asked={"formula": "clos > 1", "values": {}})
    assert [bool(outcome and outcome.is_news) for outcome in (ask_now(schedule.pk), ask_now(schedule.pk))] == [
        True,
        False,
    ]
    Schedule.objects.filter(pk=schedule.pk).update(asked=right)
    import_day({"DOWN": 999.0})
    (outcome,) = ask_all()
    # It is compared with the last answer that there is.
    assert outcome.new_tickers == ["DOWN"]
    assert read(schedule).error == ""


def test_a_universe_that_is_gone_is_said_after_the_next_import(universe: Universe) -> None:
    schedule = make_schedule(universe)
    universe.delete()
    import_day({"UP": 1.0})
    (outcome,) = ask_all()
    assert outcome.error.startswith("universe: 'test' is unknown")
    assert read(schedule).error == outcome.error


def test_anything_else_that_is_raised_stops_no_other(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    schedules = [make_schedule(universe, f"close > {level}") for level in (1, 2)]

    def sometimes(request: Any) -> Any:
        if request.program.text == "close > 1":
            raise ZeroDivisionError("by hand")
        return screen(request)

    monkeypatch.setattr("backtests.schedules.asking.screen", sometimes)
    import_day({"UP": 1.0})
    assert [outcome.error for outcome in ask_all()] == ["ZeroDivisionError: by hand", ""]
    assert [read(schedule).leased_until for schedule in schedules] == [None, None]


def test_a_database_that_is_away_is_no_outcome(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(universe)

    def away(_request: Any) -> Any:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("backtests.schedules.asking.screen", away)
        with pytest.raises(OperationalError):
            ask_now(schedule.pk)
    assert schedule.outcomes.count() == 1
    Schedule.objects.filter(pk=schedule.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert len(ask_all()) == 1


def scheduled_run(universe: Universe, **fields: Any) -> tuple[Run, Schedule]:
    run = make_run(universe, parameters={"period": 5}, rules={"stop_loss_pct": 7.0}, tickers=["UP", "FLAT"], **fields)
    return run, schedule_run(run, Notice(url="https://hooks.example/x"))


def test_a_run_is_started_again_with_all_that_it_was_asked_with(universe: Universe) -> None:
    before, schedule = scheduled_run(universe, start_date=date(2024, 1, 10), priority=["FLAT"], max_workers=2)
    assert ask_all() == []
    import_day({"UP": 1.0})
    (outcome,) = ask_all()
    run = outcome.run
    assert run is not None
    assert run.pk != before.pk
    for name in ("parameters", "rules", "tickers", "start_date", "end_date", "priority", "max_workers", "interval"):
        assert getattr(run, name) == getattr(before, name), name
    assert run.notify_url == "https://hooks.example/x"
    # Its end is what is told.
    assert not outcome.is_news
    assert newest(schedule).link() == run.get_absolute_url()


def test_a_run_that_ends_on_a_day_is_not_repeated(universe: Universe) -> None:
    with pytest.raises(RequestRefused, match="ends on 2024-02-01"):
        schedule_run(make_run(universe, end_date=date(2024, 2, 1)), Notice())


def test_a_strategy_that_is_switched_off_is_an_error_that_is_kept(universe: Universe) -> None:
    _, schedule = scheduled_run(universe)
    Strategy.objects.filter(key="rsi").update(is_active=False)
    outcome = ask_now(schedule.pk)
    assert outcome
    assert outcome.error.startswith("strategy: 'rsi' is switched off")


def test_a_run_that_has_to_wait_for_others_is_tried_again_later(universe: Universe, settings: Any) -> None:
    settings.RUNNING_RUNS, settings.WAITING_RUNS = 1, 0
    _, schedule = scheduled_run(universe)
    outcome = ask_now(schedule.pk)
    assert outcome
    assert "wait for one to finish" in outcome.error
    assert (read(schedule).error, schedule.outcomes.count()) == (outcome.error, 0)
    assert read(schedule).due_at is not None
    assert ask_all() == []
    Run.objects.all().delete()
    Schedule.objects.filter(pk=schedule.pk).update(due_at=timezone.now())
    assert [bool(found.run) for found in ask_all()] == [True]
    assert read(schedule).error == ""


def test_the_same_screen_is_one_schedule_that_is_told_anew(universe: Universe) -> None:
    first = make_schedule(universe, url="https://hooks.example/a")
    Schedule.objects.update(is_on=False)
    second = make_schedule(universe, url="https://hooks.example/b", is_asked=False)
    assert second.pk == first.pk
    assert (second.notify_url, second.is_on) == ("https://hooks.example/b", True)
    assert make_schedule(universe, "close > 1").pk != first.pk


def test_beyond_so_many_there_are_no_more(universe: Universe, settings: Any) -> None:
    settings.SCHEDULES = 1
    make_schedule(universe)
    make_schedule(universe)
    with pytest.raises(TooManySchedules, match="there is 1 schedule, and no more may be: delete one first"):
        make_schedule(universe, "close > 1")


def test_a_symbol_without_bars_is_no_obstacle(universe: Universe) -> None:
    schedule = make_schedule(universe, "close > 0")
    universe.symbols.create(ticker="NEW", market="stocks")
    outcome = ask_now(schedule.pk)
    assert outcome
    assert (outcome.n_tested, outcome.error) == (3, "")


def test_a_name_of_several_lines_is_one_line(universe: Universe) -> None:
    run = ScreenRun.objects.create(pk="lines", name="A\nB", formula="close > 0", universe=universe)
    assert schedule_screen(run, Notice()).name == "A B"


def test_a_universe_without_bars_has_nothing_to_find(universe: Universe) -> None:
    empty = store_universe("Empty", {"NONE": make_bars([])})
    schedule = make_schedule(empty, "close > 0", is_always=True)
    outcome = newest(schedule)
    assert (outcome.n_tested, outcome.matches, outcome.bar_time, outcome.error) == (0, [], None, "")
    assert message_about(outcome).body.startswith("0 matches.\n")
