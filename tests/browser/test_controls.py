"""Pausing, resuming, cancelling and trying again, by mouse, by keyboard and without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import N_STOCKS, ROWS_BEFORE_THE_GATE, Server
from tests.browser.test_live_run import ROWS, start_run, status, tickers

# The chunk that waits at the gate when a run is paused or cancelled is finished and saved.
ROWS_WITH_THE_CHUNK_AT_WORK = ROWS_BEFORE_THE_GATE + 8


def start_gated(page: Page, server: Server) -> None:
    start_run(page, server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)


def test_a_run_is_paused_and_goes_on(page: Page, gated_server: Server) -> None:
    start_gated(page, gated_server)
    page.get_by_role("button", name="Pause").click()
    status(page, "paused")
    gated_server.gate.touch()
    expect(page.locator(ROWS)).to_have_count(ROWS_WITH_THE_CHUNK_AT_WORK)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(page.locator("[data-tile=eta]")).to_contain_text("paused")

    page.get_by_role("button", name="Resume").click()
    status(page, "complete")
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)
    assert len(set(tickers(page))) == N_STOCKS
    expect(page.locator("#run-controls button")).to_have_count(0)


def test_a_run_is_cancelled_after_a_question_and_can_be_resumed(page: Page, gated_server: Server) -> None:
    start_gated(page, gated_server)
    page.get_by_role("button", name="Cancel…").click()
    question = page.get_by_role("dialog", name="Cancel this run?")
    expect(question).to_be_visible()
    page.get_by_role("button", name="Keep it going").click()
    expect(question).to_be_hidden()
    status(page, "running")

    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()
    status(page, "cancelled")
    expect(question).to_be_hidden()
    gated_server.gate.touch()
    expect(page.locator(ROWS)).to_have_count(ROWS_WITH_THE_CHUNK_AT_WORK)
    expect(page.locator("#run-events")).to_contain_text("Cancelled")

    page.get_by_role("button", name="Resume").click()
    status(page, "complete")
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)


def test_what_has_changed_since_the_page_was_drawn_is_told(page: Page, browser: Browser, gated_server: Server) -> None:
    start_gated(page, gated_server)
    old = browser.new_context(java_script_enabled=False).new_page()
    old.goto(page.url)
    page.get_by_role("button", name="Pause").click()
    status(page, "paused")
    old.get_by_role("button", name="Pause").click()
    expect(old.get_by_role("alert")).to_contain_text("a run that is paused cannot be paused")
    old.get_by_role("link", name="Back to the run").click()
    expect(old.locator("#run-status")).to_have_text("Paused")


def test_others_who_look_at_a_cancelled_run_see_it_go_on(page: Page, browser: Browser, gated_server: Server) -> None:
    start_gated(page, gated_server)
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()
    gated_server.gate.touch()
    expect(page.locator(ROWS)).to_have_count(ROWS_WITH_THE_CHUNK_AT_WORK)
    other = browser.new_context().new_page()
    other.goto(page.url)
    status(other, "cancelled")

    page.get_by_role("button", name="Resume").click()
    # It asks every 15 s, and at once when somebody comes back to it.
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    status(other, "complete")
    expect(other.locator(ROWS)).to_have_count(N_STOCKS)
    other.context.close()


def test_a_press_lasts_longer_than_the_page_stands_still(page: Page, gated_server: Server) -> None:
    start_gated(page, gated_server)
    before = page.get_by_role("button", name="Pause").element_handle()
    # The elapsed time moves on, so that a message has come; the button is the one that the page came with.
    page.wait_for_function(
        "old => document.querySelector('#run-progress').innerText !== old",
        arg=page.locator("#run-progress").evaluate("progress => progress.innerText"),
    )
    assert before is not None
    assert before.evaluate("button => button.isConnected")


def test_failed_symbols_are_tried_again(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Universe").select_option("demo-crypto")
    page.get_by_label("Interval").select_option("1h")
    expect(page.locator("#preview")).to_contain_text("2 symbols")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    numbers = page.locator(f"{ROWS}[data-failed]").evaluate_all("rows => rows.map(row => row.dataset.sequence)")
    page.get_by_role("button", name="Retry 4 failed").click()
    page.wait_for_function(
        "old => { const row = document.querySelector('#results tr[data-failed]');"
        " return row && !old.includes(row.dataset.sequence); }",
        arg=numbers,
    )
    status(page, "complete")
    expect(page.locator(f"{ROWS}[data-failed]")).to_have_count(4)
    expect(page.locator(ROWS)).to_have_count(6)


def test_a_run_is_controlled_by_keyboard_alone(page: Page, gated_server: Server) -> None:
    start_gated(page, gated_server)
    press_on(page, "Pause")
    status(page, "paused")
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    press_on(page, "Cancel…")
    expect(page.get_by_role("button", name="Keep it going")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    press_on(page, "Cancel…")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Cancel the run")).to_be_focused()
    page.keyboard.press("Enter")
    status(page, "cancelled")
    gated_server.gate.touch()
    expect(page.locator(ROWS)).to_have_count(ROWS_WITH_THE_CHUNK_AT_WORK)
    for chart in ("equity-chart", "histogram-chart"):
        reach(page, f"#{chart}")
        assert len(page.locator(f"#{chart}").get_attribute("aria-label") or "") > 30
    reach(page, "#top-1")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"\?q="))
    expect(page.locator(ROWS)).not_to_have_count(ROWS_WITH_THE_CHUNK_AT_WORK)


def press_on(page: Page, name: str) -> None:
    """Go to a button by the Tab key and press Enter."""
    button = page.get_by_role("button", name=name)
    expect(button).to_be_visible()
    reach(page, f"#{button.get_attribute('id')}")
    page.keyboard.press("Enter")


def reach(page: Page, selector: str) -> None:
    """Press Tab until the focus is there; the order goes round."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"the Tab key never reaches {selector}")


def test_without_javascript_a_run_is_followed_and_controlled(browser: Browser, gated_server: Server) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(gated_server.url)
    page.get_by_label("Strategy").select_option("gated")
    page.get_by_role("button", name="Run", exact=True).click()
    # The page loads itself anew until the run has ended.
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE, timeout=20_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#run-status")).to_have_text("Paused")
    gated_server.gate.touch()
    expect(page.locator(ROWS)).to_have_count(ROWS_WITH_THE_CHUNK_AT_WORK, timeout=20_000)
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#run-status")).to_have_text("Cancelled")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#run-status")).to_have_text("Complete", timeout=20_000)
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    page.context.close()
