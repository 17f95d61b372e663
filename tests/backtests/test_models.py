"""What the rows may not be, the database refuses, whoever writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.db.models import CheckConstraint, ProtectedError, UniqueConstraint
from django.utils import timezone

from backtests.engine import Rules, RulesError
from backtests.models import PriceBlock, Result, Run, RunChunk, ScreenRun, Symbol, Universe, new_run_id
from backtests.schedules.models import Schedule
from strategies.models import Screen, Strategy
from tests.builders import execute_run, make_bars, make_run, store_universe

pytestmark = pytest.mark.django_db

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)

# Of every check: the model, and the values that it must refuse on a row that is otherwise right.
REFUSED: list[tuple[str, type[models.Model], dict[str, Any]]] = [
    ("symbol_has_ticker", Symbol, {"ticker": ""}),
    ("symbol_market_known", Symbol, {"market": "bonds"}),
    ("universe_has_slug", Universe, {"slug": ""}),
    ("universe_market_known", Universe, {"market": "bonds"}),
    ("price_block_has_bars", PriceBlock, {"n_bars": 0}),
    ("price_block_times_ordered", PriceBlock, {"last_time": datetime(1999, 1, 1, tzinfo=UTC)}),
    ("price_block_interval_known", PriceBlock, {"interval": "2d"}),
    ("run_done_within_symbols", Run, {"n_done": 2, "state": "running"}),
    ("run_failed_within_done", Run, {"n_failed": 2}),
    ("run_complete_is_whole", Run, {"n_done": 0}),
    ("run_complete_is_whole", Run, {"finished_at": None}),
    ("run_cancelled_has_end", Run, {"state": "cancelled", "finished_at": None}),
    ("run_paused_since", Run, {"state": "paused", "paused_at": None}),
    ("run_cached_within_done", Run, {"n_cached": 2}),
    ("run_has_workers", Run, {"max_workers": 0}),
    ("run_interval_known", Run, {"interval": "2d"}),
    ("run_dates_ordered", Run, {"start_date": date(2020, 1, 2), "end_date": date(2020, 1, 1)}),
    ("run_chunk_has_symbols", RunChunk, {"n_symbols": 0}),
    ("run_chunk_claim_has_lease", RunChunk, {"state": "claimed", "leased_until": None}),
    ("result_or_reason", Result, {"reason": "both a result and a reason"}),
    ("result_or_reason", Result, {"return_pct": None}),
    ("strategy_has_key", Strategy, {"key": ""}),
    ("screen_has_name", Screen, {"name": ""}),
    ("screen_has_formula", Screen, {"formula": ""}),
    ("screen_run_interval", ScreenRun, {"interval": "2d"}),
    ("schedule_interval_known", Schedule, {"interval": "2d"}),
    ("schedule_due_since", Schedule, {"due_at": NOON, "due_since": None}),
    ("schedule_due_since", Schedule, {"due_at": None, "due_since": NOON}),
]
ALLOWED: list[tuple[type[models.Model], dict[str, Any]]] = [
    (Run, {"start_date": date(2020, 1, 1), "end_date": date(2020, 1, 1)}),
    (Run, {"start_date": date(2020, 1, 1), "end_date": None}),
    (Run, {"state": "cancelled", "n_done": 0}),
    (Run, {"state": "paused", "paused_at": NOON, "finished_at": None}),
    (Run, {"n_cached": 1, "max_workers": 1}),
    (RunChunk, {"state": "claimed", "leased_until": NOON}),
    (RunChunk, {"state": "waiting", "leased_until": None}),
    (Result, {"reason": "why", "return_pct": None}),
    (Symbol, {"name": "", "sector": ""}),
    (Schedule, {"due_at": NOON, "due_since": NOON}),
]


@pytest.fixture
def _rows() -> None:
    """One valid row of every model, and no strategy but the run's."""
    universe = store_universe("Test", {"AAA": make_bars([1.0] * 60)})
    run = execute_run(make_run(universe))
    Screen.objects.create(name="Mine", formula="close > 1")
    ScreenRun.objects.create(pk="abc", formula="close > 1", universe=universe)
    Schedule.objects.create(kind=Schedule.Kind.SCREEN, name="Daily", universe=universe.slug, digest="one")
    Strategy.objects.exclude(pk=run.strategy_id).delete()


def declared(kind: type) -> set[str]:
    ours = [model for label in ("backtests", "strategies") for model in apps.get_app_config(label).get_models()]
    return {item.name for model in ours for item in model._meta.constraints if isinstance(item, kind)}


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(("name", "model", "values"), REFUSED)
def test_the_database_refuses(name: str, model: type[models.Model], values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        model._default_manager.update(**values)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(("model", "values"), ALLOWED)
def test_the_database_takes(model: type[models.Model], values: dict[str, Any]) -> None:
    assert model._default_manager.update(**values) == 1


def test_every_check_is_tried() -> None:
    assert declared(CheckConstraint) == {name for name, _, _ in REFUSED}


def again(row: models.Model, **values: Any) -> None:
    """Save a copy of a row under another primary key."""
    row.pk = new_run_id() if isinstance(row, Run) else None
    row._state.adding = True
    for name, value in values.items():
        setattr(row, name, value)
    row.save(force_insert=True)


TWICE: dict[str, Callable[[], object]] = {
    "symbol_unique": lambda: again(Symbol.objects.get()),
    "screen_name_unique": lambda: [
        Screen.objects.create(name="One", formula="close", owner=User.objects.get_or_create(username="alice")[0])
        for _ in range(2)
    ],
    "screen_of_nobody_name_unique": lambda: again(Screen.objects.get()),
    "schedule_unique": lambda: [
        Schedule.objects.create(digest="one", owner=User.objects.get_or_create(username="alice")[0]) for _ in range(2)
    ],
    "schedule_of_nobody_unique": lambda: again(Schedule.objects.get()),
    "price_block_unique": lambda: again(PriceBlock.objects.get()),
    "run_chunk_unique": lambda: again(RunChunk.objects.get()),
    "result_unique": lambda: again(Result.objects.get(), sequence=2),
    "result_sequence_unique": lambda: again(
        Result.objects.get(), symbol=Symbol.objects.create(ticker="BBB", market="stocks")
    ),
    "universe name": lambda: again(Universe.objects.get(), slug="other"),
    "universe slug": lambda: again(Universe.objects.get(), name="Other"),
    "strategy key": lambda: again(Strategy.objects.get()),
    "run submission": lambda: again(Run.objects.get(), submission="token"),
}


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("name", TWICE)
def test_the_database_refuses_a_second(name: str) -> None:
    Run.objects.update(submission="token")
    with pytest.raises(IntegrityError), transaction.atomic():
        TWICE[name]()


def test_every_unique_constraint_is_tried() -> None:
    assert declared(UniqueConstraint) <= set(TWICE)


@pytest.mark.usefixtures("_rows")
def test_runs_without_a_token_do_not_meet() -> None:
    again(Run.objects.get())
    assert Run.objects.filter(submission=None).count() == 2


@pytest.mark.usefixtures("_rows")
def test_a_real_and_a_synthetic_symbol_may_share_a_ticker() -> None:
    again(Symbol.objects.get(), is_synthetic=True)
    again(Symbol.objects.first() or Symbol(), market="crypto")
    assert Symbol.objects.filter(ticker="AAA").count() == 3


@pytest.mark.usefixtures("_rows")
def test_a_run_takes_its_chunks_and_results_with_it() -> None:
    Run.objects.get().delete()
    assert (RunChunk.objects.count(), Result.objects.count(), Symbol.objects.count()) == (0, 0, 1)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", [Universe, Strategy, Symbol])
def test_what_a_run_refers_to_cannot_be_deleted(model: type[models.Model]) -> None:
    with pytest.raises(ProtectedError):
        model._default_manager.get().delete()


@pytest.mark.usefixtures("_rows")
def test_rows_say_what_they_are() -> None:
    run = Run.objects.get()
    assert str(Symbol.objects.get()) == "AAA"
    assert str(Universe.objects.get()) == "Test"
    assert str(PriceBlock.objects.get()) == "AAA 1d 2024-01-01 to 2024-02-29"
    assert str(run) == f"{run.pk}: RSI reversion on Test"
    assert str(RunChunk.objects.get()) == f"{run.pk} chunk 0"
    assert str(Result.objects.get()) == f"AAA in {run.pk}"
    assert str(Screen.objects.get()) == "Mine"
    assert str(ScreenRun.objects.get()) == "close > 1 on Test"


@pytest.mark.parametrize("state", Run.State.values)
def test_a_run_is_finished_when_it_is_complete_or_cancelled(state: str) -> None:
    assert Run(state=state).is_finished == (state in {"complete", "cancelled"})


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


@pytest.mark.parametrize(
    ("times", "minutes"),
    [
        ({"finished_at": at(4)}, 4),
        ({"finished_at": at(4), "paused_s": 60.0}, 3),
        ({"paused_at": at(2)}, 2),
        ({"paused_at": at(2), "paused_s": 60.0}, 1),
        ({"paused_at": at(2), "finished_at": at(9)}, 2),
        ({"finished_at": at(-1)}, 0),
        ({"finished_at": at(1), "paused_s": 90.0}, 0),
    ],
    ids=str,
)
def test_a_run_took_as_long_as_it_was_worked_on(times: dict[str, Any], minutes: float) -> None:
    assert Run(started_at=NOON, **times).elapsed_s == 60.0 * minutes


def test_the_time_of_a_run_that_is_worked_on_goes_on() -> None:
    assert Run().elapsed_s is None
    run = Run(started_at=timezone.now() - timedelta(seconds=100), paused_s=40.0)
    assert run.elapsed_s == pytest.approx(60.0, abs=5.0)


def test_a_run_is_made_under_the_default_rules_unless_told_otherwise() -> None:
    assert Run().rules == asdict(Rules())
    assert Run().engine_rules == Rules()


def test_rules_of_an_older_engine_are_read_as_far_as_they_go() -> None:
    run = Run(rules={"cash": 5.0, "stop_loss_pct": 3.0, "gone": "with the wind"})
    assert run.engine_rules == Rules(cash=5.0, stop_loss_pct=3.0)


def test_a_value_that_the_engine_no_longer_takes_is_refused() -> None:
    with pytest.raises(RulesError, match="fill: must be one of "):
        _ = Run(rules={"fill": "at_noon"}).engine_rules


def test_no_two_runs_get_one_id() -> None:
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(run_id) == 12 and not set(run_id) & set("01ilo") for run_id in ids)
