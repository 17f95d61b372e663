"""Strategies, universes and runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, Universe
from backtests.streams.events import assumptions_of
from strategies.models import Strategy
from strategies.registry import get_strategy
from tests.backtests.api.asking import problems
from tests.backtests.test_views.pages import only_reading
from tests.builders import make_market, make_run, store_universe

pytestmark = pytest.mark.django_db


def listed(client: Client, query: str = "") -> list[str]:
    return [run["id"] for run in client.get(f"/api/runs{query}").json()["runs"]]


def test_strategies_are_listed_with_their_parameters(client: Client) -> None:
    known = {strategy["key"]: strategy for strategy in client.get("/api/strategies").json()["strategies"]}
    assert len(known) == Strategy.objects.count()
    row = Strategy.objects.get(key="rsi")
    parameters = known["rsi"].pop("parameters")
    assert known["rsi"] == {"id": str(row.pk), "key": "rsi", "label": row.label, "help": row.help, "is_builtin": True}
    declared = get_strategy("rsi").parameters()
    assert [parameter["key"] for parameter in parameters] == list(declared)
    period = declared["period"]
    assert parameters[0] == {
        "key": "period", "label": period.label, "help": period.help, "kind": "int", "default": 14,
        "low": 2, "high": 200,
    }  # fmt: skip


def test_one_that_is_switched_off_is_not(client: Client) -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False)
    assert "rsi" not in {strategy["key"] for strategy in client.get("/api/strategies").json()["strategies"]}


def test_universes_are_listed_real_ones_first(client: Client, universe: Universe) -> None:
    store_universe("Coins", make_market(n_symbols=9, n_bars=9), market="crypto", interval="1h", is_synthetic=True)
    first, second = client.get("/api/universes").json()["universes"]
    assert first == {
        "slug": "test", "name": "Test", "market": "stocks", "as_of": "2024-01-01", "is_synthetic": False, "symbols": 8,
        "intervals": ["1d"],
    }  # fmt: skip
    assert (second["slug"], second["symbols"], second["intervals"]) == ("coins", 9, ["1h"])


def test_runs_are_listed_newest_first(client: Client, finished: Run, universe: Universe) -> None:
    newest = make_run(universe)
    answer = client.get("/api/runs").json()
    assert [run["id"] for run in answer.pop("runs")] == [newest.pk, finished.pk]
    assert answer == {"count": 2, "page": 1, "pages": 1, "page_size": 50}


def test_a_run_says_what_it_assumes_and_how_far_it_is(client: Client, finished: Run) -> None:
    (run,) = client.get("/api/runs").json()["runs"]
    assert run.pop("created_at") == finished.created_at.isoformat()
    assert finished.started_at is not None
    assert finished.finished_at is not None
    assert run.pop("started_at") == finished.started_at.isoformat()
    assert run.pop("finished_at") == finished.finished_at.isoformat()
    assert run.pop("elapsed_time") == pytest.approx(finished.elapsed_s)
    counts = {"total": 8, "completed": 8, "failed": 1, "cached": 0}
    names = {"id": finished.pk, "job_id": finished.pk, "state": "complete"}
    assert run == {**names, **assumptions_of(finished), **counts}


def test_they_are_filtered(client: Client, finished: Run, universe: Universe) -> None:
    other = store_universe("Other", make_market(n_symbols=1, n_bars=9))
    waiting, elsewhere = make_run(universe, strategy="macd"), make_run(other)
    assert listed(client, "?state=complete") == [finished.pk]
    assert listed(client, "?state=queued") == [elsewhere.pk, waiting.pk]
    assert listed(client, "?strategy=macd") == [waiting.pk]
    assert listed(client, "?universe=other") == [elsewhere.pk]
    assert listed(client, "?universe=test&state=queued") == [waiting.pk]
    assert listed(client, "?universe=nosuch") == []


def test_they_come_in_pages(client: Client, universe: Universe) -> None:
    newest_first = [make_run(universe).pk for _ in range(5)][::-1]
    assert listed(client, "?page_size=2&page=2") == newest_first[2:4]
    last = client.get("/api/runs?page_size=2&page=3").json()
    assert (last["count"], last["pages"], len(last["runs"])) == (5, 3, 1)
    assert listed(client, "?page_size=2&page=4") == []


def test_a_user_sees_their_own_and_nobodys(client: Client, universe: Universe, alice: User) -> None:
    hers, nobodys = make_run(universe, owner=alice), make_run(universe)
    his = make_run(universe, owner=User.objects.create(username="bob"))
    assert listed(client) == [nobodys.pk]
    client.force_login(alice)
    assert listed(client) == [nobodys.pk, hers.pk]
    assert client.get(f"/api/runs/{his.pk}").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["state=done", "strategy=%00", "page=0", "page=x", "page=1000001", "page_size=0", "page_size=1001", "stat=queued"],
)
def test_a_wrong_query_is_named(client: Client, query: str) -> None:
    assert list(problems(client.get(f"/api/runs?{query}"))) == [query.split("=", maxsplit=1)[0]]


def test_one_run_has_the_figures_of_the_whole_market(client: Client, finished: Run) -> None:
    run = client.get(f"/api/runs/{finished.pk}").json()
    assert (run["id"], run["summary"]["successful"], run["summary"]["failed"]) == (finished.pk, 7, 1)
    assert run["macro_statistics"]["tested"] == 7
    assert "stock_results" not in run


@pytest.mark.parametrize("run_id", ["nosuch", "a" * 12, "%00", "x" * 99])
def test_an_unknown_run_is_not_found(client: Client, run_id: str) -> None:
    response = client.get(f"/api/runs/{run_id}")
    assert response.status_code == 404
    assert set(response.json()) == {"detail"}


@pytest.mark.parametrize("address", ["strategies", "universes", "runs", "runs/{run}", "runs/{run}/results"])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_they_are_there_to_be_read_only(client: Client, finished: Run, address: str, method: str) -> None:
    place = f"/api/{address.format(run=finished.pk)}"
    with only_reading():
        assert client.get(place).status_code == 200
    response: Any = getattr(client, method)(place, content_type="application/json")
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert response.json() == {"detail": "method not allowed"}
