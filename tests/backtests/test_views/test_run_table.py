"""The table on the page of a run: its pages, and what is searched for."""

from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Result, Run, Symbol, Universe
from tests.backtests.streams.frames import Element
from tests.backtests.test_views.pages import page_of
from tests.builders import execute_run, make_run


@pytest.fixture
def run(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run of eight rows, shown three a page."""
    monkeypatch.setattr("backtests.views.ROWS_A_PAGE", 3)
    monkeypatch.setattr("backtests.streams.fragments.ROWS_A_PAGE", 3)
    return execute_run(make_run(universe))


def shown(client: Client, run: Run, **query: str) -> list[str]:
    page = page_of(client.get(run.get_absolute_url(), query))
    return [row.attributes["data-ticker"] for row in page.by_id("results").all("tbody")[0].all("tr")]


def pager(page: Element) -> Element:
    (found,) = [part for part in page.all("nav") if part.attributes.get("aria-label") == "Pages of results"]
    return found


def links(client: Client, run: Run, **query: str) -> list[str]:
    page = page_of(client.get(run.get_absolute_url(), query))
    return [link.attributes["href"] for link in pager(page).all("a")]


def test_all_pages_together_are_all_rows_in_order(client: Client, run: Run) -> None:
    pages = [shown(client, run, page=number) for number in "123"]
    assert [len(page) for page in pages] == [3, 3, 2]
    stored = run.results.order_by("sequence").values_list("symbol__ticker", flat=True)
    assert [ticker for page in pages for ticker in page] == list(stored)


def test_sorted_pages_together_are_all_rows_sorted(client: Client, run: Run) -> None:
    found = [ticker for number in "123" for ticker in shown(client, run, page=number, sort="-trades")]
    trades = dict(run.results.values_list("symbol__ticker", "trades"))
    assert len(set(found)) == 8
    assert found[7] == "ZZZ"
    values = [trades[ticker] or 0 for ticker in found[:7]]
    assert values == sorted(values, reverse=True)


def test_the_figures_of_a_page_are_those_of_the_whole_run(client: Client, run: Run) -> None:
    first, last = (page_of(client.get(run.get_absolute_url(), {"page": number})) for number in "13")
    assert first.by_id("run-stats").text == last.by_id("run-stats").text
    assert "of 7 symbols" in last.by_id("run-stats").text


def test_links_lead_to_the_pages_beside_and_keep_what_was_asked_for(client: Client, run: Run) -> None:
    own = run.get_absolute_url()
    assert links(client, run) == [f"{own}?page=2#rows"]
    assert links(client, run, page="2", sort="sharpe") == [f"{own}?sort=sharpe&page={number}#rows" for number in (1, 3)]
    assert links(client, run, page="3", q="s") == [f"{own}?q=s&page=2#rows"]
    assert "4 to 6 of 8" in pager(page_of(client.get(own, {"page": "2"}))).text


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "9999999"])
def test_a_page_that_is_no_number_is_the_first(client: Client, run: Run, page: str) -> None:
    assert shown(client, run, page=page) == shown(client, run)


def test_a_page_behind_the_last_is_empty(client: Client, run: Run) -> None:
    assert shown(client, run, page="99") == []


def test_rows_are_found_by_ticker_name_and_sector(client: Client, run: Run) -> None:
    Symbol.objects.filter(ticker="S3").update(name="Violet Corporation")
    Symbol.objects.filter(ticker="S5").update(sector="Ships and boats")
    assert shown(client, run, q="s6") == ["S6"]
    assert shown(client, run, q=" violet ") == ["S3"]
    assert shown(client, run, q="BOAT") == ["S5"]
    assert shown(client, run, q="nothing of this") == []
    assert shown(client, run, q="s%") == []


def test_an_impossible_text_finds_nothing_and_breaks_nothing(client: Client, run: Run) -> None:
    assert shown(client, run, q="S6\x00") == ["S6"]
    assert shown(client, run, q="'; DROP TABLE --") == []


def test_failed_and_cached_rows_are_shown_alone(client: Client, run: Run) -> None:
    Result.objects.filter(symbol__ticker__in=["S1", "S2"]).update(is_cached=True)
    assert shown(client, run, only="failed") == ["ZZZ"]
    assert sorted(shown(client, run, only="cached")) == ["S1", "S2"]
    assert len(shown(client, run, only="anything")) == 3


def test_a_cached_row_says_so(client: Client, run: Run) -> None:
    Result.objects.filter(symbol__ticker="S1").update(is_cached=True)
    page = page_of(client.get(run.get_absolute_url(), {"q": "S1"}))
    (mark,) = [part for part in page.all("span") if part.attributes.get("class") == "cached"]
    assert mark.text == "cached"
    assert "earlier run" in mark.attributes["title"]
    assert "cached" not in page_of(client.get(run.get_absolute_url(), {"q": "S2"})).by_id("results").text


def test_htmx_gets_the_table_alone_and_reads_one_page(
    client: Client, run: Run, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(3):  # type: ignore[operator]
        response = client.get(run.get_absolute_url(), {"sort": "-sharpe"}, headers={"HX-Request": "true"})
    (part,) = page_of(response).children
    assert part.attributes["id"] == "rows"
    assert len(part.by_id("results").all("tbody")[0].all("tr")) == 3


def test_the_filter_shows_what_it_stands_on(client: Client, run: Run) -> None:
    page = page_of(client.get(run.get_absolute_url(), {"q": '"><script>', "only": "failed", "sort": "sharpe"}))
    form = page.by_id("filter")
    assert form.by_id("filter-text").attributes["value"] == '"><script>'
    (chosen,) = [option for option in form.all("option") if "selected" in option.attributes]
    assert chosen.attributes["value"] == "failed"
    assert {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}["sort"] == "sharpe"


@pytest.mark.parametrize("query", [{"q": "nosuch"}, {"only": "cached"}])
def test_a_filter_that_nothing_fits_says_so(client: Client, run: Run, query: dict[str, str]) -> None:
    page = page_of(client.get(run.get_absolute_url(), query))
    assert pager(page).text.strip() == "No row fits this filter."


def test_a_run_without_rows_says_so(client: Client, universe: Universe) -> None:
    page = page_of(client.get(make_run(universe).get_absolute_url()))
    assert pager(page).text.strip() == "No result yet."


@pytest.mark.parametrize(("name", "first"), [("CSV", b'"sequence"'), ("Parquet", b"PAR1")])
def test_all_rows_are_there_to_take_away(client: Client, run: Run, name: str, first: bytes) -> None:
    page = page_of(client.get(run.get_absolute_url()))
    (link,) = [link for link in page.by_id("rows").all("a") if link.text == name]
    response = client.get(link.attributes["href"])
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment")
    assert response.content.startswith(first)
