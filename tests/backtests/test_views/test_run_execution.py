"""How a run is executed, as the form asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from backtests.models import Run, Universe
from backtests.schedules.models import Schedule
from tests.backtests.test_views.pages import errors, field, page_of, value_of

pytestmark = pytest.mark.usefixtures("idle_engine")

FORM = {"universe": "test", "strategy": "rsi", "interval": "1d"}
ASKED = {
    "priority": "s3, S1",
    "max_workers": "2",
    "afresh": "on",
    "notify_email": "me@example.com",
    "notify_url": "https://example.com/done",
}


@pytest.fixture(autouse=True)
def _mail(settings: Any, universe: Universe) -> None:
    settings.EMAIL_HOST = "mail.example"


def post(client: Client, **typed: str) -> Any:
    return client.post("/runs/start/", {**FORM, **typed})


def test_a_run_is_executed_as_the_form_asks(client: Client) -> None:
    assert post(client, **ASKED).status_code == 302
    run = Run.objects.get()
    assert (run.priority, run.max_workers, run.use_cache) == (["S3", "S1"], 2, False)
    assert (run.notify_email, run.notify_url) == ("me@example.com", "https://example.com/done")


def test_left_alone_the_fields_ask_for_nothing(client: Client) -> None:
    post(client, **dict.fromkeys(("priority", "max_workers", "notify_email", "notify_url"), ""))
    run = Run.objects.get()
    assert (run.priority, run.max_workers, run.use_cache) == ([], None, True)
    assert (run.notify_email, run.notify_url) == ("", "")


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("priority", "S1 XYZ", "not in the universe 'test': XYZ"),
        ("max_workers", "0", "Ensure this value is greater than or equal to 1."),
        ("max_workers", "257", "Ensure this value is less than or equal to 256."),
        ("max_workers", "two", "Enter a whole number."),
        ("notify_email", "me", "must be an e-mail address; it is 'me'"),
        ("notify_url", "example.com", "must be an address that begins with http:// or https://; it is 'example.com'"),
    ],
)
def test_what_is_wrong_is_named_at_its_field_and_stays(client: Client, name: str, typed: str, message: str) -> None:
    page = page_of(post(client, **{name: typed}))
    assert errors(page) == {name: message}
    assert value_of(page, name) == typed
    assert not Run.objects.exists()


def test_a_server_without_mail_says_so_at_the_field(client: Client, settings: Any) -> None:
    assert "sends no mail" not in page_of(client.get("/")).by_id("execution").text
    settings.EMAIL_HOST = ""
    assert "sends no mail" in page_of(client.get("/")).by_id("execution").text
    wrong = errors(page_of(post(client, notify_email="me@example.com")))
    assert wrong == {"notify_email": "this server sends no mail; whoever runs it has to set TRAWL_EMAIL_URL"}


def test_a_run_like_an_earlier_one_is_executed_like_it(client: Client) -> None:
    post(client, **ASKED)
    page = page_of(client.get("/", {"like": Run.objects.get().pk}))
    names = ("priority", "max_workers", "notify_email", "notify_url")
    assert [value_of(page, name) for name in names] == ["S3, S1", "2", ASKED["notify_email"], ASKED["notify_url"]]
    # Once is enough: the earlier run has just been computed.
    assert "checked" not in field(page, "afresh").attributes


def test_beyond_the_quota_the_form_comes_back_with_the_reason(client: Client, settings: Any) -> None:
    settings.RUNNING_RUNS, settings.WAITING_RUNS = 1, 0
    post(client)
    refused = post(client, afresh="on", cash="500")
    assert refused.status_code == 429
    text = refused.content.decode()
    assert "1 run is not finished, and 1 may be executed while 0 wait" in text
    page = page_of(refused)
    assert value_of(page, "cash") == "500"
    (told,) = [part for part in page.by_id("run-form").all("div") if part.attributes.get("role") == "alert"]
    assert told.text.split()[:3] == ["Nothing", "was", "started."]
    assert [link.attributes["href"] for link in told.all("a")] == ["/runs/"]
    assert Run.objects.count() == 1


def test_a_run_is_repeated_after_every_import_if_the_form_says_so(client: Client) -> None:
    assert post(client, repeat="on", notify_url="https://example.com/done").status_code == 302
    run, schedule = Run.objects.get(), Schedule.objects.get()
    assert (schedule.kind, schedule.asked["parameters"]) == ("run", run.parameters)
    assert (schedule.notify_url, schedule.due_at) == ("https://example.com/done", None)
    post(client, fee_pct="0.3")
    assert Schedule.objects.count() == 1


def test_what_cannot_be_repeated_is_not_started(client: Client, settings: Any) -> None:
    refused = post(client, repeat="on", end_date="2024-02-01")
    assert refused.status_code == 422
    assert errors(page_of(refused))["end_date"].startswith("Leave it empty, or do not repeat the run")
    settings.SCHEDULES = 0
    refused = post(client, repeat="on")
    assert (refused.status_code, "no more may be: delete one first" in page_of(refused).text) == (429, True)
    assert not Run.objects.exists()
