import os
from datetime import datetime, timedelta
from pathlib import Path

from django.apps import AppConfig
from django.utils import timezone


class GatedConfig(AppConfig):
    name = "tests.gated"
    label = "gated"

    def ready(self) -> None:
        from strategies.registry import register
        from tests.gated.strategy import Gated

        register(Gated)
        if clock := os.environ.get("GATE_CLOCK"):
            _follow_clock(Path(clock))


def _follow_clock(path: Path) -> None:
    """Let the clock be off by as many seconds as a file says, from now to now."""
    right = timezone.now

    def now() -> datetime:
        return right() + timedelta(seconds=float(path.read_text()))

    timezone.now = now
