from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connections

from backtests.engine import ENGINE_VERSION, preset_rules
from backtests.models import Run, RunChunk, Symbol, Universe
from backtests.runs import control
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.errors import RequestRefused
from backtests.runs.request import CheckedRequest, RunRequest, check_request
from backtests.runs.start import start
from tests.builders import execute_run, make_bars, make_market, store_universe
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("idle_engine")


@pytest.fixture(autouse=True)
def _universe(db: None) -> None:
    store_universe("Test", make_market(n_symbols=6, n_bars=60))


def checked(**fields: Any) -> CheckedRequest:
    return check_request(RunRequest(**{"strategy": "rsi", "universe": "test", **fields}))


def test_a_run_is_saved_with_everything_that_was_asked_for() -> None:
    dates = {"start_date": date(2024, 1, 2), "end_date": date(2024, 2, 1)}
    run = start(checked(parameters={"period": 9}, preset="freqtrade", rules={"cash": 77.0}, interval="1h", **dates))
    run.refresh_from_db()
    assert (run.strategy.key, run.universe.slug, run.interval) == ("rsi", "test", "1h")
    assert run.parameters == {"period": 9, "low": 30.0, "high": 70.0}
    assert run.preset == "freqtrade"
    assert run.rules == asdict(preset_rules("freqtrade", {"cash": 77.0}))
    assert run.engine_rules == preset_rules("freqtrade", {"cash": 77.0})
    assert (run.start_date, run.end_date) == (date(2024, 1, 2), date(2024, 2, 1))
    assert (run.engine_version, run.n_symbols) == (ENGINE_VERSION, 6)


def order_of(run: Run) -> list[str]:
    """The tickers of a run in the order of its chunks."""
    tickers = dict(Symbol.objects.values_list("pk", "ticker"))
    chunks = RunChunk.objects.filter(run=run).order_by("index")
    return [tickers[symbol_id] for chunk in chunks for symbol_id in chunk.symbol_ids]


def test_its_chunks_hold_every_symbol_once() -> None:
    run = start(checked())
    assert sorted(order_of(run)) == [f"S{number}" for number in range(6)]
    chunks = RunChunk.objects.filter(run=run).order_by("index")
    assert [(chunk.index, chunk.n_symbols, len(chunk.symbol_ids)) for chunk in chunks] == [
        (0, 1, 1),
        (1, 2, 2),
        (2, 3, 3),
    ]
    assert {(chunk.state, chunk.attempts, chunk.worker, chunk.leased_until) for chunk in chunks} == {
        ("waiting", 0, "", None)
    }


def test_the_most_traded_symbols_come_first_and_those_without_prices_last() -> None:
    volumes = {"AAA": 1.0, "BBB": 3.0, "CCC": 2.0, "EEE": 2.0}
    market = {ticker: make_bars([10.0] * 60, volume=volume) for ticker, volume in volumes.items()}
    store_universe("Traded", {**market, "DDD": make_bars([]), "AAB": make_bars([])})
    assert order_of(start(checked(universe="traded"))) == ["BBB", "CCC", "EEE", "AAA", "AAB", "DDD"]


def test_symbols_with_priority_come_before_all_others_as_they_were_named() -> None:
    usual = order_of(start(checked()))
    first = [usual[5], usual[2]]
    run = start(checked(priority=first, use_cache=False))
    assert order_of(run) == [*first, *(ticker for ticker in usual if ticker not in first)]
    assert Run.objects.get(pk=run.pk).priority == first


def test_only_the_chosen_symbols_are_tested() -> None:
    usual = order_of(start(checked()))
    run = start(checked(symbols=["S4", "S1", "S3"], priority=["S3"]))
    rest = [ticker for ticker in usual if ticker in {"S1", "S4"}]
    assert order_of(run) == ["S3", *rest]
    assert (run.n_symbols, Run.objects.get(pk=run.pk).tickers) == (3, ["S4", "S1", "S3"])


def test_a_symbol_that_leaves_the_universe_at_this_moment_is_not_missed() -> None:
    request = checked(priority=["S2", "S1"])
    universe = Universe.objects.get()
    universe.symbols.remove(universe.symbols.get(ticker="S2"))
    run = start(request)
    assert (order_of(run)[0], run.n_symbols) == ("S1", 5)


def test_how_a_run_is_executed_is_saved_with_it(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example"
    told = {"notify_email": "me@example.com", "notify_url": "https://example.com/done?run=1"}
    run = start(checked(max_workers=3, use_cache=False, **told))
    run.refresh_from_db()
    assert (run.max_workers, run.use_cache) == (3, False)
    assert {name: getattr(run, name) for name in told} == told
    usual = Run.objects.get(pk=start(checked(interval="1h")).pk)
    assert (usual.max_workers, usual.use_cache, usual.notify_email, usual.notify_url) == (None, True, "", "")


def test_nothing_is_saved_when_the_chunks_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtests.runs.start.chunks_of", lambda *_args, **_fields: [[]])
    with pytest.raises(IntegrityError):
        start(checked())
    assert not Run.objects.exists()
    assert not RunChunk.objects.exists()


def test_a_double_click_starts_one_run() -> None:
    first = start(checked(), token="form")
    assert start(checked(), token="form") == first
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"parameters": {"period": 15}},
        {"strategy": "bollinger"},
        {"rules": {"cash": 10_001.0}},
        {"rules": {"stop_loss_pct": 5.0}},
        {"preset": "vectorbt"},
        {"interval": "1h"},
        {"start_date": date(2024, 1, 2)},
        {"end_date": date(2024, 1, 2)},
    ],
    ids=str,
)
def test_another_request_with_the_same_token_is_another_run(other: dict[str, Any]) -> None:
    first = start(checked(), token="form")
    assert start(checked(**other), token="form") != first


def test_the_same_request_from_another_tab_or_program_is_the_same_run() -> None:
    runs = {start(checked(), token=token).pk for token in ("one", "two", "", "")}
    assert len(runs) == 1
    assert Run.objects.get().n_reused == 3


def test_a_run_that_is_to_be_computed_afresh_is_another_run_unless_it_is_a_double_click() -> None:
    afresh = checked(use_cache=False)
    runs = [start(afresh, token=token).pk for token in ("one", "two", "two", "", "")]
    assert len(set(runs)) == 4
    assert runs[1] == runs[2]


def test_the_same_request_of_somebody_else_is_another_run() -> None:
    alice, bob = User.objects.create_user("alice"), User.objects.create_user("bob")
    runs = [start(checked(), owner=owner, token="form") for owner in (alice, bob, None)]
    assert len({run.pk for run in runs}) == 3
    assert [Run.objects.get(pk=run.pk).owner for run in runs] == [alice, bob, None]


@pytest.mark.parametrize("change", [control.pause, control.cancel])
def test_a_run_that_rests_is_no_answer_to_the_same_request(change: Callable[[str], Run]) -> None:
    first = start(checked())
    change(first.pk)
    assert start(checked()) != first


def test_who_asks_to_be_told_of_a_run_that_has_ended_gets_a_new_one() -> None:
    ended = execute_run(start(checked()))
    assert start(checked()) == ended
    told = start(checked(notify_url="https://example.com/done"))
    assert told != ended
    # While nothing is told yet, it is the same run; to whom else it is told is another one.
    assert start(checked(notify_url="https://example.com/done")) == told
    assert start(checked(notify_url="https://example.com/other")) not in (told, ended)
    assert start(checked()).pk in set(Run.objects.values_list("pk", flat=True))


def test_a_run_that_is_started_is_worked_on(engine: ThreadsEngine) -> None:
    run = start(checked())
    wait_for("the run is complete", lambda: Run.objects.get(pk=run.pk).is_finished)


@pytest.mark.parametrize("tokens", [["form"] * 4, ["one", "two", "three", ""]], ids=["one form", "four tabs"])
def test_clicks_at_the_same_moment_start_one_run(transactional_db: None, tokens: list[str]) -> None:
    request, together = checked(), threading.Barrier(4)

    def click(token: str) -> str:
        together.wait()
        try:
            return start(request, token=token).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        runs = set(pool.map(click, tokens))
    assert runs == set(Run.objects.values_list("pk", flat=True))
    assert len(runs) == 1


def test_a_universe_without_symbols_is_refused() -> None:
    store_universe("Empty", {})
    with pytest.raises(RequestRefused, match="'empty' has no symbols") as caught:
        start(checked(universe="empty"))
    assert caught.value.field == "universe"
    assert not Run.objects.exists()


def test_symbols_without_prices_are_part_of_the_run() -> None:
    store_universe("Bare", {"AAA": make_bars([]), "BBB": make_bars([])})
    assert start(checked(universe="bare")).n_symbols == 2


def test_an_id_cannot_be_guessed_and_may_stand_in_an_address() -> None:
    run = start(checked())
    assert len(run.pk) == 12
    assert run.pk.isalnum()
    assert run.get_absolute_url() == f"/runs/{run.pk}/"
