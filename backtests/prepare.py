"""Everything between a fresh checkout and a server that answers: database, prices, compiled kernels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from backtests.models import PriceBlock, Universe
from backtests.prices.bars_file import BARS_FILE
from backtests.prices.cache import BARS_CACHE
from backtests.prices.store import bytes_of
from backtests.runs.engines.courtesy import wait_for_requests
from backtests.runs.plan import stored_intervals
from backtests.runs.reusable import prune_now_and_then
from backtests.warming import WARMED_AT_ONCE, decode_series, tickers_of
from strategies.builtins import sync_builtins

logger = logging.getLogger(__name__)

Say = Callable[[str], None]


def prepare(say: Say) -> None:
    """Bring the database up to date, load the demo market if there are no prices, and compile the kernels."""
    migrate(say)
    # Migrating makes the rows of strategies as well, but a version may bring a strategy and no migration.
    sync_builtins()
    prune_now_and_then()
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
    for key, error in warm().items():
        say(f"The strategy {key} fails: {type(error).__name__}: {error}. `manage.py check_strategy {key}` tells more.")
    if (took := perf_counter() - began) > 2:
        say(f"Compiled the kernels in {took:.1f} s; the next start finds them compiled.")


def warm_bars() -> None:
    """Decode the bars of every universe that fits into memory or the bars file, real ones first: scans find them there.

    Runs in a thread of its own while the server is already answering, and lets requests and scans go first. Of a
    universe that does not fit nothing is kept: a part of it would save little, and hold the memory for good.
    """
    try:
        for universe in Universe.objects.order_by("is_synthetic", "-pk"):
            symbol_ids = list(tickers_of(universe))
            for interval in stored_intervals(universe):
                market_bytes = bytes_of(universe.pk, interval)
                kept = (BARS_CACHE if market_bytes <= settings.BARS_CACHE_BYTES else BARS_FILE).state
                if kept.n_bytes + market_bytes > kept.limit_bytes:
                    continue
                for first in range(0, len(symbol_ids), WARMED_AT_ONCE):
                    wait_for_requests()
                    decode_series(symbol_ids[first : first + WARMED_AT_ONCE], interval, market_bytes=market_bytes)
    except Exception:
        logger.exception("the bars could not be decoded in advance; scans decode what they need")
    finally:
        connection.close()
