"""docs/prices.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand

from backtests.management.commands.import_prices import Command
from backtests.prices.findings import KINDS
from backtests.prices.importers.layouts import CONSTITUENT_COLUMNS, PRICE_COLUMNS
from backtests.prices.importers.rows import INTERVAL_S

PAGE = (Path(settings.BASE_DIR) / "docs/prices.md").read_text(encoding="utf-8")


def test_every_kind_of_finding_stands_in_the_table_in_order() -> None:
    rows = [f"| {kind.label} | {kind.action} | {kind.help} |" for kind in KINDS]
    assert "\n".join(rows) in PAGE


def test_every_option_stands_in_the_table() -> None:
    own = {option for action in options(Command()) for option in action} - {
        option for action in options(BaseCommand()) for option in action
    }
    assert own == set(re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE))


def options(command: BaseCommand) -> list[list[str]]:
    return [list(action.option_strings) for action in command.create_parser("manage.py", "import_prices")._actions]


def test_every_interval_and_column_name_is_given() -> None:
    assert all(f"`{interval}`" in PAGE for interval in INTERVAL_S)
    rows = [f"| {meaning} | {', '.join(names)} |" for meaning, names in PRICE_COLUMNS.items()]
    assert "\n".join(rows) in PAGE
    unwrapped = " ".join(PAGE.split())
    assert all(f"{meaning} ({', '.join(names)})" in unwrapped for meaning, names in CONSTITUENT_COLUMNS.items())
