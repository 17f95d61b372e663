"""What the tests of runs share: an engine, processes and a strategy that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backtests.runs.engines import threads
from backtests.runs.engines.threads import ThreadsEngine
from strategies import registry
from strategies.models import Strategy
from tests.backtests.processes import Outside
from tests.gated.strategy import Gated


@pytest.fixture
def engine(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadsEngine]:
    """The engine that runs are handed to. It ends with the test, so that no thread holds on to the test database."""
    started = ThreadsEngine(n_workers=3)
    monkeypatch.setattr(threads, "ENGINE", started)
    yield started
    started.stop()


@pytest.fixture
def idle_engine(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadsEngine]:
    """An engine without workers: runs are handed to it and stay as they were saved."""
    started = ThreadsEngine(n_workers=0)
    monkeypatch.setattr(threads, "ENGINE", started)
    yield started
    started.stop()


@pytest.fixture
def outside(transactional_db: None, tmp_path: Path) -> Iterator[Outside]:
    """Processes of their own on the database of the test."""
    folder = tmp_path / "outside"
    folder.mkdir()
    started = Outside(folder)
    yield started
    started.end()


@pytest.fixture
def gated(transactional_db: None) -> Iterator[None]:
    """The strategy ``gated``, in this process and in the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._registry(), Gated.key, Gated)
        Strategy.objects.create(key=Gated.key, label=Gated.label)
        yield
