"""Rules and presets in the form, and on the page of the run."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.browser.test_live_run import status


def test_a_preset_is_chosen_changed_run_and_read(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Cash").fill("2500")
    page.get_by_label("Rules of").select_option("vectorbt")
    expect(page.locator("#id_fill")).to_have_value("same_close")
    expect(page.get_by_label("Cash")).to_have_value("2500")
    expect(page.locator(".preset-note")).to_contain_text("Days a year 365 days")
    page.get_by_label("Stop-loss").fill("5")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    facts = page.locator("#rule-facts")
    expect(facts).to_contain_text("rules of vectorbt")
    expect(facts.locator(".own")).to_have_text(["Stop-loss: 5 %"])
    page.get_by_text("Every rule of this run").click()
    expect(page.locator("[data-rule=stop_slippage]")).to_contain_text("no")
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("Rules of")).to_have_value("vectorbt")
    expect(page.get_by_label("Stop-loss")).to_have_value("5")
    page.get_by_label("Rules of").select_option("")
    expect(page.locator("#id_fill")).to_have_value("next_open")
    expect(page.get_by_label("Stop-loss")).to_have_value("5")


def test_rules_without_effect_are_put_away_and_opened_groups_stay_open(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.locator("#rules-size summary").click()
    expect(page.locator("#id_size_cash")).to_be_hidden()
    page.locator("#id_sizing").select_option("cash")
    expect(page.locator("#id_size_cash")).to_be_visible()
    expect(page.locator("#id_size_pct")).to_be_hidden()
    page.locator("#rules-exits summary").click()
    expect(page.locator("#id_atr_bars")).to_be_hidden()
    page.get_by_label("Trailing ATR").fill("2")
    expect(page.locator("#id_atr_bars")).to_be_visible()
    page.get_by_label("Rules of").select_option("backtesting.py")
    expect(page.get_by_label("Whole units")).to_be_checked()
    expect(page.locator("#id_size_cash")).to_be_visible()
    expect(page.locator("#id_size_pct")).to_be_hidden()


def test_a_wrong_rule_in_a_closed_group_is_seen(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.locator("#rules-metrics summary").click()
    page.get_by_label("Days a year").fill("3,65")
    page.locator("#rules-metrics summary").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("link", name="Days a year: must be a whole number").click()
    expect(page.get_by_label("Days a year")).to_be_in_viewport()
    expect(page.get_by_label("Days a year")).to_have_value("3,65")


def test_groups_open_by_keyboard(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.locator("#rules-costs summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Fixed fee")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    status(page, "complete")
    expect(page.locator("#rule-facts .own")).to_have_text(["Fixed fee: 2.5"])
