from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backtests.models import PriceBlock, Run, Universe
from backtests.prices.cache import BARS_CACHE
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe("Test", make_market(n_symbols=4, n_bars=60))


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("cache", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command("cache", *arguments)
    return caught.value


def test_status_says_what_there_is(universe: Universe) -> None:
    execute_run(make_run(universe))
    text = printed("status")
    assert "Entries              4  Results that were computed and may be reused, of 1 runs." in text
    row = next(line for line in text.splitlines() if line.startswith("rsi"))
    assert row.split()[:3] == ["rsi", "test", "4"]


def test_status_without_runs(universe: Universe) -> None:
    text = printed("status")
    assert "Hit rate             –" in text
    assert "Strategy" not in text


def test_flush_ends_the_reuse_of_all_or_of_what_is_named(universe: Universe) -> None:
    runs = [execute_run(make_run(universe, strategy=key)) for key in ("rsi", "bollinger")]
    assert printed("flush", "--strategy", "rsi", "--universe", "test").startswith("The results of 1 runs")
    assert [Run.objects.get(pk=run.pk).is_reusable for run in runs] == [False, True]
    assert printed("flush").startswith("The results of 1 runs are no longer reused")
    assert not Run.objects.filter(is_reusable=True).exists()
    assert runs[0].results.count() == 4


def test_prune_takes_its_bounds_from_the_settings_or_the_command_line(universe: Universe, settings: Any) -> None:
    run = execute_run(make_run(universe))
    Run.objects.filter(pk=run.pk).update(n_bytes=3 * 2**20, created_at="2024-01-01T00:00:00Z")
    assert "0 by age, 0 by size" in printed("prune", "--days", "0", "--mb", "3")
    assert "0 by age, 1 by size" in printed("prune", "--days", "0", "--mb", "2")
    Run.objects.update(is_reusable=True)
    assert "1 by age, 0 by size" in printed("prune")


def test_warm_reads_every_series_of_a_universe(universe: Universe) -> None:
    BARS_CACHE.clear()
    assert printed("warm", "test") == "Test: 4 of 4 series read, 0.0 MiB.\n"
    assert BARS_CACHE.state.entries == 4


def test_warm_ends_where_more_would_not_fit(settings: Any) -> None:
    store_universe("Wide", {f"T{number:02d}": make_bars([1.0] * 3) for number in range(40)})
    settings.BARS_CACHE_BYTES = 17 * 3 * 48
    text = printed("warm", "wide")
    assert text.startswith("Wide: 16 of 40 series read")
    assert "More would not fit" in text


def test_warm_names_what_is_damaged(universe: Universe) -> None:
    BARS_CACHE.clear()
    PriceBlock.objects.filter(symbol__ticker="S2").update(close=b"damaged")
    error = refused("warm", "test")
    assert str(error) == "damaged, import their prices again: S2 1d"
    assert BARS_CACHE.state.entries == 3


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["flush", "--strategy", "nope"], "--strategy: 'nope' is unknown; valid are: adx-trend, "),
        (["flush", "--universe", "nope"], "universe: 'nope' is unknown; valid are: test"),
        (["warm", "nope"], "universe: 'nope' is unknown; valid are: test"),
        (["prune", "--days", "-1"], "--days must be from 0 to 1048576; it is -1"),
        (["prune", "--mb", "-1"], "--mb must be from 0 to 1048576; it is -1"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(universe: Universe, arguments: list[str], wanted: str) -> None:
    run = execute_run(make_run(universe))
    error = refused(*arguments)
    assert str(error).startswith(wanted)
    assert error.returncode == 2
    assert Run.objects.get(pk=run.pk).is_reusable


def test_an_action_is_needed() -> None:
    assert "ACTION" in str(refused())
