"""Pages of runs that have ended are made once, and again as soon as anything about the run has changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backtests.models import Result, Run, RunChunk
from backtests.runs import control
from backtests.streams import settled
from backtests.streams.settled import MOST_PAGES, SettledPages
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db


class Maker:
    """Makes a page, and counts how often."""

    def __init__(self, *, is_live: bool = False) -> None:
        self.n_made = 0
        self.is_live = is_live

    def __call__(self) -> dict[str, object]:
        self.n_made += 1
        return {"number": self.n_made, "is_live": self.is_live}


def ended(**fields: Any) -> Run:
    return Run(**{"pk": "aaaabbbbcccc", "state": "complete", "n_symbols": 3, "n_done": 3, "last_sequence": 3, **fields})


def test_the_page_of_an_ended_run_is_made_once_for_each_view() -> None:
    pages, make = SettledPages(), Maker()
    assert [pages.content(ended(), view, make)["number"] for view in ("all", "all", "failed", "all")] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    "change",
    [{"state": "cancelled"}, {"n_done": 2}, {"last_sequence": 4}, {"n_symbols": 4}, {"pk": "ddddeeeeffff"}],
    ids=str,
)
def test_a_run_that_has_changed_has_another_page(change: dict[str, Any]) -> None:
    pages, make = SettledPages(), Maker()
    pages.content(ended(), "all", make)
    pages.content(ended(**change), "all", make)
    assert make.n_made == 2


@pytest.mark.parametrize(("state", "is_live"), [("running", True), ("paused", True), ("cancelled", True)])
def test_a_page_to_which_rows_may_still_come_is_not_kept(state: str, is_live: bool) -> None:
    pages, make = SettledPages(), Maker(is_live=is_live)
    for _ in range(2):
        pages.content(ended(state=state), "all", make)
    assert make.n_made == 2


def test_a_page_is_made_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pages, make = SettledPages(), Maker()
    pages.content(ended(), "all", make)
    monkeypatch.setattr(settled, "KEPT_S", -1.0)
    pages.content(ended(), "all", make)
    assert make.n_made == 2


def test_the_page_that_was_not_looked_at_for_longest_goes_first() -> None:
    pages, make = SettledPages(), Maker()
    for view in range(MOST_PAGES):
        pages.content(ended(), view, make)
    pages.content(ended(), 0, make)
    pages.content(ended(), "one more", make)
    assert make.n_made == MOST_PAGES + 1
    pages.content(ended(), 0, make)
    assert make.n_made == MOST_PAGES + 1
    pages.content(ended(), 1, make)
    assert make.n_made == MOST_PAGES + 2


def test_opening_an_ended_run_again_reads_no_result_and_shows_the_same(client: Client) -> None:
    run = execute_run(make_run(store_universe("Test", make_market(n_symbols=5, n_bars=60))))
    first = client.get(run.get_absolute_url())
    with CaptureQueriesContext(connection) as asked:
        second = client.get(run.get_absolute_url())
    assert not [query["sql"] for query in asked if Result._meta.db_table in query["sql"]]
    assert rows_of(second.content) == rows_of(first.content)
    assert len(rows_of(first.content)) == 5


def test_a_run_whose_failures_were_tried_again_shows_the_new_rows(client: Client, idle_engine: Any) -> None:
    run = execute_run(make_run(store_universe("Test", {"AAA": make_bars([1.0] * 60), "BBB": make_bars([1.0] * 3)})))
    assert b"too short: 3 bars" in client.get(run.get_absolute_url()).content
    store_universe("Test", {"BBB": make_bars([1.0] * 60)})
    control.retry_failed(run.pk)
    assert RunChunk.objects.filter(run=run, state="waiting").exists()
    execute_run(run)
    assert b"too short" not in client.get(run.get_absolute_url()).content


def rows_of(page: bytes) -> list[bytes]:
    return re.findall(rb"<tr data-ticker.*?</tr>", page)
