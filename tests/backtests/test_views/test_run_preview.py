from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Universe
from tests.backtests.test_views.pages import page_of
from tests.builders import make_bars, store_universe

TOO_FEW = "No symbol has bars enough for this strategy in this range."


def preview(client: Client, **filled: str) -> str:
    form = {"universe": "test", "strategy": "rsi", "interval": "1d", "cash": "1", "fee_pct": "0", "slippage_pct": "0"}
    return page_of(client.get("/runs/preview/", {**form, **filled})).text


def test_it_says_what_would_be_tested(client: Client, universe: Universe) -> None:
    text = preview(client)
    assert text.startswith("Tests 7 symbols, 420 bars, 1 Jan 2024 to 29 Feb 2024.")
    assert "8 are in the universe; the others have too few bars and are listed with the reason." in text


def test_it_counts_the_bars_in_the_range_only(client: Client, universe: Universe) -> None:
    text = preview(client, start_date="2024-01-31", end_date="2024-02-20")
    assert text.startswith("Tests 7 symbols, 147 bars, 31 Jan 2024 to 20 Feb 2024.")


def test_a_range_without_bars_is_named(client: Client, universe: Universe) -> None:
    assert preview(client, start_date="2030-01-01") == TOO_FEW


def test_synthetic_prices_are_named(client: Client, db: None) -> None:
    store_universe("Test", {"AAA": make_bars([1.0, 2.0] * 20)}, is_synthetic=True)
    assert preview(client) == "Tests 1 symbol, 40 bars, 1 Jan 2024 to 9 Feb 2024. synthetic prices"


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        ({"start_date": "x"}, "From: Enter a valid date."),
        ({"end_date": "2024-02-30"}, "To: Enter a valid date."),
        (
            {"start_date": "2024-02-01", "end_date": "2024-01-01"},
            "From: must not be after the end date 2024-01-01; it is 2024-02-01",
        ),
    ],
)
def test_dates_that_cannot_be_are_named(
    client: Client, universe: Universe, dates: dict[str, str], message: str
) -> None:
    assert preview(client, **dates) == message


def test_the_last_day_that_there_is_may_be_asked_for(client: Client, universe: Universe) -> None:
    assert preview(client, end_date="9999-12-31").startswith("Tests 7 symbols, 420 bars")


def test_an_interval_of_the_universe_that_stood_there_before_is_forgiven(client: Client, universe: Universe) -> None:
    assert preview(client, interval="1h").startswith("Tests 7 symbols, 420 bars")


def test_symbols_with_fewer_bars_than_the_strategy_needs_are_not_counted(client: Client, universe: Universe) -> None:
    week = {"start_date": "2024-01-01", "end_date": "2024-01-07"}
    assert preview(client, **week) == TOO_FEW
    assert preview(client, **week, **{"param-period": "4"}).startswith("Tests 7 symbols, 49 bars")


def test_a_wrong_parameter_is_named(client: Client, universe: Universe) -> None:
    assert preview(client, **{"param-period": "1"}) == "Period: Ensure this value is greater than or equal to 2."


def test_a_brief_question_is_answered(client: Client, universe: Universe) -> None:
    assert page_of(client.get("/runs/preview/")).text.startswith("Tests 7 symbols, 420 bars")


@pytest.mark.django_db
def test_without_prices_it_says_what_is_missing(client: Client) -> None:
    assert preview(client) == "Universe: 'test' is unknown; valid are: none; import prices first"
