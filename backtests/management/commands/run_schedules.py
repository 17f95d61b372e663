"""Ask the schedules that are due since the last import, without a server: for cron, or behind an import.

The status is 0 if all that were asked have an answer or none was due, 1 if one could not be asked, and 2 for what
cannot be done as asked.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backtests.management.following import follow
from backtests.runs.notify import notify_finished
from backtests.schedules.due import give_up_dead
from backtests.schedules.looking import ask_due, ask_now
from backtests.schedules.models import Outcome, Schedule
from backtests.schedules.notices import content_of, notify_outcomes
from backtests.schedules.shown import Card, cards_of, found_of
from strategies.builtins import sync_new

FAILED, WRONG_ARGUMENTS = 1, 2


class Command(BaseCommand):
    help = "Ask the screens and runs that are due since the last import, and tell whoever wants to know."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--now", action="append", default=[], metavar="ID", help="ask this one, due or not; repeat")
        chosen.add_argument("--all", action="store_true", help="ask every one that is switched on, due or not")
        chosen.add_argument("--list", action="store_true", help="list the schedules, and ask none")
        parser.add_argument("--json", action="store_true", help="print each outcome as a line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._print_schedules()
            return
        sync_new()
        give_up_dead()
        n_asked = n_failed = 0
        tellers = []
        for outcome in _outcomes(_wished(options)):
            n_asked += 1
            n_failed += bool(outcome.error)
            self._print(outcome, is_json=options["json"])
            tellers += notify_outcomes()
            if outcome.run is not None:
                follow(outcome.run)
                tellers += notify_finished(outcome.run.pk)
        for teller in tellers:
            teller.join()
        if not n_asked and not options["json"]:
            self.stdout.write("No schedule is due.")
        if n_failed:
            raise SystemExit(FAILED)

    def _print(self, outcome: Outcome, *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps(content_of(outcome)))
            return
        found = found_of(outcome, outcome.schedule)
        said = outcome.error or ", ".join(filter(None, (found.counted, found.compared)))
        if outcome.run is not None:
            said = f"run {outcome.run.pk} on {outcome.n_tested:,} symbols"
        self.stdout.write(f"{outcome.schedule.pk} {outcome.schedule}: {said}")
        for label, tickers in (("new", found.new), ("gone", found.gone)):
            if tickers:
                self.stdout.write(f"  {label}: {tickers}")

    def _print_schedules(self) -> None:
        table = Table("id", "kind", "name", "universe", "state", "last", "next", box=None)
        for card in cards_of(Schedule.objects.order_by("pk")):
            table.add_row(*(escape(cell) for cell in _cells(card)))
        Console(file=cast(IO[str], self.stdout), highlight=False).print(table)


def _cells(card: Card) -> tuple[str, ...]:
    schedule, last = card.schedule, card.last
    said = "" if last is None else f"{last.when}: {last.counted}{', ' + last.compared if last.compared else ''}"
    return (str(schedule.pk), schedule.kind, schedule.name, schedule.universe, card.state_label, said, card.next)


def _wished(options: dict[str, Any]) -> list[int] | None:
    """Return the schedules that are to be asked, due or not; None for those that are due."""
    if options["all"]:
        return list(Schedule.objects.filter(is_on=True).order_by("pk").values_list("pk", flat=True))
    if not options["now"]:
        return None
    known = set(Schedule.objects.values_list("pk", flat=True))
    wished = [int(text) if text.isdecimal() else -1 for text in options["now"]]
    unknown = [text for text, pk in zip(options["now"], wished, strict=True) if pk not in known]
    if unknown:
        raise CommandError(
            f"--now must be the id of a schedule; {unknown[0]!r} is none: --list lists them", returncode=WRONG_ARGUMENTS
        )
    return wished


def _outcomes(wished: list[int] | None) -> Iterator[Outcome]:
    if wished is None:
        # Whoever calls this behind an import has imported everything.
        yield from ask_due(is_settled=False)
        return
    for pk in wished:
        if (outcome := ask_now(pk)) is not None:
            yield outcome
