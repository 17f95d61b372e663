from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from backtests.accounts.access import FORWARDING_HEADERS, is_local, owner_of, runs_visible_to, sees
from backtests.models import Run, Universe
from tests.builders import make_run


def local(*, host: str = "localhost", address: str = "127.0.0.1", **headers: str) -> bool:
    factory = RequestFactory(headers={"host": host, **headers}, REMOTE_ADDR=address)
    return is_local(factory.get("/"))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "localhost:8000", "[::1]:8000"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_asking_itself_is_local(host: str, address: str) -> None:
    assert local(host=host, address=address)


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "0.0.0.0", "", "unix"])
def test_another_address_is_not(address: str) -> None:
    assert not local(address=address)


def test_a_website_that_points_its_name_here_is_not(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    for host in ("trawl.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.7"):
        assert not local(host=host), host


@pytest.mark.parametrize("header", FORWARDING_HEADERS)
def test_whoever_stands_behind_a_proxy_is_not(header: str) -> None:
    assert not local(**{header: "127.0.0.1"})


def test_nobody_is_where_a_login_is_always_asked_for(settings: Any) -> None:
    settings.LOCAL_MODE = False
    assert not local()


def test_what_a_user_starts_is_theirs_and_what_nobody_starts_is_nobodys(alice: User) -> None:
    request = RequestFactory().get("/")
    request.user = alice
    assert owner_of(request) == alice
    request.user = AnonymousUser()
    assert owner_of(request) is None


@pytest.fixture
def runs(universe: Universe, alice: User, bob: User) -> dict[str, Run]:
    return {
        "alice's": make_run(universe, owner=alice),
        "bob's": make_run(universe, owner=bob),
        "nobody's": make_run(universe),
    }


def seen_by(user: User | AnonymousUser, runs: dict[str, Run]) -> set[str]:
    visible = set(runs_visible_to(user).values_list("pk", flat=True))
    assert {run.pk for run in runs.values() if sees(user, run)} == visible
    return {whose for whose, run in runs.items() if run.pk in visible}


def test_users_see_their_own_runs_and_nobodys(runs: dict[str, Run], alice: User, bob: User) -> None:
    assert seen_by(alice, runs) == {"alice's", "nobody's"}
    assert seen_by(bob, runs) == {"bob's", "nobody's"}


def test_a_local_visitor_sees_nobodys(runs: dict[str, Run]) -> None:
    assert seen_by(AnonymousUser(), runs) == {"nobody's"}


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_staff_see_all(runs: dict[str, Run], bob: User, right: str) -> None:
    setattr(bob, right, True)
    assert seen_by(bob, runs) == set(runs)


def test_staff_who_were_shut_out_do_not(runs: dict[str, Run], bob: User) -> None:
    bob.is_staff, bob.is_active = True, False
    assert seen_by(bob, runs) == {"bob's", "nobody's"}
