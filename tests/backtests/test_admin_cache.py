"""The cache of decoded bars in the admin: its state, and the button that flushes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from backtests.models import Symbol
from backtests.prices.cache import BARS_CACHE
from backtests.prices.store import read_bars
from tests.builders import make_bars, store_universe

CACHE = "/admin/backtests/priceblock/cache/"
FLUSH = f"{CACHE}flush/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_user(db: None) -> User:
    # Without a password: to hash one takes longer than most of these tests.
    return User.objects.create_superuser("admin")


@pytest.fixture
def symbol(db: None) -> Iterator[Symbol]:
    """A symbol whose bars are the only ones in the cache."""
    BARS_CACHE.clear()
    found = store_universe("Small", {"AAA": make_bars([1.0, 2.0, 3.0])}).symbols.get()
    read_bars([found.pk], interval="1d")
    yield found
    BARS_CACHE.clear()


def staff(*permissions: str) -> User:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_cache_page_shows_what_it_holds(admin_client: Client, symbol: Symbol) -> None:
    state = BARS_CACHE.state
    text = text_of(admin_client, CACHE)
    for value in ("Hit rate", "Evictions", f"<td>{state.entries}</td>", f"<td>{state.hits:,}</td>"):
        assert value in text
    assert "Bars: 3, in blocks: 1." in text


def test_flushing_empties_the_cache(admin_client: Client, symbol: Symbol) -> None:
    answer = admin_client.post(FLUSH, follow=True)
    assert answer.redirect_chain == [(CACHE, 302)]
    assert "Flushed 1 series" in answer.content.decode()
    assert BARS_CACHE.state.entries == BARS_CACHE.state.n_bytes == 0


def test_a_get_flushes_nothing(admin_client: Client, symbol: Symbol) -> None:
    assert admin_client.get(FLUSH).status_code == 405
    assert admin_client.post(CACHE).status_code == 405
    assert BARS_CACHE.state.entries == 1


def test_flushing_needs_a_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(FLUSH).status_code == 403


def test_strangers_neither_see_nor_flush_the_cache(client: Client) -> None:
    for answer in (client.get(CACHE), client.post(FLUSH)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    ("permissions", "sees", "flushes"),
    [
        ([], False, False),
        (["view_priceblock"], True, False),
        (["view_priceblock", "change_priceblock"], True, True),
    ],
)
def test_staff_sees_and_flushes_the_cache_by_permission(
    client: Client, symbol: Symbol, permissions: list[str], sees: bool, flushes: bool
) -> None:
    client.force_login(staff(*permissions))
    answer = client.get(CACHE)
    assert answer.status_code == (200 if sees else 403)
    assert (f'href="{CACHE}"' in text_of(client, "/admin/")) is sees
    assert ("Flush the cache" in answer.content.decode()) is flushes
    assert client.post(FLUSH).status_code == (302 if flushes else 403)
    assert BARS_CACHE.state.entries == (0 if flushes else 1)
