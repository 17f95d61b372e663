"""The page of schedules, and the forms on the pages of screens and runs that make one."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import ScreenRun, Universe
from backtests.schedules.models import Schedule
from backtests.screens.asking import Asked, checked_screen, store
from tests.backtests.api.asking import HANDLER
from tests.backtests.schedules.builders import RISING, ask_all, import_day, make_schedule, newest, read
from tests.backtests.streams.frames import Element
from tests.backtests.test_views.pages import errors, only_reading, page_of, value_of
from tests.builders import make_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("idle_engine")]

HOOK = "https://hooks.example/x"


@pytest.fixture
def client() -> Client:
    opened = Client()
    opened.handler = HANDLER
    return opened


def stored(universe: Universe, formula: str = RISING, owner: Any = None) -> ScreenRun:
    request, name = checked_screen(Asked(formula, universe.slug))
    return store(request, name, owner)


def shown(client: Client) -> Element:
    with only_reading():
        return page_of(client.get("/schedules/"))


def said(client: Client) -> str:
    return " ".join(shown(client).text.split())


def test_an_answer_offers_to_be_asked_daily_and_leads_to_the_schedule(client: Client, universe: Universe) -> None:
    run = stored(universe)
    page = page_of(client.get(run.get_absolute_url()))
    (form,) = [form for form in page.all("form") if form.attributes.get("action") == f"/schedules/screens/{run.pk}/"]
    assert "Ask daily" in form.text
    sent = {"notify_url": HOOK, "is_new_only": "on"}
    response = client.post(f"/schedules/screens/{run.pk}/", sent)
    schedule = Schedule.objects.get()
    assert response["Location"] == f"/schedules/#schedule-{schedule.pk}"
    assert (schedule.notify_url, schedule.is_always_told, schedule.kind) == (HOOK, False, "screen")
    page = page_of(client.get(run.get_absolute_url()))
    assert [form for form in page.all("form") if "/schedules/" in form.attributes.get("action", "")] == []
    assert f"/schedules/#schedule-{schedule.pk}" in [link.attributes["href"] for link in page.all("a")]
    # What matches now is known at once.
    assert newest(schedule).matches == ["UP"]
    assert "1 of 3 match" in said(client)


def test_a_run_offers_to_be_repeated(client: Client, universe: Universe) -> None:
    run = make_run(universe)
    links = [link.attributes["href"] for link in page_of(client.get(run.get_absolute_url())).all("a")]
    address = f"/schedules/runs/{run.pk}/"
    assert address in links
    with only_reading():
        assert "is_new_only" not in client.get(address).content.decode()
    assert client.post(address, {}).status_code == 302
    schedule = Schedule.objects.get()
    assert (schedule.kind, schedule.due_at, schedule.outcomes.count()) == ("run", None, 0)
    assert "RSI reversion on Test" in said(client)
    assert "Oversold 30" in said(client)
    assert "Not asked yet." in said(client)
    response = client.post(f"/schedules/{schedule.pk}/ask/")
    assert response["Location"] == newest(schedule).link()
    assert "queued, 0 of 3 symbols" in said(client)


def test_the_page_explains_itself_while_there_is_none(client: Client) -> None:
    assert "Nothing is asked after imports yet." in said(client)


def test_the_page_says_what_is_new_and_gone_since_when(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe, url=HOOK)
    import_day({"UP": 150.0, "FLAT": 55.0, "DOWN": 999.0})
    ask_all()
    text = said(client)
    assert "Fri 1 Mar 2024 2 of 3 match" in text
    assert "2 new, 1 gone since Thu 29 Feb 2024" in text
    assert "New: DOWN, FLAT" in text or "New: FLAT, DOWN" in text
    assert "Gone: UP" in text
    assert HOOK in text
    answer = page_of(client.get(newest(schedule).link()))
    compared = [each for each in answer.all("p") if "data-outcome-seen" in each.attributes]
    assert [" ".join(each.text.split())[:41] for each in compared] == ["2 new, 1 gone since Thu 29 Feb 2024. New:"]


def test_an_answer_that_no_schedule_has_asked_for_compares_nothing(client: Client, universe: Universe) -> None:
    page = page_of(client.get(stored(universe).get_absolute_url()))
    assert [each for each in page.all("p") if "data-outcome-seen" in each.attributes] == []


def test_what_a_schedule_has_asked_is_not_among_what_was_asked_lately(client: Client, universe: Universe) -> None:
    make_schedule(universe)
    links = [link.attributes["href"] for link in page_of(client.get("/screens/")).all("a")]
    assert stored(universe).get_absolute_url() in links
    assert newest(Schedule.objects.get()).link() not in links


def test_an_error_is_shown(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe)
    Schedule.objects.update(asked={"formula": "<b>clos</b> > 1", "values": {}})
    assert client.post(f"/schedules/{schedule.pk}/ask/").status_code == 302
    page = shown(client)
    assert page.all("b") == []
    assert "Failing" in page.text
    assert "clos" in page.text


def test_a_universe_that_is_gone_is_named(client: Client, universe: Universe) -> None:
    make_schedule(universe)
    universe.delete()
    assert "its universe 'test' is gone" in said(client)


def test_it_is_switched_off_and_on(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe)
    assert client.post(f"/schedules/{schedule.pk}/switch/", {"to": "off"})["Location"].startswith("/schedules/#")
    assert "not while it is off" in said(client)
    import_day({"UP": 1.0})
    assert ask_all() == []
    client.post(f"/schedules/{schedule.pk}/switch/", {"to": "on"})
    assert read(schedule).is_on
    import_day({"UP": 2.0}, day=70)
    assert len(ask_all()) == 1


def test_it_is_asked_now_and_deleted(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe)
    client.post(f"/schedules/{schedule.pk}/ask/")
    assert schedule.outcomes.count() == 2
    assert client.post(f"/schedules/{schedule.pk}/delete/")["Location"] == "/schedules/"
    assert not Schedule.objects.exists()


def test_who_is_told_is_changed(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe, url=HOOK)
    address = f"/schedules/{schedule.pk}/"
    with only_reading():
        page = page_of(client.get(address))
    assert value_of(page, "notify_url") == HOOK
    assert client.post(address, {"notify_url": f"{HOOK}/y"}).status_code == 302
    changed = read(schedule)
    assert (changed.notify_url, changed.is_always_told) == (f"{HOOK}/y", True)


@pytest.mark.parametrize(
    ("sent", "field", "problem"),
    [
        ({"notify_url": "ftp://x"}, "notify_url", "must be an address that begins with http:// or https://"),
        ({"notify_email": "me"}, "notify_email", "must be an e-mail address"),
        ({"notify_email": "me@example.com"}, "notify_email", "this server sends no mail"),
    ],
)
def test_an_address_that_is_none_is_refused_at_its_field(
    client: Client, universe: Universe, sent: dict[str, str], field: str, problem: str
) -> None:
    run, schedule = stored(universe, "close > 3"), make_schedule(universe)
    for address, pk in ((f"/schedules/screens/{run.pk}/", run.pk), (f"/schedules/{schedule.pk}/", schedule.pk)):
        response = client.post(address, sent)
        assert response.status_code == 422
        (found,) = errors(page_of(response)).items()
        assert found[0] == f"schedule_{pk}_{field}"
        assert problem in found[1]
    assert Schedule.objects.count() == 1
    assert read(schedule).notify_url == ""


def test_what_cannot_be_scheduled_is_refused_with_the_reason(client: Client, universe: Universe, settings: Any) -> None:
    no_condition = ScreenRun.objects.create(pk="numbers", formula="close", universe=universe)
    response = client.post(f"/schedules/screens/{no_condition.pk}/")
    assert (response.status_code, "must end in a condition" in page_of(response).text) == (422, True)
    ended = make_run(universe, end_date="2024-02-01")
    response = client.post(f"/schedules/runs/{ended.pk}/")
    assert (response.status_code, "this run ends on 2024-02-01" in page_of(response).text) == (422, True)
    settings.SCHEDULES = 0
    response = client.post(f"/schedules/screens/{stored(universe).pk}/")
    assert (response.status_code, "no more may be: delete one first" in page_of(response).text) == (429, True)
    assert not Schedule.objects.exists()


def test_those_of_others_are_as_if_they_were_not(client: Client, universe: Universe) -> None:
    alice, mallory = User.objects.create_user("alice"), User.objects.create_user("mallory")
    hers, of_nobody = make_schedule(universe, owner=alice), make_schedule(universe, "close > 1")
    screen, run = stored(universe, "close > 2", alice), make_run(universe, owner=alice)
    for user, seen in ((None, [of_nobody]), (mallory, [of_nobody]), (alice, [of_nobody, hers])):
        if user is not None:
            client.force_login(user)
        ids = [each.attributes["id"] for each in shown(client).all("li")]
        assert sorted(ids) == sorted(f"schedule-{schedule.pk}" for schedule in seen)
        status = {404} if user != alice else {302}
        actions = [f"{hers.pk}/ask/", f"{hers.pk}/switch/", f"screens/{screen.pk}/", f"runs/{run.pk}/", f"{hers.pk}/"]
        assert {client.post(f"/schedules/{action}", {"to": "on"}).status_code for action in actions} == status
        assert (client.get(f"/schedules/{hers.pk}/").status_code == 200) is (user == alice)
        Schedule.objects.exclude(pk__in=[hers.pk, of_nobody.pk]).delete()
    client.force_login(mallory)
    assert client.post(f"/schedules/{hers.pk}/delete/").status_code == 404
    assert Schedule.objects.count() == 2


def test_a_stranger_is_asked_to_log_in(universe: Universe) -> None:
    schedule = make_schedule(universe)
    stranger = Client(REMOTE_ADDR="192.0.2.7")
    stranger.handler = HANDLER
    assert stranger.get("/schedules/")["Location"].startswith("/accounts/login/")
    assert stranger.post(f"/schedules/{schedule.pk}/delete/")["Location"].startswith("/accounts/login/")
    assert Schedule.objects.exists()


@pytest.mark.parametrize("action", ["ask/", "switch/", "delete/"])
def test_changing_takes_a_post(client: Client, universe: Universe, action: str) -> None:
    schedule = make_schedule(universe)
    assert client.get(f"/schedules/{schedule.pk}/{action}").status_code == 405
    assert client.post("/schedules/").status_code == 405
    assert client.get(f"/schedules/seen/{stored(universe).pk}/").status_code == 405


def test_the_bell_shows_new_matches_until_their_answer_is_looked_at(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe)
    import_day({"FLAT": 55.0})
    ask_all()
    with only_reading():
        page = page_of(client.get("/runs/bell/"))
    (item,) = page.all("li")
    outcome = newest(schedule)
    assert item.attributes["data-told"] == "close > close[1] on Test: 1 new match"
    assert [link.attributes["href"] for link in item.all("a")] == [outcome.link()]
    assert page.by_id("bell-count").text.startswith("1 ")
    assert client.post(f"/schedules/seen/{outcome.screen_run_id}/").status_code == 204
    assert page_of(client.get("/runs/bell/")).all("li") == []
    import_day({"DOWN": 999.0}, day=70)
    ask_all()
    assert len(page_of(client.get("/runs/bell/")).all("li")) == 1
    assert page_of(client.post("/runs/bell/")).all("li") == []
