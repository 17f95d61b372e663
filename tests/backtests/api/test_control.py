"""Cancel, pause, resume and retry."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, Universe
from tests.backtests.api.asking import post
from tests.builders import make_run

ACTIONS = ("cancel", "pause", "resume", "retry-failed")

pytestmark = pytest.mark.usefixtures("idle_engine")


def act(client: Client, run: Run, action: str) -> tuple[int, dict[str, str]]:
    response = post(client, f"/api/market-scan/{run.pk}/{action}")
    return response.status_code, response.json()


def test_a_run_is_paused_resumed_cancelled_and_resumed_again(client: Client, universe: Universe) -> None:
    run = make_run(universe)
    for action, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("resume", "queued")):
        assert act(client, run, action) == (200, {"job_id": run.pk, "state": state})
        run.refresh_from_db()
        assert run.state == state


def test_failed_symbols_are_tried_again(client: Client, finished: Run) -> None:
    status, answer = act(client, finished, "retry-failed")
    finished.refresh_from_db()
    assert (status, answer) == (200, {"job_id": finished.pk, "state": finished.state})
    assert (finished.n_done, finished.n_failed, finished.is_finished) == (7, 0, False)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("pause", "a run that is complete cannot be paused; it must be queued or running"),
        ("cancel", "a run that is complete cannot be cancelled"),
        ("resume", "a run that is complete cannot be resumed"),
    ],
)
def test_what_its_state_does_not_allow_is_a_conflict(client: Client, finished: Run, action: str, reason: str) -> None:
    status, answer = act(client, finished, action)
    assert status == 409
    assert answer["detail"].startswith(reason)


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_runs_and_those_of_others_are_not_found(
    client: Client, universe: Universe, alice: User, action: str
) -> None:
    hers = make_run(universe, owner=alice)
    for run_id in ("nosuchrun", hers.pk):
        response = post(client, f"/api/market-scan/{run_id}/{action}")
        assert (response.status_code, response.json()) == (404, {"detail": f"there is no run {run_id!r}"})
    hers.refresh_from_db()
    assert hers.state == Run.State.QUEUED


def test_staff_control_the_runs_of_others(client: Client, universe: Universe, alice: User) -> None:
    hers = make_run(universe, owner=alice)
    client.force_login(User.objects.create(username="root", is_superuser=True))
    assert act(client, hers, "cancel")[0] == 200


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_it_takes_no_other_method(client: Client, action: str, method: str) -> None:
    response = getattr(client, method)(f"/api/market-scan/any/{action}", content_type="application/json")
    assert (response.status_code, response["Allow"]) == (405, "POST")
