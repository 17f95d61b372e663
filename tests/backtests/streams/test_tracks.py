"""Tracks by themselves: what is rendered once, what is shared, and what somebody who is slow is spared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from backtests.models import Run
from backtests.runs.statistics import ResultRow, RunStatistics, read_rows
from backtests.streams import tracks
from backtests.streams.rows import ROWS_A_PAGE
from backtests.streams.tracks import Look, PageTrack, ProgramTrack, Seat, Track
from tests.backtests.streams.frames import Frame, parse
from tests.builders import execute_run, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db

Clock = Callable[[float], None]
KINDS = pytest.mark.parametrize("kind", [PageTrack, ProgramTrack])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time in seconds."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def set_to(seconds: float) -> None:
        now[0] = seconds

    return set_to


@pytest.fixture
def run() -> Run:
    found = execute_run(make_run(store_universe("Test", make_market(n_symbols=1, n_bars=60))))
    found.state, found.n_symbols, found.finished_at = Run.State.RUNNING, 3000, None
    return found


@pytest.fixture
def row(run: Run) -> ResultRow:
    return read_rows(run.pk)[0]


class Shown:
    """A track that is shown rows as they come."""

    def __init__(self, kind: type[Track], run: Run, row: ResultRow) -> None:
        self.track, self.statistics, self._run, self._row = kind(), RunStatistics(), run, row

    def look(self, *sequences: int, is_over: bool = False) -> None:
        rows = [self._row._replace(sequence=sequence) for sequence in sequences]
        look = Look(self._run, rows, self.statistics.add(rows), is_over=is_over, is_anew=False)
        self.track.show(self.track.draw(look))

    def sent(self, seat: Seat) -> list[Frame]:
        return parse(b"".join(self.track.next_parts(seat)))


@pytest.fixture
def shown(run: Run, row: ResultRow) -> Callable[[type[Track]], Shown]:
    return lambda kind: Shown(kind, run, row)


@KINDS
def test_who_stands_at_the_same_place_is_sent_the_very_same_bytes(kind: type[Track], shown: Any) -> None:
    page = shown(kind)
    page.look(1, 2, 5)
    one, other = (page.track.next_parts(Seat(2)) for _ in range(2))
    assert all(a is b for a, b in zip(one, other, strict=True))
    assert one


@pytest.mark.parametrize(("after", "left"), [(0, [3, 4, 9, 12]), (3, [4, 9, 12]), (7, [9, 12]), (12, []), (99, [])])
def test_a_place_is_a_number_and_not_a_count(after: int, left: list[int], shown: Any) -> None:
    page = shown(PageTrack)
    page.look(3, 4)
    page.look(9, 12)
    seat = Seat(after)
    assert [number for frame in page.sent(seat) for number in frame.sequences] == left
    assert seat.position == max(after, 12)


def test_who_is_far_behind_gets_rows_in_frames_of_a_size_and_what_moves_with_the_last(shown: Any) -> None:
    page = shown(PageTrack)
    page.look(*range(1, tracks.ROWS_A_FRAME + 11))
    seat = Seat(0)
    (first,), (last,) = page.sent(seat), page.sent(seat)
    assert (len(first.sequences), len(last.sequences)) == (tracks.ROWS_A_FRAME, 10)
    assert set(first.partials) == {"#results tbody"}
    assert "#run-progress" in last.partials
    assert page.sent(seat) == []


def test_the_page_has_rows_until_its_first_page_is_full_and_moves_on(shown: Any, clock: Clock) -> None:
    page = shown(PageTrack)
    page.look(*range(1, ROWS_A_PAGE))
    clock(1.0)
    page.look(*range(ROWS_A_PAGE, ROWS_A_PAGE + 500))
    seat, frames = Seat(0), []
    while sent := page.sent(seat):
        frames += sent
    assert [number for frame in frames for number in frame.sequences] == list(range(1, ROWS_A_PAGE + 1))
    clock(2.0)
    page.look(2000)
    (moved,) = page.sent(seat)
    assert moved.rows == []
    (bar,) = moved.partials["#run-progress"].all("progress")
    assert bar.attributes["value"] == "1500"
    assert moved.id == ROWS_A_PAGE


def test_what_moves_is_drawn_at_once_and_then_four_times_a_second(
    shown: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []

    def render(run: Run, statistics: RunStatistics) -> dict[str, str]:
        drawn.append(time.monotonic())
        return {}

    monkeypatch.setattr(tracks, "render_moving", render)
    page = shown(PageTrack)
    for number in range(1, 301):
        clock(number / 100)
        page.look(number)
    assert drawn[0] == 0.01
    assert len(drawn) == 12
    page.look(301, is_over=True)
    assert len(drawn) == 13, "the end is always drawn"


def test_a_new_state_is_drawn_at_once(shown: Any, run: Run, clock: Clock) -> None:
    page, seat = shown(PageTrack), Seat(0)
    page.look(1)
    page.sent(seat)
    clock(0.01)
    run.state = Run.State.PAUSED
    page.look()
    (status,) = page.sent(seat)[0].partials["#run-status"].children
    assert status.attributes["data-status"] == "paused"


def test_what_has_not_moved_is_not_sent_again(shown: Any, run: Run, clock: Clock) -> None:
    run.paused_at, run.state = run.started_at, Run.State.PAUSED
    page, seat = shown(PageTrack), Seat(0)
    page.look(1)
    page.sent(seat)
    clock(1.0)
    page.look()
    assert page.sent(seat) == []


@KINDS
def test_who_is_slow_gets_the_newest_of_what_moves_and_every_row(kind: type[Track], shown: Any, clock: Clock) -> None:
    shelf = shown(kind)
    for number in range(1, 301):
        clock(float(number))
        shelf.look(number)
    seat, n_messages = Seat(1), 0
    while parts := shelf.track.next_parts(seat):
        text = b"".join(parts)
        n_messages += text.count(b"#run-progress") + text.count(b'"type": "progress"')
    assert seat.position == 300
    assert n_messages == 1


@KINDS
def test_no_part_is_larger_than_what_a_viewer_may_cost(kind: type[Track], shown: Any) -> None:
    shelf, seat, sent = shown(kind), Seat(0), []
    shelf.look(*range(1, 3001), is_over=True)
    while not seat.is_done:
        sent += shelf.track.next_parts(seat)
    assert max(len(part) for part in sent) <= tracks.PART_BYTES
    assert sum(len(part) for part in sent) > 2 * tracks.PART_BYTES
    parse(b"".join(sent))
