"""HEAD says what GET would: the same status and headers, and no body."""

from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Run, Universe
from tests.backtests.api.asking import ask
from tests.builders import make_run

ADDRESSES = (
    "strategies",
    "universes",
    "runs",
    "runs/{run}",
    "runs/{run}/results?format=csv",
    "market-scan/status/{run}",
)


@pytest.mark.parametrize("address", [*ADDRESSES, "docs", "openapi.json", "runs/nosuch", "nosuch"])
def test_it_has_the_status_and_headers_of_get_and_no_body(client: Client, finished: Run, address: str) -> None:
    address = f"/api/{address.format(run=finished.pk)}"
    got, told = client.get(address), client.head(address)
    assert (told.status_code, told.content) == (got.status_code, b"")
    assert told["Content-Type"] == got["Content-Type"]
    assert told["Content-Length"] == str(len(got.content))


@pytest.mark.django_db(transaction=True)
def test_it_follows_no_run(universe: Universe) -> None:
    response, sent = ask("head", f"/api/market-scan/stream/{make_run(universe).pk}")
    assert (response.status_code, response["Content-Type"], sent) == (200, "text/event-stream", b"")


@pytest.mark.django_db
def test_it_starts_nothing(client: Client) -> None:
    response = client.head("/api/market-scan/start")
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_a_stranger_is_refused(db: None) -> None:
    assert Client(REMOTE_ADDR="203.0.113.7").head("/api/runs").status_code == 401
