from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, Universe
from tests.backtests.api.asking import problems
from tests.builders import execute_run, make_run


def address(run: Run) -> str:
    return f"/api/market-scan/status/{run.pk}"


def test_a_finished_run_is_complete_with_all_results(client: Client, finished: Run) -> None:
    status = client.get(address(finished)).json()
    assert status.pop("elapsed_time") == pytest.approx(finished.elapsed_s)
    results = status.pop("results")
    assert status == {
        "job_id": finished.pk,
        "state": "complete",
        "complete": True,
        "progress_pct": 100.0,
        "current": 8,
        "total": 8,
        "successful": 7,
        "failed": 1,
        "cached": 0,
        "last_sequence": 8,
    }
    assert [result["sequence"] for result in results] == list(range(1, 9))
    assert [result["ticker"] for result in results if "error" in result] == ["ZZZ"]


def test_a_run_that_goes_on_says_how_far_it_is(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe), n_chunks=2)
    status = client.get(address(run)).json()
    assert (status["complete"], status["state"]) == (False, "running")
    assert (status["current"], status["total"], status["progress_pct"]) == (3, 8, 37.5)
    assert len(status["results"]) == 3


def test_it_sends_only_what_is_new_if_it_is_asked_to(client: Client, finished: Run) -> None:
    status = client.get(f"{address(finished)}?after=6").json()
    assert [result["sequence"] for result in status["results"]] == [7, 8]
    nothing = client.get(f"{address(finished)}?after=8").json()
    assert (nothing["results"], nothing["last_sequence"], nothing["current"]) == ([], 8, 8)


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=99999999999", "since=3"])
def test_a_wrong_query_is_named(client: Client, finished: Run, query: str) -> None:
    assert list(problems(client.get(f"{address(finished)}?{query}"))) == [query.split("=", maxsplit=1)[0]]


def test_unknown_runs_and_those_of_others_are_not_found(client: Client, finished: Run, alice: User) -> None:
    assert client.get("/api/market-scan/status/nosuch").json() == {"detail": "there is no run 'nosuch'"}
    Run.objects.update(owner=alice)
    assert client.get(address(finished)).status_code == 404
    client.force_login(alice)
    assert client.get(address(finished)).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_is_there_to_be_read_only(client: Client, finished: Run, method: str) -> None:
    assert getattr(client, method)(address(finished), content_type="application/json").status_code == 405
