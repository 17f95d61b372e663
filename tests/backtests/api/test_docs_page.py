"""The page at /api/docs, which must work under the same strict policy as every page."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.backtests.test_views.pages import only_reading, page_of
from tests.backtests.test_views.test_every_page import POLICY


@pytest.mark.django_db
def test_it_loads_only_from_here_and_has_the_strict_policy(client: Client) -> None:
    with only_reading():
        response = client.get("/api/docs")
    assert response.status_code == 200
    assert {part.strip() for part in response["Content-Security-Policy"].split(";") if part.strip()} == POLICY
    page = page_of(response)
    loaded = [
        element.attributes.get("src") or element.attributes["href"]
        for element in page.all("*")
        if element.tag in {"script", "link"}
    ]
    assert any("swagger-ui-bundle" in address for address in loaded)
    assert all(address.startswith("/static/") for address in loaded)
    assert page.by_id("api-docs").attributes["data-openapi"] == "/api/openapi.json"


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/api/docs", "/api/openapi.json"])
def test_strangers_do_not_see_it(client: Client, address: str) -> None:
    assert client.get(address, REMOTE_ADDR="192.0.2.7").status_code == 401


@pytest.mark.django_db
def test_the_description_says_how_one_is_let_in(client: Client) -> None:
    described = client.get("/api/openapi.json").json()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["security"] == [{"token": []}, {"session": []}, {}]


@pytest.mark.django_db
def test_every_route_says_in_its_line_what_it_does(client: Client) -> None:
    routes = client.get("/api/openapi.json").json()["paths"]
    lines = {route["operationId"]: route["summary"] for methods in routes.values() for route in methods.values()}
    assert lines["start"] == "Start a scan and answer at once with its id."
    assert all(line.endswith(".") and len(line) < 120 for line in lines.values()), lines
    whole = routes["/api/market-scan"]["post"]
    assert whole["summary"].startswith("Run a scan and answer once")
    assert whole["description"].startswith("While it waits it sends a space")
