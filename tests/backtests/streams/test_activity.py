"""Events with their times, slow symbols, and chunks that somebody is still at."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from backtests.models import Result, Run, RunChunk
from backtests.runs import control
from backtests.runs.chunks import claim
from backtests.runs.statistics import LATEST, RunStatistics, read_rows
from backtests.streams.activity import EVENTS, at_work, events_of, slowest_of
from tests.backtests.runs.test_statistics import make_row
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    return make_run(store_universe("Test", {**make_market(n_symbols=29, n_bars=60), "ZZZ": make_bars([])}))


def told(run: Run) -> list[tuple[str, str]]:
    run = Run.objects.get(pk=run.pk)
    return [(event.what, event.text) for event in events_of(run, RunStatistics().add(read_rows(run.pk)))]


def test_before_the_first_row_the_run_was_only_asked_for(run: Run) -> None:
    assert told(run) == [("Asked for", "30 symbols")]


def test_events_are_the_last_rows_and_what_happened_to_the_run_newest_first(run: Run) -> None:
    execute_run(run)
    last, *others = told(run)
    assert last[0] == "Complete"
    tickers = [row.ticker for row in read_rows(run.pk)]
    assert [what for what, _ in others][:LATEST] == tickers[::-1][:LATEST]
    assert others[0] == ("ZZZ", "no 1d prices are stored")
    assert others[1][1].endswith((" µs", " ms"))
    assert len(others) + 1 <= EVENTS


def test_a_row_has_the_time_at_which_its_chunk_was_saved(run: Run) -> None:
    execute_run(run, n_chunks=3)
    began = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    for index in range(3):
        RunChunk.objects.filter(run=run, index=index).update(done_at=began + timedelta(minutes=index))
    run = Run.objects.get(pk=run.pk)
    events = events_of(run, RunStatistics().add(read_rows(run.pk)))
    saved = {event.what: datetime.fromisoformat(event.exact) for event in events}
    rows = [row.ticker for row in read_rows(run.pk)]
    minutes = [(saved[ticker] - began).total_seconds() / 60 for ticker in rows]
    assert minutes == [0, 1, 1, 2, 2, 2, 2]


def test_rows_that_were_read_before_the_last_chunk_was_saved_keep_their_time(run: Run) -> None:
    execute_run(run, n_chunks=2)
    early = read_rows(run.pk)
    execute_run(run, n_chunks=1)
    began = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    for index in range(3):
        RunChunk.objects.filter(run=run, index=index).update(done_at=began + timedelta(minutes=index))
    events = events_of(Run.objects.get(pk=run.pk), RunStatistics().add(early))
    saved = {event.what: datetime.fromisoformat(event.exact) for event in events}
    assert [(saved[row.ticker] - began).total_seconds() / 60 for row in early] == [0, 1, 1]


def test_a_cached_row_and_what_was_done_to_the_run_are_told(run: Run) -> None:
    execute_run(run, n_chunks=1)
    Result.objects.update(is_cached=True)
    control.pause(run.pk)
    paused, row, *_ = told(run)
    assert paused == ("Paused", "after 1 symbols")
    assert row[1].endswith(" cached")
    control.cancel(run.pk)
    assert told(run)[0][0] == "Cancelled"


def test_the_slowest_are_those_that_were_computed_longest() -> None:
    rows = [make_row(f"T{number}", elapsed_us=number * 1000 + 500) for number in range(9)]
    rows.append(make_row("CACHED", elapsed_us=10**9, is_cached=True))
    slowest = slowest_of(RunStatistics().add(rows))
    assert [(slow.ticker, slow.took) for slow in slowest] == [
        ("T8", "8.5 ms"), ("T7", "7.5 ms"), ("T6", "6.5 ms"), ("T5", "5.5 ms"), ("T4", "4.5 ms"),
    ]  # fmt: skip


def taken(run: Run, n_chunks: int, *, ago_s: float) -> Run:
    """Take chunks without finishing them, as if it had been a while ago."""
    for _ in range(n_chunks):
        chunk = claim(run.pk)
        assert isinstance(chunk, RunChunk)
        RunChunk.objects.filter(pk=chunk.pk).update(claimed_at=timezone.now() - timedelta(seconds=ago_s))
    return Run.objects.get(pk=run.pk)


def test_a_chunk_that_takes_long_is_shown_with_its_symbols(run: Run) -> None:
    first, second, third = at_work(taken(run, 3, ago_s=4.0))
    assert (first.tickers, first.n_more, first.is_stuck) == ("S0", 0, False)
    assert (second.tickers, second.n_more) == ("S1, S10", 0)
    assert len(third.tickers.split(", ")) == 4
    assert first.since.startswith("4.")


def test_a_chunk_that_takes_very_long_is_stuck(run: Run) -> None:
    run = taken(run, 4, ago_s=70.0)
    chunk = at_work(run)[-1]
    assert (chunk.n_more, chunk.is_stuck, chunk.attempts, chunk.since) == (4, True, 1, "1 min 10 s")


def test_chunks_at_their_usual_pace_are_not_worth_a_word(run: Run) -> None:
    assert at_work(taken(run, 2, ago_s=0.0)) == []
    assert at_work(execute_run(run)) == []
