"""A screen that is asked after every import: made on its answer, asked by the server, told by the bell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import MANAGE, Server, StartServer, environment_of
from tests.browser.test_screens import ANSWER
from tests.builders import DAY_S, MONDAY_S, price_columns, write_prices
from tests.waiting import wait_for


def load(server: Server, path: Path, day: int, closes: list[float]) -> None:
    """Import these bars of AAA, of which the first is of that day."""
    columns = price_columns(["AAA"], len(closes), start_s=MONDAY_S + day * DAY_S)
    for name, off in (("open", 0.0), ("high", 1.0), ("low", -1.0), ("close", 0.0)):
        columns[name] = [close + off for close in closes]
    command = ["import_prices", str(write_prices(path, columns)), "--universe", "Mine", "--market", "stocks", "--quiet"]
    subprocess.run(
        [sys.executable, str(MANAGE), *command],
        env=environment_of(server.data_dir), check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def test_a_screen_is_asked_after_an_import_and_the_bell_tells_what_is_new(
    page: Page, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    load(server, tmp_path / "first.csv", 0, [10.0, 9.0, 8.0])
    page.goto(f"{server.url}/screens/")
    page.get_by_label("Universe").select_option(label="Mine")
    page.get_by_role("textbox", name="Formula").fill("close > close[1]")
    page.get_by_role("button", name="Find matches").click()
    page.wait_for_url(ANSWER)
    page.get_by_text("Ask daily after an import").click()
    page.get_by_role("button", name="Ask daily").click()
    page.wait_for_url("**/schedules/*")
    card = page.locator(".schedules > li")
    expect(card).to_contain_text("0 of 1 match")

    load(server, tmp_path / "second.csv", 3, [20.0])
    wait_for("the server asks", lambda: page.reload() and "1 new since" in card.inner_text())
    page.get_by_role("button", name="Finished runs").click()
    expect(page.locator("#bell")).to_contain_text("1 new match")
    expect(page.locator("#bell-count")).to_be_visible()
    page.locator("#bell li a").click()
    page.wait_for_url(ANSWER)
    expect(page.locator(".compared")).to_contain_text("1 new since Wed 3 Jan 2024. New: AAA.")
    expect(page.locator("#bell-count")).to_be_hidden()

    page.get_by_role("link", name="Asked after every import").click()
    page.get_by_role("button", name="Delete close > close[1]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Nothing is asked after imports yet")
    server.kill()
