from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from backtests.engine import RULES, RULES_BY_KEY, Rule, Rules, preset_rules
from backtests.engine.rule_text import written
from backtests.models import Run
from strategies import registry
from strategies.base import Strategy as BaseStrategy
from strategies.errors import ParameterError
from strategies.models import Strategy
from strategies.params import Int
from tests.backtests.test_views.pages import errors, field, page_of, value_of
from tests.builders import another_value, make_market, store_universe
from tests.waiting import wait_for

TYPED = {
    "universe": "test",
    "strategy": "rsi",
    "interval": "1d",
    "start_date": "2024-01-05",
    "end_date": "2024-02-20",
    "cash": "777.5",
    "fee_pct": "0.3",
    "slippage_pct": "0.2",
    "param-period": "9",
    "param-low": "35",
    "param-high": "65",
    "token": "the-token-of-this-form",
}


class Odd(BaseStrategy):
    """Has a parameter called like a rule, and does not take every value of it."""

    key = "odd"
    label = "Odd"

    cash = Int(5, low=1, high=9, help="Called like a rule")

    def check(self) -> None:
        if self.cash == 7:
            raise ParameterError("cash", "is odd")


@pytest.fixture(autouse=True)
def _universe(db: None) -> None:
    store_universe("Test", make_market(n_symbols=7, n_bars=60))


def post(client: Client, **typed: str | None) -> Any:
    given = {key: value for key, value in {**TYPED, **typed}.items() if value is not None}
    return client.post("/runs/start/", given)


@pytest.mark.usefixtures("engine")
def test_it_starts_the_run_and_leads_to_its_page(client: Client) -> None:
    response = post(client)
    run = Run.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/runs/{run.pk}/")
    assert run.parameters == {"period": 9, "low": 35.0, "high": 65.0}
    assert run.engine_rules == Rules(cash=777.5, fee_pct=0.3, slippage_pct=0.2)
    assert (str(run.start_date), str(run.end_date)) == ("2024-01-05", "2024-02-20")
    wait_for("every symbol has a result", lambda: Run.objects.get(pk=run.pk).n_done == 7)


@pytest.mark.usefixtures("idle_engine")
def test_a_double_click_starts_one_run(client: Client) -> None:
    assert post(client)["Location"] == post(client)["Location"]
    assert Run.objects.count() == 1


@pytest.mark.usefixtures("idle_engine")
def test_the_same_form_with_another_value_is_another_run(client: Client) -> None:
    assert post(client)["Location"] != post(client, **{"param-period": "10"})["Location"]


@pytest.mark.usefixtures("idle_engine")
def test_what_is_left_out_has_its_default(client: Client) -> None:
    brief = {"strategy": "bollinger", "start_date": None, "end_date": None, "token": None}
    response = post(client, **brief, **{"param-period": None, "param-low": None, "param-high": None})
    assert response.status_code == 302
    run = Run.objects.get()
    assert run.parameters == {"period": 20, "width": 2.0}
    assert (run.start_date, run.end_date) == (None, None)


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("universe", "nope", "'nope' is unknown; valid are: test"),
        ("universe", "", "This field is required."),
        ("strategy", "nope", "'nope' is unknown; valid are: "),
        ("interval", "2d", "must be one of 1m, "),
        ("start_date", "2024-13-01", "Enter a valid date."),
        ("start_date", "2024-03-01", "must not be after the end date 2024-02-20; it is 2024-03-01"),
        ("cash", "0", "must be from 0.01 to 1,000,000,000,000; it is 0"),
        ("cash", "1e13", "must be from 0.01 to 1,000,000,000,000; it is 10,000,000,000,000"),
        ("cash", "lots", "must be a number; it is 'lots'"),
        ("cash", "nan", "must be a number; it is nan"),
        ("cash", "inf", "must be a number; it is inf"),
        ("cash", "", "must be a number; it is ''"),
        ("fee_pct", "-1", "must be from 0 to 50; it is -1"),
        ("fee_pct", "51", "must be from 0 to 50; it is 51"),
        ("slippage_pct", "nan", "must be a number; it is nan"),
        ("stop_loss_pct", "5,0", "must be a number or off; it is '5,0'"),
        ("stop_base", "entry_close", "is not known from the entry on"),
        ("preset", "nope", "must be one of vectorbt, "),
        ("param-period", "1", "greater than or equal to 2"),
        ("param-period", "2.5", "Enter a whole number."),
        ("param-period", "", "This field is required."),
        ("param-low", "70", "must be smaller than high; 70 is not below 65"),
    ],
)
def test_a_wrong_value_is_named_at_its_field_and_everything_typed_stays(
    client: Client, name: str, typed: str, message: str
) -> None:
    response = post(client, **{name: typed})
    assert response.status_code == 422
    page = page_of(response)
    told = errors(page)
    assert list(told) == [name]
    assert message in told[name]
    kept = {key: value for key, value in TYPED.items() if key != name and not (name == "strategy" and "param" in key)}
    assert {key: value_of(page, key) for key in kept} == kept
    if field(page, name).tag == "input":
        assert value_of(page, name) == typed
    assert not Run.objects.exists()


def test_several_wrong_values_are_named_at_once(client: Client) -> None:
    page = page_of(post(client, cash="x", fee_pct="99", **{"param-period": "0"}))
    assert set(errors(page)) == {"cash", "fee_pct", "param-period"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_a_wrong_rule_is_named_at_its_field_in_an_open_group(client: Client, rule: Rule) -> None:
    response = post(client, preset_shown="", **{rule.key: "nope"})
    assert response.status_code == 422
    page = page_of(response)
    told = errors(page)
    assert list(told) == [rule.key]
    assert told[rule.key].startswith("must be ")
    if rule.kind in {"number", "whole"}:
        assert value_of(page, rule.key) == "nope"
    closed = [group for group in page.all("details") if "open" not in group.attributes]
    assert not [True for group in closed for control in group.all("*") if control.attributes.get("name") == rule.key]


@pytest.mark.usefixtures("idle_engine")
def test_every_rule_can_be_set(client: Client) -> None:
    rules = {rule.key: another_value(rule) for rule in RULES}
    # A box without a tick is not sent.
    sent = {key: written(RULES_BY_KEY[key], value) for key, value in rules.items() if value is not False}
    assert post(client, preset_shown="", **sent).status_code == 302
    assert Run.objects.get().rules == rules


@pytest.mark.usefixtures("idle_engine")
def test_without_javascript_a_preset_applies_to_what_was_not_changed(client: Client) -> None:
    shown = {"preset_shown": "", "fill": "next_open", "stop_slippage": "on", "stop_loss_pct": "5", "sharpe": "yearly"}
    post(client, preset="vectorbt", **shown)
    run = Run.objects.get()
    own = {"cash": 777.5, "fee_pct": 0.3, "slippage_pct": 0.2, "stop_loss_pct": 5.0, "sharpe": "yearly"}
    assert (run.preset, run.engine_rules) == ("vectorbt", preset_rules("vectorbt", own))
    assert run.engine_rules.fill == "same_close"
    assert run.engine_rules.stop_slippage is False


def test_a_parameter_that_is_called_like_a_rule_is_not_taken_for_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._registry(), "odd", Odd)
    Strategy.objects.create(key="odd", label="Odd")
    page = page_of(post(client, strategy="odd", **{"param-cash": "7"}))
    assert errors(page) == {"param-cash": "is odd"}


def test_what_was_typed_is_shown_as_text(client: Client) -> None:
    response = post(client, cash='"><script>alert(1)</script>', universe="<script>alert(1)</script>")
    assert response.status_code == 422
    page = page_of(response)
    assert value_of(page, "cash") == '"><script>alert(1)</script>'
    assert all("src" in script.attributes for script in page.all("script"))


def test_a_strategy_that_was_switched_off_meanwhile_starts_nothing(client: Client) -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False)
    response = post(client)
    assert response.status_code == 422
    assert "'rsi' is switched off; valid are: " in errors(page_of(response))["strategy"]


def test_a_universe_without_symbols_starts_nothing(client: Client) -> None:
    store_universe("Empty", {})
    response = post(client, universe="empty")
    assert response.status_code == 422
    assert "'empty' has no symbols" in errors(page_of(response))["universe"]
    assert not Run.objects.exists()


def test_a_form_of_another_site_starts_nothing() -> None:
    assert post(Client(enforce_csrf_checks=True)).status_code == 403
    assert not Run.objects.exists()


@pytest.mark.parametrize(("name", "typed"), [("token", "x" * 65), ("token", "\0"), ("universe", "\0"), ("cash", "\0")])
def test_what_no_browser_sends_is_refused(client: Client, name: str, typed: str) -> None:
    assert post(client, **{name: typed}).status_code == 422
    assert not Run.objects.exists()
