from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Universe
from strategies.registry import strategies
from tests.backtests.test_views.pages import errors, field, page_of, value_of
from tests.builders import make_bars, store_universe


@pytest.mark.parametrize("key", strategies())
def test_another_strategy_brings_its_own_parameters(client: Client, universe: Universe, key: str) -> None:
    page = page_of(client.get("/runs/form/", {"strategy": key, "universe": "test"}))
    names = [item.attributes.get("name", "") for item in page.all("input")]
    declared = strategies()[key].parameters()
    assert [name for name in names if name.startswith("param-")] == [f"param-{name}" for name in declared]
    assert [float(value_of(page, f"param-{name}")) for name in declared] == [
        parameter.default for parameter in declared.values()
    ]
    assert strategies()[key].help() in page.text


def test_what_was_filled_in_stays(client: Client, universe: Universe) -> None:
    filled = {"strategy": "bollinger", "universe": "test", "cash": "77", "start_date": "2024-01-02"}
    filled["param-period"] = "9"
    page = page_of(client.get("/runs/form/", filled))
    assert {name: value_of(page, name) for name in filled} == filled


def test_another_universe_brings_its_intervals(client: Client, universe: Universe) -> None:
    store_universe("Coins", {"BTC": make_bars([1.0, 2.0], step_s=3600)}, market="crypto", interval="1h")
    page = page_of(client.get("/runs/form/", {"universe": "coins", "interval": "1d"}))
    assert [option.attributes["value"] for option in field(page, "interval").all("option")] == ["1h"]


@pytest.mark.parametrize(
    "filled",
    [{}, {"cash": "x", "start_date": "x"}, {"strategy": "nope", "universe": "nope", "interval": "nope"}],
    ids=str,
)
def test_a_form_that_is_not_finished_has_no_complaints(
    client: Client, universe: Universe, filled: dict[str, str]
) -> None:
    response = client.get("/runs/form/", filled)
    assert response.status_code == 200
    assert errors(page_of(response)) == {}


def test_a_preset_fills_in_what_nobody_has_changed(client: Client, universe: Universe) -> None:
    shown = {"preset": "freqtrade", "preset_shown": "", "cash": "500", "slippage_pct": "0.05", "fill": "same_close"}
    page = page_of(client.get("/runs/form/", {**shown, "stop_loss_pct": "4", "gap_fill": "open", "at_end": "mark"}))
    names = ("cash", "slippage_pct", "fill", "stop_loss_pct", "gap_fill", "at_end", "days_a_year", "preset_shown")
    assert [value_of(page, name) for name in names] == [
        "500", "0", "same_close", "4", "inside", "last_open", "365", "freqtrade",
    ]  # fmt: skip
    assert "Days a year 365 days" in page.by_id("rules").text


def test_only_groups_in_which_the_user_has_changed_something_are_open(client: Client, universe: Universe) -> None:
    page = page_of(client.get("/runs/form/", {"preset": "freqtrade", "trailing_atr": "2"}))
    opened = [group.attributes["id"] for group in page.all("details") if "open" in group.attributes]
    assert opened == ["rules-exits"]
