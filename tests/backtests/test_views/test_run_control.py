from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, Universe
from backtests.views import CONTROLS
from tests.backtests.streams.frames import tree
from tests.backtests.test_views.pages import page_of
from tests.builders import execute_run, make_market, make_run, store_universe

HTMX = {"HX-Request": "true"}


@pytest.fixture
def run(universe: Universe) -> Run:
    """A run with three of its eight rows."""
    return execute_run(make_run(universe), n_chunks=2)


def shown(client: Client, run: Run) -> list[str]:
    """Return what the page offers to do."""
    return [button.text for button in page_of(client.get(run.get_absolute_url())).by_id("run-controls").all("button")]


def state(run: Run) -> str:
    return Run.objects.get(pk=run.pk).state


def test_a_run_is_paused_resumed_and_cancelled_and_each_leads_back_to_it(client: Client, run: Run) -> None:
    for action, reached in (("pause", {"paused"}), ("resume", {"queued", "running"}), ("cancel", {"cancelled"})):
        response = client.post(f"/runs/{run.pk}/{action}/")
        assert (response.status_code, response["Location"]) == (302, run.get_absolute_url())
        assert state(run) in reached


def test_the_page_offers_what_the_state_allows(client: Client, run: Run) -> None:
    assert shown(client, run) == ["Pause", "Cancel…"]
    client.post(f"/runs/{run.pk}/pause/")
    assert shown(client, run) == ["Resume", "Cancel…"]
    client.post(f"/runs/{run.pk}/cancel/")
    assert shown(client, run) == ["Resume"]


def test_a_complete_run_offers_to_try_its_failures_again(client: Client, run: Run) -> None:
    execute_run(run)
    assert shown(client, run) == ["Retry 1 failed"]
    whole = execute_run(make_run(store_universe("Whole", make_market(n_symbols=2, n_bars=60))))
    assert shown(client, whole) == []


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_the_state_does_not_allow_is_a_conflict_with_the_reason(
    client: Client, run: Run, headers: dict[str, str]
) -> None:
    response = client.post(f"/runs/{run.pk}/resume/", headers=headers)
    assert response.status_code == 409
    message = page_of(response).by_id("run-message")
    assert "cannot be resumed" in message.text
    assert message.attributes["role"] == "alert"
    assert state(run) == "running"


def test_with_htmx_a_message_is_taken_away_and_the_stream_says_the_rest(client: Client, run: Run) -> None:
    response = client.post(f"/runs/{run.pk}/pause/", headers=HTMX)
    (message,) = tree(response.content.decode()).children
    assert (response.status_code, message.attributes["id"], message.text) == (200, "run-message", "")
    assert "hidden" in message.attributes


def test_with_htmx_a_page_that_no_longer_listens_is_drawn_anew(client: Client, run: Run) -> None:
    execute_run(run)
    assert client.post(f"/runs/{run.pk}/retry/", headers=HTMX)["HX-Refresh"] == "true"
    assert not run.results.exclude(reason="").exists()


@pytest.mark.parametrize("action", CONTROLS)
@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_it_takes_a_post(client: Client, run: Run, action: str, method: str) -> None:
    assert getattr(client, method)(f"/runs/{run.pk}/{action}/").status_code == 405
    assert state(run) == "running"


@pytest.mark.parametrize("action", CONTROLS)
def test_a_stranger_does_not_even_learn_that_there_is_such_a_run(client: Client, run: Run, action: str) -> None:
    Run.objects.update(owner=User.objects.create_user("alice"))
    client.force_login(User.objects.create_user("mallory"))
    assert client.post(f"/runs/{run.pk}/{action}/").status_code == 404
    assert client.get(f"/runs/{run.pk}/").status_code == 404
    assert client.get(f"/runs/{run.pk}/news/").status_code == 404
    assert state(run) == "running"


@pytest.mark.parametrize("address", ["/runs/nosuchrun/pause/", "/runs/%00/pause/"])
@pytest.mark.django_db
def test_an_unknown_run_is_not_found(client: Client, address: str) -> None:
    assert client.post(address).status_code == 404


def test_an_unknown_action_is_not_found(client: Client, run: Run) -> None:
    assert client.post(f"/runs/{run.pk}/delete/").status_code == 404


def test_another_website_cannot_control_a_run(run: Run) -> None:
    assert Client(enforce_csrf_checks=True).post(f"/runs/{run.pk}/cancel/").status_code == 403
    assert state(run) == "running"
