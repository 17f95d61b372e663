from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from strategies import registry, user_strategies
from strategies.builtins import sync_builtins, sync_new
from strategies.models import Strategy
from strategies.registry import strategies
from strategies.user_strategies import load
from tests.strategies.own import write_strategy

pytestmark = pytest.mark.django_db


def test_every_registered_strategy_has_a_row_that_describes_it() -> None:
    sync_builtins()
    rows = {row.key: row for row in Strategy.objects.all()}
    assert set(rows) == set(strategies())
    for key, strategy in strategies().items():
        row = rows[key]
        assert (row.label, row.help, row.default_parameters) == (strategy.label, strategy.help(), strategy().values)
        assert row.is_builtin
        assert row.is_active


def test_migrating_makes_the_rows() -> None:
    Strategy.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert set(Strategy.objects.values_list("key", flat=True)) == set(strategies())


def test_a_second_time_changes_no_row_and_makes_none() -> None:
    sync_builtins()
    before = list(Strategy.objects.order_by("pk").values_list("pk", "key", "is_active"))
    sync_builtins()
    assert list(Strategy.objects.order_by("pk").values_list("pk", "key", "is_active")) == before


def test_a_strategy_that_was_switched_off_stays_off_and_is_refreshed() -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False, label="Old", default_parameters={})
    sync_builtins()
    row = Strategy.objects.get(key="rsi")
    assert (row.is_active, row.label) == (False, strategies()["rsi"].label)
    assert row.default_parameters == strategies()["rsi"]().values


def test_a_built_in_that_is_gone_is_switched_off_and_kept() -> None:
    Strategy.objects.create(key="gone", label="Gone")
    sync_builtins()
    assert not Strategy.objects.get(key="gone").is_active


def test_a_strategy_of_somebody_else_is_left_alone() -> None:
    Strategy.objects.create(key="theirs", label="Theirs", is_builtin=False)
    sync_builtins()
    assert Strategy.objects.get(key="theirs").is_active


# Strategies of the users' files.


@pytest.fixture
def folder(tmp_path: Path, own_strategies: None) -> Path:
    write_strategy(tmp_path, "pull_back", label="Pull-back")
    load(tmp_path)
    sync_builtins()
    return tmp_path


def take_away(key: str) -> None:
    """Start as if the file were not there."""
    registry._registry().pop(key, None)
    user_strategies._sources.pop(key, None)
    sync_builtins()


def put_back(folder: Path) -> None:
    load(folder)
    sync_builtins()


def pull_back() -> Strategy:
    return Strategy.objects.get(key="pull-back")


def test_a_users_strategy_has_a_row_that_says_where_it_comes_from(folder: Path) -> None:
    row = pull_back()
    assert (row.label, row.help, row.default_parameters) == ("Pull-back", "Hold above the average.", {"period": 10})
    assert (row.is_builtin, row.source, row.is_active, row.is_missing) == (False, "pull_back.py", True, False)
    assert Strategy.objects.get(key="rsi").source == ""


def test_a_vanished_file_switches_its_row_off_and_a_file_that_is_back_on(folder: Path) -> None:
    pk = pull_back().pk
    take_away("pull-back")
    assert (pull_back().is_active, pull_back().is_missing) == (False, True)
    sync_builtins()
    assert (pull_back().is_active, pull_back().is_missing) == (False, True)
    put_back(folder)
    assert (pull_back().pk, pull_back().is_active, pull_back().is_missing) == (pk, True, False)


def test_what_the_administrator_switched_off_stays_off_when_its_file_is_back(folder: Path) -> None:
    Strategy.objects.filter(key="pull-back").update(is_active=False)
    take_away("pull-back")
    put_back(folder)
    assert (pull_back().is_active, pull_back().is_missing) == (False, False)


def test_a_built_in_that_is_back_is_on_again() -> None:
    Strategy.objects.create(key="gone", label="Gone")
    sync_builtins()
    assert Strategy.objects.get(key="gone").is_missing
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._registry(), "gone", registry.get_strategy("rsi"))
        sync_builtins()
    assert Strategy.objects.get(key="gone").is_active


def test_a_file_that_came_after_the_last_start_gets_its_row(tmp_path: Path, own_strategies: None) -> None:
    sync_new()
    before = Strategy.objects.count()
    Strategy.objects.filter(key="rsi").update(label="Old")
    write_strategy(tmp_path, "new_one")
    load(tmp_path)
    sync_new()
    sync_new()
    assert Strategy.objects.count() == before + 1
    assert Strategy.objects.get(key="new-one").source == "new_one.py"
    assert Strategy.objects.get(key="rsi").label == "Old"
