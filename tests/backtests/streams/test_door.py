"""Streams have a door of their own: nobody gets in by it who would not get in by Django's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run
from backtests.streams import feed
from backtests.streams.door import IS_STREAM, OF_PAGES
from config import asgi
from tests.backtests.streams.frames import parse
from tests.backtests.streams.watching import sequences, until
from tests.builders import execute_run, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("idle_engine")]

ELSEWHERE = ("203.0.113.9", 4711)


@dataclass
class Visit:
    """A request, and what came back."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)
    client: tuple[str, int] = ("127.0.0.1", 4711)
    leaves: asyncio.Event | None = None
    status: int = 0
    body: bytes = b""
    answered: dict[str, str] = field(default_factory=dict)

    async def by(self, application: Any) -> Visit:
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            for message in asked:
                return message
            await (self.leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.answered = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message.get("body", b"")

        path, _, query = self.path.partition("?")
        headers = {"host": "localhost", **self.headers}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": self.client,
            "server": ("127.0.0.1", 8000),
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "asgi": {"version": "3.0"},
        }
        await asyncio.wait_for(application(scope, receive, send), DEADLINE_S)
        return self


def visited(*visits: Visit, application: Any = None) -> list[Visit]:
    async def main() -> list[Visit]:
        return [await visit.by(application or asgi.application) for visit in visits]

    return asyncio.run(main())


def addresses(run: Run) -> list[str]:
    return [f"/runs/{run.pk}/stream", f"/api/market-scan/stream/{run.pk}"]


def cookie_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}


@pytest.fixture
def run() -> Run:
    return execute_run(make_run(store_universe("Test", make_market(n_symbols=5, n_bars=60))))


def test_what_is_left_out_of_the_middleware_is_known_and_still_there() -> None:
    assert set(settings.MIDDLEWARE) >= OF_PAGES
    assert {
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "backtests.accounts.middleware.AccessMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "backtests.api.errors.JsonErrorsMiddleware",
    } == set(settings.MIDDLEWARE) - OF_PAGES, "say of a new one whether it concerns streams"


def test_both_streams_come_by_this_door_and_nothing_else_does(run: Run) -> None:
    for address in addresses(run):
        assert IS_STREAM.fullmatch(address)
    for other in ("/", f"/runs/{run.pk}/", "/api/market-scan/stream", f"/api/market-scan/status/{run.pk}", "/admin/"):
        assert not IS_STREAM.fullmatch(other)


def test_a_stream_is_the_same_by_both_doors(run: Run) -> None:
    for address in addresses(run):
        (own,), (django,) = visited(Visit(address)), visited(Visit(address), application=asgi.django)
        assert own.status == django.status == 200
        assert own.body == django.body
        for name in ("content-type", "cache-control", "x-accel-buffering", "content-encoding"):
            assert own.answered[name] == django.answered[name]


@pytest.mark.parametrize("number", [0, 1])
def test_who_is_refused_by_django_is_refused_here_with_the_same_words(run: Run, number: int) -> None:
    address = addresses(run)[number]
    unknown = address.replace(run.pk, "aaaaaaaaaaaa")
    refused: list[dict[str, Any]] = [
        {"path": unknown},
        {"path": address, "client": ELSEWHERE},
        {"path": address, "headers": {"x-forwarded-for": "203.0.113.9"}},
        {"path": address, "headers": {"host": "evil.example"}},
        {"path": address, "headers": {"authorization": "Bearer trawl_wrong"}, "client": ELSEWHERE},
        {"path": f"{address}?after=x&last_event_id=x"},
    ]
    for visit in refused:
        (own,), (django,) = visited(Visit(**visit)), visited(Visit(**visit), application=asgi.django)
        assert own.status == django.status, visit
        assert own.status >= 400, visit
        assert own.body == django.body, visit


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("is_watched", [False, True])
def test_a_run_of_somebody_else_is_unknown_even_while_its_owner_watches(
    run: Run, number: int, is_watched: bool
) -> None:
    alice, bob = User.objects.create_user("alice"), User.objects.create_user("bob")
    Run.objects.filter(pk=run.pk).update(owner=alice, state=Run.State.PAUSED, paused_at=run.finished_at)
    cookies = {user.username: cookie_of(user) for user in (alice, bob)}
    address = addresses(run)[number]

    async def main() -> tuple[Visit, Visit]:
        ends = asyncio.Event()
        owner = Visit(address, cookies["alice"], client=ELSEWHERE, leaves=ends)
        watching = asyncio.create_task(owner.by(asgi.application))
        if is_watched:
            await until(lambda: feed.watched_run(run.pk))
        other = await Visit(address, cookies["bob"], client=ELSEWHERE).by(asgi.application)
        await until(lambda: owner.body)
        ends.set()
        await watching
        return owner, other

    owner, other = asyncio.run(main())
    assert (owner.status, other.status) == (200, 404)
    assert b"S0" not in other.body


def test_a_viewer_that_leaves_is_forgotten(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(state=Run.State.PAUSED, paused_at=run.finished_at)

    async def main() -> int:
        leaves = asyncio.Event()
        visit = Visit(f"/runs/{run.pk}/stream", leaves=leaves)
        watching = asyncio.create_task(visit.by(asgi.application))
        await until(lambda: b"data-sequence" in visit.body)
        assert feed._FEEDS[run.pk].n_viewers == 1
        leaves.set()
        await watching
        return feed._FEEDS[run.pk].n_viewers

    assert asyncio.run(main()) == 0


def test_many_at_once_get_the_same_rows(run: Run) -> None:
    async def main() -> list[Visit]:
        visits = [Visit(f"/runs/{run.pk}/stream") for _ in range(50)]
        return await asyncio.gather(*(visit.by(asgi.application) for visit in visits))

    for visit in asyncio.run(main()):
        assert sequences(parse(visit.body)) == [1, 2, 3, 4, 5]
