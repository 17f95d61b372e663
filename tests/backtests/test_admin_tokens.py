"""Tokens of all users in the admin: seen and revoked by whoever may, and never shown themselves."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from backtests.accounts.tokens import create_token, owner_of_token, revoke_token
from backtests.models import ApiToken

TOKENS = "/admin/backtests/apitoken/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create(username="alice")


def staff(client: Client, *permissions: str) -> Client:
    """Logged in as somebody who may do this to tokens, and nothing else."""
    user = User.objects.create(username="clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def revoke(client: Client, *tokens: ApiToken) -> str:
    sent = {"action": "revoke_tokens", "_selected_action": [token.pk for token in tokens], "index": 0}
    return client.post(TOKENS, sent, follow=True).content.decode()


def test_tokens_of_others_are_revoked_at_once(client: Client, alice: User) -> None:
    (first, text), (second, other), (_, kept) = (create_token(owner=alice, name=name) for name in "abc")
    shown = revoke(staff(client, "view_apitoken", "change_apitoken"), first, second)
    assert "2 tokens were revoked; programs that send them are refused from now on." in shown
    assert [owner_of_token(known) for known in (text, other, kept)] == [None, None, alice]


def test_one_that_was_revoked_before_stays_revoked_since_then(client: Client, alice: User) -> None:
    token, _ = create_token(owner=alice, name="a")
    revoke_token(token)
    before = ApiToken.objects.get().revoked_at
    assert "0 tokens were revoked" in revoke(staff(client, "view_apitoken", "change_apitoken"), token)
    assert ApiToken.objects.get().revoked_at == before


def test_whoever_may_only_look_revokes_nothing(client: Client, alice: User) -> None:
    token, text = create_token(owner=alice, name="a")
    assert "revoke_tokens" not in revoke(staff(client, "view_apitoken"), token)
    assert owner_of_token(text) == alice


def test_neither_the_token_nor_its_hash_is_on_any_page(client: Client, alice: User) -> None:
    token, text = create_token(owner=alice, name="nightly")
    staff(client, "view_apitoken", "change_apitoken")
    for address in (TOKENS, f"{TOKENS}{token.pk}/change/"):
        shown = client.get(address).content.decode()
        assert "nightly" in shown
        assert f"{text[:12]}…" in shown
        assert text not in shown
        assert token.hash not in shown


@pytest.mark.parametrize(("state", "expected"), [("valid", {"a"}), ("revoked", {"b", "c"}), ("", {"a", "b", "c"})])
def test_the_list_is_narrowed_to_what_still_lets_in(
    client: Client, alice: User, state: str, expected: set[str]
) -> None:
    create_token(owner=alice, name="a")
    revoke_token(create_token(owner=alice, name="b")[0])
    create_token(owner=User.objects.create(username="bob", is_active=False), name="c")
    response = staff(client, "view_apitoken").get(TOKENS, {"state": state} if state else {})
    assert {token.name for token in response.context["cl"].result_list} == expected


def test_it_is_neither_added_nor_edited_by_hand(client: Client, alice: User) -> None:
    token, _ = create_token(owner=alice, name="a")
    staff(client, "view_apitoken", "change_apitoken", "add_apitoken")
    assert client.post(f"{TOKENS}{token.pk}/change/", {"name": "b"}).status_code == 403
    assert client.get(f"{TOKENS}add/").status_code == 403


def test_strangers_are_sent_to_the_login_and_staff_without_permission_is_refused(client: Client) -> None:
    assert client.get(TOKENS)["Location"].startswith("/admin/login/")
    assert staff(client).get(TOKENS).status_code == 403
