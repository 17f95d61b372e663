"""Every strategy of the library is known under its key, and under no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strategies import library
from strategies.base import Strategy
from strategies.errors import StrategyError, UnknownStrategy
from strategies.registry import _registry, get_strategy, register
from strategies.registry import strategies as registered
from tests.strategies.test_params import Example


@pytest.fixture
def restored_registry() -> Iterator[None]:
    known = dict(_registry())
    yield
    _registry().clear()
    _registry().update(known)


def test_every_file_of_the_library_has_a_registered_strategy() -> None:
    files = {path.stem for path in Path(library.__path__[0]).glob("*.py")} - {"__init__"}
    assert {strategy.__module__.rsplit(".", 1)[-1] for strategy in registered().values()} == files


def test_strategies_are_sorted_by_key_and_stand_under_it() -> None:
    known = registered()
    assert list(known) == sorted(known)
    assert all(strategy.key == key for key, strategy in known.items())
    assert {"bollinger", "rsi", "sma-cross"} <= set(known)


def test_the_given_table_is_a_copy() -> None:
    registered().clear()
    assert registered()


def test_a_strategy_is_found_by_its_key() -> None:
    for key, strategy in registered().items():
        assert get_strategy(key) is strategy


@pytest.mark.parametrize("key", ["", "RSI", "rsi ", "no-such"])
def test_an_unknown_key_is_refused_with_the_known_ones(key: str) -> None:
    with pytest.raises(UnknownStrategy) as caught:
        get_strategy(key)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"unknown strategy {key!r}; known are: ")
    assert all(known in str(caught.value) for known in registered())
    assert isinstance(caught.value, StrategyError)


@pytest.mark.usefixtures("restored_registry")
def test_a_strategy_can_be_registered_once_and_again() -> None:
    assert register(Example) is Example
    assert register(Example) is Example
    assert get_strategy("example") is Example


@pytest.mark.usefixtures("restored_registry")
def test_a_key_belongs_to_one_strategy() -> None:
    class Imposter(Strategy):
        key = "rsi"

    with pytest.raises(ValueError, match=r"two strategies have the key 'rsi': .*Rsi.* and .*Imposter"):
        register(Imposter)
    assert get_strategy("rsi") is not Imposter


def test_the_code_version_is_stable_and_differs_between_strategies() -> None:
    versions = {key: strategy.code_version() for key, strategy in registered().items()}
    assert versions == {key: strategy.code_version() for key, strategy in registered().items()}
    assert len(set(versions.values())) == len(versions)
    assert all(len(version) == 16 for version in versions.values())
