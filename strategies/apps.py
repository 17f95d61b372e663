from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _sync(**_kwargs: Any) -> None:
    from strategies.builtins import sync_builtins

    sync_builtins()


class StrategiesConfig(AppConfig):
    name = "strategies"

    def ready(self) -> None:
        post_migrate.connect(_sync, sender=self)
