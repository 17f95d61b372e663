from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import N_STOCKS, Server
from tests.browser.test_live_run import ROWS, status


def run_count(page: Page, server: Server) -> int:
    page.goto(f"{server.url}/runs/")
    return page.locator(".runs a[href^='/runs/']").count()


def test_the_form_says_before_the_click_how_much_it_will_test(page: Page, server: Server) -> None:
    page.goto(server.url)
    preview = page.locator("#preview")
    expect(preview).to_contain_text(re.compile(rf"Tests {N_STOCKS} symbols, [\d,]+ bars"))
    whole = preview.inner_text()
    page.get_by_label("From").fill("2025-01-01")
    expect(preview).not_to_have_text(whole)
    expect(preview).to_contain_text("2025")
    page.get_by_label("To", exact=True).fill("2024-01-01")
    expect(preview).to_contain_text("must not be after the end date")
    page.get_by_label("From").fill("1999-01-01")
    page.get_by_label("To", exact=True).fill("1999-12-31")
    expect(preview).to_contain_text("No symbol has bars enough")


def test_everything_synthetic_says_so(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.get_by_label("Universe").locator("option", has_text="synthetic")).to_have_count(3)
    expect(page.locator("#preview .synthetic")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    expect(page.locator(".run-head .synthetic")).to_be_visible()
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.locator(".runs .synthetic").first).to_be_visible()


def test_another_strategy_brings_its_own_parameters_and_keeps_the_rest(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Cash").fill("2500")
    page.get_by_label("Strategy").select_option("sma-cross")
    expect(page.get_by_label("Fast")).to_have_value("20")
    expect(page.get_by_label("Slow")).to_have_value("50")
    expect(page.get_by_label("Period")).to_have_count(0)
    expect(page.get_by_label("Cash")).to_have_value("2500")


def test_a_wrong_value_is_named_at_its_field_and_nothing_typed_is_lost(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Strategy").select_option("sma-cross")
    page.get_by_label("Fast").fill("60")
    page.get_by_label("Cash").fill("2500")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".field.wrong .error")).to_have_text("must be smaller than slow; 60 is not below 50")
    expect(page.get_by_role("alert").filter(has_text="Nothing was started")).to_be_focused()
    page.get_by_role("link", name="Fast: must be smaller").click()
    expect(page.get_by_label("Fast")).to_be_in_viewport()
    expect(page.get_by_label("Fast")).to_have_value("60")
    expect(page.get_by_label("Cash")).to_have_value("2500")
    page.get_by_label("Fast").fill("10")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    expect(page.locator(".facts")).to_contain_text("Fast 10")
    expect(page.locator(".facts")).to_contain_text("cash 2,500")


def test_a_double_click_starts_one_run(page: Page, server: Server) -> None:
    before = run_count(page, server)
    page.goto(server.url)
    # Like no other test's: an equal run would be the answer.
    page.get_by_label("Cash").fill("4321")
    page.get_by_role("button", name="Run", exact=True).dblclick()
    status(page, "complete")
    assert run_count(page, server) == before + 1


def test_a_run_that_was_done_before_is_the_answer_unless_it_is_to_be_computed_afresh(
    page: Page, server: Server
) -> None:
    before = run_count(page, server)
    addresses = []
    for is_afresh in (False, False, True):
        page.goto(server.url)
        page.get_by_label("Cash").fill("1234")
        page.locator("#execution summary").click()
        page.get_by_label("Compute afresh").set_checked(is_afresh)
        page.get_by_role("button", name="Run", exact=True).click()
        status(page, "complete")
        addresses.append(page.url)
    assert addresses[0] == addresses[1] != addresses[2]
    assert run_count(page, server) == before + 2


def test_a_run_is_changed_and_started_again_from_its_page(page: Page, server: Server) -> None:
    before = run_count(page, server)
    page.goto(server.url)
    page.get_by_label("Oversold").fill("25")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("Oversold")).to_have_value("25")
    page.get_by_label("Oversold").fill("24")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    assert run_count(page, server) == before + 2


def test_a_run_is_started_and_read_by_keyboard_alone(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#preview")).to_contain_text("bars")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type === 'submit'"):
            break
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    status(page, "complete")
    page.get_by_role("region", name="Results, scrollable").focus()
    page.keyboard.press("End")
    expect(page.locator(ROWS).last).to_be_in_viewport()
