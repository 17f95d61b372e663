"""The table of results: pages, order and filter, while rows arrive and after."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import N_STOCKS, ROWS_BEFORE_THE_GATE, Server
from tests.browser.test_live_run import ROWS, start_run, status, tickers


def test_a_finished_table_is_filtered_while_somebody_types(page: Page, server: Server) -> None:
    start_run(page, server)
    status(page, "complete")
    # While rows arrived, the table was not to be exchanged under them.
    page.reload()
    sought = tickers(page)[5]
    page.get_by_role("searchbox", name="Ticker, name or sector").press_sequentially(sought.lower())
    expect(page.locator(f"{ROWS}[data-ticker='{sought}']")).to_be_visible()
    expect(page.locator(ROWS)).not_to_have_count(N_STOCKS)
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value(sought.lower())
    page.wait_for_url(re.compile(r"q="))
    page.go_back()
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)


def test_only_failed_symbols_are_shown(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Universe").select_option("demo-crypto")
    page.get_by_label("Interval").select_option("1h")
    expect(page.locator("#preview")).to_contain_text("2 symbols")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    page.get_by_label("Which results").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(ROWS)).to_have_count(4)
    expect(page.locator(f"{ROWS}[data-failed]")).to_have_count(4)


def test_rows_of_a_run_that_goes_on_are_sorted_and_none_is_added_to_them(page: Page, gated_server: Server) -> None:
    start_run(page, gated_server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    page.locator("#results").get_by_role("link", name="Return", exact=True).click()
    page.wait_for_url(re.compile("sort=-return_pct"))
    expect(page.locator("#filter")).to_contain_text("new rows are not added here")
    before = tickers(page)
    assert len(before) == ROWS_BEFORE_THE_GATE
    gated_server.gate.touch()
    status(page, "complete")
    expect(page.locator("#run-progress")).to_contain_text(f"{N_STOCKS} of {N_STOCKS}")
    assert tickers(page) == before
    page.get_by_role("link", name="All rows, as they landed").click()
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)


def test_a_leader_leads_to_its_row(page: Page, server: Server) -> None:
    start_run(page, server)
    status(page, "complete")
    best = page.locator("#top-1")
    name = best.inner_text()
    best.click()
    page.wait_for_url(re.compile(r"\?q="))
    assert name in tickers(page)
