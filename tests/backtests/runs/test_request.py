from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from backtests.engine import PRESETS, RULES, RULES_BY_KEY, Rule, Rules
from backtests.models import Interval
from backtests.runs.errors import ParameterRefused, RequestRefused
from backtests.runs.request import RunRequest, bounds_s, check_request
from strategies import registry
from strategies.base import Strategy as Strategies
from strategies.models import Strategy
from strategies.params import Int
from strategies.registry import strategies
from tests.builders import make_bars, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _universes() -> None:
    store_universe("Stocks", {"AAA": make_bars([1.0, 2.0])})
    store_universe("Coins", {"BTC": make_bars([1.0, 2.0])}, market="crypto")


def asked(**fields: Any) -> RunRequest:
    return RunRequest(**{"strategy": "rsi", "universe": "stocks", **fields})


def refusal(**fields: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        check_request(asked(**fields))
    assert str(caught.value) == f"{caught.value.field}: {caught.value.problem}"
    return caught.value


def test_a_request_is_returned_with_its_keys_looked_up() -> None:
    dates = {"start_date": date(2020, 1, 1), "end_date": date(2020, 1, 1)}
    checked = check_request(asked(parameters={"period": "10"}, rules={"cash": 500.0, "fill": "same_close"}, **dates))
    assert checked.strategy.values == {"period": 10, "low": 30.0, "high": 70.0}
    assert (checked.strategy_row.key, checked.universe.slug, checked.interval) == ("rsi", "stocks", "1d")
    assert (checked.preset, checked.rules) == ("", Rules(cash=500.0, fill="same_close"))
    assert (checked.start_date, checked.end_date) == (date(2020, 1, 1), date(2020, 1, 1))


@pytest.mark.parametrize("interval", Interval.values)
def test_every_interval_may_be_asked_for(interval: str) -> None:
    assert check_request(asked(interval=interval)).interval == interval


def test_an_unknown_strategy_is_refused_with_the_valid_ones() -> None:
    error = refusal(strategy="nope")
    assert (error.field, error.problem) == ("strategy", f"'nope' is unknown; valid are: {', '.join(strategies())}")


def test_a_strategy_that_is_switched_off_is_refused() -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False)
    error = refusal()
    assert error.field == "strategy"
    assert error.problem.startswith("'rsi' is switched off; valid are: ")
    assert "rsi" not in error.problem.split("valid are: ")[1].split(", ")


def test_a_strategy_whose_rule_is_gone_is_refused() -> None:
    Strategy.objects.create(key="gone", label="Gone")
    assert refusal(strategy="gone").problem.startswith("'gone' is unknown")


def test_without_an_active_strategy_none_is_valid() -> None:
    Strategy.objects.update(is_active=False)
    assert refusal().problem == "'rsi' is switched off; valid are: none"


def test_an_unknown_universe_is_refused_with_the_stored_ones() -> None:
    error = refusal(universe="nope")
    assert (error.field, error.problem) == ("universe", "'nope' is unknown; valid are: coins, stocks")


def test_an_unknown_interval_is_refused_with_the_valid_ones() -> None:
    error = refusal(interval="2d")
    assert (error.field, error.problem) == (
        "interval",
        f"must be one of {', '.join(Interval.values)}; it is '2d'",
    )


def test_dates_that_cross_are_refused() -> None:
    error = refusal(start_date=date(2021, 1, 1), end_date=date(2020, 12, 31))
    assert error.field == "start_date"
    assert error.problem == "must not be after the end date 2020-12-31; it is 2021-01-01"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_a_rule_that_is_wrong_is_refused_by_its_key(rule: Rule) -> None:
    wrong = [math.nan, math.inf, rule.low - 1, rule.high + 1] if rule.kind in {"number", "whole"} else []
    for value in ["nope", [], *wrong]:
        error = refusal(rules={rule.key: value})
        assert error.field == rule.key
        assert error.problem.startswith("must be ")


def test_an_unknown_rule_is_refused_with_the_valid_ones() -> None:
    error = refusal(rules={"stop": 5.0})
    assert (error.field, error.problem) == ("stop", f"is no rule; the rules are: {', '.join(RULES_BY_KEY)}")


def test_rules_that_do_not_fit_together_are_refused() -> None:
    error = refusal(rules={"stop_base": "entry_close"})
    assert (error.field, error.problem[:19]) == ("stop_base", "is not known from t")


@pytest.mark.parametrize("key", PRESETS)
def test_a_preset_brings_its_rules_and_what_is_asked_for_wins(key: str) -> None:
    checked = check_request(asked(preset=key, rules={"cash": 50.0, "sharpe": "bar"}))
    assert checked.preset == key
    assert checked.rules == Rules.of({**PRESETS[key].values, "cash": 50.0, "sharpe": "bar"})


def test_an_unknown_preset_is_refused_with_the_valid_ones() -> None:
    error = refusal(preset="nope")
    assert (error.field, error.problem) == ("preset", f"must be one of {', '.join(PRESETS)}; it is 'nope'")


def test_an_unknown_parameter_is_refused_with_the_valid_ones() -> None:
    error = refusal(parameters={"speed": 3})
    assert isinstance(error, ParameterRefused)
    assert error.field == "speed"
    assert error.problem == "is not a parameter of rsi; its parameters are: period, low, high"


@pytest.mark.parametrize("value", [1, 201, 2.5, "x", "nan", "inf", None, True, [3]])
def test_a_parameter_out_of_its_bounds_is_refused_by_name(value: object) -> None:
    assert refusal(parameters={"period": value}).field == "period"


def test_parameters_that_do_not_fit_together_are_refused() -> None:
    error = refusal(parameters={"low": 80})
    assert (error.field, error.problem) == ("low", "must be smaller than high; 80 is not below 70")


def test_dates_are_whole_days_in_utc() -> None:
    assert bounds_s(date(1970, 1, 2), date(1970, 1, 2)) == (86_400, 172_800)
    assert bounds_s(None, None) == (None, None)


def test_after_the_last_day_of_all_comes_nothing() -> None:
    start, end = bounds_s(date.min, date.max)
    assert start is not None
    assert start < 0
    assert end is None


class Raising(Strategies):
    """Raise with some parameters."""

    key = "raising"
    label = "Raising"

    length = Int(5, low=1, high=9, help="Bars")

    def check(self) -> None:
        assert self.length != 7, "not seven"

    @property
    def warmup(self) -> int:
        return 10 // (self.length - 1)


@pytest.mark.parametrize(
    ("length", "what"), [(7, "AssertionError with these parameters: not seven"), (1, "ZeroDivisionError with these")]
)
def test_a_strategy_that_raises_is_refused_by_name(length: int, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._registry(), "raising", Raising)
    Strategy.objects.create(key="raising", label="Raising")
    refused = refusal(strategy="raising", parameters={"length": length})
    assert refused.field == "strategy"
    assert refused.problem.startswith(f"Raising raises {what}")
    assert check_request(asked(strategy="raising")).strategy.values == {"length": 5}


def test_a_strategy_without_a_row_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._registry(), "raising", Raising)
    assert refusal(strategy="raising").problem.startswith("'raising' is unknown; valid are: ")


@pytest.fixture
def _several() -> None:
    store_universe("Several", {ticker: make_bars([1.0, 2.0]) for ticker in ("AAA", "BBB", "BRK.B", "ccc")})


@pytest.mark.usefixtures("_several")
@pytest.mark.parametrize("field", ["symbols", "priority"])
def test_tickers_are_found_however_they_are_written_and_taken_once(field: str) -> None:
    checked = check_request(asked(universe="several", **{field: ["brk.b", " AAA ", "CCC", "aaa", "AAA"]}))
    found = {"symbols": checked.tickers, "priority": checked.priority}
    assert found.pop(field) == ("BRK.B", "AAA", "ccc")
    assert list(found.values()) == [()]


@pytest.mark.usefixtures("_several")
@pytest.mark.parametrize("field", ["symbols", "priority"])
def test_tickers_that_the_universe_has_not_are_named(field: str) -> None:
    error = refusal(universe="several", **{field: ["AAA", "XYZ", "BTC"]})
    assert (error.field, error.problem) == (field, "not in the universe 'several': XYZ, BTC")
    many = refusal(universe="several", **{field: [f"X{number}" for number in range(8)]})
    assert many.problem == "not in the universe 'several': X0, X1, X2, X3, X4 and 3 more"
    empty = refusal(universe="several", **{field: [" "]})
    assert empty.problem == "not in the universe 'several': ''"


@pytest.mark.usefixtures("_several")
def test_only_chosen_symbols_can_come_first() -> None:
    checked = check_request(asked(universe="several", symbols=["AAA", "BBB"], priority=["bbb"]))
    assert checked.priority == ("BBB",)
    error = refusal(universe="several", symbols=["AAA", "BBB"], priority=["ccc"])
    assert (error.field, error.problem) == ("priority", "not in the chosen symbols: ccc")


@pytest.mark.parametrize("number", [None, 1, 2, 256])
def test_a_run_may_be_given_few_workers(number: int | None) -> None:
    assert check_request(asked(max_workers=number)).max_workers == number


@pytest.mark.parametrize("number", [0, -1, 257])
def test_a_number_of_workers_out_of_its_bounds_is_refused(number: int) -> None:
    error = refusal(max_workers=number)
    assert (error.field, error.problem) == ("max_workers", f"must be from 1 to 256; it is {number}")


def test_whom_to_tell_is_taken_over(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example"
    checked = check_request(
        asked(notify_email="me@example.com", notify_url="http://example.com:8080/a?b=c", use_cache=False)
    )
    assert (checked.notify_email, checked.notify_url) == ("me@example.com", "http://example.com:8080/a?b=c")
    assert not checked.use_cache


@pytest.mark.parametrize(
    "address", ["me", "me@", "@example.com", "me@example.com, you@example.com", "me@example.com\nBcc: x@y.z"]
)
def test_an_address_that_is_none_gets_no_mail(address: str, settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example"
    error = refusal(notify_email=address)
    assert (error.field, error.problem) == ("notify_email", f"must be an e-mail address; it is {address!r}")


def test_a_server_that_sends_no_mail_says_so_before_the_run(settings: Any) -> None:
    settings.EMAIL_HOST = ""
    error = refusal(notify_email="me@example.com")
    assert (error.field, error.problem.split(";")[0]) == ("notify_email", "this server sends no mail")


@pytest.mark.parametrize(
    "url",
    ["example.com", "ftp://example.com/", "http://", "file:///etc/passwd", "http://example.com:99999/", "http://web/done",
     "http://exa mple.com/", "http://[::1/", "https://example.com/" + 500 * "x"],
)  # fmt: skip
def test_an_address_that_cannot_be_called_is_refused(url: str) -> None:
    error = refusal(notify_url=url)
    assert error.field == "notify_url"
    assert error.problem == f"must be an address that begins with http:// or https://; it is {url!r}"


def test_a_private_host_that_may_be_called_needs_no_dot_in_its_name(settings: Any) -> None:
    settings.WEBHOOK_HOSTS = ["web"]
    assert check_request(asked(notify_url="http://WEB:8080/done")).notify_url == "http://WEB:8080/done"
    assert refusal(notify_url="ftp://web/done").field == "notify_url"
    assert refusal(notify_url="http://other/done").field == "notify_url"
