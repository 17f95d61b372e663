"""A real server: streams go through a door of their own there, and must ask the same questions."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User

from backtests.accounts.tokens import create_token, revoke_token
from backtests.models import Run
from tests.backtests.processes import Outside, Server
from tests.builders import execute_run, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S

FORWARDED = {"x-forwarded-for": "203.0.113.9"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(transactional_db: None) -> Run:
    owner = User.objects.create(username="alice")
    return execute_run(make_run(store_universe("Test", make_market(n_symbols=3, n_bars=60)), owner=owner))


@pytest.fixture
def server(run: Run, outside: Outside) -> Server:
    return outside.serve()


def streams(run: Run) -> tuple[str, str]:
    return f"/runs/{run.pk}/stream", f"/api/market-scan/stream/{run.pk}"


def test_behind_a_proxy_streams_are_refused_and_pages_lead_to_the_login(server: Server, run: Run) -> None:
    with server.client() as client:
        for address in streams(run):
            assert client.get(address, headers=FORWARDED).status_code == 401
        assert client.get("/runs/", headers=FORWARDED).headers["location"] == "/accounts/login/?next=/runs/"
        assert client.get("/healthz", headers=FORWARDED).status_code == 200


def test_on_this_machine_somebody_elses_stream_is_not_there(server: Server, run: Run) -> None:
    with server.client() as client:
        assert [client.get(address).status_code for address in streams(run)] == [404, 404]
        run.owner = None
        run.save()
        assert [client.get(address).status_code for address in streams(run)] == [200, 200]


def test_a_token_opens_its_owners_stream_until_it_is_revoked(server: Server, run: Run) -> None:
    token, text = create_token(owner=run.owner, name="stream")
    headers = {**FORWARDED, "authorization": f"Bearer {text}"}
    page, api = streams(run)
    with server.client() as client:
        assert client.get(api, headers=headers).text.count('"type": "result"') == 3
        assert client.get(page, headers=headers).status_code == 401
        revoke_token(token)
        assert client.get(api, headers=headers).status_code == 401


def test_a_proxy_without_settings_shows_by_its_old_version(server: Server) -> None:
    place = urlsplit(server.url)

    def status(version: str) -> str:
        with socket.create_connection((place.hostname, place.port), timeout=DEADLINE_S) as opened:
            request = f"GET /api/runs HTTP/{version}\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n"
            opened.sendall(request.encode())
            return opened.recv(100).decode().split()[1]

    assert (status("1.1"), status("1.0")) == ("200", "401")
