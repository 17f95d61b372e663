"""Many runs at once, disturbed at random: started, started again, paused, resumed, cancelled, tried again, killed.

1. ``Soak.go`` starts run after run on a server and disturbs those that there are; everything random has a seed.
2. At every look, in one snapshot of the database, each run must be consistent with itself and with the look before.
3. At the end whatever rests is resumed, all must become complete, and each must have found what one that nothing has
   disturbed finds.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from backtests.models import Run, RunChunk, Universe
from backtests.runs import control
from backtests.runs.errors import TooManyRuns, WrongState
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from tests.backtests.faults.wholeness import FORM, outcomes, undisturbed
from tests.backtests.processes import Outside, Server
from tests.waiting import DEADLINE_S, wait_for

PERIODS = range(2, 22)
GIVEN_UP = "given up after"
MOST_UNFINISHED = 8
RESTING = (Run.State.PAUSED, Run.State.CANCELLED)
UNFINISHED = (Run.State.QUEUED, Run.State.RUNNING)


@dataclass
class Seen:
    """A run as it was at the last look: its rows by sequence number, and since when it rests, by our own doing."""

    rows: dict[int, int] = field(default_factory=dict)
    last_sequence: int = 0
    rests_since: datetime | None = None
    is_complete: bool = False


class Soak:
    """One soak: a server, its runs, and what was done to them."""

    def __init__(self, outside: Outside, universe: Universe, *, n_runs: int, n_kills: int, seed: int = 1) -> None:
        self._outside, self._universe, self._n_runs = outside, universe, n_runs
        self._random = random.Random(seed)
        self._kill_at = {(number + 1) * n_runs // (n_kills + 1) for number in range(n_kills)}
        self._symbol_ids = set(universe.symbols.values_list("pk", flat=True))
        self._seen: dict[str, Seen] = {}
        self.done: Counter[str] = Counter()
        self._server = self._serve()

    def go(self) -> None:
        expected = {period: self._expected(period) for period in PERIODS}
        number = 0
        while self.done["started"] < self._n_runs:
            self._start(number := number + 1)
            for _ in range(self._random.randrange(4)):
                self._disturb()
            if self.done["started"] in self._kill_at:
                self._kill_at.discard(self.done["started"])
                self._restart()
            self._look()
            wait_for("there is room for another run", lambda: len(self._in(UNFINISHED)) < MOST_UNFINISHED)
        self._look()
        self._finish()
        for run in Run.objects.filter(pk__in=self._seen):
            assert outcomes(run) == expected[run.parameters["period"]], f"run {run.pk} has found something else"

    def _expected(self, period: int) -> dict[str, tuple[Any, ...]]:
        checked = check_request(self._request(period))
        return undisturbed(
            Run(
                strategy=checked.strategy_row,
                universe=self._universe,
                parameters=checked.strategy.values,
                rules={rule: getattr(checked.rules, rule) for rule in checked.rules.__dataclass_fields__},
            )
        )

    def _request(self, period: int, **fields: Any) -> RunRequest:
        own = {"strategy": "gated", "universe": self._universe.slug, "interval": "1d"}
        return RunRequest(**own, parameters={"period": str(period)}, **fields)  # type: ignore[arg-type]

    def _start(self, number: int) -> None:
        if number % 5 == 0:
            self._note(self._server.start_run(**FORM | {"universe": self._universe.slug, "period": "14"}))
            return
        period, use_cache = self._random.choice(PERIODS), self._random.random() < 0.5
        request = self._request(period, use_cache=use_cache, max_workers=self._random.choice([None, 1, 2]))
        try:
            run = start(check_request(request), token=f"form {number}")
        except TooManyRuns:
            self.done["refused"] += 1
            return
        self._note(run.pk)
        # The same form again is the same run, whatever has become of it.
        again = start(check_request(request), token=f"form {number}")
        assert again.pk == run.pk, "the same form has started two runs"

    def _note(self, run_id: str) -> None:
        self.done["reused" if run_id in self._seen else "started"] += 1
        self._seen.setdefault(run_id, Seen())

    def _disturb(self) -> None:
        """Do something to a run that might be in a state for it; if it is not, it must say so and stay as it is."""
        name = self._random.choice(["pause", "pause", "resume", "resume", "resume", "cancel", "retry"])
        wanted = {"resume": RESTING, "retry": (Run.State.COMPLETE,)}.get(name, UNFINISHED)
        found = self._in(wanted)
        if not found:
            return
        run_id = self._random.choice(found)
        changes: dict[str, Callable[[str], Run]] = {
            "pause": control.pause,
            "resume": control.resume,
            "cancel": control.cancel,
            "retry": control.retry_failed,
        }
        failed = set(Run.objects.get(pk=run_id).results.exclude(reason="").values_list("sequence", flat=True))
        try:
            changes[name](run_id)
        except WrongState:
            assert Run.objects.get(pk=run_id).state not in wanted, f"{name} was refused"
            return
        self.done[name] += 1
        seen = self._seen[run_id]
        seen.rests_since = timezone.now() if name in {"pause", "cancel"} else None
        seen.is_complete = False
        if name == "retry":
            seen.rows = {sequence: symbol for sequence, symbol in seen.rows.items() if sequence not in failed}

    def _in(self, states: tuple[str, ...]) -> list[str]:
        return list(Run.objects.filter(pk__in=self._seen, state__in=states).order_by("pk").values_list("pk", flat=True))

    def _serve(self) -> Server:
        return self._outside.serve(TRAWL_LEASE_S="1", TRAWL_WORKERS="2", GATE_SLEEP_S="0.002")

    def _restart(self) -> None:
        number = self._random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        self._server.process.send_signal(number)
        self._server.process.wait(timeout=DEADLINE_S)
        self.done[number.name] += 1
        self._server = self._serve()

    def _look(self) -> None:
        with _snapshot():
            moving = [run_id for run_id, seen in self._seen.items() if not seen.is_complete]
            for run in Run.objects.filter(pk__in=moving):
                self._check(run)

    def _check(self, run: Run) -> None:
        seen, about = self._seen[run.pk], f"run {run.pk}, {run.state}"
        rows = list(run.results.order_by("sequence").values_list("sequence", "symbol_id", "reason", "is_cached"))
        by_sequence = {sequence: symbol_id for sequence, symbol_id, _, _ in rows}
        symbol_ids = set(by_sequence.values())
        assert len(by_sequence) == len(symbol_ids) == len(rows), f"{about}: a symbol or a number is there twice"
        counted = (len(rows), sum(bool(row[2]) for row in rows), sum(row[3] for row in rows))
        assert (run.n_done, run.n_failed, run.n_cached) == counted, f"{about}: its counters are not its rows"
        assert run.last_sequence >= max(by_sequence, default=0), about
        gone = seen.rows.items() - by_sequence.items()
        assert not gone, f"{about}: rows that were there are gone: {gone}"
        new = by_sequence.keys() - seen.rows.keys()
        assert min(new, default=2**31) > seen.last_sequence, f"{about}: rows came before those that were seen"
        chunks = list(run.chunks.values_list("state", "symbol_ids", "claimed_at"))
        open_ids = [symbol_id for state, ids, _ in chunks if state != RunChunk.State.DONE for symbol_id in ids]
        assert sorted([*open_ids, *symbol_ids]) == sorted(self._symbol_ids), f"{about}: symbols are lost or twice"
        is_whole = len(rows) == run.n_symbols
        assert (run.state == Run.State.COMPLETE) == is_whole, f"{about} with {len(rows)} of {run.n_symbols}"
        if seen.rests_since is not None:
            assert run.state in {*RESTING, Run.State.COMPLETE}, f"{about}: it goes on by itself"
            late = [at for _, _, at in chunks if at is not None and at > seen.rests_since]
            assert not late, f"{about}: a chunk was begun {late} though it rests since {seen.rests_since}"
        self.done["cut short"] += run.state in RESTING and len(rows) > 0
        seen.is_complete = run.state == Run.State.COMPLETE
        seen.rows, seen.last_sequence = by_sequence, run.last_sequence

    def _finish(self) -> None:
        """Resume whatever rests, and wait until every run is complete: none is forgotten."""
        for run_id in self._in(RESTING):
            self._seen[run_id].rests_since = None
            # What was at work when it was cancelled may have been the last of it.
            try_to(control.resume, run_id)
        self._wait_for_all()
        given_up = Run.objects.filter(pk__in=self._seen, results__reason__startswith=GIVEN_UP).distinct()
        for run_id in given_up.values_list("pk", flat=True):
            self.done["given up"] += 1
            assert self.done[signal.SIGKILL.name] >= 3, f"run {run_id} has given up for nothing"
            self._seen[run_id] = Seen()
            control.retry_failed(run_id)
        self._wait_for_all()

    def _wait_for_all(self) -> None:
        """Wait until every run is complete, as long as they get on."""
        while unfinished := self._in((*UNFINISHED, *RESTING)):
            self._look()
            self._wait_for_one_of(unfinished, self._n_done())
        self._look()

    def _wait_for_one_of(self, run_ids: list[str], n_done: int) -> None:
        def get_on() -> bool:
            # The last of them may have got on before its symbols were counted.
            return self._n_done() != n_done or not self._in((*UNFINISHED, *RESTING))

        wait_for(f"one of {run_ids} gets on", get_on)

    def _n_done(self) -> int:
        return sum(Run.objects.filter(pk__in=self._seen).values_list("n_done", flat=True))


def try_to(change: Callable[[str], Run], run_id: str) -> None:
    try:
        change(run_id)
    except WrongState:
        assert Run.objects.get(pk=run_id).state == Run.State.COMPLETE


@contextmanager
def _snapshot() -> Iterator[None]:
    """Read everything as it is at one moment. SQLite's transactions do so anyway."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
