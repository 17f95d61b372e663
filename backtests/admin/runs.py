"""Runs, chunks and results: records of what happened. A run goes with all that belongs to it, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backtests.admin.records import Deletion, RecordAdmin, deletion_of, list_link, moment, row_link, table
from backtests.engine import EXIT_REASONS, TRADE, Metric
from backtests.engine.table import TERMS, metrics_under
from backtests.models import Result, Run, RunChunk, Symbol
from backtests.runs.control import cancel, pause, resume, retry_failed
from backtests.runs.errors import WrongState
from backtests.streams import figures
from backtests.streams.assumptions import assumptions_of

SHOWN_TRADES = 50

# Every other field of a run is an assumption that it was made under.
PROGRESS = ("state", "owner", "created_at", "started_at", "paused_at", "finished_at")
COUNTERS = ("n_symbols", "n_done", "n_failed", "n_cached")
BOOKKEEPING = (
    "id", "submission", "last_sequence", "paused_s", "notify_email", "notify_url", "notified_at", "seen_at",
    "scan_digest", "digest", "is_reusable", "n_reused", "n_bytes", "computed_us", "saved_us",
)  # fmt: skip
SHOWN_OTHERWISE = {*PROGRESS, *COUNTERS, *BOOKKEEPING, "rules"}
ASSUMPTIONS = (*(field.name for field in Run._meta.fields if field.name not in SHOWN_OTHERWISE), "rule_table")


@admin.register(Run)
class RunAdmin(RecordAdmin):
    list_display = ["id", "strategy", "universe", "interval", "state_pill", "done", "failed", "elapsed", "created"]
    list_filter = ["state", "strategy", "universe", "interval", "created_at"]
    list_select_related = ["strategy", "universe"]
    search_fields = ["^id", "strategy__label", "strategy__key", "universe__name", "universe__slug"]
    date_hierarchy = "created_at"
    fieldsets = [
        ("Progress", {"fields": (*PROGRESS, "elapsed", "done", "failed", "results_link", "chunks_link")}),
        ("Assumptions", {"fields": ASSUMPTIONS}),
        ("Bookkeeping", {"fields": BOOKKEEPING, "classes": ["collapse"]}),
    ]
    readonly_fields = ["elapsed", "done", "failed", "results_link", "chunks_link", "rule_table"]
    actions = ["pause_runs", "resume_runs", "cancel_runs", "retry_runs"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Nobody edits a run, but whoever may change runs may pause, resume and cancel them."""
        return bool(request.user.has_perm("backtests.change_run"))

    @admin.action(description="Pause selected runs", permissions=["control"])
    def pause_runs(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        self._change(request, runs, pause, "paused")

    @admin.action(description="Resume selected runs", permissions=["control"])
    def resume_runs(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        self._change(request, runs, resume, "resumed")

    @admin.action(description="Cancel selected runs", permissions=["control"])
    def cancel_runs(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        self._change(request, runs, cancel, "cancelled")

    @admin.action(description="Try failed symbols of selected runs again", permissions=["control"])
    def retry_runs(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        self._change(request, runs, retry_failed, "going through their failed symbols again")

    def _change(self, request: HttpRequest, runs: QuerySet[Run], change: Callable[[str], Run], done: str) -> None:
        n_changed = 0
        for run_id in runs.values_list("pk", flat=True):
            try:
                change(run_id)
                n_changed += 1
            except WrongState as error:
                # Messages begin with a capital: an id at the beginning would be another one.
                self.message_user(request, f"Run {run_id}: {error}", messages.WARNING)
            except Run.DoesNotExist:
                self.message_user(request, f"Run {run_id}: it is gone", messages.WARNING)
        if n_changed:
            count = f"{n_changed:,} run{'s are' if n_changed > 1 else ' is'} {done}."
            self.message_user(request, count, messages.SUCCESS)

    def view_on_site(self, run: Run) -> str:
        return run.get_absolute_url()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deletion:
        rows = list(objs)
        also = {
            "run chunks": RunChunk.objects.filter(run__in=rows).count(),
            "results": Result.objects.filter(run__in=rows).count(),
        }
        return deletion_of(self, request, rows, also=also)

    @admin.display(description="state", ordering="state")
    def state_pill(self, run: Run) -> SafeString:
        return format_html('<span class="pill" data-status="{}">{}</span>', run.state, Run.State(run.state).label)

    @admin.display(description="done", ordering="n_done")
    def done(self, run: Run) -> str:
        return f"{run.n_done:,} of {run.n_symbols:,}"

    @admin.display(description="failed", ordering="n_failed")
    def failed(self, run: Run) -> SafeString | str:
        if not run.n_failed:
            return "0"
        return list_link(Result, f"{run.n_failed:,}", run__id__exact=run.pk, outcome="failed")

    @admin.display(description="elapsed")
    def elapsed(self, run: Run) -> str:
        return figures.duration(run.elapsed_s)

    @admin.display(description="created", ordering="created_at")
    def created(self, run: Run) -> str:
        return moment(run.created_at)

    @admin.display(description="rules")
    def rule_table(self, run: Run) -> SafeString:
        rows = [(item.label, item.value, item.meaning) for item in assumptions_of(run)]
        return table(["Rule", "Value", "Meaning"], rows, ends_in_words=True)

    @admin.display(description="results")
    def results_link(self, run: Run) -> SafeString:
        return list_link(Result, figures.count(run.results.count()), run__id__exact=run.pk)

    @admin.display(description="chunks")
    def chunks_link(self, run: Run) -> SafeString:
        return list_link(RunChunk, figures.count(run.chunks.count()), run__id__exact=run.pk)


@admin.register(RunChunk)
class RunChunkAdmin(RecordAdmin):
    list_display = ["run_link", "index", "state", "symbols", "attempts", "worker", "lease", "done_at"]
    list_display_links = ["index"]
    list_filter = ["state", "attempts"]
    search_fields = ["=run__id", "worker"]
    show_full_result_count = False
    fields = ["run", "index", "state", "symbols", "attempts", "worker", "lease", "leased_until", "done_at", "tickers"]
    readonly_fields = ["lease", "symbols", "tickers"]

    def has_delete_permission(self, request: HttpRequest, obj: RunChunk | None = None) -> bool:
        # Its run would wait for it for ever.
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunChunk]:
        return super().get_queryset(request).defer("symbol_ids")

    def get_ordering(self, request: HttpRequest) -> tuple[str]:
        return ordering_within(request, "index")

    @admin.display(description="run", ordering="run_id")
    def run_link(self, chunk: RunChunk) -> SafeString:
        return row_link(Run, chunk.run_id, chunk.run_id)

    @admin.display(description="lease", ordering="leased_until")
    def lease(self, chunk: RunChunk) -> str:
        if chunk.state != RunChunk.State.CLAIMED or chunk.leased_until is None:
            return figures.NO_VALUE
        left_s = (chunk.leased_until - timezone.now()).total_seconds()
        if left_s < 0:
            return f"over for {figures.duration(-left_s)}, free to be taken up"
        return f"{figures.duration(left_s)} left"

    @admin.display(description="symbols", ordering="n_symbols")
    def symbols(self, chunk: RunChunk) -> str:
        return figures.count(chunk.n_symbols)

    @admin.display(description="tickers")
    def tickers(self, chunk: RunChunk) -> str:
        known = dict(Symbol.objects.filter(pk__in=chunk.symbol_ids).values_list("pk", "ticker"))
        return ", ".join(known.get(pk, f"number {pk}, which is gone") for pk in chunk.symbol_ids)


class OutcomeFilter(admin.SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("successful", "Successful"), ("failed", "Failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Result]) -> QuerySet[Result]:
        if self.value() == "failed":
            return queryset.exclude(reason="")
        return queryset.filter(reason="") if self.value() == "successful" else queryset


@admin.register(Result)
class ResultAdmin(RecordAdmin):
    list_display = [
        "run_link", "sequence", "symbol", "total_return", "trades", "sharpe_ratio", "drawdown", "reason",
    ]  # fmt: skip
    list_display_links = ["symbol"]
    list_filter = [OutcomeFilter, "run__strategy", "run__universe"]
    list_select_related = ["symbol"]
    search_fields = ["^symbol__ticker", "=run__id"]
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["run", "symbol", "sequence", "outcome", "elapsed", "digest"]}),
        ("Metrics", {"fields": ["metrics"]}),
        ("Trades", {"fields": ["trade_table"]}),
    ]
    readonly_fields = ["outcome", "elapsed", "metrics", "trade_table"]

    def has_delete_permission(self, request: HttpRequest, obj: Result | None = None) -> bool:
        # The run's counters and sequence would no longer be true.
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Result]:
        return super().get_queryset(request).defer("curve", "trade_list")

    def get_ordering(self, request: HttpRequest) -> tuple[str]:
        return ordering_within(request, "sequence")

    @admin.display(description="run", ordering="run_id")
    def run_link(self, result: Result) -> SafeString:
        return row_link(Run, result.run_id, result.run_id)

    @admin.display(description="return", ordering="return_pct")
    def total_return(self, result: Result) -> str:
        return figures.signed_pct(result.return_pct)

    @admin.display(description="Sharpe", ordering="sharpe")
    def sharpe_ratio(self, result: Result) -> str:
        return figures.ratio(result.sharpe)

    @admin.display(description="drawdown", ordering="max_drawdown_pct")
    def drawdown(self, result: Result) -> str:
        return figures.signed_pct(result.max_drawdown_pct)

    @admin.display(description="outcome")
    def outcome(self, result: Result) -> str:
        return f"failed: {result.reason}" if result.is_failed else "successful"

    @admin.display(description="elapsed")
    def elapsed(self, result: Result) -> str:
        return f"{result.elapsed_us:,} µs"

    @admin.display(description="metrics")
    def metrics(self, result: Result) -> SafeString | str:
        if result.is_failed:
            return "none, because it failed"
        rows = [
            (metric.label, shown(metric, value), explained(metric, value))
            for metric in metrics_under(result.run.rules.get("sharpe"))
            for value in [getattr(result, metric.key)]
        ]
        words = "; ".join(f"{word}: {meaning}" for word, meaning in TERMS.items())
        return table(["Metric", "Value", "Formula"], rows, note=f"Words: {words}.", ends_in_words=True)

    @admin.display(description="trades")
    def trade_table(self, result: Result) -> SafeString | str:
        return trades_table(result.trade_list) if result.trade_list else "none"


def ordering_within(request: HttpRequest, order: str) -> tuple[str]:
    """Return the order of a run's own rows, or newest first over all runs: an index answers both, however many."""
    return (order,) if "run__id__exact" in request.GET else ("-pk",)


def shown(metric: Metric, value: Any) -> str:
    """Return the value of a metric as its unit is written."""
    if value is None:
        return figures.NO_VALUE
    if metric.unit == "time":
        return moment(value)
    if metric.unit == "money":
        return f"{value:,.2f}".replace("-", figures.MINUS)
    if metric.unit == "count":
        return figures.count(value)
    if metric.unit == "bars":
        return f"{value:,.1f}".removesuffix(".0")
    return figures.pct(value, 2) if metric.unit == "%" else figures.ratio(value)


def explained(metric: Metric, value: Any) -> str:
    """Return the formula of a metric; before it why there is no value, if there is none."""
    return f"no value: {metric.undefined}. {metric.formula}" if value is None else metric.formula


def trades_table(trade_list: bytes | memoryview) -> SafeString | str:
    """Return the first trades as a table."""
    try:
        trades = np.frombuffer(trade_list, dtype=TRADE)
    except ValueError:
        return "not shown: they were saved by a version of the engine that laid trades out differently"
    rows = [
        (
            "long" if trade["side"] > 0 else "short",
            moment(datetime.fromtimestamp(int(trade["entry_time"]), UTC)),
            moment(datetime.fromtimestamp(int(trade["exit_time"]), UTC)) if trade["exit_reason"] else "still open",
            EXIT_REASONS[trade["exit_reason"]],
            f"{trade['bars_held']:,}",
            *(f"{trade[name]:,.6g}" for name in ("entry_price", "exit_price", "units")),
            *(f"{trade[name]:,.2f}".replace("-", figures.MINUS) for name in ("fees", "slippage", "borrow", "pnl")),
            *(figures.signed_pct(float(trade[name]), 2) for name in ("return_pct", "mae_pct", "mfe_pct")),
        )
        for trade in trades[:SHOWN_TRADES]
    ]
    columns = (
        "Side", "Entry", "Exit", "Why", "Bars", "Entry price", "Exit price", "Units",
        "Fees", "Slippage", "Borrow", "Profit", "Return", "MAE", "MFE",
    )  # fmt: skip
    note = f"The first {SHOWN_TRADES} of {len(trades):,} trades." if len(trades) > SHOWN_TRADES else ""
    return table(columns, rows, note=note)
