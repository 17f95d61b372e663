from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backtests.accounts.tokens import create_token, owner_of_token, revoke_token
from backtests.models import ApiToken


def test_a_token_is_its_owner(alice: User, bob: User) -> None:
    texts = {owner: create_token(owner=owner, name="nightly")[1] for owner in (alice, bob)}
    assert {owner: owner_of_token(text) for owner, text in texts.items()} == {alice: alice, bob: bob}


def test_it_is_random_and_long_and_only_its_hash_is_stored(alice: User) -> None:
    (token, text), (_, other) = create_token(owner=alice, name="one"), create_token(owner=alice, name="two")
    assert text.startswith("trawl_")
    assert len(text) == len("trawl_") + 43  # 256 bits, six to a character
    assert text != other
    assert token.hash == hashlib.sha256(text.encode()).hexdigest()
    assert token.prefix == text[:12]
    stored = str(list(ApiToken.objects.values()))
    assert text[12:] not in stored


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "trawl_", "nosuchtoken", "ü", "trawl_" + "a" * 43])
def test_what_is_no_token_is_nobody(text: str) -> None:
    assert owner_of_token(text) is None


def test_its_hash_does_not_let_anybody_in(alice: User) -> None:
    token, _ = create_token(owner=alice, name="nightly")
    assert owner_of_token(token.hash) is None


def test_a_revoked_one_is_nobody_at_once_and_stays_revoked_since_then(alice: User) -> None:
    token, text = create_token(owner=alice, name="nightly")
    revoke_token(token)
    token.refresh_from_db()
    first = token.revoked_at
    assert owner_of_token(text) is None
    assert first is not None
    revoke_token(token)
    token.refresh_from_db()
    assert token.revoked_at == first


def test_one_whose_owner_was_shut_out_is_nobody(alice: User) -> None:
    _, text = create_token(owner=alice, name="nightly")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert owner_of_token(text) is None


def test_its_use_is_noted_at_most_once_a_minute(alice: User) -> None:
    token, text = create_token(owner=alice, name="nightly")
    owner_of_token(text)
    token.refresh_from_db()
    noted = token.last_used_at
    assert noted is not None
    with CaptureQueriesContext(connection) as queries:
        owner_of_token(text)
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    owner_of_token(text)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= noted
