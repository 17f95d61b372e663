from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Run, Universe
from backtests.streams.fragments import MOVING
from tests.backtests.streams.frames import Element, tree
from tests.backtests.test_views.pages import only_reading, page_of
from tests.builders import execute_run, make_run


def news(client: Client, run: Run, after: str) -> dict[str, Element]:
    """Return the parts of the page that an answer changes, by their target."""
    with only_reading():
        response = client.get(f"/runs/{run.pk}/news/", {"after": after} if after else {})
    parts = tree(response.content.decode()).children
    assert {part.tag for part in parts} == {"hx-partial"}
    return {part.attributes["hx-target"]: part for part in parts}


def test_it_brings_the_rows_after_the_last_one_and_every_moving_part(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe), n_chunks=3)
    parts = news(client, run, "3")
    assert set(parts) == {*(f"#{element}" for element in MOVING), "#results tbody"}
    assert [row.attributes["data-sequence"] for row in parts["#results tbody"].all("tr")] == ["4", "5", "6", "7"]
    for element in MOVING:
        (child,) = parts[f"#{element}"].children
        assert child.attributes["id"] == element


def test_rows_of_the_page_and_the_news_are_all_rows_once(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe), n_chunks=2)
    page = page_of(client.get(run.get_absolute_url())).by_id("results").all("tbody")[0].all("tr")
    execute_run(run)
    rows = news(client, run, page[-1].attributes["data-sequence"])["#results tbody"].all("tr")
    assert [row.attributes["data-sequence"] for row in [*page, *rows]] == [str(number) for number in range(1, 9)]


def test_without_a_place_it_brings_no_row(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe), n_chunks=2)
    assert "#results tbody" not in news(client, run, "")
    assert "#results tbody" not in news(client, run, "x")


def test_the_end_takes_the_connector_away(client: Client, universe: Universe) -> None:
    run = make_run(universe)
    assert "#run-feed" not in news(client, run, "0")
    execute_run(run)
    (feed,) = news(client, run, "0")["#run-feed"].children
    assert feed.attributes["hx-get"] == f"/runs/{run.pk}/again/?shown=complete-8"
    assert not {"hx-sse:connect", "data-news"} & set(feed.attributes)


def test_it_says_in_a_word_where_the_run_is(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe), n_chunks=2)
    response = client.get(f"/runs/{run.pk}/news/")
    assert response["X-Run-News"] == "running 3"
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/runs/nosuchrun/news/", "/runs/%00/news/"])
def test_an_unknown_run_is_not_found(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404
