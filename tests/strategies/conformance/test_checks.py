"""Each check sees what it is for: cheats break one part of the contract, and the check of that part says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from strategies.bars import Bars
from strategies.base import Strategy
from strategies.conformance.checks import (
    CHECKS,
    check_deterministic,
    check_future_changed,
    check_inputs_untouched,
    check_signals_fit,
    check_truncated,
    check_warmup,
)
from strategies.errors import ContractBroken
from tests.builders import make_market
from tests.strategies.conformance.cheats import (
    AverageOfAll,
    Careless,
    CenteredAverage,
    FirstAndNext,
    Forgetful,
    Hasty,
    HastyShort,
    Honest,
    NeedsThree,
    NoNumber,
    Nothing,
    Numbers,
    RareGlance,
    RareSignals,
    RememberedForever,
    RememberedStart,
    Remembering,
    Shared,
    ShortGlance,
    StopGlance,
    TomorrowsClose,
    WrongShape,
)

Check = Callable[[Strategy, Bars], None]

BARS = make_market(11, n_symbols=1)["S0"]


@pytest.mark.parametrize("check", CHECKS)
def test_who_keeps_the_contract_passes_every_check(check: Check) -> None:
    check(Honest(), BARS)


@pytest.mark.parametrize(
    ("cheat", "check", "says"),
    [
        (TomorrowsClose, check_truncated, "when the bars after it are removed"),
        (AverageOfAll, check_truncated, "when the bars after it are removed"),
        (CenteredAverage, check_truncated, "when the bars after it are removed"),
        (RareGlance, check_truncated, r"the entry of bar \d*7 is true, and false when the bars after it are removed"),
        (RememberedStart, check_truncated, r"when it sees the first \d+ bars before all of them, on prices"),
        (RememberedForever, check_truncated, r"\(300,\); the strategy returned .*, when it has seen the first \d+ of"),
        (ShortGlance, check_truncated, r"the short entry of bar \d+ is true, and false when the bars after it are"),
        (StopGlance, check_truncated, r"the stop of bar \d+ is [\d.]+, and [\d.]+ when the bars after it are removed"),
        (StopGlance, check_future_changed, "the stop of bar .* when the prices from the next bar on"),
        (ShortGlance, check_future_changed, "the short entry of bar .* when the prices from the next bar on"),
        (HastyShort, check_warmup, r"the short entry of bar \d stands after \d bars?, and warmup says 10"),
        (TomorrowsClose, check_future_changed, "when the prices from the next bar on are multiplied by"),
        (AverageOfAll, check_future_changed, r"when the prices from .* on are multiplied by"),
        (
            CenteredAverage,
            check_future_changed,
            r"when the prices from (the next bar|2 bars later) on are multiplied by",
        ),
        (Hasty, check_warmup, r"the entry of bar 3 stands after 3 bars, and warmup says 50"),
        (NoNumber, check_warmup, "warmup must be a whole number of bars, 0 or more; it is 5.0"),
        (Forgetful, check_deterministic, "when the same strategy is asked a second time"),
        (Shared, check_deterministic, "when an equal strategy is asked"),
        (Remembering, check_deterministic, "when the strategy has seen other bars before"),
        (Careless, check_inputs_untouched, "changed close of bar 0 from"),
        (WrongShape, check_signals_fit, "must be bool of shape .* when given 300 bars"),
        (Numbers, check_signals_fit, "must be bool of shape .* int64"),
        (Nothing, check_signals_fit, "it returned None"),
        (NeedsThree, check_signals_fit, "when given 1 bars"),
    ],
)
def test_a_cheat_is_caught(cheat: type[Strategy], check: Check, says: str) -> None:
    with pytest.raises(ContractBroken, match=says):
        check(cheat(), BARS)


def test_few_signals_in_many_bars_are_where_a_series_is_cut() -> None:
    bars = make_market(11, n_symbols=1, n_bars=3000)["S0"]
    with pytest.raises(ContractBroken, match="when the bars after it are removed"):
        check_truncated(RareSignals(), bars)


def test_signals_that_stand_for_long_are_where_they_turn() -> None:
    for bars in make_market(6, n_symbols=6, n_bars=3000).values():
        entry = FirstAndNext().signals(bars).entry
        assert 2 < np.count_nonzero(np.diff(entry)) < 100
        with pytest.raises(ContractBroken, match="when the bars after it are removed"):
            check_truncated(FirstAndNext(), bars)


def test_a_breach_names_the_bar_where_it_shows() -> None:
    with pytest.raises(ContractBroken) as caught:
        check_truncated(TomorrowsClose(), BARS)
    bar = caught.value.bar
    assert bar is not None
    rises = bool(BARS.close[bar + 1] > BARS.close[bar])
    name = caught.value.problem.split(" ")[1]
    assert TomorrowsClose().signals(BARS).entry[bar] == rises
    assert caught.value.problem.startswith(f"the {name} of {{bar}} is true, and false")
    assert f"the {name} of bar {bar} is true" in str(caught.value)
