"""Run the engine and another backtester on every case, and tell what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np

from backtests.engine import METRICS, Rules, evaluate, simulate
from strategies.bars import Bars, FloatArray, Signals
from tests.peers.markets import MIRRORED, Case, Variation
from tests.peers.trades import RELATIVE, PeerTrade, compare, ours_of

BARS_PER_YEAR = 365.0

# Trades, and equity at every close: NaN where a backtester does not tell it.
Result = tuple[list[PeerTrade], FloatArray]
Runner = Callable[[Bars, Signals, Rules], Result]


def varied(preset: Rules, variation: Variation) -> Rules:
    """Return a preset's rules with those that its user sets himself."""
    return replace(preset, **variation.values)


@cache
def theirs_of(run: Runner, case: Case, rules: Rules) -> Result:
    """Return what the other backtester gives; once for a test of the preset and those of wrong ones."""
    return run(case.bars, case.signals, rules)


def both_of(run: Runner, case: Case, rules: Rules) -> tuple[list[PeerTrade], list[PeerTrade]]:
    """Return the engine's trades and the other's, to look at what is known to differ."""
    ours = simulate(case.bars, case.signals, rules, bars_per_year=BARS_PER_YEAR)
    return ours_of(ours), run(case.bars, case.signals, rules)[0]


def metrics_of(case: Case, rules: Rules) -> dict[str, float]:
    """Return the engine's metrics by key."""
    _, values = evaluate(case.bars, case.signals, rules, bars_per_year=BARS_PER_YEAR)
    return {metric.key: float(value) for metric, value in zip(METRICS, values, strict=True)}


def fitting(variation: Variation, cases: list[Case]) -> list[Case]:
    """Return the cases without the mirror images, or the originals, that could only be idle under a direction."""
    direction = variation.values.get("direction", "long")
    mirrored = {case.name for case in cases if case.name.startswith(MIRRORED)}
    originals = {name.removeprefix(MIRRORED) for name in mirrored}
    idle = {"long": mirrored, "short": originals, "both": set()}[direction]
    return [case for case in cases if case.name not in idle]


def difference(case: Case, rules: Rules, theirs: Result, *, least: float = -np.inf) -> str | None:
    """Return the first difference of what the engine gives from theirs, or None; equity counts as no less than that."""
    trades, equity = theirs
    outcome = simulate(case.bars, case.signals, rules, bars_per_year=BARS_PER_YEAR)
    if found := compare(ours_of(outcome), trades):
        return f"{case.name}: {found}"
    ours = np.maximum(outcome.equity, least)
    far = ~np.isclose(ours, equity, rtol=RELATIVE, atol=RELATIVE * rules.cash) & ~np.isnan(equity)
    if far.any():
        bar = int(np.argmax(far))
        return f"{case.name}: equity on bar {bar} is {ours[bar]!r} != {equity[bar]!r}"
    return None


def differences(
    run: Runner, preset: Rules, variation: Variation, cases: list[Case], *, least: float = -np.inf
) -> list[str]:
    """Return the first difference of each case that has one."""
    rules = varied(preset, variation)
    found = (difference(case, rules, theirs_of(run, case, rules), least=least) for case in fitting(variation, cases))
    return [text for text in found if text]


def is_noticed(run: Runner, preset: Rules, changed: Rules, variations: Iterable[Variation], cases: list[Case]) -> bool:
    """Return whether some case shows that the changed rules are not the preset's."""
    return any(_noticed(run, preset, changed, variations, cases))


def _noticed(
    run: Runner, preset: Rules, changed: Rules, variations: Iterable[Variation], cases: list[Case]
) -> Iterator[bool]:
    for variation in variations:
        rules, wrong = varied(preset, variation), varied(changed, variation)
        yield from (
            difference(case, wrong, theirs_of(run, case, rules)) is not None for case in fitting(variation, cases)
        )
