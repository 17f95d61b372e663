from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backtests.models import NewBars, Run, Universe
from backtests.runs.engines.threads import ThreadsEngine
from backtests.schedules.making import Notice, schedule_run
from backtests.schedules.models import Schedule
from tests.backtests.listeners import HOST, webhook
from tests.backtests.schedules.builders import import_day, make_schedule
from tests.builders import execute_run, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture
def universe(db: None) -> Universe:
    stored = store_universe("Test", make_market(n_symbols=3, n_bars=60))
    NewBars.objects.all().delete()
    return stored


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("run_schedules", *arguments, stdout=out)
    return out.getvalue()


def test_it_asks_what_is_due_and_nothing_twice(universe: Universe) -> None:
    schedule = make_schedule(universe, "close > 500")
    assert printed() == "No schedule is due.\n"
    # Nobody who calls it behind an import has to wait until more might have come.
    import_day({"S0": 900.0, "S2": 800.0})
    lines = printed().splitlines()
    assert lines[0] == f"{schedule.pk} close > 500 on test: 2 of 3 match, 2 new since Thu 29 Feb 2024"
    assert lines[1] in {"  new: S0, S2", "  new: S2, S0"}
    assert printed() == "No schedule is due.\n"


def test_it_tells_whoever_is_named_before_it_ends(universe: Universe, settings: Any) -> None:
    settings.WEBHOOK_HOSTS = [HOST]
    with webhook() as hook:
        make_schedule(universe, "close > 500", url=hook.url)
        import_day({"S0": 900.0})
        printed()
        assert [call.message["new"][0]["symbol"] for call in hook.calls] == ["S0"]


def test_one_that_cannot_be_asked_is_said_and_the_others_are_asked(universe: Universe) -> None:
    make_schedule(universe, "close > 500")
    broken = make_schedule(universe, "close > 1")
    Schedule.objects.filter(pk=broken.pk).update(asked={"formula": "clos > 1", "values": {}})
    import_day({"S0": 900.0})
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("run_schedules", stdout=out)
    assert ended.value.code == 1
    assert "1 of 3 match, 1 new" in out.getvalue()
    assert "did you mean `close`?" in out.getvalue()


def test_one_is_asked_though_it_is_not_due(universe: Universe) -> None:
    one, other = make_schedule(universe, "close > 500"), make_schedule(universe, "close > 0")
    assert (
        printed("--now", str(one.pk))
        == f"{one.pk} close > 500 on test: 0 of 3 match, nothing new since Thu 29 Feb 2024\n"
    )
    Schedule.objects.filter(pk=one.pk).update(is_on=False)
    assert json.loads(printed("--all", "--json"))["schedule"] == other.pk


def test_as_json_each_outcome_is_a_line(universe: Universe) -> None:
    make_schedule(universe, "close > 500")
    assert printed("--json") == ""
    import_day({"S0": 900.0})
    message = json.loads(printed("--json"))
    assert (message["type"], message["matches"]) == ("screen.matches", ["S0"])


def test_a_run_is_executed_to_its_end(engine: ThreadsEngine, universe: Universe) -> None:
    schedule_run(execute_run(make_run(universe)), Notice())
    import_day({"S0": 900.0, "S1": 1.0})
    out = printed()
    run = Run.objects.order_by("-created_at")[0]
    assert run.state == "complete"
    assert f"RSI reversion on test: run {run.pk} on 3 symbols" in out
    assert Run.objects.count() == 2


def test_it_lists_what_there_is(universe: Universe) -> None:
    schedule = make_schedule(universe, "close > 0")
    listed = printed("--list")
    assert listed.split()[:2] == ["id", "kind"]
    assert str(schedule.pk) in listed
    assert schedule.outcomes.count() == 1


@pytest.mark.parametrize("wrong", ["7", "me", "-1"])
def test_one_that_there_is_not_is_named(universe: Universe, wrong: str) -> None:
    with pytest.raises(CommandError, match=f"'{wrong}' is none: --list lists them") as refused:
        call_command("run_schedules", f"--now={wrong}")
    assert refused.value.returncode == 2
