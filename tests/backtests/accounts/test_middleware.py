"""Who is let in where: pages, streams and the API, for strangers, sessions, tokens and this machine."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.accounts.tokens import create_token
from backtests.models import Run, Universe
from tests.backtests.accounts.conftest import ELSEWHERE, MakeClient
from tests.builders import make_run

PAGES = ("/", "/runs/", "/runs/form/", "/runs/preview/", "/accounts/tokens/", "/admin/")
API = ("/api/runs", "/api/strategies", "/api/universes", "/api/docs", "/api/openapi.json")
OPEN = ("/healthz", "/accounts/login/", "/admin/login/")
EVIL = "https://evil.example"

pytestmark = pytest.mark.django_db


def control(client: Client, run: Run, **headers: str) -> Any:
    return client.post(f"/api/market-scan/{run.pk}/pause", content_type="application/json", headers=headers)


@pytest.fixture
def run(universe: Universe) -> Run:
    return make_run(universe)


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_from_a_page_to_the_login(stranger: Client, page: str) -> None:
    response = stranger.get(page)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={page}"


@pytest.mark.parametrize("page", OPEN)
def test_what_is_open_is_open_to_strangers(stranger: Client, page: str) -> None:
    assert stranger.get(page).status_code == 200


def test_a_stranger_starts_nothing(stranger: Client, universe: Universe) -> None:
    assert stranger.post("/runs/start/", {"universe": "test", "strategy": "rsi"}).status_code == 302
    body = {"strategy": "rsi", "universe": "test"}
    assert stranger.post("/api/market-scan/start", body, content_type="application/json").status_code == 401
    assert not Run.objects.exists()


@pytest.mark.parametrize("page", API)
def test_a_strange_program_is_told_so_in_json(stranger: Client, page: str) -> None:
    response = stranger.get(page)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    assert response.json() == {"detail": "log in, or send a token: Authorization: Bearer <token>"}


@pytest.mark.parametrize("address", ["/runs/{run}/stream", "/api/market-scan/stream/{run}"])
def test_a_stream_is_refused_and_never_redirected(stranger: Client, run: Run, address: str) -> None:
    response = stranger.get(address.format(run=run.pk))
    assert response.status_code == 401
    assert "Location" not in response


def test_a_page_asked_for_as_a_stream_is_refused_too(stranger: Client) -> None:
    response = stranger.get("/runs/", headers={"accept": "text/event-stream"})
    assert (response.status_code, response["Content-Type"]) == (401, "text/plain")


def test_htmx_is_told_to_go_to_the_login(stranger: Client) -> None:
    response = stranger.get("/runs/form/", headers={"hx-request": "true"})
    assert (response.status_code, response["HX-Redirect"]) == (401, "/accounts/login/")


@pytest.mark.parametrize("page", [*PAGES[:-1], *API])
def test_somebody_on_this_machine_is_let_in_everywhere_but_to_the_admin(client: Client, page: str) -> None:
    assert client.get(page).status_code == 200
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"


@pytest.mark.parametrize("page", [*PAGES[:-1], *API])
def test_somebody_who_is_logged_in_is_let_in_from_anywhere(stranger: Client, alice: User, page: str) -> None:
    stranger.force_login(alice)
    assert stranger.get(page).status_code == 200


def test_where_a_login_is_always_asked_for_this_machine_is_a_stranger(client: Client, settings: Any) -> None:
    settings.LOCAL_MODE = False
    assert client.get("/runs/").status_code == 302
    assert client.get("/api/runs").status_code == 401


def test_behind_a_proxy_this_machine_is_a_stranger(client: Client) -> None:
    assert client.get("/api/runs", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401


def test_a_token_lets_a_program_in_as_its_owner(stranger: Client, alice: User, bob: User, universe: Universe) -> None:
    hers = make_run(universe, owner=alice)
    make_run(universe, owner=bob)
    bearer = {"authorization": f"Bearer {create_token(owner=alice, name='t')[1]}"}
    listed = stranger.get("/api/runs", headers=bearer).json()
    assert [run["id"] for run in listed["runs"]] == [hers.pk]


@pytest.mark.parametrize("authorization", ["Bearer nosuch", "bearer nosuch", "Bearer", "Bearer  "])
def test_a_wrong_token_is_refused_even_on_this_machine(client: Client, authorization: str) -> None:
    response = client.get("/api/runs", headers={"authorization": authorization})
    assert response.status_code == 401
    assert response.json() == {"detail": "this token is unknown or revoked"}


def test_another_kind_of_authorization_is_a_proxys_and_says_nothing(client: Client, stranger: Client) -> None:
    basic = {"authorization": "Basic YWxpY2U6eA=="}
    assert client.get("/api/runs", headers=basic).status_code == 200
    assert stranger.get("/api/runs", headers=basic).status_code == 401


def test_a_token_opens_no_page(stranger: Client, alice: User) -> None:
    bearer = {"authorization": f"Bearer {create_token(owner=alice, name='t')[1]}"}
    assert stranger.get("/runs/", headers=bearer).status_code == 302


def test_a_token_needs_no_csrf_token(make_client: MakeClient, alice: User, run: Run) -> None:
    program = make_client(strict=True, REMOTE_ADDR=ELSEWHERE)
    bearer = f"Bearer {create_token(owner=alice, name='t')[1]}"
    assert control(program, run, authorization=bearer, origin=EVIL).status_code == 200


def test_a_session_needs_one_to_change_anything(make_client: MakeClient, alice: User, run: Run) -> None:
    for address in ("127.0.0.1", ELSEWHERE):
        browser = make_client(strict=True, REMOTE_ADDR=address)
        browser.force_login(alice)
        assert browser.get("/api/runs").status_code == 200
        refused = control(browser, run)
        assert refused.status_code == 403
        assert "X-CSRFToken" in refused.json()["detail"]
    browser.get("/accounts/tokens/")
    token = browser.cookies["csrftoken"].value
    assert control(browser, run, **{"x-csrftoken": "x" * 32}).status_code == 403
    assert control(browser, run, **{"x-csrftoken": token}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://localhost:9"},
        {"origin": "https://testserver"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_website_changes_nothing_on_this_machine(client: Client, run: Run, headers: dict[str, str]) -> None:
    response = control(client, run, **headers)
    assert (response.status_code, response.json()) == (403, {"detail": "another website has sent this"})
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://testserver"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_a_program_and_the_page_on_this_machine_do(client: Client, run: Run, headers: dict[str, str]) -> None:
    assert control(client, run, **headers).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_other_websites_may_send_is_refused(client: Client, universe: Universe, content_type: str) -> None:
    body = '{"strategy": "rsi", "universe": "test"}'
    response = client.post("/api/market-scan/start", body, content_type=content_type)
    assert response.status_code == 415
    assert "Content-Type: application/json" in response.json()["detail"]
    assert not Run.objects.exists()


def test_a_local_visitor_cannot_touch_what_belongs_to_somebody(client: Client, universe: Universe, alice: User) -> None:
    hers = make_run(universe, owner=alice)
    assert control(client, hers).status_code == 404
    hers.refresh_from_db()
    assert hers.state == Run.State.QUEUED
