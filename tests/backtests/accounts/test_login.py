from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.backtests.accounts.conftest import MakeClient
from tests.backtests.test_views.pages import page_of, value_of

RIGHT = {"username": "alice", "password": "correct horse"}
WRONG = {"username": "alice", "password": "wrong"}

pytestmark = pytest.mark.django_db


def log_in(client: Client, fields: dict[str, str], page: str = "/accounts/login/") -> Any:
    return client.post(page, fields)


def test_it_leads_to_where_one_wanted_to_go(stranger: Client, alice: User) -> None:
    asked = stranger.get("/runs/?page=2")
    page = page_of(stranger.get(asked["Location"]))
    assert value_of(page, "next") == "/runs/?page=2"
    answer = log_in(stranger, {**RIGHT, "next": "/runs/?page=2"})
    assert (answer.status_code, answer["Location"]) == (302, "/runs/?page=2")
    assert stranger.get("/runs/").status_code == 200


def test_it_leads_to_no_other_website(stranger: Client, alice: User) -> None:
    assert log_in(stranger, {**RIGHT, "next": "https://evil.example/"})["Location"] == "/"


def test_a_wrong_password_is_refused_without_a_word_of_the_name(stranger: Client, alice: User) -> None:
    answers = [log_in(stranger, {"username": name, "password": "wrong"}) for name in ("alice", "nosuchuser")]
    problems = [[e.text for e in page_of(a).all("p") if e.attributes.get("class") == "problem"] for a in answers]
    assert problems[0] == problems[1]
    assert "correct username and password" in problems[0][0]
    assert stranger.get("/runs/").status_code == 302


def test_it_needs_a_csrf_token(make_client: MakeClient, alice: User) -> None:
    assert log_in(make_client(strict=True), RIGHT).status_code == 403


@pytest.mark.parametrize("method", ["delete", "patch"])
def test_it_takes_no_other_method(client: Client, method: str) -> None:
    assert getattr(client, method)("/accounts/login/").status_code == 405


def test_logging_out_ends_the_session(stranger: Client, alice: User) -> None:
    log_in(stranger, RIGHT)
    assert stranger.get("/accounts/logout/").status_code == 405
    assert stranger.post("/accounts/logout/").status_code == 302
    assert stranger.get("/runs/").status_code == 302


def test_the_page_shows_who_is_logged_in(stranger: Client, alice: User) -> None:
    stranger.force_login(alice)
    (nav,) = [
        element for element in page_of(stranger.get("/runs/")).all("nav")
        if element.attributes.get("aria-label") == "Account"
    ]  # fmt: skip
    assert "alice" in nav.text
    assert "Log out" in nav.text


def test_it_offers_a_login_to_who_is_not(client: Client) -> None:
    links = [element.attributes["href"] for element in page_of(client.get("/runs/")).all("a")]
    assert "/accounts/login/?next=/runs/" in links


@pytest.mark.parametrize("page", ["/", "/runs/", "/accounts/tokens/", "/accounts/login/", "/api/docs"])
def test_the_first_page_sets_the_cookie_of_the_csrf_token_and_the_next_keeps_it(client: Client, page: str) -> None:
    # Set by a part of the page that arrives late, it would undo that of a login page opened meanwhile.
    first = client.get(page).cookies["csrftoken"].value
    assert first
    assert "csrftoken" not in client.get("/accounts/login/").cookies or client.cookies["csrftoken"].value == first


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_whoever_guesses_has_to_wait_and_the_right_password_does_too(
    stranger: Client, make_client: MakeClient, alice: User, settings: Any, page: str
) -> None:
    alice.is_staff = True
    alice.save()
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert log_in(stranger, WRONG, page).status_code == 200
    assert log_in(stranger, WRONG, page).status_code == 429
    locked = log_in(stranger, RIGHT, page)
    assert locked.status_code == 429
    assert "Too many wrong passwords" in locked.content.decode()
    assert stranger.get("/runs/").status_code == 302
    # Her own machine is another address: she gets in.
    assert log_in(make_client(REMOTE_ADDR="192.0.2.8"), RIGHT, page).status_code == 302


def test_after_a_while_one_may_try_again(stranger: Client, alice: User, settings: Any) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(stranger, WRONG)
    assert log_in(stranger, RIGHT).status_code == 429
    settings.AXES_COOLOFF_TIME = timedelta(0)
    assert log_in(stranger, RIGHT).status_code == 302


def test_the_right_password_forgives_the_wrong_ones(stranger: Client, alice: User, settings: Any) -> None:
    for _ in range(2):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            assert log_in(stranger, WRONG).status_code == 200
        assert log_in(stranger, RIGHT).status_code == 302
        stranger.post("/accounts/logout/")
