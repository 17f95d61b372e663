from __future__ import annotations

from datetime import date

import pytest
from django.test import Client

from backtests.engine import PRESETS, RULES, Rule
from backtests.engine.rule_text import parsed
from backtests.forms import EXECUTION
from backtests.models import Run, Universe
from backtests.rule_fields import ESSENTIAL, GROUPS
from backtests.views import RECENT
from strategies.models import Strategy
from strategies.registry import strategies
from tests.backtests.test_views.pages import field, page_of, value_of
from tests.builders import another_value, execute_run, make_bars, make_run, store_universe


def options(client: Client, name: str) -> dict[str, str]:
    control = field(page_of(client.get("/")), name)
    return {option.attributes["value"]: option.text for option in control.all("option")}


def test_the_form_stands_on_what_every_run_starts_from(client: Client, universe: Universe) -> None:
    page = page_of(client.get("/"))
    given = {name: value_of(page, name) for name in ("universe", "strategy", "interval", "cash", "fee_pct")}
    assert given == {"universe": "test", "strategy": "rsi", "interval": "1d", "cash": "10000", "fee_pct": "0.1"}
    assert (value_of(page, "start_date"), value_of(page, "end_date")) == ("", "")


def test_every_parameter_of_the_strategy_is_a_field_with_its_bounds(client: Client, universe: Universe) -> None:
    page = page_of(client.get("/"))
    for key, parameter in strategies()["rsi"].parameters().items():
        control = field(page, f"param-{key}").attributes
        assert (float(control["min"]), float(control["max"])) == (parameter.low, parameter.high)
        assert float(control["value"]) == parameter.default
        assert parameter.help in page.text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_every_rule_is_a_field_at_its_default(client: Client, universe: Universe, rule: Rule) -> None:
    page = page_of(client.get("/"))
    control = field(page, rule.key)
    if rule.kind == "switch":
        assert ("checked" in control.attributes) is rule.default
    else:
        assert parsed(rule, value_of(page, rule.key)) == rule.default
    if rule.kind == "choice":
        offered = [(option.attributes["value"], option.text) for option in control.all("option")]
        assert offered == list(rule.choices.items())
    assert rule.help in page.text


def test_the_other_rules_are_put_away(client: Client, universe: Universe) -> None:
    page = page_of(client.get("/"))
    groups = page.by_id("rules").all("details")
    assert [group.attributes["id"] for group in groups] == [f"rules-{name.lower()}" for name in GROUPS]
    assert not [group for group in groups if "open" in group.attributes]
    away = {
        control.attributes["name"] for group in groups for control in group.all("*") if "name" in control.attributes
    }
    assert away == {rule.key for rule in RULES} - set(ESSENTIAL)


def test_every_preset_is_offered(client: Client, universe: Universe) -> None:
    assert options(client, "preset") == {"": "Trawl's own", **{key: preset.label for key, preset in PRESETS.items()}}


def test_a_run_like_an_earlier_one_keeps_every_rule(client: Client, universe: Universe) -> None:
    rules = {rule.key: another_value(rule) for rule in RULES}
    run = make_run(universe, preset="backtrader", rules=rules)
    page = page_of(client.get(f"/?like={run.pk}"))
    assert (value_of(page, "preset"), value_of(page, "preset_shown")) == ("backtrader", "backtrader")
    for rule in RULES:
        is_on = "checked" in field(page, rule.key).attributes
        assert (is_on if rule.kind == "switch" else parsed(rule, value_of(page, rule.key))) == rules[rule.key]
    assert all("open" in group.attributes for group in page.by_id("rules").all("details"))


def test_how_a_run_is_executed_is_put_away_until_something_is_said_about_it(client: Client, universe: Universe) -> None:
    execution = page_of(client.get("/")).by_id("execution")
    assert "open" not in execution.attributes
    named = [control.attributes["name"] for control in execution.all("*") if "name" in control.attributes]
    assert named == list(EXECUTION)
    run = make_run(universe, priority=["S3", "S1"])
    like = page_of(client.get(f"/?like={run.pk}"))
    assert "open" in like.by_id("execution").attributes
    assert value_of(like, "priority") == "S3, S1"


def test_every_form_has_a_token_of_its_own(client: Client, universe: Universe) -> None:
    tokens = {value_of(page_of(client.get("/")), "token") for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 20 for token in tokens)


def test_only_active_strategies_are_offered(client: Client, universe: Universe) -> None:
    assert set(options(client, "strategy")) == set(strategies())
    Strategy.objects.filter(key="bollinger").update(is_active=False)
    Strategy.objects.create(key="gone", label="Gone")
    assert set(options(client, "strategy")) == set(strategies()) - {"bollinger"}


def test_a_synthetic_universe_says_so_and_comes_last(client: Client, universe: Universe) -> None:
    store_universe("Invented", {f"I{number}": make_bars([1.0, 2.0]) for number in range(20)}, is_synthetic=True)
    assert list(options(client, "universe").items()) == [("test", "Test"), ("invented", "Invented (synthetic)")]


def test_the_intervals_are_those_that_the_universe_has(client: Client, universe: Universe) -> None:
    assert options(client, "interval") == {"1d": "1 day"}


@pytest.mark.django_db
def test_without_prices_the_page_says_what_to_do(client: Client) -> None:
    page = page_of(client.get("/"))
    assert "There are no prices yet" in page.text
    buttons = [button for button in page.all("button") if button.attributes.get("type") == "submit"]
    assert [("disabled" in button.attributes) for button in buttons] == [True]


def test_a_run_like_an_earlier_one_is_filled_in(client: Client, universe: Universe) -> None:
    store_universe("Another", {"AAA": make_bars([1.0, 2.0])})
    run = make_run(
        universe,
        strategy="bollinger",
        parameters={"period": 33, "width": 0.1 + 0.2},
        start_date=date(2024, 1, 2),
        end_date=date(2024, 2, 1),
        rules={"cash": 1234.5, "fee_pct": 0.0, "slippage_pct": 1.25},
    )
    page = page_of(client.get(f"/?like={run.pk}"))
    names = ("universe", "strategy", "start_date", "end_date", "cash", "fee_pct", "slippage_pct")
    assert [value_of(page, name) for name in names] == [
        "test", "bollinger", "2024-01-02", "2024-02-01", "1234.5", "0", "1.25",
    ]  # fmt: skip
    assert (value_of(page, "param-period"), value_of(page, "param-width")) == ("33", "0.3")


def test_recent_runs_are_listed_newest_first(client: Client, universe: Universe) -> None:
    runs = [execute_run(make_run(universe)) for _ in range(10)]
    links = [link.attributes["href"] for link in page_of(client.get("/")).all("a")]
    listed = [link for link in links if link.startswith("/runs/") and link != "/runs/"]
    assert listed == [run.get_absolute_url() for run in reversed(runs)][:RECENT]


def test_the_page_asks_the_database_little_however_many_runs_there_are(
    client: Client, universe: Universe, django_assert_max_num_queries: object
) -> None:
    for _ in range(9):
        make_run(universe)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        client.get("/")
    assert Run.objects.count() == 9


def switch_off(*keys: str) -> None:
    Strategy.objects.filter(key__in=keys).update(is_active=False)


def test_with_the_usual_strategy_switched_off_the_form_stands_on_another(client: Client, universe: Universe) -> None:
    switch_off(*(set(strategies()) - {"bollinger", "sma-cross"}))
    page = page_of(client.get("/"))
    assert value_of(page, "strategy") == "bollinger"
    assert (value_of(page, "param-period"), value_of(page, "param-width")) == ("20", "2")
    assert "Bollinger" not in options(client, "strategy").get("rsi", "")


def test_an_earlier_run_of_a_strategy_that_is_switched_off_brings_all_but_the_strategy(
    client: Client, universe: Universe
) -> None:
    run = make_run(universe, strategy="bollinger", parameters={"period": 33, "width": 0.3}, rules={"cash": 500.0})
    switch_off("bollinger")
    page = page_of(client.get("/", {"like": run.pk}))
    assert (value_of(page, "strategy"), value_of(page, "cash"), value_of(page, "param-period")) == ("rsi", "500", "14")


def test_with_every_strategy_switched_off_nothing_can_be_run(client: Client, universe: Universe) -> None:
    switch_off(*strategies())
    page = page_of(client.get("/"))
    assert "Every strategy is switched off." in page.text
    (button,) = [button for button in page.all("button") if button.attributes.get("type") == "submit"]
    assert "disabled" in button.attributes
