"""GET /api/runs/{id}/results: every metric, in pages, by filter, and as files."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow.parquet
import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.api.tables import METRIC_KEYS, SORTABLE
from backtests.models import Result, Run, Symbol
from backtests.runs.statistics import read_rows
from backtests.streams.events import result_data
from tests.backtests.api.asking import problems


def asked(client: Client, run: Run, query: str = "") -> Any:
    response = client.get(f"/api/runs/{run.pk}/results{query}")
    assert response.status_code == 200, response.content
    return response


def tickers(client: Client, run: Run, query: str = "") -> list[str]:
    return [row["ticker"] for row in asked(client, run, query).json()["results"]]


def test_every_result_has_every_metric_and_what_events_have(client: Client, finished: Run) -> None:
    answer = asked(client, finished).json()
    assert (answer["count"], answer["page"], answer["pages"]) == (8, 1, 1)
    stored = {result.symbol.ticker: result for result in Result.objects.select_related("symbol")}
    for row, event in zip(answer["results"], map(result_data, read_rows(finished.pk)), strict=True):
        assert {key: row[key] for key in event} == event
        if "error" in event:
            assert row == event
            continue
        metrics = {key: getattr(stored[row["ticker"]], key) for key in METRIC_KEYS}
        assert {key: row[key] for key in METRIC_KEYS} == json.loads(
            json.dumps(metrics, default=lambda time: time.isoformat())
        )


@pytest.mark.parametrize("key", SORTABLE)
def test_they_are_sorted_either_way_and_what_has_no_value_is_last(client: Client, finished: Run, key: str) -> None:
    for sort in (key, f"-{key}"):
        rows = asked(client, finished, f"?sort={sort}").json()["results"]
        values = [row.get(key) for row in rows]
        known = [value for value in values if value is not None]
        assert values == [*sorted(known, reverse=sort.startswith("-")), *[None] * (len(values) - len(known))]
        assert len(rows) == 8


def test_they_are_filtered(client: Client, finished: Run) -> None:
    Symbol.objects.filter(ticker="S3").update(sector="Energy")
    assert tickers(client, finished, "?outcome=failed") == ["ZZZ"]
    assert len(tickers(client, finished, "?outcome=successful")) == 7
    assert tickers(client, finished, "?ticker=s3") == ["S3"]
    assert tickers(client, finished, "?sector=Energy") == ["S3"]
    assert tickers(client, finished, "?sector=Energy&outcome=failed") == []


def test_they_come_in_pages(client: Client, finished: Run) -> None:
    order = tickers(client, finished, "?sort=-return_pct")
    answer = asked(client, finished, "?sort=-return_pct&page=2&page_size=3").json()
    assert [row["ticker"] for row in answer["results"]] == order[3:6]
    assert (answer["count"], answer["pages"], answer["page_size"]) == (8, 3, 3)
    assert tickers(client, finished, "?page=9") == []


@pytest.mark.parametrize("query", ["sort=nosuch", "sort=curve", "outcome=x", "format=xml", "ticker=%00", "limit=3"])
def test_a_wrong_query_is_named(client: Client, finished: Run, query: str) -> None:
    assert list(problems(client.get(f"/api/runs/{finished.pk}/results?{query}"))) == [query.split("=", maxsplit=1)[0]]


def test_as_csv_they_are_all_there_with_what_the_run_assumes(client: Client, finished: Run) -> None:
    response = asked(client, finished, "?format=csv&sort=-return_pct&page_size=2")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="trawl-{finished.pk}.csv"'
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["ticker"] for row in rows] == tickers(client, finished, "?sort=-return_pct")
    for row, known in zip(rows, asked(client, finished, "?sort=-return_pct").json()["results"], strict=True):
        assert row["error"] == known.get("error", "")
        for key in METRIC_KEYS:
            value = known.get(key)
            assert row[key] == ("" if value is None else value) or float(row[key]) == value
        assert row["run_id"] == finished.pk
        assert (row["run_strategy"], row["run_universe"]) == ("rsi", "test")
        assert (float(row["param_period"]), float(row["rule_cash"])) == (5, 10000)


def test_as_parquet_they_have_types(client: Client, finished: Run) -> None:
    response = asked(client, finished, "?format=parquet&outcome=successful")
    assert response["Content-Disposition"].endswith('.parquet"')
    table = pyarrow.parquet.read_table(io.BytesIO(response.content))
    assert table.num_rows == 7
    assert str(table.schema.field("start").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("trades").type) == "int64"
    assert str(table.schema.field("return_pct").type) == "double"
    by_ticker = {row["ticker"]: row for row in table.to_pylist()}
    for result in Result.objects.filter(reason="").select_related("symbol"):
        row = by_ticker[result.symbol.ticker]
        assert {key: row[key] for key in METRIC_KEYS} == {key: getattr(result, key) for key in METRIC_KEYS}
        assert row["elapsed_ms"] == result.elapsed_us / 1000


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_of_no_result_has_its_columns(client: Client, finished: Run, form: str) -> None:
    full, empty = (asked(client, finished, f"?format={form}&ticker={part}").content for part in ("S1", "NOSUCH"))
    if form == "csv":
        assert empty.splitlines() == full.splitlines()[:1]
    else:
        tables = [pyarrow.parquet.read_table(io.BytesIO(content)) for content in (full, empty)]
        assert tables[0].column_names == tables[1].column_names
        assert tables[1].num_rows == 0


def test_unknown_runs_and_those_of_others_are_not_found(client: Client, finished: Run, alice: User) -> None:
    assert client.get("/api/runs/nosuch/results").status_code == 404
    Run.objects.update(owner=alice)
    assert client.get(f"/api/runs/{finished.pk}/results").status_code == 404
