from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from backtests.models import Run, Universe
from backtests.views import RUNS_A_PAGE
from strategies.models import Strategy
from tests.backtests.test_views.pages import page_of
from tests.builders import execute_run, make_run


def test_runs_are_listed_newest_first_with_how_far_they_are(client: Client, universe: Universe) -> None:
    finished, queued = execute_run(make_run(universe)), make_run(universe, strategy="bollinger")
    lines = page_of(client.get("/runs/")).all("li")
    assert [line.all("a")[0].attributes["href"] for line in lines] == [
        queued.get_absolute_url(),
        finished.get_absolute_url(),
    ]
    assert "Bollinger reversion on Test" in lines[0].text
    assert "0 of 8" in lines[0].text
    assert "Queued" in lines[0].text
    assert "Period 14, Oversold 30, Overbought 70" in lines[1].text
    assert "8 of 8" in lines[1].text
    assert ["synthetic" in line.text for line in lines] == [universe.is_synthetic] * 2
    (when,) = lines[1].all("time")
    assert datetime.fromisoformat(when.attributes["datetime"]) == finished.created_at
    assert when.text == f"{finished.created_at.day} {finished.created_at:%b %Y, %H:%M} UTC"


def test_every_digit_of_a_parameter_is_told(client: Client, universe: Universe) -> None:
    parameters = {"period": 1_234_567, "low": 12_345.67, "high": 0.1 + 0.2}
    run = execute_run(make_run(universe))
    Run.objects.filter(pk=run.pk).update(parameters=parameters, n_done=12_345, n_symbols=12_345)
    text = page_of(client.get("/runs/")).all("li")[0].text
    assert "Period 1234567, Oversold 12345.67, Overbought 0.3" in text
    assert "12,345 of 12,345" in text
    for value in ("Period 1234567", "Oversold 12345.67"):
        assert value in page_of(client.get(run.get_absolute_url())).text


@pytest.mark.django_db
def test_without_runs_it_leads_to_the_first(client: Client) -> None:
    page = page_of(client.get("/runs/"))
    assert "No run yet." in page.text
    assert "/" in [link.attributes["href"] for link in page.all("li")[0].all("a")]


def test_older_runs_are_on_further_pages(client: Client, universe: Universe) -> None:
    made = [make_run(universe).pk for _ in range(RUNS_A_PAGE + 2)]
    first, second = page_of(client.get("/runs/")), page_of(client.get("/runs/?page=2"))
    assert f"1 to {RUNS_A_PAGE} of {RUNS_A_PAGE + 2}" in first.text
    assert "?page=2" in [link.attributes["href"] for link in first.all("a")]
    shown = [
        line.all("a")[0].attributes["href"].strip("/").split("/")[-1] for line in [*first.all("li"), *second.all("li")]
    ]
    assert shown == made[::-1]


@pytest.mark.parametrize("page", ["0", "-1", "99", "x"])
def test_a_page_that_is_not_there_is_the_nearest_one(client: Client, universe: Universe, page: str) -> None:
    run = make_run(universe)
    assert run.get_absolute_url() in client.get(f"/runs/?page={page}").content.decode()


def test_the_list_asks_the_database_twice(
    client: Client, universe: Universe, django_assert_num_queries: object
) -> None:
    formula = Strategy.objects.create(key="formula-abc", label="Mine", formula="enter: close > 1\nexit: close < 1")
    for _ in range(5):
        make_run(universe)
        # Of a formula more is read than of other strategies.
        Run.objects.filter(pk=make_run(universe).pk).update(strategy=formula, parameters={})
    with django_assert_num_queries(2):  # type: ignore[operator]
        page = client.get("/runs/")
    assert page.content.decode().count("Mine") == 5
