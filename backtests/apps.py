from django.apps import AppConfig

from backtests.memory import keep_freed_memory


class BacktestsConfig(AppConfig):
    name = "backtests"

    def ready(self) -> None:
        keep_freed_memory()
