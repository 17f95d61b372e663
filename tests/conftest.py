"""What every test shares: a data folder of its own, markers by what a test uses, and the browser.

pytest-django would import the settings before this module if pyproject.toml named them to it, and they would make or
open the user's own data folder. So they are named and loaded here, once the environment is safe.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import django
import hypothesis
import pytest
from django.conf import settings
from django.db import connections
from django.test import TransactionTestCase
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.tooling.chromium import MISSING, find_chromium

# The same examples on every run: a rare find must not stop somebody else's work. To look for new ones, run
# pytest --hypothesis-profile=default --hypothesis-seed=N.
hypothesis.settings.register_profile("repeatable", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

if settings.configured:
    raise pytest.UsageError(
        "Unset DJANGO_SETTINGS_MODULE: the tests load config.settings with a data folder of their own."
    )

DATA_DIR = Path(tempfile.mkdtemp(prefix="trawl-tests-"))
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}

for name in [name for name in os.environ if name.startswith("TRAWL_") or name == "REDIS_URL"]:
    del os.environ[name]
os.environ["TRAWL_DATA_DIR"] = str(DATA_DIR)
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
# Settings are loaded. A worker on another processor inherits this environment, and loads its own as this process has.
del os.environ["DJANGO_SETTINGS_MODULE"]

from backtests.accounts import access  # noqa: E402 - its settings are there only now
from backtests.runs.engines import threads  # noqa: E402

if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Two test runs may share a server, and would share a database of the usual name.
    connections["default"].settings_dict["TEST"]["NAME"] = f"test_trawl_{os.getpid()}"

# Django's test clients call the host "testserver"; as people on this machine do, they need no login. A test that asks
# from elsewhere names another host or address.
access.LOCAL_NAMES.add("testserver")

# Workers would outlive the test that made them start, and hold on to its database. A test that wants some asks for the
# fixture ``engine``.
threads.ENGINE = threads.ThreadsEngine(n_workers=0)


def pytest_sessionstart() -> None:
    # Settings have read it, and tests use Django's test_ database there. A process that a test starts must not inherit
    # the way to the real one.
    os.environ.pop("DATABASE_URL", None)


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)


def pytest_report_header() -> str:
    return f"database: {settings.DATABASES['default']['ENGINE'].rsplit('.', 1)[-1]}"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by what it uses, so that no test can be forgotten when the database is the other one."""
    if "browser" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.browser)
    if uses_database(item) and not item.get_closest_marker("one_database"):
        item.add_marker(pytest.mark.database)


def uses_database(item: pytest.Item) -> bool:
    case = getattr(item, "cls", None)
    return (
        item.get_closest_marker("django_db") is not None
        or bool(DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))
        or (isinstance(case, type) and issubclass(case, TransactionTestCase))
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Playwright keeps an event loop running in this thread from its first test on, and code that starts one of its own
    # (asyncio.run, async_to_sync) would fail after it: browser tests come last, each kind in its random order.
    # Several processes take whole files, which must therefore be of one kind.
    in_browser = {item.path for item in items if item.get_closest_marker("browser")}
    if mixed := {item.path for item in items if not item.get_closest_marker("browser")} & in_browser:
        raise pytest.UsageError(f"put the tests that use a browser into a file of their own: {sorted(mixed)}")
    items.sort(key=lambda item: item.path in in_browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Let every report be sent to the process that prints it: a test may have logged what is no text."""
    report: Any = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's browser. A machine without one fails the tests that need it; it never skips them."""
    path = find_chromium()
    if path is None:
        pytest.fail(MISSING, pytrace=False)
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless browser, shared by the tests of a run; each gets pages of its own."""
    arguments = [
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    # The loop that Playwright keeps running makes Django take this thread for an asynchronous one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, headless=True, args=arguments)
        yield opened
        # Under that loop this thread has connections of its own, which would keep the test database from being dropped.
        connections.close_all()
        opened.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own. An uncaught script error, or anything that the CSP blocks, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", timezone_id="UTC")
    context.set_default_timeout(10_000)
    opened = context.new_page()
    problems: list[str] = []

    def note(error: Error) -> None:
        problems.append(str(error))

    opened.on("pageerror", note)
    opened.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    context.close()
    assert not problems, f"the browser reported: {problems}"
