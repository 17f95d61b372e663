"""Everything between a fresh checkout and a server that answers: database, prices, compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from backtests.models import PriceBlock

Say = Callable[[str], None]


def prepare(say: Say) -> None:
    """Bring the database up to date, load the demo market if there are no prices, and compile the kernels."""
    migrate(say)
    if not PriceBlock.objects.exists():
        say("There are no prices yet: loading the demo market, which is synthetic.")
        call_command("load_demo")
    warm_kernels(say)


def migrate(say: Say) -> None:
    """Apply the migrations that are missing; say nothing when none is."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        say(f"Applying {len(missing)} database migrations.")
        call_command("migrate", verbosity=0, interactive=False)


def warm_kernels(say: Say) -> None:
    """Run every strategy once, so that no user waits for compilation; the compiled code stays on disk."""
    from backtests.engine.warm import warm

    began = perf_counter()
    warm()
    if (took := perf_counter() - began) > 2:
        say(f"Compiled the kernels in {took:.1f} s; the next start finds them compiled.")
