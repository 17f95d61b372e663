"""Write a file to start a strategy from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from strategies.registry import strategies
from strategies.starter import NameRefused, Starter, starter_for

WRONG_ARGUMENTS = 2


class Command(BaseCommand):
    help = "Write a commented strategy that works, to be changed into one's own."
    # What is broken elsewhere is not what is asked.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="such as pull-back: key, class and file are named after it")
        parser.add_argument("--to", metavar="DIR", help="folder of the file (default: that of your own strategies)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            starter = starter_for(options["name"])
        except NameRefused as error:
            raise CommandError(f"NAME: {error}", returncode=WRONG_ARGUMENTS) from error
        if starter.key in strategies():
            known = ", ".join(strategies())
            problem = f"there is a strategy with the key {starter.key!r} already; taken are: {known}"
            raise CommandError(f"NAME: {problem}", returncode=WRONG_ARGUMENTS)
        path = _written(starter, options["to"])
        self.stdout.write(f"Wrote {path}")
        is_own = path.parent.resolve() == settings.STRATEGIES_DIR.resolve()
        self.stdout.write("Next:")
        self.stdout.write(f"  python manage.py check_strategy {starter.key if is_own else path}")
        if not is_own:
            self.stdout.write(f"  put it into {settings.STRATEGIES_DIR}, the folder of your own strategies")
        self.stdout.write(f"  python manage.py run_scan --strategy {starter.key} --universe demo-stocks")
        self.stdout.write("  restart the server: the form offers it then, and reads your edits at each start")


def _written(starter: Starter, to: str | None) -> Path:
    folder = Path(to) if to else settings.STRATEGIES_DIR
    if to and not folder.is_dir():
        raise CommandError(f"--to: must be a folder that exists; it is {to!r}", returncode=WRONG_ARGUMENTS)
    path = folder / starter.file_name
    try:
        folder.mkdir(exist_ok=True)
        # Exclusively: a file that somebody has written is never overwritten, whoever else is writing now.
        with path.open("x", encoding="utf-8") as file:
            file.write(starter.source)
    except FileExistsError as error:
        problem = f"{path} exists already and stays as it is; choose another name"
        raise CommandError(problem, returncode=WRONG_ARGUMENTS) from error
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}", returncode=WRONG_ARGUMENTS) from error
    return path
