"""The editors of formulas: names of one's own, what a function takes, exits and drawings checked as they are typed."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server
from tests.browser.test_screens import find, write


def options(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Names").get_by_role("option")


def test_names_of_the_formula_itself_are_completed_and_functions_explained(page: Page, server: Server) -> None:
    write(page, server, "my_average = sma(close, 20)\nclose > ")
    editor = page.get_by_role("textbox", name="Formula")
    editor.press("Control+End")
    editor.press_sequentially("my")
    expect(options(page)).to_have_text("my_averageNamed in this formula")
    expect(editor).to_have_attribute("aria-activedescendant", "id_formula_words_0")
    editor.press("Tab")
    expect(editor).to_have_value("my_average = sma(close, 20)\nclose > my_average")
    expect(editor).to_be_focused()
    editor.press_sequentially(" and rsi(")
    expect(page.locator(".signature")).to_contain_text("rsi(series, period=14)")
    expect(editor).to_have_attribute("aria-invalid", "true")
    editor.press_sequentially("close) > 5")
    expect(page.locator(".signature")).to_be_hidden()
    expect(page.locator("#formula-check")).to_contain_text("Understood")
    expect(editor).to_have_attribute("aria-invalid", "false")


def test_control_space_lists_every_name_and_escape_closes_the_list(page: Page, server: Server) -> None:
    write(page, server, "")
    editor = page.get_by_role("textbox", name="Formula")
    editor.press("Control+Space")
    expect(options(page).first).to_be_visible()
    assert options(page).count() > 50
    editor.press("ArrowUp")
    expect(options(page).last).to_have_attribute("aria-selected", "true")
    editor.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(editor).to_have_value("")


def test_sections_and_joins_are_told_from_names(page: Page, server: Server) -> None:
    write(page, server, "enter: close > 1 and open > 2 # why not")
    expect(page.locator(".formula .join")).to_have_text(["enter", "and"])
    expect(page.locator(".formula .word")).to_have_text(["close", "open"])
    expect(page.locator(".formula .note")).to_have_text("# why not")


def test_values_of_parameters_stay_when_the_screen_is_changed(page: Page, server: Server) -> None:
    write(page, server, "days = param(5, 2, 50)\nclose >= highest(close, days)")
    page.get_by_label("Days").fill("37")
    find(page)
    page.get_by_role("link", name="Change it").click()
    expect(page.get_by_label("Days")).to_have_value("37")


def test_an_exit_of_ones_own_is_checked_as_it_is_typed_and_backtested(page: Page, server: Server) -> None:
    write(page, server, "slow = sma(close, 20)\nclose > slow")
    find(page)
    page.get_by_text("Or when, stop and target").click()
    own = page.get_by_role("textbox", name="Or when")
    own.press_sequentially("close < slwo")
    expect(page.locator("#exit-check")).to_contain_text("did you mean `slow`?")
    expect(page.locator("#backtest-form .wrong")).to_have_text("slwo")
    own.fill("close < 0.97 * slow")
    expect(page.locator("#exit-check")).to_contain_text("Understood")
    page.get_by_label("Enter on every match, leave").select_option("own")
    page.get_by_label("Stop-loss").fill("7,5x")
    page.get_by_role("button", name="Backtest it").click()
    expect(page.locator("#backtest-form .error")).to_contain_text("must be")
    expect(page.get_by_role("textbox", name="Or when")).to_have_value("close < 0.97 * slow")
    page.get_by_label("Stop-loss").fill("7.5")
    page.get_by_role("button", name="Backtest it").click()
    page.wait_for_url(re.compile("/runs/"))
    expect(page.locator("#run-status")).to_contain_text("Complete", ignore_case=True)
    expect(page.locator("main")).to_contain_text("close < 0.97 * slow")


def test_a_formula_is_drawn_over_a_symbol_and_its_address_shows_the_same(page: Page, server: Server) -> None:
    write(page, server, "close > sma(close, 5)")
    find(page)
    page.locator("#charts figcaption a").first.click()
    expect(page.locator(".legend")).to_contain_text("sma(close, 5)")
    page.get_by_text("Draw another formula").click()
    drawn = page.get_by_role("textbox", name="Formula over the candles")
    drawn.fill("far = param(30, 2, 90)\nmean = ema(close, far)\nrsi(close, 14) < 40 and close > 0.5 * mean")
    page.get_by_label("Far").fill("44")
    drawn.press("Control+Enter")
    expect(page.locator(".legend")).to_contain_text("mean")
    expect(page.locator("svg.pane")).to_have_count(2)
    label = page.locator("svg.candles").last.get_attribute("aria-label")
    page.goto(page.url)
    expect(page.get_by_label("Far")).to_have_value("44")
    assert page.locator("svg.candles").last.get_attribute("aria-label") == label
    page.get_by_role("link", name="Back to the screen's").click()
    expect(page.locator("svg.pane")).to_have_count(0)


def test_no_page_is_wider_than_a_phone(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    write(
        page,
        server,
        "long_name_of_a_value = sma(close, 20) + 2 * atr(14)\nclose > 0.5 * long_name_of_a_value",
    )
    pages = [page.url, f"{server.url}/screens/language/"]
    find(page)
    expect(page.locator("#screen-feed[data-ended]")).to_have_count(1)
    page.get_by_text("Or when, stop and target").click()
    symbol = page.locator("#charts figcaption a").first.get_attribute("href")
    pages += [f"{page.url}?charts=none", f"{page.url}last/", f"{server.url}{symbol}"]
    widths = {page.url: width(page)}
    for address in pages:
        page.goto(address)
        widths[address] = width(page)
    assert {address: pixels for address, pixels in widths.items() if pixels > 390} == {}


def width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))
