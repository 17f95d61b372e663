from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.shortcuts import resolve_url
from django.test import Client
from django.utils import timezone

from backtests.models import Run, Universe
from backtests.runs.seen import MOST_SHOWN
from tests.backtests.test_views.pages import only_reading, page_of
from tests.builders import execute_run, make_run


@pytest.fixture
def run(universe: Universe) -> Run:
    return execute_run(make_run(universe))


def rung(client: Client) -> list[str]:
    """Return the runs that the bell shows."""
    with only_reading():
        page = page_of(client.get("/runs/bell/"))
    runs = [item.attributes["data-run"] for item in page.all("li")]
    count = page.by_id("bell-count")
    assert ("hidden" in count.attributes) is (runs == [])
    assert count.text.startswith(str(len(runs)))
    return runs


def test_it_shows_runs_that_ended_newest_first(client: Client, universe: Universe) -> None:
    made = [execute_run(make_run(universe)).pk for _ in range(3)]
    make_run(universe)
    assert rung(client) == made[::-1]
    assert client.post(f"/runs/{make_run(universe).pk}/cancel/").status_code == 302
    assert len(rung(client)) == 4


def test_a_run_that_was_looked_at_is_no_news(client: Client, run: Run) -> None:
    assert client.post(f"/runs/{run.pk}/seen/").status_code == 204
    assert rung(client) == []
    first = Run.objects.get().seen_at
    client.post(f"/runs/{run.pk}/seen/")
    assert Run.objects.get().seen_at == first


def test_reading_the_page_of_a_run_writes_nothing(client: Client, run: Run) -> None:
    with only_reading():
        client.get(run.get_absolute_url())
    assert rung(client) == [run.pk]


def test_a_run_that_goes_on_is_not_seen_beforehand(client: Client, universe: Universe) -> None:
    run = make_run(universe)
    client.post(f"/runs/{run.pk}/seen/")
    execute_run(run)
    assert rung(client) == [run.pk]


def test_all_are_marked_as_seen_at_once(client: Client, universe: Universe) -> None:
    for _ in range(3):
        execute_run(make_run(universe))
    page = page_of(client.post("/runs/bell/"))
    assert page.all("li") == []
    assert rung(client) == []


def test_old_runs_are_forgotten(client: Client, run: Run) -> None:
    Run.objects.update(finished_at=timezone.now() - timedelta(days=8))
    assert rung(client) == []


def test_it_shows_no_more_than_fit(client: Client, universe: Universe) -> None:
    for _ in range(MOST_SHOWN + 2):
        Run.objects.filter(pk=make_run(universe).pk).update(state="cancelled", finished_at=timezone.now())
    assert len(rung(client)) == MOST_SHOWN
    page = page_of(client.get("/runs/bell/"))
    assert page.by_id("bell-count").text.startswith(f"{MOST_SHOWN}+ ")
    assert [link.text for link in page.all("a") if link.attributes["href"] == "/runs/"] == ["all runs"]
    Run.objects.filter(pk__in=Run.objects.values("pk")[:2]).update(seen_at=timezone.now())
    assert page_of(client.get("/runs/bell/")).by_id("bell-count").text.startswith(f"{MOST_SHOWN} ")


def test_it_rings_for_the_owner_alone(client: Client, run: Run) -> None:
    alice, mallory = User.objects.create_user("alice"), User.objects.create_superuser("mallory")
    Run.objects.update(owner=alice)
    assert rung(client) == []
    client.force_login(mallory)
    assert rung(client) == []
    client.post(f"/runs/{run.pk}/seen/")
    client.post("/runs/bell/")
    client.force_login(alice)
    assert rung(client) == [run.pk]


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_seeing_takes_a_post(client: Client, run: Run, method: str) -> None:
    assert getattr(client, method)(f"/runs/{run.pk}/seen/").status_code == 405


def test_text_from_outside_is_shown_as_text(client: Client, run: Run) -> None:
    Universe.objects.update(name="<script>alert(1)</script>")
    page = page_of(client.get("/runs/bell/"))
    assert page.all("script") == []
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.django_db
def test_it_hangs_on_every_page_but_that_of_the_login(client: Client) -> None:
    # There it would be told to log in, and lead to the login page again and again.
    for address, is_there in (("/", True), ("/runs/", True), (resolve_url(settings.LOGIN_URL), False)):
        ids = {part.attributes.get("id") for part in page_of(client.get(address)).all("*")}
        assert ("bell" in ids) is is_there, address
