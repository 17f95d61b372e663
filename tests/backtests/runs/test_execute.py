from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pytest

from backtests.engine import METRICS, METRICS_BY_KEY, RULES, TRADE, Rules, measure, simulate
from backtests.engine.periods import bars_per_year
from backtests.models import PriceBlock, Run, Symbol, Universe
from backtests.prices.cache import BAR_BYTES, BARS_CACHE
from backtests.prices.store import write_bars
from backtests.runs.execute import CURVE_POINTS, SymbolResult, curve_of, execute, failed, scan_from, scan_of
from backtests.runs.market import state_of
from backtests.runs.request import RunRequest, check_request
from strategies import registry
from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.library.rsi import Rsi
from strategies.models import Strategy as StrategyRow
from tests.builders import (
    DAY_S,
    MONDAY_S,
    another_value,
    execute_run,
    make_bars,
    make_market,
    make_run,
    store_universe,
)

pytestmark = pytest.mark.django_db

SHORT = 15  # RSI over 14 bars can trade from the 17th bar on.


class Failing(Strategy):
    """Fails in another way for every first close."""

    key = "failing"
    label = "Failing"

    def signals(self, bars: Bars) -> Signals:
        kind = int(bars.close[0])
        if kind == 1:
            raise ZeroDivisionError("by <nothing>")
        if kind == 2:
            return Signals(entry=np.zeros(3, bool), exit=np.zeros(len(bars), bool))
        if kind == 3:
            return "buy!"  # type: ignore[return-value]
        if kind == 5:
            raise ValueError("two\n  lines, \0 and \ud800")
        if kind == 4:
            return Signals(entry=np.zeros(len(bars)), exit=np.zeros(len(bars), bool))  # type: ignore[arg-type]
        entry = np.zeros(len(bars), bool)
        entry[0] = True
        return Signals(entry=entry, exit=np.zeros(len(bars), bool))


@pytest.fixture
def _failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._registry(), "failing", Failing)
    StrategyRow.objects.create(key="failing", label="Failing")


def results_of(run: Run) -> dict[str, SymbolResult]:
    """Execute the symbols of a run and return their results by ticker."""
    tickers = dict(run.universe.symbols.values_list("pk", "ticker"))
    return {tickers[result.symbol_id]: result for result in execute(scan_of(run.pk), list(tickers))}


def only_result(run: Run) -> SymbolResult:
    return next(iter(results_of(run).values()))


def test_a_result_is_what_the_engine_says_when_asked_directly() -> None:
    market = make_market(3, n_symbols=4, n_bars=400)
    run = make_run(
        store_universe("Test", market, market="crypto"),
        parameters={"period": 5, "low": 40.0, "high": 60.0},
        rules={"cash": 500.0, "fee_pct": 0.25, "slippage_pct": 0.5},
    )
    rules = Rules(cash=500.0, fee_pct=0.25, slippage_pct=0.5)
    for ticker, result in results_of(run).items():
        bars = market[ticker]
        outcome = simulate(bars, Rsi(period=5, low=40, high=60).signals(bars), rules)
        wanted = measure(bars, outcome, rules, bars_per_year=bars_per_year("crypto", "1d"))
        assert result.reason == ""
        assert result.metrics is not None
        assert result.metrics.tobytes() == wanted.tobytes()
        assert len(outcome.trades) > 0
        assert result.trades == outcome.trades.tobytes()
        assert result.curve == curve_of(outcome.equity, 500.0)


def test_days_a_year_of_the_rules_make_figures_annual() -> None:
    universe = store_universe("Test", make_market(3, n_symbols=1, n_bars=400))
    rules = {"days_a_year": 365}
    assert [scan_of(make_run(universe, rules=given).pk).bars_per_year for given in ({}, rules)] == [252, 365]
    sharpe = METRICS.index(METRICS_BY_KEY["sharpe"])
    before, after = (only_result(make_run(universe, rules=given)).metrics for given in ({}, rules))
    assert before is not None
    assert after is not None
    assert after[sharpe] == pytest.approx(before[sharpe] * (365 / 252) ** 0.5)


def test_only_the_bars_in_the_range_are_tested() -> None:
    bars = make_market(3, n_symbols=1, n_bars=400)["S0"]
    universe = store_universe("Test", {"S0": bars})
    first, last = date(2024, 2, 1), date(2024, 9, 30)
    result = only_result(make_run(universe, start_date=first, end_date=last))
    start, end = (int(np.datetime64(day, "s").astype(np.int64)) for day in (first, last))
    part = bars.between(start, end + DAY_S)
    outcome = simulate(part, Rsi().signals(part), Rules())
    assert result.metrics is not None
    assert result.metrics.tobytes() == measure(part, outcome, Rules(), bars_per_year=252).tobytes()


def test_results_are_in_the_order_of_the_symbols() -> None:
    run = make_run(store_universe("Test", make_market(n_symbols=5, n_bars=40)))
    ids = list(run.universe.symbols.values_list("pk", flat=True))[::-1]
    assert [result.symbol_id for result in execute(scan_of(run.pk), ids)] == ids


def test_a_symbol_without_prices_fails_with_that_reason() -> None:
    run = make_run(store_universe("Test", {"AAA": make_bars([])}))
    assert only_result(run).reason == "no 1d prices are stored"


def test_prices_of_another_interval_do_not_count() -> None:
    run = make_run(store_universe("Test", {"AAA": make_bars([1.0] * 50)}), interval="1h")
    assert only_result(run).reason == "no 1h prices are stored"


@pytest.mark.parametrize(
    "dates", [{"end_date": date(2023, 12, 31)}, {"start_date": date(2030, 1, 1), "end_date": date(2030, 1, 2)}]
)
def test_a_symbol_without_bars_in_the_range_fails_with_the_dates_it_has(dates: dict[str, Any]) -> None:
    n_days = 400  # into a second block
    run = make_run(store_universe("Test", {"AAA": make_bars([1.0] * n_days)}), **dates)
    assert only_result(run).reason == "no bars in the range; its prices go from 2024-01-01 to 2025-02-03"


@pytest.mark.parametrize("n_bars", [1, SHORT, SHORT + 1])
def test_a_symbol_that_is_too_short_fails_with_what_is_needed(n_bars: int) -> None:
    run = make_run(store_universe("Test", {"AAA": make_bars([1.0] * n_bars)}))
    wanted = f"too short: {n_bars} bars, and this strategy needs 17 before it can trade"
    assert only_result(run).reason == wanted


def test_the_bytes_of_a_market_are_those_of_whole_symbols_however_a_run_was_started() -> None:
    universe = store_universe("Test", make_market(n_symbols=3, n_bars=60))
    run = make_run(universe)
    checked = check_request(RunRequest(strategy="rsi", universe="test"))
    few = check_request(RunRequest(strategy="rsi", universe="test", symbols=("S1",)))
    assert [scan_of(run.pk).market_bytes, scan_from(run, state_of(checked)).market_bytes] == [3 * 60 * BAR_BYTES] * 2
    assert scan_from(run, state_of(few)).market_bytes == 60 * BAR_BYTES
    run.start_date = date(2100, 1, 1)
    late = check_request(RunRequest(strategy="rsi", universe="test", start_date=run.start_date))
    assert state_of(late).n_bars == 0
    assert scan_from(run, state_of(late)).market_bytes == 3 * 60 * BAR_BYTES


def test_a_symbol_that_is_just_long_enough_is_tested() -> None:
    run = make_run(store_universe("Test", {"AAA": make_bars([1.0] * (SHORT + 2))}))
    assert only_result(run).reason == ""


def test_damaged_prices_fail_their_symbol_only() -> None:
    run = make_run(store_universe("Test", make_market(n_symbols=4, n_bars=60)))
    block = PriceBlock.objects.get(symbol__ticker="S2")
    PriceBlock.objects.filter(pk=block.pk).update(close=bytes(len(bytes(block.close))))
    BARS_CACHE.clear()
    results = results_of(run)
    wanted = f"bad data: a price block does not match its checksum {block.checksum}; import its prices again"
    assert {ticker: result.reason for ticker, result in results.items()} == {"S0": "", "S1": "", "S2": wanted, "S3": ""}


@pytest.mark.usefixtures("_failing")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (1, "the strategy raised ZeroDivisionError: by <nothing>"),
        (2, "Failing: entry must be bool of shape (30,); the strategy returned bool (3,)"),
        (3, "Failing: signals must be Signals; it is str"),
        (5, "the strategy raised ValueError: two lines, ? and ?"),
        (4, "Failing: entry must be bool of shape (30,); the strategy returned float64 (30,)"),
    ],
)
def test_a_strategy_that_fails_on_one_symbol_stops_no_other(kind: int, reason: str) -> None:
    symbols = {ticker: make_bars([first, *[10.0] * 29]) for ticker, first in (("AAA", 9), ("BBB", kind), ("CCC", 9))}
    results = results_of(make_run(store_universe("Test", symbols), strategy="failing"))
    assert [results[ticker].reason for ticker in symbols] == ["", reason, ""]
    assert results["BBB"].metrics is None
    assert results["BBB"].curve == results["BBB"].trades == b""
    assert results["AAA"].metrics is not None
    assert results["CCC"].curve == results["AAA"].curve != b""


BROKEN_FIRST = {"raises": 1.0, "returns a wrong shape": 2.0}


def chunk_of(n_symbols: int, broken: Mapping[int, float]) -> dict[str, Bars]:
    """Symbols of differing lengths in the order of their names, of which some have a close that Failing fails on."""
    market = make_market(9, n_symbols=n_symbols, n_bars=90)
    return {
        f"T{number:02}": make_bars([broken.get(number, 9.0), *bars.close[number : 60 + number].tolist()])
        for number, bars in enumerate(market.values())
    }


@pytest.mark.usefixtures("_failing")
@pytest.mark.parametrize("kind", BROKEN_FIRST.values(), ids=BROKEN_FIRST)
@pytest.mark.parametrize("places", [(0,), (7,), (15,), (16,), (19,), (3, 17, 18)], ids=str)
def test_who_fails_leaves_the_rest_of_a_chunk_as_it_is_without_it(places: tuple[int, ...], kind: float) -> None:
    symbols = chunk_of(20, dict.fromkeys(places, kind))
    run = make_run(store_universe("Test", symbols), strategy="failing", rules={"fee_pct": 0.3})
    names = list(symbols)
    failing = {names[place] for place in places}
    ids = dict(run.universe.symbols.values_list("ticker", "pk"))
    together = {result.symbol_id: result for result in execute(scan_of(run.pk), [ids[name] for name in names])}
    without = execute(scan_of(run.pk), [ids[name] for name in names if name not in failing])
    assert {name for name in names if together[ids[name]].reason} == failing
    for wanted in without:
        found = together[wanted.symbol_id]
        assert (found.curve, found.trades, found.digest) == (wanted.curve, wanted.trades, wanted.digest)
        assert found.metrics is not None
        assert wanted.metrics is not None
        assert found.metrics.tobytes() == wanted.metrics.tobytes()
        assert len(found.trades) == TRADE.itemsize
    assert len({result.curve for result in without}) == 20 - len(places)


@pytest.mark.usefixtures("_failing")
def test_only_the_symbol_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(store_universe("Test", chunk_of(5, {3: 1.0})), strategy="failing")
    broken = run.universe.symbols.get(ticker="T03")
    results_of(run)
    assert [record.getMessage() for record in caplog.records] == [
        f"run {run.pk}: the strategy failing failed on symbol {broken.pk}"
    ]


class Shortcut(Failing):
    """Takes all symbols at once, and fails with all of them if it does with one."""

    key = "failing"
    label = "Shortcut"

    calls: ClassVar[list[int]] = []

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        self.calls.append(len(bars))
        return [self.signals(each) for each in bars]


def test_symbols_are_taken_together_and_one_by_one_only_if_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._registry(), "failing", Shortcut)
    StrategyRow.objects.create(key="failing", label="Shortcut")
    monkeypatch.setattr(Shortcut, "calls", [])
    for name, broken, calls in (("Fine", {}, [18]), ("Broken", {17: 1.0}, [18, *[1] * 18])):
        Shortcut.calls.clear()
        results = results_of(make_run(store_universe(name, chunk_of(18, broken)), strategy="failing"))
        assert Shortcut.calls == calls
        assert [ticker for ticker, result in results.items() if result.reason] == [f"T{place}" for place in broken]


def test_prices_that_carry_equity_beyond_any_number_fail_their_symbol_only() -> None:
    closes = [1e-30, 1e30, 1e30, 1e-30, 1e-30] * 30
    symbols = {**make_market(9, n_symbols=3, n_bars=150), "S1": make_bars(closes, opens=closes)}
    parameters = {"period": 2, "low": 49.0, "high": 51.0}
    results = results_of(make_run(store_universe("Test", symbols), parameters=parameters))
    wanted = "RSI reversion: bars: equity grows beyond any number on such prices"
    assert {ticker: result.reason for ticker, result in results.items()} == {"S0": "", "S1": wanted, "S2": ""}


def test_symbols_have_equal_shares_of_the_time_that_all_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 100.9))
    symbols = {**make_market(n_symbols=3, n_bars=40), "SHORT": make_bars([1.0] * 3), "NONE": make_bars([])}
    run = make_run(store_universe("Test", symbols))
    monkeypatch.setattr("backtests.runs.execute.perf_counter", lambda: next(clock))
    shares = {ticker: result.elapsed_us for ticker, result in results_of(run).items()}
    assert shares == pytest.approx({"S0": 300_000, "S1": 300_000, "S2": 300_000, "SHORT": 0, "NONE": 0}, abs=1)


@pytest.mark.usefixtures("_failing")
def test_who_fails_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((5.0, 7.0))
    run = make_run(store_universe("Test", chunk_of(4, {2: 1.0})), strategy="failing")
    monkeypatch.setattr("backtests.runs.execute.perf_counter", lambda: next(clock))
    assert [result.elapsed_us for result in results_of(run).values()] == [500_000] * 4


def test_no_symbol_at_all_is_no_failure() -> None:
    assert execute(scan_of(make_run(store_universe("Test", make_market(n_symbols=1))).pk), []) == []


@pytest.mark.usefixtures("_failing")
def test_whatever_a_strategy_raises_can_be_saved() -> None:
    run = execute_run(make_run(store_universe("Test", {"AAA": make_bars([5.0] * 30)}), strategy="failing"))
    assert (run.state, run.n_failed) == ("complete", 1)
    assert run.results.get().reason == "the strategy raised ValueError: two lines, ? and ?"


def test_given_up_symbols_share_their_reason() -> None:
    assert failed([4, 2], "because") == [SymbolResult(4, 0, "", "because"), SymbolResult(2, 0, "", "because")]


@pytest.mark.parametrize("n_bars", [2, 17, 59, 60, 61, 2520])
def test_a_curve_has_60_points_from_the_first_equity_to_the_last(n_bars: int) -> None:
    equity = np.linspace(100.0, 250.0, n_bars)
    curve = np.frombuffer(curve_of(equity, 100.0), dtype="<f4")
    assert len(curve) == CURVE_POINTS == 60
    assert (curve[0], curve[-1]) == (1.0, 2.5)
    assert np.all(np.diff(curve) >= 0)


def digests(**fields: Any) -> dict[str, str]:
    run = make_run(two_alike(), **fields)
    return {ticker: result.digest for ticker, result in results_of(run).items()}


def two_alike() -> Universe:
    symbols = {"AAA": make_bars([1.0] * 60), "BBB": make_bars([2.0] * 60), "CCC": make_bars([1.0] * 60)}
    return store_universe("Three", symbols)


def test_equal_input_has_an_equal_digest() -> None:
    first, second = digests(), digests()
    assert first == second
    assert first["AAA"] == first["CCC"] != first["BBB"]
    assert {len(digest) for digest in first.values()} == {32}


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"period": 15}},
        {"strategy": "bollinger"},
        *({"rules": {rule.key: another_value(rule)}} for rule in RULES),
        {"start_date": date(2024, 1, 2)},
        {"end_date": date(2024, 2, 20)},
    ],
    ids=str,
)
def test_whatever_changes_the_answer_changes_the_digest(change: dict[str, Any]) -> None:
    before, after = digests(), digests(**change)
    assert all(before[ticker] != after[ticker] for ticker in before)


def late_bar() -> None:
    write_bars([(Symbol.objects.get(ticker="AAA"), make_bars([9.0], start_s=MONDAY_S))], interval="1d", source="late")


def same_bars() -> None:
    write_bars([(Symbol.objects.get(ticker="AAA"), make_bars([1.0] * 60))], interval="1d", source="again")


@pytest.mark.parametrize(("change", "is_changed"), [(late_bar, True), (same_bars, False)])
def test_other_bars_change_the_digest_of_their_symbol(change: Callable[[], None], is_changed: bool) -> None:
    run = make_run(two_alike())
    before = results_of(run)
    change()
    after = results_of(run)
    assert (before["AAA"].digest != after["AAA"].digest) is is_changed
    assert before["BBB"].digest == after["BBB"].digest


def test_the_interval_and_the_market_change_the_digest() -> None:
    bars = {"AAA": make_bars([1.0] * 60)}
    found = set()
    for market, interval in (("stocks", "1d"), ("stocks", "1h"), ("crypto", "1d")):
        universe = store_universe(market, bars, market=market, interval=interval)
        found.add(only_result(make_run(universe, interval=interval)).digest)
    assert len(found) == 3
