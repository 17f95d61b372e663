"""What the tests of runs share: an engine that ends with its test, and conditions to wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backtests.management.commands import run_scan
from backtests.runs.engines import threads
from backtests.runs.engines.threads import ThreadsEngine


@pytest.fixture
def engine(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadsEngine]:
    """The engine that runs are handed to. It ends with the test, so that no thread holds on to the test database."""
    started = ThreadsEngine(n_workers=3)
    monkeypatch.setattr(threads, "ENGINE", started)
    monkeypatch.setattr(run_scan, "ENGINE", started)
    yield started
    started.stop()
