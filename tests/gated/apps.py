from django.apps import AppConfig


class GatedConfig(AppConfig):
    name = "tests.gated"
    label = "gated"

    def ready(self) -> None:
        from strategies.registry import register
        from tests.gated.strategy import Gated

        register(Gated)
