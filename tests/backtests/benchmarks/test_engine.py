"""The engine's benchmark measures what it says; no test here asserts a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtests.benchmarks import engine, engine_alone, engine_peers
from backtests.benchmarks.engine import STRATEGIES, Sizes, measure_engine
from backtests.benchmarks.engine_peers import PEERS, Outputs, Peer, measure_peers
from backtests.benchmarks.markets import Market
from backtests.engine import METRICS_BY_KEY, Rules, evaluate
from strategies.bars import Bars, Signals

TINY = Sizes(daily=Market(3, 200), hourly=Market(2, 300, is_hourly=True), large=Market(5, 150))


def trawl_itself(market_bars: list[Bars], signals: list[Signals], rules: Rules) -> Outputs:
    """Run Trawl as if it were another backtester."""
    places = [list(METRICS_BY_KEY).index(key) for key in engine_peers.COMPARED]
    results = [
        evaluate(bars, each, rules, bars_per_year=engine_peers.BARS_PER_YEAR)
        for bars, each in zip(market_bars, signals, strict=True)
    ]
    return [np.array([values[place] for _, values in results]) for place in places], [each for each, _ in results]


def peer(**changes: Any) -> Peer:
    made = Peer(
        package="numpy",
        way="itself",
        rules=Rules(),
        least_ratio=30,
        prepare=lambda market_bars, rules: market_bars,
        run=trawl_itself,
        most_runs=2,
    )
    return replace(made, **changes)


def test_every_market_is_measured_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_peers, "PEERS", ())
    # A process takes seconds to start; the test after this one starts real ones.
    alone = lambda what, key, market: engine_alone.MEASUREMENTS[what](key, market)  # noqa: E731
    monkeypatch.setattr(engine_alone, "_in_a_process", alone)
    said: list[str] = []

    figures = measure_engine(2, said.append, TINY)

    labels = [figure.label for figure in figures]
    assert len(set(labels)) == len(labels)
    for key in STRATEGIES:
        assert {f"{key}, 3 x 200 daily, one thread", f"{key}, 3 x 200 daily, two threads"} <= set(labels)
        assert f"{key}, 2 x 300 hourly, one thread" in labels
        assert f"{key}, 5 x 150 daily in chunks of 250, one thread" in labels
        assert f"{key}, 3 x 200 daily: first scan less a later one" in labels
    for told in ("return, drawdown, Sharpe and trade count", "all metrics"):
        assert f"sma-cross with 100 parameter sets, 3 x 200 daily, {told}, one thread" in labels
    assert all(len(figure.values) >= 1 for figure in figures)
    assert said


def test_a_first_scan_and_a_large_market_have_a_process_of_their_own() -> None:
    first, imported = engine_alone.measure_first_scans(Market(2, 100), ["rsi"], 1)
    large, memory = engine_alone.measure_large_market(Market(3, 100), ["rsi"], 2)

    assert [len(figure.values) for figure in (first, imported, large, memory)] == [1, 1, 2, 2]
    assert (first.goal, large.goal, memory.unit) == (100.0, 300.0, "MiB")
    assert imported.median > 0
    assert memory.median > 20


def test_a_market_is_the_same_ones_bars_however_it_is_cut() -> None:
    market = Market(7, 60)
    chunks = list(market.chunks(3))

    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    for whole, cut in zip(market.bars(), [bars for chunk in chunks for bars in chunk], strict=True):
        assert whole.close.tobytes() == cut.close.tobytes()
    assert len({bars.close.tobytes() for bars in market.bars()}) == 7


def test_days_are_weekdays_and_hours_are_all() -> None:
    days = Market(1, 12).bars()[0].time // 86_400
    hours = Market(1, 48, is_hourly=True).bars()[0].time

    assert set(((days + 3) % 7).tolist()) == {0, 1, 2, 3, 4}  # 1 January 1970 was a Thursday
    assert set(np.diff(hours).tolist()) == {3_600}


def test_sizes_are_those_that_the_goals_are_for() -> None:
    assert [str(market) for market in (engine.FULL.daily, engine.FULL.hourly, engine.FULL.large)] == [
        "503 x 2,520",
        "243 x 26,280",
        "10,000 x 2,520",
    ]


def test_a_peer_that_does_the_same_is_timed_beside_trawl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_peers, "PEERS", (peer(),))
    market = Market(4, 300)

    theirs, one, two = measure_peers(market.bars(), market, ["sma-cross"], 5, lambda _: None)

    assert theirs.label == f"sma-cross, numpy {np.__version__}: itself"
    assert one.label == "sma-cross, Trawl beside numpy: itself, one thread"
    assert two.label == "sma-cross, Trawl beside numpy: itself, two threads"
    assert [len(figure.values) for figure in (theirs, one, two)] == [2, 2, 2]
    assert (one.ratio, two.ratio) == (theirs.median / one.median, theirs.median / two.median)
    assert (theirs.ratio, one.least_ratio, two.least_ratio) == (None, 30, 30)


def test_a_peer_measured_on_few_symbols_says_so_and_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def run(market_bars: list[Bars], signals: list[Signals], rules: Rules) -> Outputs:
        given.append(len(market_bars))
        return trawl_itself(market_bars, signals, rules)

    monkeypatch.setattr(engine_peers, "PEERS", (peer(run=run, most_symbols=2),))
    monkeypatch.setattr(engine_peers, "_ms", lambda work: 10.0)
    market = Market(6, 200)

    theirs, one, two = measure_peers(market.bars(), market, ["rsi"], 1, lambda _: None)

    assert theirs.label.endswith(", 2 symbols scaled")
    assert set(given) == {2}
    assert (one.values, theirs.values, one.ratio, two.ratio) == ([10.0], [30.0], 3.0, 3.0)


@pytest.mark.parametrize("number", range(len(engine_peers.COMPARED)))
def test_a_peer_that_does_other_work_is_not_timed(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(market_bars: list[Bars], signals: list[Signals], rules: Rules) -> Outputs:
        figures, trades = trawl_itself(market_bars, signals, rules)
        figures[number][1] *= 1.001
        return figures, trades

    monkeypatch.setattr(engine_peers, "PEERS", (peer(run=run),))
    market = Market(3, 400)

    with pytest.raises(RuntimeError, match=f"numpy does other work .* {engine_peers.COMPARED[number]} of symbol 1 is"):
        measure_peers(market.bars(), market, ["sma-cross"], 1, lambda _: None)


def test_peers_that_are_not_installed_are_named_with_the_way_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_peers, "PEERS", (peer(package="no_such_package"),))
    said: list[str] = []

    assert measure_peers([], Market(0, 0), ["rsi"], 1, said.append) == []
    assert said == ["Not installed here, and left out: no_such_package. make benchmark-peers measures them too."]


def test_the_peers_are_those_that_the_goals_are_for() -> None:
    goals = {each.package: each.least_ratio for each in PEERS if each.least_ratio is not None}

    assert goals == {"vectorbt": 30, "raptorbt": 4, "backtesting": 700}
