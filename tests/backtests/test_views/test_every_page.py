"""What holds for every page."""

from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Run, Universe
from tests.backtests.test_views.pages import only_reading
from tests.builders import execute_run, make_run

PAGES = (
    "/",
    "/?like={run}",
    "/?like=nosuchrun",
    "/?like=%00",
    "/runs/",
    "/runs/form/?strategy=bollinger",
    "/runs/preview/?universe=test",
    "/runs/{run}/",
    "/runs/{run}/?sort=-return_pct",
    "/runs/{run}/?q=s&only=failed&page=2",
    "/runs/{run}/news/?after=3",
    "/runs/{queued}/news/",
    "/runs/{queued}/again/",
    "/runs/{queued}/",
    "/healthz",
)
MISSING = ("/runs/nosuchrun/", "/runs/%00/", "/runs/%00/stream", "/runs/" + "a" * 200 + "/", "/nosuchpage/")
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "manifest-src 'self'",
}


@pytest.fixture
def addresses(universe: Universe) -> dict[str, str]:
    return {"run": execute_run(make_run(universe)).pk, "queued": make_run(universe).pk}


@pytest.mark.parametrize("page", PAGES)
def test_it_answers_without_writing(client: Client, addresses: dict[str, str], page: str) -> None:
    with only_reading():
        response = client.get(page.format(**addresses))
    assert response.status_code == 200
    assert Run.objects.count() == 2


@pytest.mark.parametrize("page", [*PAGES, "/runs/nosuchrun/"])
def test_its_content_security_policy_is_strict(client: Client, addresses: dict[str, str], page: str) -> None:
    response = client.get(page.format(**addresses))
    assert {part.strip() for part in response["Content-Security-Policy"].split(";") if part.strip()} == POLICY
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("page", [*PAGES, "/runs/{run}/stream"])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_is_there_to_be_read_only(client: Client, page: str, method: str) -> None:
    assert getattr(client, method)(page.format(run="any", queued="any")).status_code == 405


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_a_run_is_started_by_post_only(client: Client, universe: Universe, method: str) -> None:
    assert getattr(client, method)("/runs/start/").status_code == 405
    assert not Run.objects.exists()


@pytest.mark.parametrize("method", ["get", "head"])
def test_the_address_of_a_refused_form_leads_to_the_form(client: Client, universe: Universe, method: str) -> None:
    response = getattr(client, method)("/runs/start/")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert not Run.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("page", MISSING)
def test_what_is_not_there_is_not_found(client: Client, page: str) -> None:
    assert client.get(page).status_code == 404
