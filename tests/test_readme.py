"""The README's commands and the pages' file names are true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from backtests.prices.demo.cast import coin_cast, stock_cast

ROOT = Path(settings.BASE_DIR)
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    line.split("#")[0].strip() for page in PAGES for line in page.read_text().splitlines() if "manage.py " in line
]
COMMAND_LINES = sorted({line for line in COMMANDS if line.startswith((".venv/bin/python manage.py", "manage.py"))})


def test_the_two_commands_stand_at_the_top_and_a_picture_under_them() -> None:
    top = README.split("## ")[0]
    assert top.index("make run") < top.index("make test") < top.index("![")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:config|backtests|strategies|templates|static|tests)/[\w./-]*)`", page.read_text())
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_every_command_of_a_page_is_one_that_its_parser_takes(line: str) -> None:
    name, *arguments = shlex.split(line.split("manage.py ", 1)[1])
    application = get_commands()[name]
    command = load_command_class(str(application), name)
    parser = command.create_parser("manage.py", name)
    assert parser.parse_args(arguments)


def test_the_make_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M)}
    assert {"run", "test"} <= named
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_the_symbols_that_a_scan_of_a_page_names_are_of_the_demo_market() -> None:
    scans = [line for line in COMMAND_LINES if " run_scan " in line]
    lists = [tickers for line in scans for tickers in re.findall(r"--(?:symbols|priority) (\S+)", line)]
    named = {ticker for tickers in lists for ticker in tickers.split(",")}
    assert named
    assert named <= {member.ticker for member in (*stock_cast(), *coin_cast())}
