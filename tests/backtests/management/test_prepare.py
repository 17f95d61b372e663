from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

import pytest
from django.core.management import call_command

from backtests.models import PriceBlock, Universe
from strategies import registry
from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.library.year_high import YearHigh
from strategies.models import Strategy as StrategyRow
from strategies.registry import strategies
from tests.builders import make_bars, store_universe


def prepared() -> str:
    printed = StringIO()
    call_command("prepare", stdout=printed)
    return printed.getvalue()


@pytest.mark.django_db
def test_what_is_there_is_left_as_it_is() -> None:
    store_universe("Test", {"AAA": make_bars([1.0, 2.0])})
    before = list(PriceBlock.objects.values_list("pk", "checksum", "imported_at"))
    assert prepared() == "Trawl is ready: serve it with `make run`.\n"
    assert list(PriceBlock.objects.values_list("pk", "checksum", "imported_at")) == before
    assert Universe.objects.count() == 1


@pytest.mark.django_db
def test_a_strategy_that_is_new_in_this_version_is_offered() -> None:
    store_universe("Test", {"AAA": make_bars([1.0, 2.0])})
    StrategyRow.objects.filter(key="rsi").delete()
    prepared()
    assert set(StrategyRow.objects.values_list("key", flat=True)) == set(strategies())


@pytest.mark.django_db
def test_without_prices_the_demo_market_is_loaded() -> None:
    said = prepared().splitlines()
    assert said[0] == "There are no prices yet: loading the demo market, which is synthetic."
    assert said[-1] == "Trawl is ready: serve it with `make run`."
    assert PriceBlock.objects.exists()
    assert set(Universe.objects.values_list("is_synthetic", flat=True)) == {True}


class Failing(Strategy):
    """Fail on every bar."""

    key = "a-failing-one"
    label = "Failing"

    def signals(self, bars: Bars) -> Signals:
        raise RuntimeError(f"not with {len(bars)} bars")


@pytest.mark.django_db
def test_a_strategy_that_fails_does_not_keep_the_server_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []

    def noted(self: YearHigh, bars: Sequence[Bars]) -> list[Signals]:
        ran.append(self.key)
        return Strategy.signals_all(self, bars)

    monkeypatch.setitem(registry._registry(), Failing.key, Failing)
    monkeypatch.setattr(YearHigh, "signals_all", noted)
    store_universe("Test", {"AAA": make_bars([1.0, 2.0])})
    assert prepared().splitlines() == [
        "The strategy a-failing-one fails: RuntimeError: not with 300 bars. "
        "`manage.py check_strategy a-failing-one` tells more.",
        "Trawl is ready: serve it with `make run`.",
    ]
    # Those that come after it have been run all the same.
    assert ran == ["year-high"]
