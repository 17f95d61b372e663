"""A page that shows the end of a run asks whether it still is the end."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, Universe
from backtests.runs import control
from tests.backtests.test_views.pages import only_reading, page_of
from tests.builders import execute_run, make_run

pytestmark = pytest.mark.usefixtures("idle_engine")


@pytest.fixture
def cancelled(universe: Universe) -> Run:
    return control.cancel(execute_run(make_run(universe), n_chunks=2).pk)


def address_on(client: Client, run: Run) -> str:
    """Return what the page of a run that has ended asks."""
    return page_of(client.get(run.get_absolute_url())).by_id("run-feed").attributes["hx-get"]


def is_reloaded(client: Client, address: str) -> bool:
    with only_reading():
        response = client.get(address)
    assert "no-store" in response["Cache-Control"]
    assert response.status_code == (200 if "HX-Refresh" in response else 204)
    return "HX-Refresh" in response


def test_nothing_happens_while_the_run_is_as_it_was_shown(client: Client, cancelled: Run) -> None:
    assert not is_reloaded(client, address_on(client, cancelled))


def test_a_run_that_was_resumed_is_shown_anew(client: Client, cancelled: Run) -> None:
    address = address_on(client, cancelled)
    control.resume(cancelled.pk)
    assert is_reloaded(client, address)


def test_failures_that_were_tried_again_meanwhile_are_shown_anew(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe))
    address = address_on(client, run)
    execute_run(control.retry_failed(run.pk))
    assert Run.objects.get().state == "complete"
    assert is_reloaded(client, address)
    assert not is_reloaded(client, address_on(client, run))


def test_somebody_elses_run_is_not_found(client: Client, cancelled: Run) -> None:
    Run.objects.update(owner=User.objects.create(username="alice"))
    assert client.get(f"/runs/{cancelled.pk}/again/").status_code == 404
