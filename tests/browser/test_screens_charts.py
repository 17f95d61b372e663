"""Charts behind a screen's matches: cut and resumed, stopped, on demand, from the cache, and where they fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from backtests.screens.charting import SYMBOLS_A_BATCH
from tests.browser.conftest import Server, StartServer
from tests.browser.cutting import CuttingProxy
from tests.browser.test_screens import find
from tests.waiting import DEADLINE_S, wait_for

FIGURES = "#charts figure"
# Of 60 symbols that is everyone who still trades.
ALL = "close > 0"


@pytest.fixture
def proxy(server: Server) -> Iterator[CuttingProxy]:
    started = CuttingProxy(server.url)
    yield started
    started.close()


def ask(page: Page, proxy: CuttingProxy, formula: str) -> int:
    """Ask a formula through the proxy and return how many symbols match."""
    page.goto(f"{proxy.url}/screens/")
    page.get_by_role("textbox", name="Formula").fill(formula)
    find(page)
    return page.locator("table.matches tbody tr").count()


def all_are_there(page: Page, n_matches: int) -> None:
    done = f"{n_matches} of {n_matches} charts, batch 4 of 4"
    expect(page.locator("#chart-progress")).to_contain_text(done, timeout=DEADLINE_S * 1000)
    expect(page.locator("#screen-feed[data-ended]")).to_have_count(1)
    shown = page.locator("#charts figcaption strong").all_text_contents()
    assert shown == [row.split()[0] for row in page.locator("table.matches tbody th a").all_inner_texts()]
    assert len(shown) == len(set(shown)) == n_matches


def test_a_connection_cut_within_a_batch_is_resumed_with_the_missing_ones(page: Page, proxy: CuttingProxy) -> None:
    proxy.cut_after = 2
    n_matches = ask(page, proxy, f"{ALL} # cut")
    all_are_there(page, n_matches)
    first, second = proxy.streams
    assert (first.after, first.batches) == ("0", [1, 2])
    assert (second.after, second.batches) == ("2", [3, 4])


def test_a_killed_server_goes_on_where_it_was_and_bad_data_stands_in_its_place(
    page: Page, start_server: StartServer
) -> None:
    first = start_server()
    proxy = CuttingProxy(first.url, hold_after=2)
    try:
        n_matches = ask(page, proxy, f"{ALL} # killed")
        expect(page.locator(FIGURES)).to_have_count(2 * SYMBOLS_A_BATCH)
        last = page.locator("table.matches tbody th a").last.inner_text()
        first.kill()
        damage_oldest_block(first.data_dir, last)
        again = start_server(data_dir=first.data_dir, port=int(first.url.rsplit(":", 1)[1]))
        assert again.url == first.url
        proxy.hold_after, proxy.has_lost_server = None, True
        proxy.go_on.set()
        all_are_there(page, n_matches)
        assert [stream.batches for stream in proxy.streams if stream.batches] == [[1, 2], [3, 4]]
        assert proxy.streams[-1].after == "2"
        reasons = page.locator(FIGURES).last.locator(".no-chart").all_text_contents()
        assert ["bad data" in reason for reason in reasons] == [True, True]
        expect(page.locator("#charts svg")).to_have_count(2 * (n_matches - 1))
    finally:
        proxy.close()


def damage_oldest_block(data_dir: Path, ticker: str) -> None:
    """Spoil a block that the formula does not look at, so that the symbol still matches."""
    (path,) = data_dir.glob("*.sqlite3")
    with sqlite3.connect(path) as database:
        changed = database.execute(
            "UPDATE backtests_priceblock SET high = x'00' WHERE id = (SELECT block.id FROM backtests_priceblock block "
            "JOIN backtests_symbol symbol ON symbol.id = block.symbol_id WHERE symbol.ticker = ? "
            "AND block.interval = '1d' ORDER BY block.period LIMIT 1)",
            [ticker],
        )
        assert changed.rowcount == 1
    database.close()


def test_a_stream_is_stopped_and_gone_on_with(page: Page, proxy: CuttingProxy) -> None:
    proxy.hold_after = 2
    n_matches = ask(page, proxy, f"{ALL} # stopped")
    expect(page.locator("#chart-progress")).to_contain_text("batch 2 of 4")
    page.get_by_role("button", name="Stop").press("Enter")
    proxy.hold_after = None
    proxy.go_on.set()
    wait_for("the end of the stopped stream", lambda: proxy.streams[0].has_ended)
    expect(page.locator(FIGURES)).to_have_count(2 * SYMBOLS_A_BATCH)
    expect(page.locator("#chart-progress")).to_contain_text("batch 2 of 4")
    page.get_by_role("button", name="Go on").press("Enter")
    all_are_there(page, n_matches)
    assert (proxy.streams[1].after, proxy.streams[1].batches) == ("2", [3, 4])
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_asked_again_everything_is_there_from_memory(page: Page, proxy: CuttingProxy) -> None:
    n_matches = ask(page, proxy, f"{ALL} # twice")
    all_are_there(page, n_matches)
    expect(page.locator(".intro")).to_contain_text("Found in")
    before = page.locator("#charts").inner_html()
    page.reload()
    expect(page.locator(".intro")).to_contain_text("From memory")
    all_are_there(page, n_matches)
    assert page.locator("#charts").inner_html() == before


def test_charts_on_demand_open_below_their_row_and_close_again(page: Page, proxy: CuttingProxy) -> None:
    ask(page, proxy, f"{ALL} # on demand")
    page.get_by_role("link", name="Show charts on demand").click()
    expect(page.locator("#charts svg")).to_have_count(0)
    n_streams = len(proxy.streams)
    button = page.locator("table.matches tbody th button").nth(2)
    ticker = page.locator("table.matches tbody th a").nth(2).inner_text()
    button.press("Enter")
    shown = page.locator("tr.charts-row").nth(2)
    expect(shown.locator("svg")).to_have_count(2)
    expect(shown.locator("figcaption strong")).to_have_text(ticker)
    shown.get_by_role("button", name="Hide").press("Enter")
    expect(shown.locator("svg")).to_have_count(0)
    expect(button).to_be_focused()
    assert len(proxy.streams) == n_streams
    page.get_by_role("link", name="Stream all charts").click()
    expect(page.locator("#chart-progress")).to_contain_text("batch 4 of 4")


def test_without_javascript_every_symbol_has_its_charts_on_a_page(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{server.url}/screens/")
    page.get_by_role("textbox", name="Formula").fill("days = param(5, 2, 50)\nclose > sma(close, days)")
    page.get_by_role("button", name="Find matches").click()
    expect(page.get_by_text("Without it, each symbol's page has them")).to_be_visible()
    page.locator("table.matches tbody th a").first.click()
    expect(page.locator("figure.large svg.candles")).to_have_count(2)
    page.get_by_text("Draw another formula").click()
    page.get_by_role("textbox", name="Formula over the candles").fill("rsi(close, 14)")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("svg.pane")).to_have_count(2)
    context.close()
