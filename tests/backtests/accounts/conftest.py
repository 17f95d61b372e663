from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.test.client import ClientHandler

from backtests.models import Universe
from tests.builders import make_market, store_universe

# Every handler searches the static files anew when it is first asked.
HANDLER = ClientHandler(enforce_csrf_checks=False)
STRICT_HANDLER = ClientHandler(enforce_csrf_checks=True)
ELSEWHERE = "192.0.2.7"

MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    # The usual hash is slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def make_client() -> MakeClient:
    """A function that makes a client: of this machine, or with REMOTE_ADDR and headers of another."""

    def make(*, strict: bool = False, **defaults: Any) -> Client:
        opened = Client(**defaults)
        opened.handler = STRICT_HANDLER if strict else HANDLER
        return opened

    return make


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """Somebody on this machine, without a login."""
    return make_client()


@pytest.fixture
def stranger(make_client: MakeClient) -> Client:
    """Somebody on another machine, without a login."""
    return make_client(REMOTE_ADDR=ELSEWHERE)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="correct horse")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password="battery staple")


@pytest.fixture
def universe(db: None) -> Universe:
    """Three stocks of sixty daily bars."""
    return store_universe("Test", make_market(n_symbols=3, n_bars=60))
