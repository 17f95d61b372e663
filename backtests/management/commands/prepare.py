from typing import Any

from django.core.management.base import BaseCommand

from backtests.prepare import prepare


class Command(BaseCommand):
    help = "Migrate the database, load the demo market if there are no prices, and compile the kernels."

    def handle(self, *args: Any, **options: Any) -> None:
        prepare(self.stdout.write)
        self.stdout.write("Trawl is ready: serve it with `make run`.")
