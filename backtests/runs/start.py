"""Start a run: save it with its chunks, then hand it to the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from backtests.engine import ENGINE_VERSION
from backtests.models import Run, RunChunk
from backtests.runs.cache import digests_of, identical_run
from backtests.runs.chunks import one_at_a_time, writing
from backtests.runs.engines import threads
from backtests.runs.errors import TooManyRuns
from backtests.runs.execute import scan_from
from backtests.runs.market import MarketState, state_of
from backtests.runs.plan import chunks_of
from backtests.runs.ranked import refuse_too_many_ranks
from backtests.runs.request import CheckedRequest, rule_values

# The state of a chunk that nobody has begun; the builder of bulk_create takes longer than the statement.
_INSERT_CHUNK = f"""
    INSERT INTO {RunChunk._meta.db_table} (run_id, "index", symbol_ids, n_symbols, state, attempts, worker)
    VALUES (%s, %s, %s, %s, 'waiting', 0, '')
"""  # noqa: S608 - made of the name of a table

# Asked at every start, and nearly always in vain.
_SAME_SUBMISSION = f"SELECT 1 FROM {Run._meta.db_table} WHERE submission = %s"  # noqa: S608 - made of the name of a table
_N_UNFINISHED = f"""
    SELECT count(*) FROM {Run._meta.db_table}
    WHERE state IN ('queued', 'running') AND (owner_id = %s OR (owner_id IS NULL AND %s IS NULL))
"""  # noqa: S608 - made of the name of a table


def start(
    checked: CheckedRequest, *, owner: Any = None, token: str = "", announce: Callable[[Run], object] | None = None
) -> Run:
    """Save a run and hand it to the engine; return it at once.

    The run that answers already is returned instead: the one that ``token``, which names the form or program that asks,
    has started with the same request; or, where the request may use the cache, one that is the same to the last bar,
    finished or still at it.

    Parameters
    ----------
    checked : CheckedRequest
    owner : User or None
        Nobody, in the local mode without accounts.
    token : str
    announce : callable or None
        Told of a new run once it is saved, before the engine begins it.

    Raises
    ------
    RequestRefused
        If the universe has no symbols, or the strategy ranks more than fits into memory.
    TooManyRuns
        If the run is larger than one may be, or its owner has as many waiting as may.
    """
    submission = _submission(checked, owner, token) if token else None
    if submission and (before := _submitted(submission)):
        return before
    market = state_of(checked)
    _refuse_too_large(market)
    refuse_too_many_ranks(checked.strategy, market.n_bars)
    run = _run_of(checked, owner, submission, market)
    try:
        with writing(), transaction.atomic():
            one_at_a_time("start", run.owner_id)
            if checked.use_cache and (before := _identical(run, market)):
                return before
            _refuse_too_many(run.owner_id)
            run.save(force_insert=True)
            _save_chunks(run, market)
    except IntegrityError:
        if submission and (before := _submitted(submission)):
            return before
        raise
    if announce is not None:
        announce(run)
    threads.ENGINE.submit(run.pk, scan_from(run, market))
    return run


def _submitted(submission: str) -> Run | None:
    with connection.cursor() as cursor:
        cursor.execute(_SAME_SUBMISSION, [submission])
        if cursor.fetchone() is None:
            return None
    return Run.objects.filter(submission=submission).first()


def _save_chunks(run: Run, market: MarketState) -> None:
    chunks = chunks_of(market.symbol_ids, bars_per_symbol=market.n_bars / run.n_symbols)
    with connection.cursor() as cursor:
        rows = [(run.pk, index, json.dumps(ids), len(ids)) for index, ids in enumerate(chunks)]
        cursor.executemany(_INSERT_CHUNK, rows)


def _refuse_too_large(market: MarketState) -> None:
    if market.n_bars > settings.MOST_BARS:
        raise TooManyRuns(
            f"this run has {len(market.checksums):,} symbols with {market.n_bars:,} bars; the most that one may test "
            f"is {settings.MOST_BARS:,}: choose fewer symbols or a longer interval"
        )


def _refuse_too_many(owner_id: int | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_N_UNFINISHED, [owner_id, owner_id])
        unfinished = cursor.fetchone()[0]
    most = settings.RUNNING_RUNS + settings.WAITING_RUNS
    if unfinished >= most:
        raise TooManyRuns(
            f"{unfinished} run{' is' if unfinished == 1 else 's are'} not finished, and {settings.RUNNING_RUNS} may be "
            f"executed while {settings.WAITING_RUNS} wait: wait for one to finish, or cancel one"
        )


def _run_of(checked: CheckedRequest, owner: Any, submission: str | None, market: MarketState) -> Run:
    scan_digest, digest = digests_of(checked, market.checksums)
    return Run(
        owner=owner,
        strategy=checked.strategy_row,
        universe=checked.universe,
        parameters=checked.strategy.values,
        interval=checked.interval,
        start_date=checked.start_date,
        end_date=checked.end_date,
        preset=checked.preset,
        rules=rule_values(checked.rules),
        tickers=list(checked.tickers),
        priority=list(checked.priority),
        max_workers=checked.max_workers,
        use_cache=checked.use_cache,
        notify_email=checked.notify_email,
        notify_url=checked.notify_url,
        scan_digest=scan_digest,
        digest=digest,
        submission=submission,
        engine_version=ENGINE_VERSION,
        n_symbols=len(market.checksums),
    )


def _identical(run: Run, market: MarketState) -> Run | None:
    notify = (run.notify_email, run.notify_url)
    return identical_run(run.scan_digest, run.digest, market.checksums, run.owner, notify=notify)


def _submission(checked: CheckedRequest, owner: Any, token: str) -> str:
    asked = [token, getattr(owner, "pk", None), checked.strategy.key, checked.strategy.values, checked.universe.slug]
    rest = [checked.preset, rule_values(checked.rules), checked.interval, checked.start_date, checked.end_date]
    execution = [checked.tickers, checked.priority, checked.max_workers, checked.use_cache]
    content = json.dumps([*asked, *rest, *execution], sort_keys=True, default=str)
    return hashlib.blake2b(content.encode(), digest_size=32).hexdigest()
