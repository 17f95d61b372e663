"""What viewers of one kind are sent: rows rendered once, frames built once for all who stand at the same place.

A track holds the rendered rows of a run by their sequence numbers, which rise with gaps. Beside them it has messages
that replace one another (the moving parts of a page, the progress for a program), of which a viewer gets the newest
only, and the messages that end a stream. ``PageTrack`` speaks HTML, ``ProgramTrack`` JSON.

Every frame carries the number of the last row before its end: whoever resumes there has all and gets no row twice.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.template.loader import render_to_string

from backtests.models import Run
from backtests.runs.statistics import ResultRow, RunStatistics
from backtests.streams import events
from backtests.streams.events import RowText
from backtests.streams.fragments import render_moving
from backtests.streams.rows import ROWS_A_PAGE, render_rows

# Frames are no longer than this, and are sent in parts: what a viewer that stops reading makes the server hold is one
# part and what the buffer of its connection takes.
ROWS_A_FRAME = 250
PART_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the database found: the run, the rows that are new to the tracks, the figures of all rows.

    ``is_anew`` says that the rows are all that there are. There is no run if it was deleted.
    """

    run: Run | None
    rows: list[ResultRow]
    statistics: RunStatistics
    is_over: bool
    is_anew: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a track has made of a look. No message is no news, no ending is a run that goes on."""

    run: Run | None
    sequences: list[int]
    rows: list[Any]
    message: str | None
    ending: list[str] | None
    is_anew: bool


@dataclass(slots=True)
class Seat:
    """How far a viewer is: the number of its last row, the message that it was sent last, whether it has the end."""

    position: int
    n_messages: int = 0
    is_opened: bool = False
    is_done: bool = False


@dataclass(slots=True)
class Track(ABC):
    """Frames of one kind. ``draw`` is called in reader threads, everything else on the event loop."""

    # Messages go out at most so often, but for the first, a new state of the run, and the end.
    every_s: ClassVar[float]
    most_rows: ClassVar[int | None] = None

    run: Run | None = None
    sequences: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    message: str = ""
    n_messages: int = 0
    ending: list[str] | None = None
    is_drawn: bool = False
    is_stale: bool = False
    drawn_at: float = -math.inf
    drawn_state: str | None = None
    _built: dict[tuple[int, int, bool, bool, bool], list[bytes]] = field(default_factory=dict)

    def draw(self, look: Look) -> Drawn:
        """Render what a look found; a message only if it is time for one."""
        if look.run is None:
            return Drawn(None, [], [], None, self.draw_loss(), is_anew=False)
        known = 0 if look.is_anew else len(self.sequences)
        new = look.rows if self.most_rows is None else look.rows[: max(0, self.most_rows - known)]
        rows, message, ending = self.draw_rows(new), None, None
        if look.is_over:
            ending = self.draw_end(look.run, look.statistics, rows if look.is_anew else [*self.rows, *rows])
        elif self.has_news(look.run, look.statistics):
            is_new_state = self.drawn_state not in {None, look.run.state}
            is_due = is_new_state or time.monotonic() - self.drawn_at >= self.every_s
            self.is_stale = not is_due
            self.drawn_state = look.run.state
            if is_due:
                message = self.draw_message(look.run, look.statistics)
                self.drawn_at = time.monotonic()
        return Drawn(look.run, [row.sequence for row in new], rows, message, ending, look.is_anew)

    def open(self, run: Run) -> None:
        """Show a run that has nothing yet, as whoever will look at it has just been told."""
        self.show(Drawn(run, [], [], None, None, is_anew=True))
        self.drawn_at = time.monotonic()

    def show(self, drawn: Drawn) -> bool:
        """Take in what was drawn, for viewers to find when they ask for what is next; return whether it is any news."""
        is_new = bool(drawn.rows) or drawn.ending != self.ending or not self.is_drawn
        if drawn.is_anew:
            self.sequences, self.rows = drawn.sequences, drawn.rows
        else:
            self.sequences.extend(drawn.sequences)
            self.rows.extend(drawn.rows)
        if drawn.message is not None and drawn.message != self.message:
            self.message = drawn.message
            self.n_messages += 1
            is_new = True
        self.run, self.ending, self.is_drawn = drawn.run, drawn.ending, True
        self._built.clear()
        return is_new

    def next_parts(self, seat: Seat) -> list[bytes]:
        """Return what a viewer has not been sent, and move its seat there.

        Whoever is behind gets rows first; the newest message, or the end, comes with the last of them.
        """
        first = bisect_right(self.sequences, seat.position)
        last = min(first + ROWS_A_FRAME, len(self.sequences))
        is_level = last == len(self.sequences)
        is_opening = not seat.is_opened and seat.position == 0
        seat.is_opened, seat.is_done = True, is_level and self.ending is not None
        has_message = is_level and not seat.is_done and seat.n_messages != self.n_messages
        if last > first:
            seat.position = self.sequences[last - 1]
        if has_message:
            seat.n_messages = self.n_messages
        place = (first, last, is_opening, has_message, seat.is_done)
        if place not in self._built:
            messages = self.ending if seat.is_done else [self.message] if has_message else []
            frame = self.frames(first, last, messages or [], is_opening=is_opening, is_done=seat.is_done).encode()
            self._built[place] = [frame[start : start + PART_BYTES] for start in range(0, len(frame), PART_BYTES)]
        return self._built[place]

    def last_number(self, last: int) -> int:
        """Return the number of the last row before a place, 0 where there is none."""
        return self.sequences[last - 1] if last else 0

    @abstractmethod
    def has_news(self, run: Run, statistics: RunStatistics) -> bool:
        """Return whether a message would say anything new."""

    @abstractmethod
    def draw_rows(self, rows: Sequence[ResultRow]) -> list[Any]: ...

    @abstractmethod
    def draw_message(self, run: Run, statistics: RunStatistics) -> str: ...

    @abstractmethod
    def draw_end(self, run: Run, statistics: RunStatistics, rows: Sequence[Any]) -> list[str]: ...

    @abstractmethod
    def draw_loss(self) -> list[str]:
        """Return the messages that end the stream of a run that is no more."""

    @abstractmethod
    def frames(self, first: int, last: int, messages: Sequence[str], *, is_opening: bool, is_done: bool) -> str:
        """Return the rows between two places and the messages as server-sent events."""


@dataclass(slots=True)
class PageTrack(Track):
    """HTML: rows for the end of the table while its first page has room, and the moving parts."""

    every_s: ClassVar[float] = 0.25
    most_rows: ClassVar[int | None] = ROWS_A_PAGE

    def has_news(self, run: Run, statistics: RunStatistics) -> bool:
        return True

    def draw_rows(self, rows: Sequence[ResultRow]) -> list[str]:
        return render_rows(rows)

    def draw_message(self, run: Run, statistics: RunStatistics) -> str:
        return "".join(
            _partial(f"#{element}", "outerHTML", html) for element, html in render_moving(run, statistics).items()
        )

    def draw_end(self, run: Run, statistics: RunStatistics, rows: Sequence[Any]) -> list[str]:
        # Without its connector the page does not connect again, whatever is swapped later.
        settled = render_to_string("backtests/_settled.html", {"run": run}).strip()
        return [self.draw_message(run, statistics) + _partial("#run-feed", "outerHTML", settled)]

    def draw_loss(self) -> list[str]:
        deleted = {"run": {"state": "deleted", "get_state_display": "Deleted"}}
        status = " ".join(render_to_string("backtests/_status.html", deleted).split())
        gone = '<div id="run-feed"></div>'
        return [_partial("#run-status", "outerHTML", status) + _partial("#run-feed", "outerHTML", gone)]

    def frames(self, first: int, last: int, messages: Sequence[str], *, is_opening: bool, is_done: bool) -> str:
        rows = "".join(self.rows[first:last])
        partials = [_partial("#results tbody", "beforeend", rows)] if rows else []
        content = "".join([*partials, *messages])
        frame = f"id: {self.last_number(last)}\ndata: {content}\n\n" if content else ""
        return f"{frame}event: done\ndata: done\n\n" if is_done else frame


def _partial(target: str, swap: str, html: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


@dataclass(slots=True)
class ProgramTrack(Track):
    """JSON: an event for every row, progress, and the event with everything at the end."""

    every_s: ClassVar[float] = 0.1

    drawn_percent: int = -1

    def has_news(self, run: Run, statistics: RunStatistics) -> bool:
        percent = int(events.percent_of(statistics.n_done, run.n_symbols))
        return percent != self.drawn_percent or run.state != self.drawn_state

    def draw_rows(self, rows: Sequence[ResultRow]) -> list[RowText]:
        return [events.row_text(row) for row in rows]

    def draw_message(self, run: Run, statistics: RunStatistics) -> str:
        self.drawn_percent = int(events.percent_of(statistics.n_done, run.n_symbols))
        return events.as_text(events.progress_event(run, statistics))

    def draw_end(self, run: Run, statistics: RunStatistics, rows: Sequence[RowText]) -> list[str]:
        return [self.draw_message(run, statistics), events.ending_text(run, statistics, rows)]

    def draw_loss(self) -> list[str]:
        return [events.as_text(events.fatal_event("this run was deleted"))]

    def frames(self, first: int, last: int, messages: Sequence[str], *, is_opening: bool, is_done: bool) -> str:
        total = self.run.n_symbols if self.run else 0
        frames = [
            f"id: {self.sequences[place]}\ndata: {events.row_event_text(self.rows[place], place + 1, total)}\n\n"
            for place in range(first, last)
        ]
        if is_opening and self.run:
            frames.insert(0, f"id: 0\ndata: {events.as_text(events.start_event(self.run))}\n\n")
        number = self.last_number(last)
        return "".join([*frames, *(f"id: {number}\ndata: {message}\n\n" for message in messages)])
