from __future__ import annotations

from collections.abc import Iterator

import pytest

from strategies import user_strategies
from strategies.registry import _registry


@pytest.fixture
def own_strategies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test loads is forgotten after it."""
    known = dict(_registry())
    monkeypatch.setattr(user_strategies, "_sources", {})
    monkeypatch.setattr(user_strategies, "_broken", [])
    yield
    _registry().clear()
    _registry().update(known)
