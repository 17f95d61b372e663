"""Stops and targets of a formula hold in every run of it, in percent as rules and as prices by its signals."""

from __future__ import annotations

import numpy as np
import pytest

from backtests.engine.trades import EXIT_REASONS, TRADE
from backtests.models import Universe
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from strategies.formula_strategies import save_formula
from tests.builders import execute_run, make_bars, store_universe

PERCENT = "loss = param(8, 2, 20)\nenter: close > 1\nstop: loss\ntarget: 20"

pytestmark = pytest.mark.django_db


@pytest.fixture
def universe(db: None) -> Universe:
    closes = [100.0, 101.0, 102.0, 103.0, 95.0, 96.0, 97.0, 120.0, 121.0, 122.0]
    return store_universe("Test", {"UP": make_bars(closes), "DOWN": make_bars(closes[::-1])})


@pytest.mark.parametrize(
    ("given", "parameters", "stop", "target"),
    [
        ({}, {}, 8.0, 20.0),
        ({"stop_loss_pct": None, "take_profit_pct": None}, {"loss": 5}, 5.0, 20.0),
        ({"stop_loss_pct": 3.0}, {}, 3.0, 20.0),
    ],
)
def test_percentages_are_rules_unless_others_are_asked_for(
    given: dict[str, float | None], parameters: dict[str, int], stop: float, target: float, universe: Universe
) -> None:
    row = save_formula(PERCENT, label="Percent")
    asked = RunRequest(strategy=row.key, universe=universe.slug, rules=given, parameters=parameters)
    rules = check_request(asked).rules
    assert (rules.stop_loss_pct, rules.take_profit_pct) == (stop, target)


def test_prices_are_those_of_the_bar_of_the_signal(idle_engine: object, universe: Universe) -> None:
    row = save_formula("enter: close == 101\nstop: close[1] - 4\ntarget: close + 18", label="Priced")
    run = execute_run(start(check_request(RunRequest(strategy=row.key, universe=universe.slug))))
    assert (run.rules["stop_loss_pct"], run.rules["take_profit_pct"]) == (None, None)
    trades = np.frombuffer(bytes(run.results.get(symbol__ticker="UP").trade_list), dtype=TRADE)
    assert [EXIT_REASONS[trade["exit_reason"]] for trade in trades] == ["stop"]
    # The signal is on the second bar, the fall to 95 on the fifth; a stop slips.
    assert (trades["entry_bar"][0], trades["exit_bar"][0]) == (2, 4)
    assert trades["exit_price"][0] == pytest.approx(96.0 * (1 - run.rules["slippage_pct"] / 100))
