"""Small accounts to measure: each moves, trades or is ruined in one way that can be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from backtests.engine import Rules, measure, simulate
from backtests.engine.table import METRICS_BY_KEY
from strategies.bars import Bars, Signals
from tests.backtests.engine.metric_references import Account
from tests.backtests.engine.references import signals_on
from tests.builders import MONDAY_S, make_bars

CASH = 1000.0
FREE: dict[str, Any] = {"cash": CASH, "fee_pct": 0.0, "slippage_pct": 0.0, "borrow_pct": 0.0}

Values = dict[str, float]


def account(bars: Bars, signals: Signals, *, bars_a_year: float = 252, **rules: Any) -> Account:
    """An account that trades these signals, free of costs if not told otherwise."""
    wanted = Rules(**(FREE | rules))
    outcome = simulate(bars, signals, wanted, bars_per_year=bars_a_year)
    return Account(bars, outcome, wanted, bars_a_year)


def measured(item: Account) -> Values:
    values = measure(item.bars, item.outcome, item.rules, bars_per_year=item.bars_a_year)
    return dict(zip(METRICS_BY_KEY, values.tolist(), strict=True))


def following(closes: Sequence[float], *, start_s: int = MONDAY_S, **options: Any) -> Account:
    """An account that holds one position from the first close to the last: it moves as the closes do."""
    bars = make_bars(closes, start_s=start_s)
    return account(bars, signals_on(len(closes), entry=[0]), fill="same_close", **options)


def compounding(returns: Sequence[float], **options: Any) -> Account:
    """An account with these bar returns."""
    return following([100.0, *(100.0 * np.cumprod(1.0 + np.array(returns))).tolist()], **options)


def earning(profits: Sequence[float], **options: Any) -> Account:
    """An account that buys one unit at 100 for each profit, and sells it one bar later at 100 and the profit."""
    opens = [100.0, *(price for profit in profits for price in (100.0, 100.0 + profit))]
    entry, leave = range(0, 2 * len(profits), 2), range(1, 2 * len(profits), 2)
    return account(
        make_bars(opens, opens=opens), signals_on(len(opens), entry=entry, exit=leave), sizing="units", **options
    )


def idle(n_bars: int = 5, **options: Any) -> Account:
    """An account that never trades."""
    return account(make_bars([10.0] * n_bars), signals_on(n_bars), **options)


def ruined(**options: Any) -> Account:
    """An account that sold a hundred units at 10 and buys them back at 25: 1000 − 1500 are left."""
    bars = make_bars([10.0, 10.0, 25.0, 25.0])
    return account(bars, signals_on(4, exit=[0]), direction="short", fill="same_close", **options)


def assert_values(item: Account, **expected: float) -> None:
    found = measured(item)
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)
