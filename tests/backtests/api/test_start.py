"""POST /api/market-scan/start: every field of a scan's body."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.api.bodies import ScanBody
from backtests.models import Run, Universe
from backtests.runs.request import RunRequest
from strategies.models import Strategy
from tests.backtests.api.asking import START, post, problems
from tests.builders import make_market, store_universe

SCAN = {"strategy": "rsi", "universe": "test"}

pytestmark = pytest.mark.usefixtures("idle_engine", "universe")


def started(client: Client, **body: Any) -> Run:
    response = post(client, START, {**SCAN, **body})
    assert response.status_code == 200, response.content
    return Run.objects.select_related("strategy", "universe").get(pk=response.json()["job_id"])


def test_a_strategy_is_all_that_it_needs(client: Client) -> None:
    response = post(client, START, {"strategy": "rsi"})
    run = Run.objects.get()
    assert response.json() == {"job_id": run.pk}
    assert (run.strategy.key, run.universe.slug, run.interval) == ("rsi", "test", "1d")
    assert (run.rules["cash"], run.use_cache, run.owner) == (10000.0, True, None)
    assert run.state == Run.State.QUEUED


def test_every_field_of_a_request_is_one_of_the_body() -> None:
    fields = set(RunRequest.__slots__) | {"strategy_id", "cash", "fee_pct", "slippage_pct"}
    assert set(ScanBody.model_fields) == fields


def test_every_field_arrives_in_the_run(client: Client) -> None:
    run = started(
        client,
        parameters={"period": 7, "low": 20.5},
        start_date="2024-01-10",
        end_date="2024-02-20",
        interval="1d",
        cash=5000,
        fee_pct=0.2,
        slippage_pct=0,
        rules={"stop_loss_pct": 5, "whole_units": True, "take_profit_pct": None},
        preset="vectorbt",
        symbols=["S3", "s1"],
        priority=["S3"],
        max_workers=1,
        use_cache=False,
        notify_url="https://hooks.example/done",
    )
    assert (run.parameters["period"], run.parameters["low"]) == (7, 20.5)
    assert (run.start_date, run.end_date) == (date(2024, 1, 10), date(2024, 2, 20))
    assert {key: run.rules[key] for key in ("cash", "fee_pct", "slippage_pct", "stop_loss_pct", "whole_units")} == {
        "cash": 5000, "fee_pct": 0.2, "slippage_pct": 0, "stop_loss_pct": 5, "whole_units": True,
    }  # fmt: skip
    assert (run.preset, run.rules["fill"]) == ("vectorbt", "same_close")
    assert (run.tickers, run.priority, run.n_symbols) == (["S3", "S1"], ["S3"], 2)
    assert (run.max_workers, run.use_cache, run.notify_url) == (1, False, "https://hooks.example/done")


def test_what_a_user_starts_is_theirs(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert started(client).owner == alice


def test_a_strategy_may_be_named_by_its_id(client: Client) -> None:
    row = Strategy.objects.get(key="macd")
    for named in (row.pk, str(row.pk), "macd"):
        response = post(client, START, {"strategy_id": named, "use_cache": False})
        assert Run.objects.get(pk=response.json()["job_id"]).strategy == row
    assert post(client, START, {"strategy_id": row.pk, "strategy": "macd"}).status_code == 200
    assert "names another" in problems(post(client, START, {"strategy_id": row.pk, "strategy": "rsi"}))["strategy_id"]


def test_the_same_key_is_the_same_run_and_another_is_another(client: Client) -> None:
    body = {**SCAN, "use_cache": False}
    ids = [post(client, START, body, **{"idempotency-key": key}).json()["job_id"] for key in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
    assert Run.objects.count() == 2


def test_without_a_universe_it_is_the_s_and_p_500_then_the_largest_real_one(client: Client) -> None:
    def chosen() -> str:
        return Run.objects.get(pk=post(client, START, {"strategy": "rsi"}).json()["job_id"]).universe.name

    store_universe("Invented", make_market(n_symbols=9, n_bars=60), is_synthetic=True)
    store_universe("Coins", make_market(n_symbols=12, n_bars=60), market="crypto")
    store_universe("Empty", {})
    assert chosen() == "Test"
    store_universe("Large", make_market(n_symbols=10, n_bars=60))
    assert chosen() == "Large"
    store_universe("S&P 500", make_market(n_symbols=2, n_bars=60))
    assert chosen() == "S&P 500"


def test_chosen_symbols_choose_the_universe_that_has_them_all(client: Client) -> None:
    bars = make_market(n_symbols=2, n_bars=60)
    store_universe("Coins", {"BTC": bars["S0"], "ETH": bars["S1"]}, market="crypto")
    run = started(client, universe=None, symbols=["eth", "BTC"])
    assert (run.universe.slug, run.n_symbols) == ("coins", 2)
    refused = problems(post(client, START, {"strategy": "rsi", "symbols": ["S0", "BTC"]}))
    assert "BTC" in refused["symbols"]


def test_without_any_universe_of_the_market_it_says_so(client: Client) -> None:
    Universe.objects.update(market="crypto")
    assert problems(post(client, START, {"strategy": "rsi"})) == {
        "universe": "there is none of stocks; import prices first"
    }


@pytest.mark.parametrize("key", ["nosuch", "", "x" * 500, "rsi "])
def test_a_strategy_that_there_is_not_is_not_found(client: Client, key: str) -> None:
    response = post(client, START, {**SCAN, "strategy": key})
    assert response.status_code == 404
    assert response.json()["detail"].startswith(f"strategy: {key!r} is unknown; valid are: adx-trend,")


def test_one_that_is_switched_off_is_not_found_either(client: Client) -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False)
    response = post(client, START, SCAN)
    assert response.status_code == 404
    assert "switched off" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"strategy": None}, "strategy", "is required"),
        ({"strategy": 5}, "strategy", "string"),
        ({"strategy_id": 1.5}, "strategy_id", "must be a key or an id"),
        ({"strategy_id": True, "strategy": None}, "strategy_id", "must be a key or an id"),
        ({"parameters": {"period": 1}}, "parameters.period", "must be from 2 to 200; it is 1"),
        ({"parameters": {"period": "14"}}, "parameters.period", "must be a number; it is '14'"),
        ({"parameters": {"period": True}}, "parameters.period", "must be a number"),
        ({"parameters": {"period": None}}, "parameters.period", "must be a number"),
        ({"parameters": {"period": 14.5}}, "parameters.period", "must be a whole number"),
        ({"parameters": {"period": 10**400}}, "parameters.period", "must be a number between"),
        ({"parameters": {"nosuch": 1}}, "parameters.nosuch", "its parameters are: period, low, high"),
        ({"parameters": [14]}, "parameters", "dictionary"),
        ({"start_date": "2024-02-30"}, "start_date", "day"),
        ({"start_date": "yesterday"}, "start_date", "must be a date such as 2024-01-31"),
        ({"end_date": 20240131}, "end_date", "must be a date such as 2024-01-31"),
        ({"end_date": "1704067200"}, "end_date", "must be a date such as 2024-01-31"),
        ({"start_date": "2024-02-01", "end_date": "2024-01-01"}, "start_date", "must not be after"),
        ({"interval": "7d"}, "interval", "must be one of 1m, 5m"),
        ({"cash": -5}, "cash", "must be from"),
        ({"cash": "much"}, "cash", "must be a number"),
        ({"fee_pct": 1000}, "fee_pct", "must be from"),
        ({"cash": 1, "rules": {"cash": 2}}, "cash", "is given twice"),
        ({"rules": {"nosuch": 1}}, "rules.nosuch", "is no rule"),
        ({"rules": {"stop_loss_pct": -1}}, "rules.stop_loss_pct", "must be from"),
        ({"rules": {"fill": []}}, "rules.fill", "must be a number"),
        ({"rules": {"fill": "\x00"}}, "rules.fill", "NUL"),
        ({"preset": "nosuch"}, "preset", "must be one of vectorbt"),
        ({"universe": "nosuch"}, "universe", "'nosuch' is unknown; valid are: test"),
        ({"universe": ""}, "universe", "is unknown"),
        ({"universe": "a\x00b"}, "universe", "NUL"),
        ({"universe": "x" * 501}, "universe", "500"),
        ({"symbols": ["S1", "NOSUCH"]}, "symbols", "not in the universe 'test': NOSUCH"),
        ({"symbols": "S1"}, "symbols", "list"),
        ({"symbols": [7]}, "symbols.0", "string"),
        ({"priority": ["NOSUCH"]}, "priority", "NOSUCH"),
        ({"max_workers": 0}, "max_workers", "must be from 1 to 256; it is 0"),
        ({"max_workers": 1.0}, "max_workers", "integer"),
        ({"use_cache": 1}, "use_cache", "boolean"),
        ({"notify_url": "ftp://x"}, "notify_url", "begins with http"),
        ({"notify_email": "nobody"}, "notify_email", "an e-mail address"),
        ({"period": 14}, "period", "is unknown; known are: strategy, strategy_id, parameters"),
    ],
)
def test_what_is_wrong_is_named(client: Client, body: dict[str, Any], field: str, problem: str) -> None:
    refused = problems(post(client, START, {**SCAN, **body}))
    assert list(refused) == [field]
    assert problem in refused[field]
    assert not Run.objects.exists()


def test_everything_that_is_wrong_is_named_at_once(client: Client) -> None:
    refused = problems(post(client, START, {**SCAN, "cash": "x", "colour": 1, "parameters": {"low": "y"}}))
    assert set(refused) == {"cash", "colour", "parameters.low"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ['"cash": {}', '"parameters": {{"low": {}}}', '"rules": {{"stop_loss_pct": {}}}'])
def test_what_is_no_finite_number_is_refused_by_name(client: Client, number: str, place: str) -> None:
    refused = problems(post(client, START, '{"strategy": "rsi", ' + place.format(number) + "}"))
    assert list(refused.values()) == ["must be a number between -2^53 and 2^53"]


@pytest.mark.parametrize(
    "text", ["{", "nothing", '{"strategy": "rsi",}', "{'strategy': 'rsi'}", b"\xff\xfe", "[" * 99999]
)
def test_what_is_no_json_is_refused(client: Client, text: str | bytes) -> None:
    response = post(client, START, text)
    assert response.status_code == 400
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize("text", ["", "[]", "null", "7", '"rsi"', '{"strategy": "\\ud800"}'])
def test_what_is_no_object_of_text_is_refused(client: Client, text: str) -> None:
    assert problems(post(client, START, text))


def test_one_run_too_many_is_told_with_the_reason(client: Client, settings: Any) -> None:
    settings.RUNNING_RUNS, settings.WAITING_RUNS = 1, 0
    started(client)
    response = post(client, START, {**SCAN, "strategy": "macd"})
    assert response.status_code == 429
    assert "1 run is not finished" in response.json()["detail"]
    assert Run.objects.count() == 1


def test_a_run_that_is_too_large_is_told_so(client: Client, settings: Any) -> None:
    settings.MOST_BARS = 10
    response = post(client, START, SCAN)
    assert response.status_code == 429
    assert "420 bars" in response.json()["detail"]


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
@pytest.mark.parametrize(
    "address", [START, "/api/market-scan", "/api/market-scan/stream", "/api/crypto/backtest/stream"]
)
def test_it_takes_no_other_method(client: Client, method: str, address: str) -> None:
    response = getattr(client, method)(address, content_type="application/json")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response.json() == {"detail": "method not allowed"}
