"""Start a run: save it with its chunks, then hand it to the engine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from django.db import IntegrityError, transaction
from django.db.models import Sum

from backtests.engine import ENGINE_VERSION
from backtests.models import PriceBlock, Run, RunChunk
from backtests.runs.chunks import writing
from backtests.runs.engines import threads
from backtests.runs.errors import RequestRefused
from backtests.runs.execute import scan_from
from backtests.runs.plan import chunks_of
from backtests.runs.request import CheckedRequest


def start(checked: CheckedRequest, *, token: str = "") -> Run:
    """Save a run and hand it to the engine; return it at once.

    ``token`` names the form or program that asks: the same request with the same token is the run that it started the
    first time, however often it arrives. Raises RequestRefused if the
    universe has no symbols.
    """
    submission = _submission(checked, token) if token else None
    if submission and (before := Run.objects.filter(submission=submission).first()):
        return before
    symbol_ids = list(checked.universe.symbols.order_by("ticker").values_list("pk", flat=True))
    if not symbol_ids:
        raise RequestRefused("universe", f"{checked.universe.slug!r} has no symbols; import prices into it first")
    try:
        run = _save(checked, symbol_ids, submission)
    except IntegrityError:
        if submission and (before := Run.objects.filter(submission=submission).first()):
            return before
        raise
    threads.ENGINE.submit(run.pk, scan_from(run))
    return run


def _save(checked: CheckedRequest, symbol_ids: list[int], submission: str | None) -> Run:
    stored = PriceBlock.objects.filter(symbol__universes=checked.universe, interval=checked.interval)
    n_bars = stored.aggregate(n=Sum("n_bars"))["n"] or 0
    run = Run(
        strategy=checked.strategy_row,
        universe=checked.universe,
        parameters=checked.strategy.values,
        interval=checked.interval,
        start_date=checked.start_date,
        end_date=checked.end_date,
        preset=checked.preset,
        rules=asdict(checked.rules),
        submission=submission,
        engine_version=ENGINE_VERSION,
        n_symbols=len(symbol_ids),
    )
    chunks = [
        RunChunk(run=run, index=index, symbol_ids=ids, n_symbols=len(ids))
        for index, ids in enumerate(chunks_of(symbol_ids, bars_per_symbol=n_bars / len(symbol_ids)))
    ]
    with writing(), transaction.atomic():
        run.save(force_insert=True)
        RunChunk.objects.bulk_create(chunks)
    return run


def _submission(checked: CheckedRequest, token: str) -> str:
    strategy, rules = checked.strategy, checked.rules
    dates = [checked.interval, checked.start_date, checked.end_date]
    asked = [token, strategy.key, strategy.values, checked.universe.slug, checked.preset, asdict(rules), *dates]
    content = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.blake2b(content.encode(), digest_size=32).hexdigest()
