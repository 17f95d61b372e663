from __future__ import annotations

import pytest
from django.core.management import call_command

from strategies.builtins import sync_builtins
from strategies.models import Strategy
from strategies.registry import strategies

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
