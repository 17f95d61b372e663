"""Headline figures, controls, pages, and all that moves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backtests.models import Run
from backtests.runs.statistics import RunStatistics, read_rows
from backtests.streams.fragments import (
    controls_of,
    pager_of,
    progress_of,
    render_moving,
    tiles_of,
)
from backtests.streams.rows import ROWS_A_PAGE
from tests.backtests.runs.test_statistics import ROWS, make_row
from tests.backtests.streams.frames import tree
from tests.builders import execute_run, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    return make_run(store_universe("Test", make_market(n_symbols=7, n_bars=60)))


def tiles(run: Run, statistics: RunStatistics) -> dict[str, tuple[str, str]]:
    progress = progress_of(run, statistics.n_done)
    return {tile.key: (tile.value, tile.note) for tile in tiles_of(run, statistics, progress)}


def test_the_headline_figures_of_a_few_results_by_hand(run: Run) -> None:
    now = timezone.now()
    run.state, run.started_at, run.finished_at = "complete", now - timedelta(seconds=2), now
    assert tiles(run, RunStatistics().add(ROWS)) == {
        "average": ("+8.8 %", "mean of 4 symbols"),
        "median": ("+5.0 %", "half are above"),
        "positive": ("50 %", "2 of 4 symbols"),
        "beats": ("50 %", "p = 0.69"),
        "pnl": ("+3,500", "over all symbols"),
        "trades": ("12", "3.0 a symbol"),
        "speed": ("2.5", "computed or cached"),
        "eta": ("2.0 s", ""),
        "failed": ("1", "see their rows"),
        "cached": ("0", ""),
    }


def test_before_the_first_row_there_are_no_figures(run: Run) -> None:
    nothing = tiles(run, RunStatistics())
    assert {nothing[key][0] for key in ("average", "median", "positive", "beats", "pnl", "speed", "eta")} == {"–"}


def test_the_time_left_is_that_of_the_rest_at_the_same_speed(run: Run) -> None:
    run.state, run.started_at, run.n_symbols = "running", timezone.now() - timedelta(seconds=10), 15
    assert tiles(run, RunStatistics().add(ROWS))["eta"] == ("20.0 s", "about")
    run.state, run.paused_at = "paused", timezone.now()
    assert tiles(run, RunStatistics().add(ROWS))["eta"] == ("–", "paused")


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_a_run_that_rests_promises_no_time(run: Run, state: str) -> None:
    run.state, run.started_at = "running", timezone.now() - timedelta(seconds=10)
    assert progress_of(run, 3).eta
    run.state, run.paused_at = state, timezone.now()
    assert progress_of(run, 3).eta == ""


def test_a_run_that_has_not_begun_says_that_it_waits(run: Run) -> None:
    progress = render_moving(run, RunStatistics())["run-progress"]
    assert "waiting for its turn" in progress
    assert "elapsed" not in progress


def test_cached_rows_are_counted(run: Run) -> None:
    rows = [*ROWS, make_row("FFF", 1.0, is_cached=True), make_row("GGG", 1.0, is_cached=True)]
    assert tiles(run, RunStatistics().add(rows))["cached"] == ("2", "29 % of them")


@pytest.mark.parametrize(
    ("state", "n_done", "n_failed", "expected"),
    [
        ("queued", 0, 0, ["pause"]),
        ("running", 3, 1, ["pause"]),
        ("paused", 3, 1, ["resume"]),
        ("cancelled", 3, 0, ["resume"]),
        ("cancelled", 3, 1, ["resume", "retry"]),
        ("cancelled", 7, 0, []),
        ("complete", 7, 0, []),
        ("complete", 7, 2, ["retry"]),
    ],
)
def test_the_controls_are_those_that_the_state_allows(
    run: Run, state: str, n_done: int, n_failed: int, expected: list[str]
) -> None:
    run.state, run.n_done, run.n_failed = state, n_done, n_failed
    assert [control.action for control in controls_of(run)] == expected


@pytest.mark.parametrize(
    ("page", "n_rows", "expected"),
    [
        (1, 0, ("0", "0", "0", False, False)),
        (1, 7, ("1", "7", "7", False, False)),
        (1, ROWS_A_PAGE, ("1", "1,000", "1,000", False, False)),
        (1, ROWS_A_PAGE + 1, ("1", "1,000", "1,001", False, True)),
        (2, ROWS_A_PAGE + 1, ("1,001", "1,001", "1,001", True, False)),
        (2, 10_000, ("1,001", "2,000", "10,000", True, True)),
    ],
)
def test_a_pager_says_where_it_is(page: int, n_rows: int, expected: tuple[str, str, str, bool, bool]) -> None:
    pager = pager_of("/x/", {"sort": "trades"}, page=page, n_rows=n_rows)
    assert (pager.first, pager.last, pager.n_rows, bool(pager.previous), bool(pager.next)) == expected
    assert not pager.next or pager.next == f"/x/?sort=trades&page={page + 1}#rows"


def test_every_moving_part_is_one_line_and_one_element_of_its_id(run: Run) -> None:
    execute_run(run, n_chunks=2)
    run = Run.objects.select_related("strategy", "universe").get()
    for element, html in render_moving(run, RunStatistics().add(read_rows(run.pk))).items():
        assert "\n" not in html
        (part,) = tree(html).children
        assert part.attributes["id"] == element


def test_pictures_have_a_text_and_are_reached_by_keyboard(run: Run) -> None:
    execute_run(run)
    run = Run.objects.select_related("strategy", "universe").get()
    moving = render_moving(run, RunStatistics().add(read_rows(run.pk)))
    for element in ("run-equity", "run-histogram"):
        (picture,) = tree(moving[element]).all("svg")
        assert picture.attributes["role"] == "img"
        assert picture.attributes["tabindex"] == "0"
        assert "7 " in picture.attributes["aria-label"]
