"""Runs that end while nobody looks: the bell, and a notification where it was asked for."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ROWS_BEFORE_THE_GATE, Server
from tests.browser.test_live_run import ROWS, start_run, status

# A browser without a screen shows no notification: this one writes down what it was to show, on a page out of sight.
RECORDER = """
window.told = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = "granted"); }
  constructor(title, options) { window.told.push(options.body); }
  addEventListener() {}
};
Object.defineProperty(Document.prototype, "hidden", { get: () => window.isAway === true });
"""


def unseen(page: Page) -> str:
    return str(page.locator("#bell-count").evaluate("count => count.hidden ? '0' : count.firstChild.data"))


def test_the_bell_shows_runs_that_ended_in_the_background_until_they_are_looked_at(
    page: Page, gated_server: Server
) -> None:
    start_run(page, gated_server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    page.get_by_role("link", name="Runs", exact=True).click()
    bell = page.get_by_role("button", name="Finished runs")
    bell.click()
    expect(page.locator("#bell")).to_contain_text("No finished run that you have not seen")
    assert unseen(page) == "0"

    gated_server.gate.touch()
    # It is asked for every 15 s.
    expect(page.locator("#bell-count")).to_be_visible(timeout=25_000)
    expect(page.locator("#bell")).to_contain_text("Gated on Demo Stocks")
    page.locator("#bell a").click()
    page.wait_for_url(re.compile(r"/runs/\w{12}/$"))
    status(page, "complete")
    expect(page.locator("#bell-count")).to_be_hidden()
    page.goto(gated_server.url)
    expect(page.locator("#bell .nothing")).to_be_attached()
    assert unseen(page) == "0"


def test_a_run_that_ends_before_the_eyes_of_its_owner_is_not_news(page: Page, server: Server) -> None:
    # The run may have ended, and be noted as seen, before its page is looked at here.
    with page.expect_response(lambda answer: answer.url.endswith("/seen/") and answer.status == 204):
        start_run(page, server)
        status(page, "complete")
    expect(page.locator("#bell .nothing")).to_be_attached()
    assert unseen(page) == "0"


def test_a_notification_tells_of_the_end_when_the_page_is_out_of_sight(page: Page, gated_server: Server) -> None:
    page.add_init_script(RECORDER)
    start_run(page, gated_server, strategy="gated")
    page.get_by_role("button", name="Finished runs").click()
    ask = page.get_by_role("button", name="Tell me here when there is news")
    ask.click()
    expect(ask).to_have_attribute("aria-pressed", "true")
    page.evaluate("window.isAway = true; document.dispatchEvent(new Event('visibilitychange'))")
    gated_server.gate.touch()
    page.wait_for_function("() => window.told.length > 0", timeout=25_000)
    assert page.evaluate("window.told") == ["Gated on Demo Stocks: complete"]


def test_all_finished_runs_are_marked_as_seen_at_once(page: Page, gated_server: Server) -> None:
    gated_server.gate.touch()
    page.add_init_script("Object.defineProperty(Document.prototype, 'hidden', { get: () => true });")
    start_run(page, gated_server, strategy="gated")
    page.goto(f"{gated_server.url}/runs/")
    page.get_by_role("button", name="Finished runs").click()
    page.get_by_role("button", name="Mark all as seen").click(timeout=25_000)
    expect(page.locator("#bell .nothing")).to_be_visible()
    assert unseen(page) == "0"


def test_without_javascript_the_bell_leads_to_the_runs(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Finished runs").click()
    expect(page.get_by_role("button", name="Tell me here when there is news")).to_be_hidden()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    context.close()
