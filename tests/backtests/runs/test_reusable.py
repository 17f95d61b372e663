"""What the cache of results holds, and how it is flushed and pruned: runs stay, and are no longer reused."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backtests.models import Run, Universe
from backtests.runs import reusable
from backtests.runs.execute import scan_of
from backtests.runs.reusable import Pruned, flush, holdings, prune, prune_now_and_then, total_of
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db

KIB = 1024


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe("Test", make_market(n_symbols=4, n_bars=60))


def executed(universe: Universe, **fields: Any) -> Run:
    run = make_run(universe, **fields)
    run.scan_digest = scan_of(run.pk).digest
    run.save()
    return execute_run(run)


def made(universe: Universe, *, days_ago: float = 0.0, n_bytes: int = KIB, **fields: Any) -> Run:
    """Save a run that says of itself that it is complete."""
    run = make_run(universe)
    counts = {"state": "complete", "finished_at": timezone.now(), "n_done": run.n_symbols, "n_bytes": n_bytes}
    created_at = timezone.now() - timedelta(days=days_ago)
    Run.objects.filter(pk=run.pk).update(**{**counts, "created_at": created_at, **fields})
    return run


def reused(*runs: Run) -> list[bool]:
    return [Run.objects.get(pk=run.pk).is_reusable for run in runs]


def test_it_counts_entries_bytes_hits_and_time_by_strategy_and_universe(universe: Universe) -> None:
    other = store_universe("Other", {"AAA": make_bars([1.0] * 60), "SHORT": make_bars([1.0] * 3)})
    made(universe, computed_us=2_000_000, n_bytes=5000)
    made(universe, n_cached=3, n_bytes=500, computed_us=1, saved_us=1_500_000, n_reused=2)
    made(other, n_failed=1, n_bytes=100, days_ago=2)
    made(other, use_cache=False, n_bytes=0)
    first, second = holdings()
    assert (first.strategy_key, first.universe_slug, first.n_runs) == ("rsi", "test", 2)
    assert (first.n_entries, first.n_bytes) == (4 + 1, 5500)
    assert (first.n_asked, first.n_hits) == (4 + 4 + 2 * 4, 3 + 2 * 4)
    assert first.saved_s == pytest.approx(1.5 + 2 * 1.500001)
    assert first.hit_rate_pct == pytest.approx(100 * 11 / 16)
    assert (second.universe_slug, second.n_entries, second.n_asked, second.n_hits) == ("other", 1 + 2, 2, 0)
    assert second.oldest is not None
    assert second.newest is not None
    assert second.newest - second.oldest > timedelta(days=1)
    total = total_of([first, second])
    assert (total.n_runs, total.n_entries, total.n_bytes, total.n_asked) == (4, 8, 5600, 18)
    assert (total.oldest, total.newest) == (second.oldest, second.newest)


def test_what_is_flushed_or_too_old_is_no_entry_but_its_hits_count(universe: Universe) -> None:
    made(universe, is_reusable=False, n_cached=2)
    made(universe, days_ago=31, n_cached=1)
    (held,) = holdings()
    assert (held.n_runs, held.n_entries, held.n_bytes, held.oldest, held.newest) == (0, 0, 0, None, None)
    assert (held.n_asked, held.n_hits) == (8, 3)


def test_without_runs_there_is_nothing(universe: Universe) -> None:
    assert holdings() == []
    assert total_of([]).hit_rate_pct is None


def test_it_is_one_query_over_runs_alone(universe: Universe) -> None:
    made(universe)
    with CaptureQueriesContext(connection) as asked:
        holdings()
    assert len(asked) == 1
    assert "backtests_result" not in asked[0]["sql"]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, [False, False, False]),
        ({"strategy": "rsi"}, [False, True, False]),
        ({"universe": "test"}, [False, False, True]),
        ({"strategy": "rsi", "universe": "other"}, [True, True, False]),
    ],
    ids=str,
)
def test_flushing_ends_the_reuse_of_what_was_chosen(
    universe: Universe, fields: dict[str, str], wanted: list[bool]
) -> None:
    other = store_universe("Other", {"AAA": make_bars([1.0] * 60)})
    runs = [executed(universe), executed(universe, strategy="bollinger"), executed(other)]
    assert flush(**fields) == wanted.count(False)
    assert reused(*runs) == wanted
    assert [run.results.count() for run in runs] == [4, 4, 1]
    assert executed(universe).n_cached == (0 if not wanted[0] else 4)


def test_pruning_by_age_spares_the_young(universe: Universe) -> None:
    runs = [made(universe, days_ago=days) for days in (0, 6.9, 7.1, 400)]
    assert prune(days=7, n_bytes=0) == Pruned(by_age=2, by_size=0)
    assert reused(*runs) == [True, True, False, False]
    assert prune(days=7, n_bytes=0) == Pruned(by_age=0, by_size=0)


def test_pruning_by_size_spares_the_newest(universe: Universe) -> None:
    runs = [made(universe, days_ago=days, n_bytes=KIB) for days in (0, 1, 2, 3)]
    assert prune(days=0, n_bytes=2 * KIB + 1) == Pruned(by_age=0, by_size=2)
    assert reused(*runs) == [True, True, False, False]
    assert prune(days=0, n_bytes=2 * KIB) == Pruned(by_age=0, by_size=0)


def test_what_is_too_old_no_longer_counts_for_the_size(universe: Universe) -> None:
    runs = [made(universe, days_ago=days, n_bytes=KIB) for days in (0, 1, 9)]
    assert prune(days=7, n_bytes=2 * KIB) == Pruned(by_age=1, by_size=0)
    assert reused(*runs) == [True, True, False]


def test_without_bounds_nothing_is_pruned(universe: Universe) -> None:
    run = made(universe, days_ago=9999, n_bytes=2**50)
    assert prune(days=0, n_bytes=0) == Pruned(0, 0)
    assert reused(run) == [True]


def test_the_last_chunk_of_a_run_prunes_and_those_right_after_it_do_not(
    universe: Universe, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reusable, "_looked_s", float("-inf"))
    settings.CACHE_DAYS = 5
    old = made(universe, days_ago=6)
    run = make_run(universe)
    execute_run(run, n_chunks=1)
    assert reused(old) == [True]
    execute_run(run)
    assert reused(old, run) == [False, True]
    older = made(universe, days_ago=7)
    execute_run(make_run(universe))
    assert reused(older) == [True]
    monkeypatch.setattr(reusable, "_looked_s", float("-inf"))
    prune_now_and_then()
    assert reused(older) == [False]


def test_a_server_that_starts_prunes(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reusable, "_looked_s", float("-inf"))
    runs = [made(universe, days_ago=days) for days in (29, 31)]
    call_command("prepare", stdout=StringIO())
    assert reused(*runs) == [True, False]
