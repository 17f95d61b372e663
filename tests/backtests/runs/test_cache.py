"""Results of earlier runs are reused where all is equal, and only there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backtests.engine import RULES
from backtests.models import PriceBlock, Result, Run, RunChunk, Symbol, Universe
from backtests.prices.cache import BARS_CACHE
from backtests.prices.store import write_bars
from backtests.runs import cache
from backtests.runs.cache import digests_of, identical_run, periods_within
from backtests.runs.chunks import claim
from backtests.runs.execute import execute, scan_from, scan_of
from backtests.runs.market import state_of
from backtests.runs.request import CheckedRequest, RunRequest, check_request
from backtests.runs.save import save
from strategies.bars import Bars
from strategies.library.rsi import Rsi
from tests.builders import another_value, execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db

# What is a row's own, and not its outcome.
OWN = {"id", "run_id", "sequence", "is_cached"}
BARS = make_market(n_symbols=6, n_bars=120, shape="waves")


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe("Test", BARS)


def asked(universe: Universe, **fields: Any) -> CheckedRequest:
    return check_request(RunRequest(**{"strategy": "rsi", "universe": universe.slug, **fields}))


def digested_run(universe: Universe, **fields: Any) -> Run:
    """Save a run with its digests, as starting it does."""
    run = make_run(universe, **fields)
    dates = {key: fields[key] for key in ("start_date", "end_date") if key in fields}
    own = {"strategy": run.strategy.key, "parameters": run.parameters, "rules": run.rules, "interval": run.interval}
    request = asked(universe, **own, **dates)
    run.scan_digest, run.digest = digests_of(request, state_of(request).checksums)
    run.save()
    return run


def executed(universe: Universe, **fields: Any) -> Run:
    return execute_run(digested_run(universe, **fields))


def cached_tickers(run: Run) -> list[str]:
    return list(run.results.filter(is_cached=True).order_by("symbol__ticker").values_list("symbol__ticker", flat=True))


def outcomes(run: Run) -> list[tuple[Any, ...]]:
    """Return all that a run's rows say, by symbol, as the database holds it; floats differ here in their last bit."""
    columns = [field.column for field in Result._meta.fields if field.column not in OWN]
    exact = {"sqlite": "hex({0}) || typeof({0})", "postgresql": "{0}::text"}[connection.vendor]
    selected = ", ".join(exact.format(f'"{column}"') for column in columns)
    with connection.cursor() as cursor:
        cursor.execute("SET extra_float_digits = 3" if connection.vendor == "postgresql" else "SELECT 1")
        cursor.execute(
            f"SELECT {selected} FROM {Result._meta.db_table} WHERE run_id = %s ORDER BY symbol_id",
            [run.pk],
        )
        return [tuple(row) for row in cursor.fetchall()]


def measured(run: Run) -> list[tuple[Any, ...]]:
    """Return all that the metrics, curves and trades of a run's rows are, by symbol, as Python values."""
    columns = [field.attname for field in Result._meta.fields if field.attname not in {*OWN, "elapsed_us"}]
    rows = run.results.order_by("symbol_id").values_list(*columns)
    return [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in rows]


# What is reused


def test_cached_results_are_the_earlier_ones_to_the_last_bit(universe: Universe) -> None:
    first, second = executed(universe), executed(universe)
    assert (second.n_cached, first.n_cached) == (6, 0)
    assert outcomes(second) == outcomes(first)
    assert len(outcomes(first)) == 6


def test_cached_and_fresh_results_are_equal_to_the_last_bit(universe: Universe) -> None:
    executed(universe)
    cached, fresh = executed(universe), executed(universe, use_cache=False)
    assert (cached.n_cached, fresh.n_cached) == (6, 0)
    assert measured(cached) == measured(fresh)
    assert sum(row.trades or 0 for row in cached.results.all()) > 0


def test_a_run_that_overlaps_computes_only_what_is_new(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    executed(universe)
    more = store_universe("More", {**dict(list(BARS.items())[:3]), "NEW1": BARS["S4"][5:], "NEW2": BARS["S5"][5:]})
    computed: list[int] = []
    signals = Rsi.signals_all

    def counted(self: Rsi, bars: list[Bars]) -> Any:
        computed.append(len(bars))
        return signals(self, bars)

    monkeypatch.setattr(Rsi, "signals_all", counted)
    run = executed(more)
    assert cached_tickers(run) == ["S0", "S1", "S2"]
    assert sum(computed) == 2
    assert (run.state, run.n_done, run.n_cached) == ("complete", 5, 3)
    assert sorted(run.results.values_list("sequence", flat=True)) == [1, 2, 3, 4, 5]


def test_within_a_chunk_cached_and_computed_results_keep_their_order(universe: Universe) -> None:
    few = store_universe("Few", {ticker: BARS[ticker] for ticker in ("S1", "S4")})
    executed(few)
    run = executed(universe)
    in_order = [symbol_id for chunk in run.chunks.order_by("index") for symbol_id in chunk.symbol_ids]
    assert list(run.results.order_by("sequence").values_list("symbol_id", flat=True)) == in_order
    assert cached_tickers(run) == ["S1", "S4"]


def test_counters_say_what_was_computed_and_what_was_saved(universe: Universe) -> None:
    first = executed(universe)
    spent = sum(row.elapsed_us for row in first.results.all())
    sizes = [len(row.curve) + len(row.trade_list) for row in first.results.all()]
    assert (first.computed_us, first.saved_us) == (spent, 0)
    assert first.n_bytes > sum(sizes)
    second = executed(universe)
    assert (second.computed_us, second.saved_us, second.n_bytes) == (0, spent, 0)


def test_failures_are_computed_again(universe: Universe) -> None:
    short = store_universe("Short", {"AAA": make_bars([1.0] * 5), "S0": BARS["S0"]})
    executed(short)
    again = executed(short)
    assert cached_tickers(again) == ["S0"]
    assert (again.n_failed, again.n_cached) == (1, 1)


def test_a_copy_is_not_copied_again(universe: Universe) -> None:
    first = executed(store_universe("Few", {ticker: BARS[ticker] for ticker in ("S0", "S1")}))
    assert cached_tickers(executed(universe)) == ["S0", "S1"]
    first.delete()
    assert cached_tickers(executed(universe)) == ["S2", "S3", "S4", "S5"]


def test_a_run_that_still_works_lends_what_it_has(universe: Universe) -> None:
    execute_run(digested_run(universe), n_chunks=2)
    assert executed(universe).n_cached == 3


def test_a_run_without_cache_computes_and_lends(universe: Universe) -> None:
    executed(universe)
    fresh = executed(universe, use_cache=False)
    assert fresh.n_cached == 0
    Run.objects.exclude(pk=fresh.pk).update(is_reusable=False)
    assert executed(universe).n_cached == 6


@pytest.mark.parametrize(
    "change", [{"is_reusable": False}, {"created_at": timezone.now() - timedelta(days=30, hours=1)}]
)
def test_a_run_that_is_flushed_or_too_old_lends_nothing(universe: Universe, change: dict[str, Any]) -> None:
    first = executed(universe)
    Run.objects.filter(pk=first.pk).update(**change)
    assert executed(universe).n_cached == 0
    assert first.results.count() == 6


def test_without_a_time_to_live_any_age_is_good(universe: Universe, settings: Any) -> None:
    first = executed(universe)
    Run.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(days=9999))
    settings.CACHE_DAYS = 0
    assert executed(universe).n_cached == 6


def test_a_first_scan_is_asked_once_whether_there_is_anything_to_reuse(universe: Universe) -> None:
    executed(universe, parameters={"period": 9})
    run = digested_run(universe)
    scan = scan_of(run.pk)
    assert not scan.may_reuse
    ids = list(universe.symbols.values_list("pk", flat=True))
    execute(scan, ids)  # decodes the bars
    with CaptureQueriesContext(
        connection,
    ) as asked_of_it:
        execute(scan, ids)
    assert len(asked_of_it) == 1


def test_a_chunk_whose_earlier_results_are_deleted_meanwhile_is_executed_again(universe: Universe) -> None:
    first, second = executed(universe), digested_run(universe)
    chunk = claim(second.pk)
    assert isinstance(chunk, RunChunk)
    results = execute(scan_of(second.pk), chunk.symbol_ids)
    assert results[0].earlier_id is not None
    first.delete()
    assert save(chunk, results) is False
    second.refresh_from_db()
    assert (second.n_done, second.last_sequence, second.results.count()) == (0, 0, 0)
    waiting = second.chunks.order_by("index")[0]
    assert (waiting.state, waiting.attempts) == ("waiting", 0)
    done = execute_run(second)
    assert (done.state, done.n_done, done.n_cached) == ("complete", 6, 0)


# What is no longer the same


def changed_bars(ticker: str, *, day: int) -> None:
    bars = make_bars([99.0], start_s=1_704_067_200 + day * 86_400)
    write_bars([(Symbol.objects.get(ticker=ticker), bars)], interval="1d", source="late")


def test_one_block_of_one_symbol_invalidates_that_symbol_alone(universe: Universe) -> None:
    executed(universe)
    changed_bars("S3", day=7)
    run = executed(universe)
    assert cached_tickers(run) == ["S0", "S1", "S2", "S4", "S5"]


def test_bars_that_are_put_back_make_the_earlier_result_valid_again(universe: Universe) -> None:
    executed(universe)
    block = PriceBlock.objects.get(symbol__ticker="S3")
    changed_bars("S3", day=7)
    executed(universe, use_cache=False)
    PriceBlock.objects.filter(pk=block.pk).delete()
    block.save(force_insert=True)
    assert executed(universe).n_cached == 6


def test_blocks_outside_of_the_dates_do_not_count(universe: Universe) -> None:
    dates = {"start_date": date(2024, 1, 10), "end_date": date(2024, 4, 1)}
    executed(universe, **dates)
    changed_bars("S0", day=366 * 3)  # another block, behind the dates
    changed_bars("S1", day=-366 * 5)  # another one, before them
    changed_bars("S2", day=100)  # not tested, but in the block of those that are
    assert cached_tickers(executed(universe, **dates)) == ["S0", "S1", "S3", "S4", "S5"]
    assert executed(universe, end_date=dates["end_date"]).n_cached == 0


@pytest.mark.parametrize(
    ("interval", "start", "end", "wanted"),
    [
        ("1d", None, None, (0, 999_912)),
        ("1d", date(2024, 12, 31), date(2024, 12, 31), (202_001, 202_412)),
        ("1d", date(2025, 1, 1), date(2025, 1, 1), (202_002, 202_501)),
        ("1h", date(2024, 1, 1), None, (202_302, 999_912)),
        ("1m", date(2024, 3, 31), date(2024, 4, 1), (202_403, 202_404)),
        ("1d", date(1, 1, 1), date(9999, 12, 31), (0, 999_912)),
    ],
)
def test_the_periods_of_blocks_that_can_reach_into_the_dates(
    interval: str, start: date | None, end: date | None, wanted: tuple[int, int]
) -> None:
    assert periods_within(interval, start, end) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"period": 15}},
        *({"rules": {rule.key: another_value(rule)}} for rule in RULES),
        {"start_date": date(2024, 1, 2)},
        {"end_date": date(2024, 2, 20)},
    ],
    ids=str,
)
def test_another_parameter_rule_or_date_is_another_scan(universe: Universe, change: dict[str, Any]) -> None:
    executed(universe)
    assert executed(universe, **change).n_cached == 0
    assert executed(universe).n_cached == 6


@pytest.mark.parametrize("name", ["ENGINE_VERSION", "FORMAT"])
def test_another_engine_is_another_scan(universe: Universe, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    executed(universe)
    monkeypatch.setattr(cache, name, "another")
    assert executed(universe).n_cached == 0


def test_another_version_of_its_code_is_another_scan(universe: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    executed(universe)
    executed(universe, strategy="bollinger")
    monkeypatch.setattr(Rsi, "code_version", classmethod(lambda _cls: "edited"))
    assert executed(universe).n_cached == 0
    assert executed(universe, strategy="bollinger").n_cached == 6


# Whole runs


def answer_to(universe: Universe, owner: Any) -> Run | None:
    """Return the run that answers the plain request."""
    request = asked(universe)
    checksums = state_of(request).checksums
    return identical_run(*digests_of(request, checksums), checksums, owner)


def same_as(run: Run, owner: Any) -> Run | None:
    """Return the run that answers what this one was asked for, by its own digests and the prices of now."""
    return identical_run(run.scan_digest, run.digest, state_of(asked(run.universe)).checksums, owner)


def of_request(universe: Universe, **fields: Any) -> str:
    request = asked(universe, **fields)
    return digests_of(request, state_of(request).checksums)[1]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"parameters": {"period": 9, "low": 25}},
        {"rules": {"cash": 77, "stop_loss_pct": 5}, "preset": "freqtrade"},
        {"start_date": date(2024, 1, 2), "end_date": date(2024, 3, 1)},
    ],
    ids=str,
)
def test_a_request_and_the_run_that_was_saved_of_it_have_one_digest(universe: Universe, fields: dict[str, Any]) -> None:
    request = asked(universe, **fields)
    dates: dict[str, Any] = {"start_date": request.start_date, "end_date": request.end_date}
    rules = {rule.key: getattr(request.rules, rule.key) for rule in RULES}
    run = execute_run(make_run(universe, parameters=request.strategy.values, rules=rules, **dates))
    checksums = state_of(request).checksums
    scan_digest, run_digest = digests_of(request, checksums)
    assert scan_from(run).digest == scan_digest
    Run.objects.filter(pk=run.pk).update(scan_digest=scan_digest, digest=run_digest)
    assert identical_run(scan_digest, run_digest, checksums, None) == run


def test_the_order_of_symbols_is_no_part_of_a_run(universe: Universe) -> None:
    request, checksums = asked(universe), state_of(asked(universe)).checksums
    turned = dict(reversed(checksums.items()))
    assert digests_of(request, checksums) == digests_of(request, turned)
    assert digests_of(request, checksums)[1] != digests_of(request, dict(list(checksums.items())[1:]))[1]


def test_an_identical_run_is_found_and_counted(universe: Universe) -> None:
    run = executed(universe)
    for times in (1, 2):
        assert answer_to(universe, None) == run
        run.refresh_from_db()
        assert run.n_reused == times


def test_the_newest_of_identical_runs_is_found(universe: Universe) -> None:
    runs = [executed(universe), executed(universe)]
    assert answer_to(universe, None) == runs[1]


def test_a_run_that_is_being_worked_on_answers_the_same_request(universe: Universe) -> None:
    run = digested_run(universe)
    assert same_as(run, None) == run
    execute_run(run, n_chunks=1)
    assert same_as(run, None) == run


@pytest.mark.parametrize(
    "change",
    [
        {"state": "paused", "paused_at": timezone.now()},
        {"state": "cancelled"},
        {"is_reusable": False},
        {"created_at": timezone.now() - timedelta(days=31)},
    ],
    ids=["paused", "cancelled", "flushed", "too old"],
)
def test_a_run_that_rests_or_may_not_be_reused_answers_nothing(universe: Universe, change: dict[str, Any]) -> None:
    run = executed(universe)
    Run.objects.filter(pk=run.pk).update(**change)
    assert same_as(run, None) is None


def test_an_identical_run_of_somebody_else_stays_theirs(universe: Universe) -> None:
    alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
    run = executed(universe, owner=alice)
    assert same_as(run, bob) is None
    assert same_as(run, None) is None
    assert same_as(run, alice) == run
    assert executed(universe, owner=bob).n_cached == 6


def test_a_finished_run_of_nobody_answers_everybody_and_one_at_work_its_owner(universe: Universe) -> None:
    alice = User.objects.create_user("alice")
    run = digested_run(universe)
    assert same_as(run, alice) is None
    execute_run(run)
    assert same_as(run, alice) == run


def test_certain_failures_are_part_of_an_identical_run(universe: Universe) -> None:
    universe.symbols.add(Symbol.objects.create(ticker="BARE", market="stocks"))
    run = executed(universe)
    assert run.n_failed == 1
    assert answer_to(universe, None) == run


def damaged_block() -> None:
    BARS_CACHE.clear()
    PriceBlock.objects.filter(symbol__ticker="S2").update(close=b"\0" * 8 * 120)


def luckless_strategy() -> None:
    raise OSError("no file today")


@pytest.mark.parametrize("kind", ["damaged", "luckless"])
def test_a_run_with_a_failure_that_may_not_happen_again_is_no_answer(
    universe: Universe, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        if kind == "damaged":
            damaged_block()
        else:
            patch.setattr(Rsi, "signals_all", lambda *_: luckless_strategy())
        run = executed(universe, rules={"cash": 5432.0})
    assert run.n_failed == (1 if kind == "damaged" else 6)
    assert same_as(run, None) is None


def test_a_run_over_prices_that_changed_while_it_was_made_is_no_answer(universe: Universe) -> None:
    run = digested_run(universe)
    block = PriceBlock.objects.get(symbol__ticker="S5")
    execute_run(run, n_chunks=1)
    changed_bars("S5", day=7)
    execute_run(run)
    PriceBlock.objects.filter(pk=block.pk).delete()
    block.save(force_insert=True)
    assert of_request(universe) == run.digest
    assert same_as(run, None) is None


CHANGES: list[Callable[[], None]] = [
    lambda: changed_bars("S3", day=7),
    lambda: PriceBlock.objects.filter(symbol__ticker="S3").delete() and None,
]


@pytest.mark.parametrize("change", CHANGES)
def test_other_prices_make_another_run(universe: Universe, change: Callable[[], None]) -> None:
    run = executed(universe)
    change()
    assert of_request(universe) != run.digest
