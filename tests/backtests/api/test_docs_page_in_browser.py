"""What people do at /api/docs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.backtests.processes import Outside
from tests.builders import make_market, store_universe


@pytest.mark.django_db(transaction=True)
def test_requests_are_read_and_tried_there(outside: Outside, page: Page) -> None:
    store_universe("Test", make_market(n_symbols=3, n_bars=60))
    server = outside.serve()
    refused: list[str] = []
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.goto(f"{server.url}/api/docs")
    route = page.locator("#operations-records-universes")
    route.locator(".opblock-summary-control").click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    expect(route.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    expect(route.locator(".live-responses-table").first).to_contain_text('"slug": "test"')
    scan = page.locator("#operations-scans-start")
    scan.locator(".opblock-summary-control").click()
    scan.get_by_role("button", name="Try it out").click()
    scan.locator("textarea").first.fill('{"strategy": "rsi"}')
    scan.get_by_role("button", name="Execute").click()
    expect(scan.locator(".live-responses-table").first).to_contain_text('"job_id"')
    assert refused == []
