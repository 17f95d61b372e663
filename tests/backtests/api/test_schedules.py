"""Schedules are made, listed, asked and deleted by programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, ScreenRun, Universe
from backtests.schedules.due import claim
from backtests.schedules.models import Schedule
from tests.backtests.api.asking import post, problems
from tests.backtests.schedules.builders import import_day, make_schedule
from tests.backtests.test_views.pages import only_reading
from tests.builders import make_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("idle_engine")]

SCHEDULES = "/api/schedules"
HOOK = "https://hooks.example/x"


def made(client: Client, **body: Any) -> dict[str, Any]:
    response = post(client, SCHEDULES, {"formula": "close > 0", "universe": "test", **body})
    assert response.status_code == 201, response.content
    return dict(response.json())


def test_a_screen_is_scheduled_and_asked_at_once(client: Client, universe: Universe) -> None:
    schedule = made(client, symbols=["S1", "S2"], notify_url=HOOK, only_new=False)
    assert schedule["last"]["matches"] == ["S1", "S2"] or schedule["last"]["matches"] == ["S2", "S1"]
    assert (schedule["kind"], schedule["symbols"], schedule["only_new"]) == ("screen", ["S1", "S2"], False)
    assert schedule["asked"] == {"formula": "close > 0", "values": {}}
    with only_reading():
        listed = client.get(SCHEDULES).json()
    assert listed == {"schedules": [schedule]}


def test_a_screen_of_the_library_keeps_its_name(client: Client, universe: Universe) -> None:
    assert made(client, formula="high volume breakout")["name"] == "High Volume Breakout"


def test_the_same_again_is_the_same_schedule(client: Client, universe: Universe) -> None:
    first = made(client)
    Schedule.objects.update(is_on=False)
    second = made(client, notify_url=HOOK)
    assert (second["id"], second["is_on"], second["notify_url"]) == (first["id"], True, HOOK)


def test_a_run_is_scheduled_by_its_id(client: Client, universe: Universe) -> None:
    run = make_run(universe, parameters={"period": 5})
    schedule = made(client, formula=None, universe=None, run_id=run.pk)
    assert (schedule["kind"], schedule["asked"]["parameters"]["period"], schedule["last"]) == ("run", 5, None)
    asked = post(client, f"{SCHEDULES}/{schedule['id']}/ask").json()
    assert asked["last"]["type"] == "run.started"
    assert asked["last"]["job_id"] in set(Run.objects.values_list("pk", flat=True))


def test_it_is_asked_and_shows_what_it_has_found(client: Client, universe: Universe) -> None:
    schedule = made(client, formula="close > 500")
    import_day({"S3": 900.0})
    asked = post(client, f"{SCHEDULES}/{schedule['id']}/ask").json()
    assert [row["symbol"] for row in asked["last"]["new"]] == ["S3"]
    with only_reading():
        shown = client.get(f"{SCHEDULES}/{schedule['id']}").json()
    assert [outcome["matches"] for outcome in shown.pop("outcomes")] == [["S3"], []]
    assert shown == asked


def test_it_is_deleted(client: Client, universe: Universe) -> None:
    schedule = made(client)
    response = client.delete(f"{SCHEDULES}/{schedule['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(f"{SCHEDULES}/{schedule['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"formula": None}, "formula", "is required, or run_id instead of it"),
        ({"run_id": "x"}, "formula", "not both"),
        ({"formula": "clos > 1"}, "formula", "did you mean `close`?"),
        ({"universe": "nosuch"}, "universe", "is unknown"),
        ({"symbols": ["NOSUCH"]}, "symbols", "not in the universe"),
        ({"interval": "2d"}, "interval", "must be one of"),
        ({"notify_url": "ftp://x"}, "notify_url", "must be an address"),
        ({"notify_email": "a" * 250 + "@example.com"}, "notify_email", "must be an e-mail address"),
        ({"notify_email": "me@example.com"}, "notify_email", "sends no mail"),
        ({"formulas": "x"}, "formulas", "is unknown; known are: formula, universe, symbols"),
        ({"only_new": "yes"}, "only_new", "valid boolean"),
    ],
)
def test_what_is_wrong_is_named(
    client: Client, universe: Universe, body: dict[str, Any], field: str, problem: str
) -> None:
    response = post(client, SCHEDULES, {"formula": "close > 0", "universe": "test", **body})
    assert problem in problems(response)[field]
    assert not Schedule.objects.exists()


def test_beyond_so_many_there_are_no_more(client: Client, universe: Universe, settings: Any) -> None:
    settings.SCHEDULES = 0
    response = post(client, SCHEDULES, {"formula": "close > 0", "universe": "test"})
    assert response.status_code == 429
    assert "delete one first" in response.json()["detail"]


def test_one_that_is_being_asked_is_not_asked_twice(client: Client, universe: Universe) -> None:
    schedule = made(client)
    assert claim(schedule["id"], is_wished=True) is not None
    response = post(client, f"{SCHEDULES}/{schedule['id']}/ask")
    assert (response.status_code, response.json()) == (409, {"detail": "it is being asked at this moment"})


def test_those_of_others_are_as_unknown_as_those_that_there_are_not(
    client: Client, universe: Universe, alice: User
) -> None:
    hers = make_schedule(universe, owner=alice)
    for pk in (hers.pk, 10**30, 0):
        address = f"{SCHEDULES}/{pk}"
        answers = [client.get(address), post(client, f"{address}/ask"), client.delete(address)]
        assert {answer.status_code for answer in answers} == {404}
    assert client.get(SCHEDULES).json() == {"schedules": []}
    client.force_login(alice)
    assert [schedule["id"] for schedule in client.get(SCHEDULES).json()["schedules"]] == [hers.pk]
    hers_to_repeat = make_run(universe, owner=User.objects.create(username="bob"))
    body = {"run_id": hers_to_repeat.pk}
    assert post(client, SCHEDULES, body).status_code == 404
    assert ScreenRun.objects.filter(owner=alice).exists()
