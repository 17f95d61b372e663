from __future__ import annotations

from datetime import date

import pytest
from django.test import Client

from backtests.engine import RULES
from backtests.models import Run, Symbol, Universe
from backtests.runs.statistics import FIGURE_KEYS
from tests.backtests.streams.frames import Element
from tests.backtests.test_views.pages import page_of
from tests.builders import execute_run, make_run

MONEY = {"cash": 1234567.5, "fee_pct": 0.2, "slippage_pct": 0.0}


@pytest.fixture
def run(universe: Universe) -> Run:
    return execute_run(make_run(universe, parameters={"period": 5}))


def rows(client: Client, run: Run, sort: str = "") -> list[Element]:
    page = page_of(client.get(run.get_absolute_url(), {"sort": sort} if sort else {}))
    (body,) = page.by_id("results").all("tbody")
    return body.all("tr")


def tickers(client: Client, run: Run, sort: str = "") -> list[str]:
    return [row.attributes["data-ticker"] for row in rows(client, run, sort)]


def test_every_result_is_a_row_in_the_order_of_landing(client: Client, run: Run) -> None:
    stored = run.results.order_by("sequence").values_list("symbol__ticker", flat=True)
    assert tickers(client, run) == list(stored)
    assert [row.attributes.get("data-failed") for row in rows(client, run)] == [None] * 7 + ["true"]


def test_the_page_names_everything_that_the_run_assumes(client: Client, universe: Universe) -> None:
    first, last = date(2024, 1, 2), date(2024, 2, 1)
    run = make_run(universe, rules=MONEY, start_date=first, end_date=last)
    page = page_of(client.get(run.get_absolute_url()))
    assert "RSI reversion on Test" in page.all("h1")[0].text
    (facts,) = [element for element in page.all("p") if element.attributes.get("class") == "facts"]
    assert [fact.text for fact in facts.all("span")] == [
        "Period 14",
        "Oversold 30",
        "Overbought 70",
        "2024-01-02 to 2024-02-01",
        "1 day bars",
        "cash 1,234,567.5",
        "fee 0.2 %",
        "slippage 0 %",
    ]


def test_the_page_says_in_words_which_rules_are_not_the_usual_ones(client: Client, universe: Universe) -> None:
    run = make_run(universe, preset="vectorbt", rules={"stop_loss_pct": 5.0})
    page = page_of(client.get(run.get_absolute_url()))
    told = {fact.text: fact.attributes.get("class") for fact in page.by_id("rule-facts").all("span")}
    assert told["rules of vectorbt"] is None
    assert told["Fill: at the close that gave the signal"] is None
    assert told["Stop-loss: 5 %"] == "own"


def test_every_rule_can_be_read_on_the_page(client: Client, universe: Universe) -> None:
    run = make_run(universe, rules={"whole_units": True})
    rows = {row.attributes["data-rule"]: row for row in page_of(client.get(run.get_absolute_url())).all("tr")[1:]
            if "data-rule" in row.attributes}  # fmt: skip
    assert list(rows) == [rule.key for rule in RULES]
    assert rows["whole_units"].attributes["class"] == "changed"
    assert "yes" in rows["whole_units"].text
    assert "without effect here" in rows["size_cash"].text
    assert all(rule.help in rows[rule.key].text for rule in RULES)


def test_a_run_of_an_older_engine_can_be_read(client: Client, run: Run) -> None:
    Run.objects.update(rules={"cash": 77.0, "fill": "at_noon", "gone": "x"}, preset="forgotten")
    page = page_of(client.get(run.get_absolute_url()))
    assert "rules of forgotten" in page.by_id("rule-facts").text
    assert "cash 77" in page.text
    assert client.get(f"/?like={run.pk}").status_code == 200


def test_a_finished_run_connects_to_nothing(client: Client, run: Run) -> None:
    page = page_of(client.get(run.get_absolute_url()))
    assert "hx-sse:connect" not in page.by_id("run-feed").attributes
    assert page.by_id("run-status").attributes["data-status"] == "complete"


def test_a_run_that_goes_on_connects_after_the_last_row_on_the_page(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe), n_chunks=2)
    page = page_of(client.get(run.get_absolute_url()))
    assert len(page.by_id("results").all("tbody")[0].all("tr")) == 3
    connector = page.by_id("run-feed").attributes
    assert connector["hx-sse:connect"] == f"/runs/{run.pk}/stream?after=3"
    assert connector["hx-sse:close"] == "done"
    (bar,) = page.by_id("run-progress").all("progress")
    assert (bar.attributes["value"], bar.attributes["max"]) == ("3", "8")


@pytest.mark.parametrize("key", FIGURE_KEYS)
def test_rows_can_be_sorted_by_every_figure(client: Client, run: Run, key: str) -> None:
    stored = dict(run.results.values_list("symbol__ticker", key))
    for sort, is_descending in ((key, False), (f"-{key}", True)):
        shown = [stored[ticker] for ticker in tickers(client, run, sort)]
        with_value = [value for value in shown if value is not None]
        assert with_value == sorted(with_value, reverse=is_descending)
        assert shown[len(with_value) :] == [None] * (len(shown) - len(with_value))
        assert len(shown) == 8


@pytest.mark.parametrize("sort", ["nope", "symbol__ticker", "-", "--return_pct", "elapsed_us"])
def test_an_unknown_order_is_that_of_landing(client: Client, run: Run, sort: str) -> None:
    assert tickers(client, run, sort) == tickers(client, run)


def test_a_column_links_to_its_order_and_says_which_one_it_is(client: Client, run: Run) -> None:
    page = page_of(client.get(run.get_absolute_url(), {"sort": "-return_pct"}))
    heads = page.by_id("results-head").all("th")[3:]
    assert [head.attributes.get("aria-sort", "") for head in heads] == ["descending", "", "", "", "", ""]
    links = [head.all("a")[0].attributes["href"].split("?")[1] for head in heads]
    assert links == ["sort=return_pct#rows", *(f"sort=-{key}#rows" for key in FIGURE_KEYS[1:])]


def test_rows_that_still_arrive_are_sorted_as_they_are_and_none_is_added(client: Client, universe: Universe) -> None:
    run = execute_run(make_run(universe, parameters={"period": 5}), n_chunks=2)
    stored = run.results.order_by("-return_pct").values_list("symbol__ticker", flat=True)
    assert tickers(client, run, "-return_pct") == list(stored)
    assert len(stored) == 3
    page = page_of(client.get(run.get_absolute_url(), {"sort": "-return_pct"}))
    assert page.by_id("run-feed").attributes["hx-sse:connect"] == f"/runs/{run.pk}/stream?rows=none"
    # Asked for by htmx, the table would change under a stream that adds rows to the first one.
    assert not any("hx-get" in link.attributes for link in page.by_id("results-head").all("a"))


def test_text_from_outside_is_shown_as_text(client: Client, run: Run) -> None:
    Symbol.objects.filter(ticker="S0").update(name="<script>alert(1)</script>")
    run.results.filter(symbol__ticker="ZZZ").update(reason="<img src=x onerror=alert(1)>")
    page = page_of(client.get(run.get_absolute_url()))
    results = page.by_id("results")
    assert results.all("script") == results.all("img") == []
    assert "<script>alert(1)</script>" in results.text
    assert "<img src=x onerror=alert(1)>" in results.text


def test_a_page_of_a_run_is_never_kept_by_a_cache(client: Client, run: Run) -> None:
    assert "no-store" in client.get(run.get_absolute_url())["Cache-Control"]


def test_a_run_whose_strategy_is_gone_can_be_read(client: Client, run: Run) -> None:
    run.strategy.key = "gone"
    run.strategy.save()
    assert "period 5" in page_of(client.get(run.get_absolute_url())).text
    assert len(rows(client, run)) == 8
    assert client.get(f"/?like={run.pk}").status_code == 200


def test_the_page_asks_the_database_three_times_however_many_rows_there_are(
    client: Client, run: Run, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(3):  # type: ignore[operator]
        client.get(run.get_absolute_url())
