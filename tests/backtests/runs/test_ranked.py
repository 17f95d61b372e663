"""A run of a formula that ranks symbols: each is compared with all of the run, whichever chunk it is in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backtests.engine import evaluate_all
from backtests.models import PriceBlock, Run, Symbol, Universe
from backtests.prices.cache import BARS_CACHE
from backtests.prices.store import write_bars
from backtests.runs import ranked
from backtests.runs.errors import RequestRefused
from backtests.runs.execute import execute, scan_of
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from backtests.screens.screening import ScreenRequest, screen
from strategies.bars import Bars
from strategies.formula import Facts, compile_formula
from strategies.formula.strategy import FormulaStrategy
from strategies.formula_strategies import class_of, save_formula
from tests.builders import execute_run, make_market, store_universe

N_BARS = 200
STRONG = "strength = percentile(roc(close, 10))\nenter: strength > 60\nexit: rank(close) > 3 or strength < 40"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked, "SYMBOLS_AT_ONCE", 3)
    BARS_CACHE.clear()


@pytest.fixture
def market() -> dict[str, Bars]:
    made = make_market(n_symbols=8, n_bars=N_BARS, shape="walk")
    return {ticker: bars[13 * number :] for number, (ticker, bars) in enumerate(made.items())}


@pytest.fixture
def universe(market: dict[str, Bars]) -> Universe:
    return store_universe("Market", {**market, "NONE": market["S0"][:0]})


def started(universe: Universe, formula: str = STRONG, **options: object) -> Run:
    row = save_formula(formula, label="Strong")
    return start(check_request(RunRequest(strategy=row.key, universe=universe.slug, **options)))  # type: ignore[arg-type]


def trades(run: Run) -> dict[str, bytes]:
    rows = run.results.filter(reason="").values_list("symbol__ticker", "trade_list")
    return {ticker: bytes(trade_list) for ticker, trade_list in rows}


def expected(run: Run, market: dict[str, Bars]) -> dict[str, bytes]:
    """Return the trades of signals that are made of the whole market at once."""
    strategy, bars = class_of(run.strategy)(), list(market.values())
    assert isinstance(strategy, FormulaStrategy)
    signals = strategy.signals_knowing(bars, [Facts()] * len(bars))
    found = evaluate_all(bars, signals, run.engine_rules, bars_per_year=252)
    return {ticker: outcome.trades.tobytes() for ticker, (outcome, _) in zip(market, found, strict=True)}


def test_every_chunk_sees_the_whole_market(idle_engine: object, universe: Universe, market: dict[str, Bars]) -> None:
    run = execute_run(started(universe))
    assert run.chunks.count() > 2
    assert trades(run) == expected(run, market)
    assert sum(bool(each) for each in trades(run).values()) > 4
    assert run.results.get(symbol__ticker="NONE").reason == "no 1d prices are stored"


def test_a_run_that_is_taken_up_by_another_process_goes_on_as_it_was(
    idle_engine: object, universe: Universe, market: dict[str, Bars]
) -> None:
    run = started(universe)
    # Each time it is read anew from the database, and what it shares is computed again.
    execute_run(run, n_chunks=2)
    execute_run(run)
    assert trades(run) == expected(run, market)


def test_the_ranks_are_those_of_the_screen_on_each_day(
    idle_engine: object, universe: Universe, market: dict[str, Bars]
) -> None:
    run = started(universe)
    scan = scan_of(run.pk)
    execute(scan, [universe.symbols.get(ticker="S0").pk])
    places, strategy = scan.ranks.of(dict), scan.strategy
    assert isinstance(strategy, FormulaStrategy)
    (number,) = [number for number, step in enumerate(strategy.program.steps) if step.operation == "rank"]
    ids = dict(Symbol.objects.values_list("ticker", "pk"))
    for bar in (0, 20, 60, 119, 180, N_BARS - 1):
        day = datetime.fromtimestamp(int(market["S0"].time[bar]), UTC).date()
        found = screen(ScreenRequest(compile_formula("rank(close) > 0"), universe, as_of=day))
        assert found.columns == ("rank(close)",)
        ranks = {match.ticker: match.values[0] for match in found.matches}
        there = [ticker for number, ticker in enumerate(market) if bar >= 13 * number]
        assert ranks == {ticker: places[number][ids[ticker]][bar - 13 * list(market).index(ticker)] for ticker in there}


def test_only_the_symbols_of_the_run_are_compared(
    idle_engine: object, universe: Universe, market: dict[str, Bars]
) -> None:
    run = execute_run(started(universe, symbols=("S1", "S4", "S6")))
    assert trades(run) == expected(run, {ticker: market[ticker] for ticker in ("S1", "S4", "S6")})
    assert trades(run) != {ticker: trades(execute_run(started(universe)))[ticker] for ticker in trades(run)}


def test_its_results_are_not_those_of_another_run(idle_engine: object, universe: Universe) -> None:
    runs = [execute_run(started(universe)) for _ in range(2)]
    assert runs[0].pk != runs[1].pk
    assert set(runs[0].results.values_list("digest", "is_cached")) == {("", False)}


def test_a_damaged_symbol_fails_alone_and_takes_no_place(
    idle_engine: object, universe: Universe, market: dict[str, Bars]
) -> None:
    run = started(universe)
    PriceBlock.objects.filter(symbol__ticker="S0").update(close=b"")
    execute_run(run)
    assert run.results.get(symbol__ticker="S0").reason.startswith("bad data")
    assert trades(run) == expected(run, {ticker: bars for ticker, bars in market.items() if ticker != "S0"})


def test_prices_that_change_during_the_run_are_told(
    idle_engine: object, universe: Universe, market: dict[str, Bars]
) -> None:
    scan = scan_of(started(universe).pk)
    first, later = (universe.symbols.get(ticker=ticker) for ticker in ("S1", "S2"))
    (before,) = execute(scan, [first.pk])
    bars = market["S2"]
    more = Bars(
        bars.time[-1:] + 86_400, *(getattr(bars, name)[-1:] for name in ("open", "high", "low", "close", "volume"))
    )
    write_bars([(later, more)], interval="1d", source="later")
    again, changed = execute(scan, [first.pk, later.pk])
    assert "prices have changed" in changed.reason
    assert (again.reason, again.trades) == ("", before.trades)


def test_more_than_fits_into_memory_is_refused(
    idle_engine: object, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranked, "MOST_VALUES", 2 * sum(N_BARS - 13 * number for number in range(8)))
    started(universe)
    with pytest.raises(RequestRefused, match="choose fewer symbols"):
        started(universe, STRONG + " or rank(volume) > 7")
    assert Run.objects.count() == 1
    started(universe, "enter: close > 1")


def test_ranks_are_computed_once_for_a_run(
    idle_engine: object, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    own = ranked.computed_places
    monkeypatch.setattr("backtests.runs.execute.computed_places", lambda *given: computed.append(1) or own(*given))  # type: ignore[func-returns-value]
    runs = [started(universe) for _ in range(2)]
    assert all(execute_run(run).chunks.count() > 2 for run in runs)
    assert len(computed) == len(runs)
