"""A page that no stream reaches polls, and says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import N_STOCKS, ROWS_BEFORE_THE_GATE, Server
from tests.browser.proxies import BufferingProxy
from tests.browser.test_live_run import ROWS, start_run, status, table, tickers


@pytest.fixture
def proxy(gated_server: Server) -> Iterator[BufferingProxy]:
    started = BufferingProxy(gated_server.url)
    yield started
    started.close()


def test_behind_a_proxy_that_buffers_the_page_polls_and_says_so(
    page: Page, gated_server: Server, proxy: BufferingProxy
) -> None:
    behind = Server(gated_server.process, proxy.url, gated_server.data_dir, gated_server.gate)
    start_run(page, behind, strategy="gated")
    note = page.locator("#run-polling")
    expect(note).to_be_visible(timeout=15_000)
    expect(note).to_contain_text("Your connection buffers live updates; polling instead")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    page.get_by_role("button", name="Pause").click()
    status(page, "paused")
    page.get_by_role("button", name="Resume").click()
    gated_server.gate.touch()
    status(page, "complete")
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)
    assert len(set(tickers(page))) == N_STOCKS
    expect(note).to_be_hidden()
    polled = table(page)
    page.reload()
    assert table(page) == polled
    assert proxy.n_streams >= 1


def test_a_stream_that_is_refused_is_replaced_by_polling(page: Page, gated_server: Server) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=502, body="bad gateway")

    page.route("**/stream?*", refuse)
    start_run(page, gated_server, strategy="gated")
    expect(page.locator("#run-polling")).to_be_visible(timeout=15_000)
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    gated_server.gate.touch()
    status(page, "complete")
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)


def test_a_stream_that_rests_is_asked_about_and_not_given_up(page: Page, gated_server: Server) -> None:
    page.clock.install()
    start_run(page, gated_server, strategy="gated")
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE)
    page.get_by_role("button", name="Pause").click()
    status(page, "paused")
    gated_server.gate.touch()
    expect(page.locator(ROWS)).to_have_count(ROWS_BEFORE_THE_GATE + 8)
    # A run that rests sends nothing new: after a while the page asks whether it has missed something.
    with page.expect_response("**/news/**") as asked:
        page.clock.fast_forward(30_000)
    assert asked.value.headers["x-run-news"] == f"paused {ROWS_BEFORE_THE_GATE + 8}"
    page.get_by_role("button", name="Resume").click()
    status(page, "complete")
    expect(page.locator("#run-polling")).to_be_hidden()
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)
