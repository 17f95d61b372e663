from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate


def _sync(**_kwargs: Any) -> None:
    from strategies.builtins import sync_builtins

    sync_builtins()


class StrategiesConfig(AppConfig):
    name = "strategies"

    def ready(self) -> None:
        from django.conf import settings

        from strategies import checks, user_strategies

        register(checks.broken_strategies)
        post_migrate.connect(_sync, sender=self)
        user_strategies.load(settings.STRATEGIES_DIR)
