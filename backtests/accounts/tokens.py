"""The keys with which programs act as their owner. Only a hash is stored: whoever reads the database has no key."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backtests.models import ApiToken
from backtests.runs.chunks import writing

MARK = "trawl_"  # so that a key that was published by mistake is found by those who search for them
N_BYTES = 32
SHOWN = 12

USE_NOTED_EVERY = timedelta(minutes=1)


def create_token(*, owner: Any, name: str) -> tuple[ApiToken, str]:
    """Save a new token and return it with its text, which nobody can ever read again."""
    text = MARK + secrets.token_urlsafe(N_BYTES)
    with writing():
        token = ApiToken.objects.create(owner=owner, name=name, prefix=text[:SHOWN], hash=_hash(text))
    return token, text


def owner_of_token(text: str) -> Any:
    """Return the user whose token this is, and note its use; None if it is unknown, revoked, or its owner is inactive.

    The use is noted once a minute at most: a program that polls would else write all the time.
    """
    found = ApiToken.objects.select_related("owner").filter(hash=_hash(text), revoked_at=None, owner__is_active=True)
    token = found.first()
    if token is None:
        return None
    now = timezone.now()
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    if token.last_used_at is None or token.last_used_at < now - USE_NOTED_EVERY:
        with writing():
            ApiToken.objects.filter(is_due, pk=token.pk).update(last_used_at=now)
    return token.owner


def revoke_token(token: ApiToken) -> None:
    """Take a token back, at once and for good; one that was revoked before stays revoked since then."""
    with writing():
        ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def _hash(text: str) -> str:
    # It stands for 256 random bits, which nobody can try out: a slow hash would only make every request slow.
    return hashlib.sha256(text.encode()).hexdigest()
