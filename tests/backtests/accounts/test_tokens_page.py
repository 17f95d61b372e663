from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.accounts.tokens import create_token, owner_of_token
from backtests.models import ApiToken
from tests.backtests.accounts.conftest import MakeClient
from tests.backtests.test_views.pages import errors, only_reading, page_of

PAGE = "/accounts/tokens/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def hers(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_it_shows_a_new_token_once(hers: Client, alice: User) -> None:
    response = hers.post(PAGE, {"name": "nightly"})
    assert response.status_code == 201
    text = page_of(response).by_id("new-token").attributes["value"]
    assert owner_of_token(text) == alice
    assert "no-store" in response["Cache-Control"]
    again = hers.get(PAGE).content.decode()
    assert text not in again
    assert f"{text[:12]}…" in again


def test_it_lists_ones_own_tokens_only(hers: Client, alice: User, bob: User) -> None:
    create_token(owner=alice, name="mine <b>")
    create_token(owner=bob, name="his")
    with only_reading():
        page = page_of(hers.get(PAGE))
    (table,) = page.all("table")
    assert "mine <b>" in table.text
    assert "his" not in table.text
    assert "never" in table.text


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_name_that_cannot_be_is_refused_at_its_field(hers: Client, name: str) -> None:
    response = hers.post(PAGE, {"name": name})
    assert response.status_code == 422
    assert list(errors(page_of(response))) == ["name"]
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked(hers: Client, alice: User) -> None:
    token, text = create_token(owner=alice, name="nightly")
    assert hers.post(f"{PAGE}{token.pk}/revoke/")["Location"] == PAGE
    assert owner_of_token(text) is None
    assert "revoked" in hers.get(PAGE).content.decode()


def test_somebody_elses_is_not(hers: Client, bob: User) -> None:
    token, text = create_token(owner=bob, name="his")
    assert hers.post(f"{PAGE}{token.pk}/revoke/").status_code == 404
    assert owner_of_token(text) == bob


def test_without_an_account_it_says_how_to_make_one(client: Client) -> None:
    response = client.get(PAGE)
    assert response.status_code == 200
    assert "manage.py createsuperuser" in response.content.decode()
    assert client.post(PAGE, {"name": "x"}).status_code == 403
    assert client.post(f"{PAGE}1/revoke/")["Location"].startswith("/accounts/login/")
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_it_takes_no_other_method(hers: Client, method: str) -> None:
    assert getattr(hers, method)(PAGE).status_code == 405
    assert hers.get(f"{PAGE}1/revoke/").status_code == 405


def test_it_needs_a_csrf_token(make_client: MakeClient, alice: User) -> None:
    browser = make_client(strict=True)
    browser.force_login(alice)
    assert browser.post(PAGE, {"name": "x"}).status_code == 403
    assert not ApiToken.objects.exists()
