from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import N_STOCKS, Server
from tests.browser.test_live_run import ROWS, start_run, status


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_in_light_and_dark(browser: Browser, server: Server, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#preview")).to_contain_text("bars")
    page.locator("#execution summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_role("navigation", name="Main").evaluate("links => links.scrollWidth <= links.clientWidth")
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    expect(page.locator(ROWS)).to_have_count(N_STOCKS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("th.symbol", ".spark svg", "td.return"):
        box = page.locator(f"{ROWS} >> nth=0").locator(part).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
    for part in ("#run-equity svg", "#run-histogram svg", "#run-leaders", "#run-events", "#run-slow", "#filter-go"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    page.goto(f"{server.url}/runs/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Finished runs").click()
    box = page.locator("#bell-list").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    context.close()


def test_the_long_tickers_of_coins_stay_in_their_card(page: Page, server: Server) -> None:
    start_run(page, server, universe="demo-crypto")
    status(page, "complete")
    card = page.locator("#run-leaders")
    assert card.locator("li").count() >= 10
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth")


def contrast(page: Page, selector: str) -> float:
    """The contrast of an element's text with the nearest ground behind it, after WCAG 2."""
    colours = page.locator(selector).first.evaluate(
        """element => {
            const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
            const rgb = colour => {
                canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
                return Array.from(canvas.getImageData(0, 0, 1, 1).data);
            };
            let behind = element;
            while (behind && rgb(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
            return [rgb(getComputedStyle(element).color), rgb(getComputedStyle(behind).backgroundColor)];
        }"""
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[int]) -> float:
    parts = [value / 255 for value in colour[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Page, server: Server, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(server.url)
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    for selector in (
        "h1",
        ".facts",
        ".tile dt",
        "td.return.up",
        "td.return.down",
        "td.hold",
        ".symbol small",
        ".pill",
        ".badge",
        ".legend",
        "#run-leaders .up",
        "#run-leaders .down",
        "#run-events time",
        "#run-slow span:last-child",
        "#filter-go",
    ):
        assert contrast(page, selector) >= 4.5, selector


def test_light_and_dark_follow_the_system_until_they_are_chosen(page: Page, server: Server) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    page.goto(server.url)
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(ground) == light
    page.reload()
    assert page.evaluate(ground) == light


def test_figures_explain_themselves(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "complete")
    for heading in page.locator("#results thead th.number").all():
        assert len(heading.get_attribute("title") or "") > 10
