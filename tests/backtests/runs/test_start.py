from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connections

from backtests.engine import ENGINE_VERSION, preset_rules
from backtests.models import Run, RunChunk, Universe
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.errors import RequestRefused
from backtests.runs.request import CheckedRequest, RunRequest, check_request
from backtests.runs.start import start
from tests.builders import make_bars, make_market, store_universe
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


def test_its_chunks_hold_every_symbol_once_by_ticker() -> None:
    run = start(checked())
    universe = Universe.objects.get()
    in_order = list(universe.symbols.order_by("ticker").values_list("pk", flat=True))
    chunks = RunChunk.objects.filter(run=run).order_by("index")
    assert [chunk.index for chunk in chunks] == [0, 1, 2]
    assert [symbol_id for chunk in chunks for symbol_id in chunk.symbol_ids] == in_order
    assert [chunk.n_symbols for chunk in chunks] == [1, 2, 3]


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


def test_the_same_request_with_another_token_or_none_is_another_run() -> None:
    runs = {start(checked(), token=token).pk for token in ("one", "two", "", "")}
    assert len(runs) == 4


def test_a_run_that_is_started_is_worked_on(engine: ThreadsEngine) -> None:
    run = start(checked())
    wait_for("the run is complete", lambda: Run.objects.get(pk=run.pk).is_finished)


def test_clicks_at_the_same_moment_start_one_run(transactional_db: None) -> None:
    request, together = checked(), threading.Barrier(4)

    def click(_number: int) -> str:
        together.wait()
        try:
            return start(request, token="form").pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        runs = set(pool.map(click, range(4)))
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
