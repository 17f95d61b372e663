"""Schedules in the admin: looked at, switched, asked, deleted, by whoever may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from backtests.models import Universe
from backtests.schedules.models import Schedule
from tests.backtests.schedules.builders import make_schedule, newest, read
from tests.builders import make_market, store_universe

SCHEDULES = "/admin/backtests/schedule/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe("Test", make_market(n_symbols=3, n_bars=60))


def logged_in(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def act(client: Client, action: str, *schedules: Schedule) -> str:
    sent = {"action": action, "_selected_action": [schedule.pk for schedule in schedules], "index": 0}
    return client.post(SCHEDULES, sent, follow=True).content.decode()


def test_they_are_switched_and_asked(client: Client, universe: Universe) -> None:
    one, other = make_schedule(universe), make_schedule(universe, "close > 0")
    Schedule.objects.filter(pk=other.pk).update(asked={"formula": "clos", "values": {}})
    staff = logged_in(client, "view_schedule", "change_schedule")
    assert "2 switched off." in act(staff, "switch_off", one, other)
    assert not read(one).is_on
    assert "1 switched on." in act(staff, "switch_on", one)
    page = act(staff, "ask", one, other)
    assert "0 new matches" in page
    assert "did you mean `close`?" in page
    assert (one.outcomes.count(), read(other).error != "") == (2, True)


def test_nobody_edits_them_and_only_some_control_them(client: Client, universe: Universe) -> None:
    schedule = make_schedule(universe)
    staff = logged_in(client, "view_schedule", "view_outcome")
    assert "switch_off" not in staff.get(SCHEDULES).content.decode()
    act(staff, "switch_off", schedule)
    assert read(schedule).is_on
    page = staff.get(f"{SCHEDULES}{schedule.pk}/change/")
    assert page.status_code == 200
    assert 'name="notify_url"' not in page.content.decode()
    outcomes = "/admin/backtests/outcome/"
    assert "match" in staff.get(outcomes).content.decode()
    assert staff.get(f"{outcomes}{newest(schedule).pk}/change/").status_code == 200
    assert staff.get(f"{outcomes}add/").status_code == 403
