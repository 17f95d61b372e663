"""Runs are paused, resumed, cancelled and tried again from the admin's list, by whoever may change runs."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from backtests.models import Run
from backtests.runs import control
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

RUNS = "/admin/backtests/run/"
ACTIONS = ("pause_runs", "resume_runs", "cancel_runs", "retry_runs")

pytestmark = pytest.mark.usefixtures("idle_engine")


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    """Logged in as somebody who may see and change runs, and nothing else."""
    return logged_in(client, "view_run", "change_run")


def logged_in(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def run_in(state: str) -> Run:
    """A run in this state, of which the first symbol has failed if any is done."""
    universe = store_universe("Test", {"A": make_bars([]), **make_market(n_symbols=2, n_bars=60)})
    run = make_run(universe)
    if state != "queued":
        execute_run(run, n_chunks=None if state == "complete" else 1)
    if state in {"paused", "cancelled"}:
        {"paused": control.pause, "cancelled": control.cancel}[state](run.pk)
    return run


def ask(client: Client, action: str, *runs: Run) -> str:
    sent = {"action": action, "_selected_action": [run.pk for run in runs], "index": 0}
    return client.post(RUNS, sent, follow=True).content.decode()


def states(*runs: Run) -> list[str]:
    return [Run.objects.get(pk=run.pk).state for run in runs]


@pytest.mark.parametrize(
    ("action", "before", "after", "said"),
    [
        ("pause_runs", "running", "paused", "2 runs are paused."),
        ("resume_runs", "paused", "queued", "2 runs are resumed."),
        ("cancel_runs", "running", "cancelled", "2 runs are cancelled."),
        ("retry_runs", "complete", "queued", "2 runs are going through their failed symbols again."),
    ],
)
def test_selected_runs_are_changed_together(staff: Client, action: str, before: str, after: str, said: str) -> None:
    runs = [run_in(before), run_in(before)]
    untouched = run_in(before)
    assert said in ask(staff, action, *runs)
    assert states(*runs, untouched) == [after, after, before]


def test_a_run_that_cannot_be_changed_is_named_with_the_reason_and_stops_no_other(staff: Client) -> None:
    complete, running = run_in("complete"), run_in("running")
    text = ask(staff, "pause_runs", complete, running)
    assert f"Run {complete.pk}: a run that is complete cannot be paused; it must be queued or running" in text
    assert "1 run is paused." in text
    assert states(complete, running) == ["complete", "paused"]


def test_where_nothing_could_be_changed_nothing_is_said_to_be(staff: Client) -> None:
    text = ask(staff, "resume_runs", run_in("running"))
    assert "cannot be resumed" in text
    assert "resumed." not in text


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_only_look_changes_nothing(action: str, client: Client) -> None:
    looking = logged_in(client, "view_run")
    runs = [run_in(state) for state in ("running", "paused", "cancelled", "complete")]
    page = looking.get(RUNS).content.decode()
    assert action not in page
    ask(looking, action, *runs)
    assert states(*runs) == ["running", "paused", "cancelled", "complete"]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_list_offers_every_change_to_who_may(action: str, staff: Client) -> None:
    run_in("running")
    assert f'<option value="{action}">' in staff.get(RUNS).content.decode()


def test_whoever_may_change_a_run_may_not_edit_it(staff: Client) -> None:
    run = run_in("running")
    assert staff.post(f"{RUNS}{run.pk}/change/", {"state": "complete"}).status_code == 403
    assert states(run) == ["running"]


def test_a_run_that_is_deleted_meanwhile_stops_no_other(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, left = run_in("running"), run_in("running")

    def pause(run_id: str) -> Run:
        Run.objects.filter(pk=gone.pk).delete()
        return control.pause(run_id)

    monkeypatch.setattr("backtests.admin.runs.pause", pause)
    text = ask(staff, "pause_runs", gone, left)
    assert f"Run {gone.pk}: it is gone" in text
    assert states(left) == ["paused"]


@pytest.mark.parametrize("state", Run.State.values)
def test_the_list_and_the_page_show_every_state(staff: Client, state: str) -> None:
    run = run_in(state)
    for address in (RUNS, f"{RUNS}{run.pk}/change/"):
        assert Run.State(state).label in staff.get(address).content.decode()
