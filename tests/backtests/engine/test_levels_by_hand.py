"""Stops and targets that come with the signals as prices, worked out by hand on a few bars."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from backtests.engine import evaluate, evaluate_all
from backtests.engine.rules import RULES, Rules
from backtests.engine.simulate import simulate
from strategies.bars import Bars, Signals
from strategies.errors import SignalsError
from tests.backtests.engine.references import any_markets, any_rules, examples, fields, fills, ohlc, signals_on
from tests.backtests.engine.test_exits_by_hand import FREE, QUIET, SIGNAL_BAR, Left, Row, mirrored

NONE = math.nan


def priced(side: int, stops: list[float], targets: list[float], *rows: Row) -> tuple[Bars, Signals]:
    """A signal at a close of 100 on bar 0 that fills at the open of bar 1; the last price is that of all later bars."""
    n = 1 + len(rows)
    exits = {"short_entry": [0], "short_exit": []} if side < 0 else {}
    told = [[*prices, *prices[-1:] * n][:n] for prices in (stops, targets)]
    if side < 0:
        rows, told = tuple(map(mirrored, rows)), [[200.0 - price for price in prices] for prices in told]
    stop, target = (np.array(prices, dtype=np.float64) for prices in told)
    return ohlc(SIGNAL_BAR, *rows), replace(signals_on(n, entry=[0], exit=[], **exits), stop=stop, target=target)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("levels", "rules", "rows", "left"),
    [
        # It is met within the bar, and at the open of a bar that opens beyond it.
        (([80.0], [NONE]), {}, [QUIET, (100.0, 100.0, 79.0, 90.0)], (2, 80.0, "stop")),
        (([80.0], [NONE]), {}, [QUIET, (70.0, 90.0, 60.0, 80.0)], (2, 70.0, "stop")),
        (([80.0], [NONE]), {"gap_fill": "inside"}, [QUIET, (70.0, 90.0, 60.0, 80.0)], (2, 80.0, "stop")),
        (([NONE], [120.0]), {}, [QUIET, (100.0, 125.0, 100.0, 110.0)], (2, 120.0, "target")),
        (([NONE], [120.0]), {}, [QUIET, (130.0, 135.0, 110.0, 120.0)], (2, 130.0, "target")),
        (([80.0], [120.0]), {}, [(100.0, 130.0, 70.0, 100.0)], (1, 80.0, "stop")),
        # The prices of the bar of the signal count, and none of later ones.
        (([80.0, 99.0], [120.0, 101.0]), {}, [QUIET, QUIET], (2, 100.0, "open")),
        (([NONE, 99.0], [NONE, 101.0]), {}, [QUIET, QUIET], (2, 100.0, "open")),
        # A position that is entered beyond its stop or its target is left at once.
        (([105.0], [NONE]), {}, [QUIET], (1, 100.0, "stop")),
        (([NONE], [98.0]), {}, [QUIET], (1, 100.0, "target")),
        # Of percentages and prices the nearer ones count.
        (([80.0], [120.0]), {"stop_loss_pct": 25.0}, [(100.0, 100.0, 70.0, 90.0)], (1, 80.0, "stop")),
        (([60.0], [120.0]), {"stop_loss_pct": 25.0}, [(100.0, 100.0, 70.0, 90.0)], (1, 75.0, "stop")),
        (([60.0], [120.0]), {"take_profit_pct": 25.0}, [(100.0, 130.0, 90.0, 90.0)], (1, 120.0, "target")),
        (([60.0], [140.0]), {"take_profit_pct": 25.0}, [(100.0, 130.0, 90.0, 90.0)], (1, 125.0, "target")),
        (([70.0], [NONE]), {"trailing_stop_pct": 25.0}, [(100.0, 100.0, 65.0, 90.0)], (1, 75.0, "trail")),
        # When they are looked at, is a rule as for others.
        (([80.0], [NONE]), {"stops_from": "next_bar"}, [(100.0, 100.0, 79.0, 90.0), QUIET], (2, 100.0, "open")),
        (([80.0], [NONE]), {"fill": "same_close"}, [(100.0, 100.0, 79.0, 90.0)], (1, 80.0, "stop")),
    ],
)
def test_a_position_has_the_prices_of_its_signal(
    levels: tuple[list[float], list[float]], rules: dict[str, Any], rows: list[Row], left: Left, side: int
) -> None:
    bars, signals = priced(side, *levels, *rows)
    made = Rules(**{**FREE, **rules, **({"direction": "short"} if side < 0 else {})})
    trade = fields(simulate(bars, signals, made))
    bar, price, reason = left
    assert (trade["exit_bar"], trade["exit_reason"]) == (bar, reason)
    expected = price if side > 0 else 200.0 - price
    assert trade["exit_price"] == expected


@examples
@given(market=any_markets(), rules=any_rules(direction="long", stop_base="signal_close", fill="same_close"))
def test_percentages_of_the_close_are_prices_too(market: tuple[Bars, Signals], rules: Rules) -> None:
    bars, signals = market[0], replace(market[1], stop=None, target=None)
    values = {rule.key: getattr(rules, rule.key) for rule in RULES}
    told = Rules(**{**values, "stop_loss_pct": 12.5, "take_profit_pct": 25.0, "target_of": "price"})
    plain = Rules(**{**values, "stop_loss_pct": None, "take_profit_pct": None, "target_of": "price"})
    with_prices = replace(signals, stop=bars.close * (1.0 - 0.125), target=bars.close * (1.0 + 0.25))
    first = simulate(bars, signals, told, bars_per_year=250.0)
    second = simulate(bars, with_prices, plain, bars_per_year=250.0)
    assert first.trades.tobytes() == second.trades.tobytes()
    assert first.equity.tobytes() == second.equity.tobytes()


def test_each_position_has_its_own() -> None:
    bars = ohlc(
        SIGNAL_BAR, QUIET, (100.0, 100.0, 79.0, 90.0), QUIET, (100.0, 100.0, 79.0, 90.0), (90.0, 90.0, 59.0, 60.0)
    )
    signals = replace(signals_on(6, entry=[0, 2], exit=[]), stop=np.array([80.0, NONE, 60.0, NONE, 80.0, 80.0]))
    outcome = simulate(bars, signals, Rules(**FREE))
    assert fills(outcome) == [(1, 2, "stop"), (3, 5, "stop")]
    assert outcome.trades["exit_price"].tolist() == [80.0, 60.0]


def test_several_symbols_at_once_are_each_as_alone() -> None:
    pairs = [
        priced(1, [80.0], [NONE], QUIET, QUIET),
        priced(1, [98.0], [NONE], QUIET),
        priced(1, [NONE], [103.0], QUIET),
    ]
    pairs.append((pairs[0][0], replace(pairs[0][1], stop=None, target=None)))
    bars, signals = zip(*pairs, strict=True)
    together = list(evaluate_all(bars, signals, Rules(), bars_per_year=252))
    assert [fills(outcome)[0][2] for outcome, _ in together] == ["open", "stop", "target", "open"]
    for (outcome, values), each in zip(together, pairs, strict=True):
        alone, own = evaluate(*each, Rules(), bars_per_year=252)
        assert outcome.trades.tobytes() == alone.trades.tobytes()
        np.testing.assert_array_equal(values, own)


@pytest.mark.parametrize("wrong", [np.zeros(2), np.zeros(3, dtype=np.float32), [1.0, 2.0, 3.0]])
def test_prices_that_do_not_fit_are_refused(wrong: Any) -> None:
    bars, signals = priced(1, [80.0], [120.0], QUIET, QUIET)
    for name in ("stop", "target"):
        with pytest.raises(SignalsError, match=f"{name} must be float64 of shape"):
            simulate(bars, replace(signals, **{name: wrong}), Rules())
