"""docs/api.md: its examples for the browser's EventSource are run as they stand there."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from backtests.models import Run
from tests.backtests.api.examples import N_STOCKS, examples
from tests.backtests.processes import Server


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_logged_in", [False, True], ids=["on this machine", "with a session"])
def test_the_examples_of_the_browser_run(server: Server, page: Page, is_logged_in: bool) -> None:
    if is_logged_in:
        User.objects.create_superuser("alice", password="correct horse")
        page.goto(f"{server.url}/accounts/login/")
        page.get_by_label("Username").fill("alice")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{server.url}/")
    page.goto(f"{server.url}/api/docs")
    lines: list[str] = []
    page.on("console", lambda line: lines.append(line.text))
    function, use, formula = examples("js")
    sent: dict[str, Any] = page.evaluate(f"async () => {{ {function}\n{use}\nreturn {{rows, end}}; }}")
    assert len(sent["rows"]) == N_STOCKS
    assert sent["end"]["type"] == "complete"
    assert any(line.startswith(f"{N_STOCKS} rows, average return ") for line in lines)
    page.evaluate(f"async () => {{ {formula} }}")
    assert f"{N_STOCKS} charts, the first with 30 bars" in lines
    owner = Run.objects.get(pk=sent["end"]["job_id"]).owner
    assert (owner is not None) == is_logged_in
