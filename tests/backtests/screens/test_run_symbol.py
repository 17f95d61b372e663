"""A symbol of a run: its trades over its candles, and any formula instead."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import Run, Universe
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from strategies.formula_strategies import save_formula
from strategies.models import Strategy
from tests.backtests.screens.test_views import labels, legend
from tests.backtests.streams.frames import Element
from tests.backtests.test_views.pages import page_of
from tests.builders import execute_run, make_bars, store_universe

FORMULA = "level = param(150, 1, 500)\nmean = sma(close, 3)\nenter: close > level\nexit: close > level + 4"

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(idle_engine: object, universe: Universe) -> Run:
    """Buys UP at the open after its close of 153, and sells at the one after its close of 157."""
    row = save_formula(FORMULA, label="Once")
    asked = RunRequest(strategy=row.key, universe="test", parameters={"level": 152}, rules={"fee_pct": 0.0})
    return execute_run(start(check_request(asked)))


def address(run: Run, ticker: str = "UP") -> str:
    return f"{run.get_absolute_url()}symbols/{quote(ticker)}/"


def held(universe: str) -> Run:
    Strategy.objects.get_or_create(key="buy-and-hold", defaults={"label": "Hold"})
    return execute_run(start(check_request(RunRequest(strategy="buy-and-hold", universe=universe))))


def links(page: Element) -> list[str]:
    """Return where the rows of a run's table lead."""
    hrefs = [link.attributes["href"] for link in page.all("a")]
    return [href for href in hrefs if href.startswith("symbols/")]


def rows(page: Element) -> list[list[str]]:
    return [[cell.text for cell in (*row.all("th"), *row.all("td"))] for row in page.all("tr")[1:]]


def test_the_trades_of_a_run_stand_at_its_candles(client: Client, run: Run) -> None:
    assert "symbols/UP/" in links(page_of(client.get(run.get_absolute_url())))
    page = page_of(client.get(address(run)))
    assert rows(page)[-1][:5] == ["2024-02-24", "2024-02-28", "long", "signal", "4"]
    assert "with an entry" in labels(page)[1]
    assert [item.text for item in legend(page)[0].all("li")] == ["mean", "entry", "exit"]
    assert "When it matched" not in page.text


def test_another_formula_takes_the_place_of_the_trades(client: Client, run: Run) -> None:
    page = page_of(client.get(address(run), {"formula": "close > sma(close, 5)"}))
    assert labels(page)[1].endswith("56 of 60 bars match, the last on 2024-02-29")
    assert [item.text for item in legend(page)[0].all("li")] == ["sma(close, 5)", "it matches"]
    assert "2024-02-24" in page.text
    wrong = client.get(address(run), {"formula": "clse"})
    assert wrong.status_code == 422
    assert "did you mean `close`?" in page_of(wrong).by_id("draw-check").text


def test_a_strategy_of_the_code_has_bare_candles_and_its_trades(
    client: Client, idle_engine: object, universe: Universe
) -> None:
    found = held("test")
    page = page_of(client.get(address(found, "FLAT")))
    assert page.by_id("id_formula").text == ""
    assert rows(page)[0][1] == "still open"
    assert labels(page)[1].endswith("; 1 bars with an entry, 0 with an exit")
    failed = page_of(client.get(address(found, "NONE")))
    assert "No result: " in failed.text
    assert "its prices are gone" in failed.text


def test_a_formula_that_means_nothing_any_more_leaves_its_trades(client: Client, run: Run) -> None:
    run.strategy.formula = "enter: nosuch(close)"
    run.strategy.save()
    page = page_of(client.get(address(run)))
    assert rows(page)[-1][3] == "signal"


def test_runs_of_others_and_symbols_of_elsewhere_are_not_found(client: Client, run: Run) -> None:
    assert client.get(address(run, "NOSUCH")).status_code == 404
    Run.objects.update(owner=User.objects.create_user("alice"))
    client.force_login(User.objects.create_user("bob"))
    assert client.get(address(run)).status_code == 404


def test_a_ticker_that_is_no_word_has_an_address(client: Client, idle_engine: object, db: None) -> None:
    ticker = "A/B #1%"
    store_universe("Odd", {ticker: make_bars([1.0 + day for day in range(30)])})
    found = held("odd")
    (link,) = links(page_of(client.get(found.get_absolute_url())))
    page = page_of(client.get(found.get_absolute_url() + link))
    assert len(labels(page)) == 2
