from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import N_STOCKS, ROWS_BEFORE_THE_GATE, Server, StartServer

ROWS = "#results tbody tr[data-ticker]"


def start_run(page: Page, server: Server, *, strategy: str = "rsi", universe: str = "demo-stocks") -> None:
    page.goto(server.url)
    page.get_by_label("Universe").select_option(universe)
    page.get_by_label("Strategy").select_option(strategy)
    expect(page.locator("#preview")).to_contain_text("bars")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/\w{12}/$"))


def status(page: Page, expected: str) -> None:
    # A page in the background pauses its stream by design, and a first request that failed is made again after 5 s.
    page.bring_to_front()
    expect(page.locator(f"#run-status[data-status={expected}]")).to_be_visible(timeout=20_000)


def table(page: Page) -> list[str]:
    return list(page.locator(ROWS).evaluate_all("rows => rows.map(row => row.outerHTML)"))


def tickers(page: Page) -> list[str]:
    return list(page.locator(ROWS).evaluate_all("rows => rows.map(row => row.dataset.ticker)"))


def test_rows_arrive_before_the_run_is_complete_and_a_reload_midway_loses_none(
    page: Page, gated_server: Server
) -> None:
    start_run(page, gated_server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    status(page, "running")
    expect(page.locator("#run-progress")).to_contain_text(f"{ROWS_BEFORE_THE_GATE} of {N_STOCKS} symbols")
    expect(page.locator("#run-stats [data-tile=positive]")).to_contain_text(f"of {ROWS_BEFORE_THE_GATE} symbols")
    midway = table(page)

    page.reload()
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    status(page, "running")
    assert table(page) == midway

    gated_server.gate.touch()
    status(page, "complete")
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)
    assert table(page)[:ROWS_BEFORE_THE_GATE] == midway
    assert len(set(tickers(page))) == N_STOCKS


def test_a_late_visitor_and_a_reload_see_the_table_that_was_streamed(
    page: Page, browser: Browser, gated_server: Server
) -> None:
    start_run(page, gated_server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    second = browser.new_context().new_page()
    second.goto(page.url)
    gated_server.gate.touch()
    status(page, "complete")
    status(second, "complete")
    streamed, figures = table(page), page.locator("#run-stats").inner_text()
    assert len(streamed) == N_STOCKS
    assert table(second) == streamed

    page.reload()
    status(page, "complete")
    assert table(page) == streamed
    assert page.locator("#run-stats").inner_text() == figures
    late = browser.new_context().new_page()
    late.goto(page.url)
    assert table(late) == streamed


def test_a_run_goes_on_and_the_page_follows_after_the_server_was_killed(page: Page, start_server: StartServer) -> None:
    first = start_server(calls_before_gate=1 + ROWS_BEFORE_THE_GATE)
    start_run(page, first, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    expect(page.locator("#run-connection")).to_be_hidden()
    first.kill()
    expect(page.locator("#run-connection")).to_be_visible()
    start_server(data_dir=first.data_dir, port=int(first.url.rsplit(":", 1)[1]))
    expect(page.locator("#run-status[data-status=complete]")).to_be_visible(timeout=30_000)
    assert sorted(tickers(page)) == sorted(set(tickers(page)))
    expect(page.locator("#run-connection")).to_be_hidden()
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)


def test_closing_the_page_does_not_stop_the_run(page: Page, browser: Browser, gated_server: Server) -> None:
    start_run(page, gated_server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    address = page.url
    page.goto("about:blank")
    gated_server.gate.touch()
    back = browser.new_context().new_page()
    back.goto(address)
    expect(back.locator("#run-status[data-status=complete]")).to_be_visible()
    expect(back.locator(ROWS)).to_have_count(N_STOCKS)


def test_symbols_without_a_result_are_rows_with_the_reason(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Universe").select_option("demo-crypto")
    page.get_by_label("Interval").select_option("1h")
    expect(page.locator("#preview")).to_contain_text("2 symbols")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    failed = page.locator(f"{ROWS}[data-failed]")
    expect(failed).to_have_count(4)
    expect(failed.first).to_contain_text("no 1h prices are stored")
    expect(page.locator("#run-stats [data-tile=failed]")).to_contain_text("4")


def test_a_finished_table_is_sorted_by_a_click_on_a_heading(page: Page, server: Server) -> None:
    start_run(page, server)
    status(page, "complete")
    page.get_by_role("link", name="Return", exact=True).click()
    expect(page.locator("th.return_pct")).to_have_attribute("aria-sort", "descending")
    shown = page.locator(f"{ROWS} .return").all_inner_texts()
    values = [float(text.replace("−", "-").replace(",", "").replace("%", "")) for text in shown]
    assert len(values) > N_STOCKS / 2
    assert values == sorted(values, reverse=True)
    page.get_by_role("link", name="Return", exact=True).click()
    expect(page.locator("th.return_pct")).to_have_attribute("aria-sort", "ascending")
