"""The page of both caches in the admin: what they hold, and what may be done with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from backtests.admin import cache as admin_cache
from backtests.models import PriceBlock, Run, Symbol, Universe
from backtests.prices.bars_file import BarsFile
from backtests.prices.cache import BAR_BYTES, BARS_CACHE, Series
from backtests.prices.store import read_bars
from backtests.warming import current_warm_up
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import wait_for

CACHE = "/admin/backtests/priceblock/cache/"
FLUSH, WARM = f"{CACHE}flush/", f"{CACHE}warm/"
FLUSH_RESULTS, PRUNE_RESULTS = f"{CACHE}results/flush/", f"{CACHE}results/prune/"

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


def test_the_cache_page_shows_the_bars_file(
    admin_client: Client, symbol: Symbol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "at most nothing, as this process has no file (TRAWL_BARS_FILE_MB)" in text_of(admin_client, CACHE)
    file = BarsFile()
    monkeypatch.setattr(admin_cache, "BARS_FILE", file)
    file.open(tmp_path, 5 * 1024 * 1024)
    n_bars = 2 * 1024 * 1024 // BAR_BYTES
    file.put_all({(symbol.pk, "1d"): Series(make_bars([1.0] * n_bars), ("a",), (202_001,))})
    file.get_all({(symbol.pk, "1d"): ["a"], (symbol.pk, "1h"): ["a"]})
    text = text_of(admin_client, CACHE)
    for value in ("<td>2.0 MiB</td>", "at most 5 MiB", "Series that were read from the file; not there: 1."):
        assert value in text
    assert "Flushed 2 series" in admin_client.post(FLUSH, follow=True).content.decode()
    assert file.state.entries == 0


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
    assert ("Flush the cache of bars" in answer.content.decode()) is flushes
    assert client.post(FLUSH).status_code == (302 if flushes else 403)
    assert BARS_CACHE.state.entries == (0 if flushes else 1)


# Results


@pytest.fixture
def runs(db: None) -> list[Run]:
    """A run of each of two strategies, with four results."""
    universe = store_universe("Four", make_market(n_symbols=4, n_bars=60))
    return [execute_run(make_run(universe, strategy=key)) for key in ("rsi", "bollinger")]


def reused(runs: list[Run]) -> list[bool]:
    return [Run.objects.get(pk=run.pk).is_reusable for run in runs]


def test_the_page_shows_results_by_strategy_and_universe(admin_client: Client, runs: list[Run]) -> None:
    Run.objects.filter(pk=runs[0].pk).update(n_reused=1, computed_us=3_000_000)
    text = " ".join(text_of(admin_client, CACHE).split())
    assert "<td>8</td><td>Results that were computed and may be reused, of 2 runs.</td>" in text
    for value in ("RSI reversion</th><th", "Bollinger reversion</th><th", "<td>50.0 %</td>", "<td>3.0 s</td>"):
        assert value in text
    assert text.count('value="Flush"') == 2


@pytest.mark.parametrize(
    ("fields", "question", "after"),
    [
        ({}, "Shall 8 results of 2 runs no longer be reused?", [False, False]),
        (
            {"strategy": "rsi", "universe": "four"},
            "Shall 4 results of 1 runs no longer be reused?",
            [False, True],
        ),
    ],
)
def test_flushing_results_is_asked_once_more(
    admin_client: Client, runs: list[Run], fields: dict[str, str], question: str, after: list[bool]
) -> None:
    asked = admin_client.post(FLUSH_RESULTS, fields).content.decode()
    assert question in asked
    assert all(f'name="{name}" value="{value}"' in asked for name, value in fields.items())
    assert reused(runs) == [True, True]
    done = admin_client.post(FLUSH_RESULTS, {**fields, "confirmed": "Yes"}, follow=True)
    assert done.redirect_chain == [(CACHE, 302)]
    assert f"The results of {after.count(False)} runs are no longer reused" in done.content.decode()
    assert reused(runs) == after
    assert [run.results.count() for run in runs] == [4, 4]


def test_pruning_is_asked_once_more_and_goes_by_the_settings(admin_client: Client, runs: list[Run]) -> None:
    Run.objects.filter(pk=runs[0].pk).update(created_at="2024-01-01T00:00:00Z")
    assert "30 days and 1,024 MiB" in admin_client.post(PRUNE_RESULTS).content.decode()
    assert reused(runs) == [True, True]
    done = admin_client.post(PRUNE_RESULTS, {"confirmed": "Yes"}, follow=True).content.decode()
    assert "The results of 1 runs are no longer reused: 1 by age, 0 by size." in done
    assert reused(runs) == [False, True]


@pytest.mark.parametrize(
    ("permissions", "sees", "changes"),
    [
        (["view_priceblock", "change_priceblock"], False, False),
        (["view_run"], True, False),
        (["view_run", "change_run"], True, True),
    ],
)
def test_staff_sees_and_changes_results_by_permission(
    client: Client, runs: list[Run], permissions: list[str], sees: bool, changes: bool
) -> None:
    client.force_login(staff(*permissions))
    text = text_of(client, CACHE)
    assert ("<h2>Results</h2>" in text) is sees
    assert ("<h2>Bars</h2>" in text) is ("view_priceblock" in permissions)
    assert ("Flush all results" in text) is changes
    for address in (FLUSH_RESULTS, PRUNE_RESULTS):
        assert client.post(address, {"confirmed": "Yes"}).status_code == (302 if changes else 403)
    assert reused(runs) == ([False, False] if changes else [True, True])


@pytest.mark.parametrize("address", [FLUSH_RESULTS, PRUNE_RESULTS, WARM])
def test_actions_are_posts_of_people_who_are_logged_in(client: Client, admin_client: Client, address: str) -> None:
    assert admin_client.get(address).status_code == 405
    client.logout()
    assert client.post(address)["Location"].startswith("/admin/login/")


# Warming


@pytest.fixture
def wide(transactional_db: None) -> Iterator[Universe]:
    BARS_CACHE.clear()
    yield store_universe("Wide", {f"T{number:02d}": make_bars([1.0] * 30) for number in range(40)})
    BARS_CACHE.clear()


def finished() -> bool:
    warm_up = current_warm_up()
    return warm_up is not None and warm_up.is_finished


@pytest.mark.django_db(transaction=True)
def test_a_universe_is_decoded_in_the_background_and_the_page_shows_how_far_that_is(
    admin_client: Client, wide: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr("backtests.warming.wait_for_requests", let_go.wait)
    answer = admin_client.post(WARM, {"universe": "wide"}, follow=True).content.decode()
    assert "The bars of Wide are being decoded" in answer
    assert "0 of 40 series are decoded" in answer
    assert '<meta http-equiv="refresh"' in answer
    again = admin_client.post(WARM, {"universe": "wide"}, follow=True).content.decode()
    assert "A universe is being decoded already" in again
    let_go.set()
    wait_for("the universe is decoded", finished)
    text = text_of(admin_client, CACHE)
    assert "40 of 40 series are decoded." in text
    assert '<meta http-equiv="refresh"' not in text
    assert BARS_CACHE.state.entries == 40


@pytest.mark.django_db(transaction=True)
def test_a_universe_that_is_larger_than_the_memory_is_decoded_into_the_bars_file(
    admin_client: Client, wide: Universe, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BARS_CACHE_BYTES = 17 * 30 * BAR_BYTES
    file = BarsFile()
    file.open(tmp_path, 10**6)
    for module in ("prices.store", "warming"):
        monkeypatch.setattr(f"backtests.{module}.BARS_FILE", file)
    admin_client.post(WARM, {"universe": "wide"})
    wait_for("the universe is decoded", finished)
    assert "40 of 40 series are decoded." in text_of(admin_client, CACHE)
    assert (file.state.entries, BARS_CACHE.state.entries) == (40, 0)


@pytest.mark.django_db(transaction=True)
def test_a_damaged_block_is_named_and_the_others_are_decoded(admin_client: Client, wide: Universe) -> None:
    PriceBlock.objects.filter(symbol__ticker="T17").update(close=b"damaged")
    admin_client.post(WARM, {"universe": "wide"})
    wait_for("the universe is decoded", finished)
    assert "Damaged, import their prices again: T17 1d." in text_of(admin_client, CACHE)
    assert BARS_CACHE.state.entries == 39


def test_only_a_universe_that_there_is_can_be_decoded(admin_client: Client) -> None:
    assert admin_client.post(WARM, {"universe": "nope"}).status_code == 404
    assert admin_client.post(WARM).status_code == 404


def test_decoding_needs_the_permission_to_change_price_blocks(client: Client, symbol: Symbol) -> None:
    client.force_login(staff("view_priceblock"))
    assert client.post(WARM, {"universe": "small"}).status_code == 403
    assert "Decode its bars now" not in text_of(client, CACHE)
