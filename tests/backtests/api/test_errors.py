"""Refusals that no view of the API makes are JSON, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from backtests.api import records
from backtests.models import Run
from tests.backtests.api.asking import post

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address", ["/api/nosuch", "/api/", "/api/runs/", "/api/runs/a/b", "/api/market-scan/x/explode"]
)
def test_an_address_that_there_is_not(client: Client, address: str) -> None:
    response = client.get(address)
    assert (response.status_code, response.json()) == (404, {"detail": "not found"})


def test_a_host_that_is_not_served(client: Client) -> None:
    response = client.get("/api/runs", headers={"host": "evil.example"})
    assert (response.status_code, response.json()) == (400, {"detail": "bad request"})


def test_a_body_that_is_too_large(client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = post(client, "/api/market-scan/start", {"strategy": "x" * 200})
    assert response.status_code == 400
    assert set(response.json()) == {"detail"}
    assert not Run.objects.exists()


def test_a_fault_of_ours(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a secret of the code")

    monkeypatch.setattr(records, "active_strategies", broken)
    client.raise_request_exception = False
    response = client.get("/api/strategies")
    assert (response.status_code, response.json()) == (500, {"detail": "internal server error"})


def test_pages_keep_their_own(client: Client) -> None:
    response = client.get("/nosuchpage/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
