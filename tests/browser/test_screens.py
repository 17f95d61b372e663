"""Screens: the editor, the answer, and charts that stream behind."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import N_STOCKS, Server

# A refused screen stays under /screens/ask/.
ANSWER = re.compile(r"/screens/[0-9a-f]{12}/$")


def write(page: Page, server: Server, formula: str) -> None:
    page.goto(f"{server.url}/screens/")
    page.get_by_role("textbox", name="Formula").fill(formula)


def find(page: Page) -> None:
    page.get_by_role("button", name="Find matches").click()
    page.wait_for_url(ANSWER)


def test_names_are_completed_and_the_screen_is_asked_by_keyboard(page: Page, server: Server) -> None:
    write(page, server, "close > ")
    editor = page.get_by_role("textbox", name="Formula")
    editor.press("End")
    editor.press_sequentially("high")
    expect(page.get_by_role("option").first).to_contain_text("highest")
    editor.press("Enter")
    expect(editor).to_have_value("close > highest()")
    editor.press_sequentially("close, 5)[1]")
    expect(editor).to_have_value("close > highest(close, 5)[1]")
    expect(page.locator("#formula-check")).to_contain_text("Understood")
    editor.press("Control+Enter")
    page.wait_for_url(ANSWER)
    expect(page.locator(".intro")).to_contain_text("symbols of Demo Stocks match")


def test_what_is_wrong_is_marked_while_it_is_typed(page: Page, server: Server) -> None:
    write(page, server, "close > 1 and volum > 2")
    expect(page.locator("#formula-check")).to_contain_text("did you mean `volume`?")
    expect(page.locator(".formula .wrong")).to_have_text("volum")
    page.get_by_role("textbox", name="Formula").fill("close > 1 and volume > 2")
    expect(page.locator("#formula-check")).to_contain_text("Understood")
    expect(page.locator(".formula .wrong")).to_have_count(0)


def test_charts_stream_in_batches_behind_the_matches(page: Page, server: Server) -> None:
    write(page, server, "close > 0")
    find(page)
    n_matches = page.locator("table.matches tbody tr").count()
    assert N_STOCKS * 0.8 < n_matches <= N_STOCKS
    expect(page.locator("#chart-progress")).to_contain_text(f"{n_matches} of {n_matches} charts, batch 4 of 4")
    expect(page.locator("#charts svg")).to_have_count(2 * n_matches)
    shown = page.locator("#charts figcaption strong").all_text_contents()
    assert shown == [row.split()[0] for row in page.locator("table.matches tbody th a").all_inner_texts()]


def test_a_parameter_is_a_field_that_counts(page: Page, server: Server) -> None:
    write(page, server, "days = param(5, 2, 50)\nclose >= highest(close, days)")
    page.get_by_label("Days").fill("51")
    page.get_by_role("button", name="Find matches").click()
    expect(page.get_by_role("alert")).to_contain_text("must be from 2 to 50; it is 51")
    page.get_by_label("Days").fill("50")
    find(page)
    expect(page.locator("table.matches th").filter(has_text="highest(close, days)")).to_be_visible()


def test_a_symbol_leads_to_when_it_matched(page: Page, server: Server) -> None:
    write(page, server, "close > close[1]")
    find(page)
    page.locator("table.matches tbody th a").first.click()
    expect(page.get_by_role("heading", name="When it matched")).to_be_visible()
    expect(page.locator(".large svg")).to_have_count(2)
