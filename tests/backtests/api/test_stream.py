"""The streams of the API: as GET of a run, and as the answer of the POST that starts it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Market, Run
from backtests.runs.statistics import read_rows
from backtests.streams.events import complete_event, result_data
from tests.backtests.api.asking import ask, events, problems
from tests.builders import execute_run, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run() -> Run:
    return execute_run(make_run(store_universe("Test", make_market(n_symbols=7, n_bars=60))))


def address(run: Run) -> str:
    return f"/api/market-scan/stream/{run.pk}"


def rows(sent: list[tuple[int, dict[str, Any]]]) -> list[int]:
    return [sequence for sequence, event in sent if event["type"] == "result"]


def test_it_begins_with_the_start_has_every_row_and_ends_complete(run: Run) -> None:
    response, sent = ask("get", address(run))
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    (_, first), *_, (_, last) = events(sent)
    assert (first["type"], first["total"], first["total_stocks"], first["job_id"]) == ("start", 7, 7, run.pk)
    results = [event["data"] for _, event in events(sent) if event["type"] == "result"]
    assert results == [result_data(row) for row in read_rows(run.pk)]
    assert last == complete_event(run, read_rows(run.pk))


def test_nothing_on_the_way_may_keep_it_or_pack_it(run: Run) -> None:
    response, _ = ask("get", address(run), **{"accept-encoding": "gzip, br"})
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"
    assert response["Content-Encoding"] == "identity"


def test_it_goes_on_after_the_last_event_that_was_seen(run: Run) -> None:
    assert rows(events(ask("get", address(run), **{"last-event-id": "5"})[1])) == [6, 7]
    assert rows(events(ask("get", f"{address(run)}?last_event_id=5")[1])) == [6, 7]
    # The header is newer: the address stays that of the page that has connected again.
    assert rows(events(ask("get", f"{address(run)}?last_event_id=2", **{"last-event-id": "6"})[1])) == [7]


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "99999999999", "%C2%B2"])
def test_a_last_event_that_is_no_number_is_refused(run: Run, client: Client, seen: str) -> None:
    assert list(problems(client.get(f"{address(run)}?last_event_id={seen}"))) == ["last_event_id"]


def test_so_it_is_in_the_header(run: Run, client: Client) -> None:
    assert list(problems(client.get(address(run), headers={"last-event-id": "x"}))) == ["Last-Event-ID"]


@pytest.mark.parametrize("run_id", ["nosuchrun", "a" * 12, "a" * 200, "%00", "../x"])
def test_an_unknown_run_is_not_found(client: Client, run_id: str) -> None:
    response = client.get(f"/api/market-scan/stream/{run_id}")
    assert response.status_code == 404
    assert set(response.json()) == {"detail"}


def test_somebody_elses_is_not_found_either(run: Run, client: Client, alice: User) -> None:
    Run.objects.update(owner=alice)
    assert client.get(address(run)).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_is_there_to_be_read_only(run: Run, client: Client, method: str) -> None:
    assert getattr(client, method)(address(run), content_type="application/json").status_code == 405


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("posted", "market"), [("/api/market-scan/stream", "stocks"), ("/api/crypto/backtest/stream", "crypto")]
)
def test_posting_starts_a_run_and_streams_it(posted: str, market: Market) -> None:
    for kind, n_symbols in (("stocks", 5), ("crypto", 4)):
        store_universe(kind.title(), make_market(n_symbols=n_symbols, n_bars=60), market=kind)
    response, sent = ask("post", posted, {"strategy": "rsi"})
    run = Run.objects.select_related("strategy", "universe").get()
    assert (response["Content-Type"], response["Cache-Control"]) == ("text/event-stream", "no-cache")
    assert run.universe.market == market
    assert events(sent)[0][1]["job_id"] == run.pk
    assert rows(events(sent)) == list(range(1, run.n_symbols + 1))
    assert events(sent)[-1][1]["type"] == "complete"
