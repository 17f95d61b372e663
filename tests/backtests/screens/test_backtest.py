from __future__ import annotations

import pytest
from django.test import Client

from backtests.models import Result, Run, ScreenRun, Universe
from backtests.runs.errors import RequestRefused
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from backtests.screens.asking import Asked, checked_screen, store
from backtests.screens.backtest import EXITS, EXITS_BY_KEY, ConditionRefused, Exit, Leaving, as_strategy, backtest
from backtests.screens.screening import ScreenRequest, screen
from strategies.formula import compile_formula
from strategies.formula_strategies import save_formula
from strategies.models import Strategy
from tests.backtests.test_views.pages import page_of
from tests.builders import execute_run, make_bars, make_market, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(db: None) -> Universe:
    return store_universe("Market", make_market(n_symbols=4, n_bars=300, shape="waves"))


def asked(formula: str, universe: Universe) -> ScreenRun:
    request, name = checked_screen(Asked(formula, universe.slug))
    return store(request, name)


def figures(run: Run) -> list[tuple[str, float | None, int, bytes]]:
    rows = Result.objects.filter(run=run).order_by("symbol__ticker")
    return [(row.symbol.ticker, row.return_pct, row.trades or 0, bytes(row.trade_list)) for row in rows]


@pytest.mark.parametrize(
    "formula", ["close > 1", "a = sma(close, 5)\nclose > a\nand # here, too\nopen < a", "match = 3\nclose > match"]
)
@pytest.mark.parametrize("chosen", EXITS, ids=lambda chosen: chosen.key)
@pytest.mark.parametrize("condition", ["", "m = 2 # twice\nclose < m * low"], ids=["plain", "with an own condition"])
def test_a_screen_becomes_a_strategy_that_enters_on_a_match(formula: str, chosen: Exit, condition: str) -> None:
    program = compile_formula(as_strategy(formula, Leaving(chosen.key, condition, {"stop_loss_pct": 5.0})))
    assert program.is_strategy
    assert ("exit" in program.sections) == bool(chosen.formula or condition)
    entry, answer = program.sections["enter"], compile_formula(formula).answer
    assert answer is not None
    assert program.steps[entry.step].operation == compile_formula(formula).steps[answer.step].operation


def test_a_formula_trades_as_the_strategy_of_the_same_rule(idle_engine: object, market: Universe) -> None:
    Strategy.objects.get_or_create(key="sma-cross", defaults={"label": "Cross"})
    row = save_formula(
        "fast = param(5, 2, 200)\nslow = param(20, 3, 400)\n"
        "enter: crossover(sma(close, fast), sma(close, slow))\nexit: crossunder(sma(close, fast), sma(close, slow))",
        label="Cross as a formula",
    )
    values = {"fast": 5, "slow": 20}
    runs = [
        start(check_request(RunRequest(strategy=key, universe=market.slug, parameters=values)))
        for key in (row.key, "sma-cross")
    ]
    by_formula, built_in = (figures(execute_run(run)) for run in runs)
    assert by_formula == built_in
    assert sum(n_trades for _, _, n_trades, _ in by_formula) > 10


def test_one_click_backtests_a_screen_over_its_market(idle_engine: object, market: Universe, client: Client) -> None:
    found = asked("High Volume Breakout", market)
    page = page_of(client.get(found.get_absolute_url()))
    assert [option.attributes["value"] for option in page.by_id("id_exit").all("option")] == list(EXITS_BY_KEY)
    response = client.post(f"{found.get_absolute_url()}backtest/", {"exit": "20-bars"})
    run = Run.objects.get()
    assert response["Location"] == run.get_absolute_url()
    assert (run.strategy.label, run.rules["time_stop_bars"]) == ("High Volume Breakout, after 20 bars", 20)
    execute_run(run)
    assert run.results.filter(reason="").count() == 4
    assert "match = close > highest(high, 50)[1]" in page_of(client.get(run.get_absolute_url())).text
    assert client.get(f"/?like={run.pk}").status_code == 200


def test_the_same_screen_is_one_strategy(idle_engine: object, market: Universe) -> None:
    found = asked("close > sma(close, 20)", market)
    first, second = (backtest(found, Leaving("average")).strategy_id for _ in range(2))
    assert first == second
    assert backtest(found, Leaving("no-match")).strategy_id != first


def test_a_strategy_brings_its_own_exit_stop_and_target(idle_engine: object, market: Universe) -> None:
    found = asked("enter: close > sma(close, 20)\nexit: close < sma(close, 20)\nstop: 8\ntarget: 20", market)
    run = backtest(found, Leaving("no-match"))
    assert (run.rules["stop_loss_pct"], run.rules["take_profit_pct"], run.rules["time_stop_bars"]) == (8.0, 20.0, None)


def test_parameters_are_those_that_were_asked(idle_engine: object, market: Universe) -> None:
    request, name = checked_screen(
        Asked("days = param(20, 2, 90)\nclose > sma(close, days)", market.slug, values={"days": 33})
    )
    assert backtest(store(request, name), Leaving("20-bars")).parameters == {"days": 33}


def test_a_formula_knows_the_symbol_and_those_that_it_names(idle_engine: object, market: Universe) -> None:
    store_universe("Index", {"SPY": make_bars([100.0 + day for day in range(300)])})
    named = asked('ticker in ("S1", "S2") and close > 0.01 * symbol("SPY", close)', market)
    results = {ticker: n_trades for ticker, _, n_trades, _ in figures(execute_run(backtest(named, Leaving("20-bars"))))}
    assert results["S0"] == results["S3"] == 0
    assert min(results["S1"], results["S2"]) > 0


def test_what_is_made_of_more_than_its_own_bars_is_never_taken_from_the_cache(
    idle_engine: object, market: Universe
) -> None:
    found = asked('ticker == "S1" and close > 0', market)
    first, second = (backtest(found, Leaving("20-bars")) for _ in range(2))
    assert first.pk != second.pk
    assert not first.use_cache
    assert set(execute_run(first).results.values_list("digest", flat=True)) == {""}
    alone = asked("close > 0", market)
    assert backtest(alone, Leaving("20-bars")).pk == backtest(alone, Leaving("20-bars")).pk


def test_a_named_symbol_that_is_gone_is_the_reason_of_each_failure(idle_engine: object, market: Universe) -> None:
    row = save_formula('enter: close > symbol("QQQ", close)', label="Named")
    run = execute_run(start(check_request(RunRequest(strategy=row.key, universe=market.slug))))
    (reason,) = set(run.results.values_list("reason", flat=True))
    assert "QQQ, which is not stored" in reason


def test_a_ranking_holds_the_best_of_the_market(idle_engine: object, market: Universe, client: Client) -> None:
    found = asked("rank(close) <= 2", market)
    client.post(f"{found.get_absolute_url()}backtest/", {"exit": "no-match"})
    run = execute_run(Run.objects.get())
    assert sum(n_trades for _, _, n_trades, _ in figures(run)) > 4
    best = [match.ticker for match in screen(ScreenRequest(compile_formula(found.formula), market)).matches]
    assert len(best) == 2
    assert set(run.results.filter(open_trades=1).values_list("symbol__ticker", flat=True)) == set(best)


def test_an_own_condition_stop_and_target_leave_too(idle_engine: object, market: Universe, client: Client) -> None:
    found = asked("slow = sma(close, 20)\nclose > slow", market)
    sent = {"exit": "own", "exit_formula": "far = 1.2 * slow\r\nclose > far", "stop_loss_pct": "8"}
    response = client.post(f"{found.get_absolute_url()}backtest/", sent)
    run = Run.objects.get()
    assert response["Location"] == run.get_absolute_url()
    assert run.strategy.label == "slow = sma(close, 20) close > slow, on far = 1.2 * slow close > far"
    assert run.strategy.formula.splitlines() == [
        "slow = sma(close, 20)", "match = close > slow", "far = 1.2 * slow", "leave = close > far", "enter: match",
        "exit: leave",
    ]  # fmt: skip
    assert (run.rules["stop_loss_pct"], run.rules["take_profit_pct"], run.rules["time_stop_bars"]) == (8.0, None, None)
    assert execute_run(run).results.filter(reason="").count() == 4


def test_whichever_comes_first_leaves(market: Universe) -> None:
    text = as_strategy("close > 1", Leaving("no-match", "close < 3"))
    assert text.splitlines()[-1] == "exit: not match or leave"
    assert Leaving("20-bars", "", {"take_profit_pct": 9.0}).rules == {"time_stop_bars": 20, "take_profit_pct": 9.0}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"exit": "never"}, "never is not one of the available choices"),
        ({"exit": "own"}, "needs a condition, a stop or a target"),
        ({"exit": "own", "stop_loss_pct": "much"}, "must be"),
        ({"exit": "own", "stop_loss_pct": "-200"}, "must be"),
        ({"exit": "own", "exit_formula": "close"}, "must end in a condition"),
        ({"exit": "own", "exit_formula": "exit: close > 3"}, "also needs `enter:`"),
        ({"exit": "own", "exit_formula": "high > 3\nand clse > 3"}, "line 2, column 5: `clse` is not known"),
        ({"exit": "own", "exit_formula": "slow = 3\nclose > slow"}, "line 1, column 1: `slow` has been named before"),
    ],
)
def test_what_cannot_leave_is_refused_where_it_stands(
    market: Universe, client: Client, sent: dict[str, str], told: str
) -> None:
    found = asked("slow = sma(close, 20)\nclose > slow", market)
    response = client.post(f"{found.get_absolute_url()}backtest/", sent)
    page = page_of(response)
    assert response.status_code == 422
    assert told in page.by_id("backtest-form").text
    assert "Save this screen" in page.text
    assert client.get(f"{found.get_absolute_url()}backtest/")["Location"] == found.get_absolute_url()
    assert not Run.objects.exists()
    assert not Strategy.objects.exclude(formula="").exists()


def test_an_own_condition_is_checked_while_it_is_typed(market: Universe, client: Client) -> None:
    found = asked("slow = sma(close, 20)\nclose > slow", market)
    address = f"{found.get_absolute_url()}backtest/check/"
    assert "Understood" in page_of(client.post(address, {"exit_formula": "close < slow"})).text
    (wrong,) = page_of(client.post(address, {"exit_formula": "a = 3\r\nclose < slw"})).all("pre")
    assert (wrong.attributes["data-line"], wrong.attributes["data-column"]) == ("2", "9")
    assert "did you mean `slow`?" in wrong.text
    assert client.post(address, {"exit_formula": " "}).content == b""
    assert client.get(address).status_code == 405


def test_too_long_together_is_told_without_a_place(market: Universe) -> None:
    with pytest.raises(ConditionRefused) as refused:
        as_strategy(f"close > 1 # {'x' * 3900}", Leaving("own", f"close > 1 # {'x' * 200}"))
    assert refused.value.error.place is None
    assert "4,000" in refused.value.problem


def test_formulas_are_strategies_of_the_form_and_the_api(market: Universe, client: Client) -> None:
    row = save_formula("days = param(20, 2, 90)\nenter: close > sma(close, days)", label="Above its average")
    page = page_of(client.get(f"/runs/form/?strategy={row.key}&universe={market.slug}"))
    assert "Days" in page.text
    listed = {each["key"]: each for each in client.get("/api/strategies").json()["strategies"]}
    assert [item["key"] for item in listed[row.key]["parameters"]] == ["days"]
    Strategy.objects.filter(pk=row.pk).update(is_active=False)
    with pytest.raises(RequestRefused, match="is switched off"):
        check_request(RunRequest(strategy=row.key, universe=market.slug))
