from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from backtests.engine.rules import RULES_BY_KEY, Rules
from strategies.formula_strategies import class_or_none


class Market(models.TextChoices):
    STOCKS = "stocks", "Stocks"
    CRYPTO = "crypto", "Crypto"


class Interval(models.TextChoices):
    MIN_1 = "1m", "1 minute"
    MIN_5 = "5m", "5 minutes"
    MIN_15 = "15m", "15 minutes"
    MIN_30 = "30m", "30 minutes"
    HOUR_1 = "1h", "1 hour"
    HOUR_4 = "4h", "4 hours"
    DAY_1 = "1d", "1 day"
    WEEK_1 = "1w", "1 week"


class Symbol(models.Model):
    """One tradable instrument. Synthetic symbols are kept apart, so that an invented price never meets a real one."""

    ticker = models.CharField(max_length=30)
    market = models.CharField(max_length=10, choices=Market.choices)
    name = models.CharField(max_length=200, blank=True)
    sector = models.CharField(max_length=100, blank=True)
    is_synthetic = models.BooleanField(default=False, help_text="Prices are made up, for demonstration.")
    turnover = models.FloatField(
        null=True, blank=True, help_text="Close × volume of an average bar of the newest, in the quote currency."
    )

    class Meta:
        ordering = ["ticker"]
        constraints = [
            models.UniqueConstraint(fields=["market", "ticker", "is_synthetic"], name="symbol_unique"),
            models.CheckConstraint(condition=~Q(ticker=""), name="symbol_has_ticker"),
            models.CheckConstraint(condition=Q(market__in=Market.values), name="symbol_market_known"),
        ]

    def __str__(self) -> str:
        return self.ticker


class Universe(models.Model):
    """A named list of symbols of one market."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=100, unique=True)
    market = models.CharField(max_length=10, choices=Market.choices)
    as_of = models.DateField(help_text="The date on which this was the list.")
    is_synthetic = models.BooleanField(default=False, help_text="Prices are made up, for demonstration.")
    symbols = models.ManyToManyField(Symbol, related_name="universes", blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(slug=""), name="universe_has_slug"),
            models.CheckConstraint(condition=Q(market__in=Market.values), name="universe_market_known"),
        ]

    def __str__(self) -> str:
        return self.name


class PriceBlock(models.Model):
    """One symbol's bars of one interval over one period, a little-endian binary column per field."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="price_blocks", db_index=False)
    interval = models.CharField(max_length=4, choices=Interval.choices)
    period = models.IntegerField(help_text="Year and month, as YYYYMM, in which the block begins.")
    first_time = models.DateTimeField()
    last_time = models.DateTimeField()
    n_bars = models.PositiveIntegerField()
    time = models.BinaryField()
    open = models.BinaryField()
    high = models.BinaryField()
    low = models.BinaryField()
    close = models.BinaryField()
    volume = models.BinaryField()
    checksum = models.CharField(max_length=32)
    source = models.CharField(max_length=200)
    imported_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["symbol", "interval", "period"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "interval", "period"],
                name="price_block_unique",
            ),
            models.CheckConstraint(condition=Q(n_bars__gt=0), name="price_block_has_bars"),
            models.CheckConstraint(condition=Q(first_time__lte=F("last_time")), name="price_block_times_ordered"),
            models.CheckConstraint(condition=Q(interval__in=Interval.values), name="price_block_interval_known"),
        ]
        indexes = [
            # Answers "which bars has this symbol, and did they change?" without touching the columns.
            models.Index(fields=["interval", "symbol", "period", "checksum", "n_bars"], name="price_block_state"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} {self.first_time:%Y-%m-%d} to {self.last_time:%Y-%m-%d}"


class NewBars(models.Model):
    """Symbols whose newest bar an import has brought or changed, until the schedules that wait for them are due.

    The rows are saved with the bars, so that whoever is killed after an import loses nothing.
    """

    interval = models.CharField(max_length=4, choices=Interval.choices)
    symbol_ids = models.JSONField()
    noted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{len(self.symbol_ids)} symbols, {self.interval}"


def new_run_id() -> str:
    """Return an id that nobody can guess and that may stand in an address."""
    return "".join(secrets.choice("23456789abcdefghjkmnpqrstuvwxyz") for _ in range(12))


def default_rules() -> dict[str, Any]:
    """Return every rule at its default, by key."""
    return asdict(Rules())


class Run(models.Model):
    """One scan: a strategy with parameters and rules, over a universe's bars of one interval between two dates."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        CANCELLED = "cancelled", "Cancelled"
        COMPLETE = "complete", "Complete"

    id = models.CharField(primary_key=True, max_length=12, default=new_run_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        # Without an owner they would be everybody's: somebody who leaves is made inactive instead.
        on_delete=models.PROTECT,
        related_name="runs",
        help_text="Who started it; nobody in the local mode without accounts.",
    )
    strategy = models.ForeignKey("strategies.Strategy", on_delete=models.PROTECT, related_name="runs")
    universe = models.ForeignKey(Universe, on_delete=models.PROTECT, related_name="runs")
    parameters = models.JSONField(default=dict)
    interval = models.CharField(max_length=4, choices=Interval.choices, default=Interval.DAY_1)
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    preset = models.CharField(max_length=40, blank=True, help_text="The preset that the rules were chosen from.")
    rules = models.JSONField(default=default_rules, help_text="Every rule of the engine, by key.")
    tickers = models.JSONField(
        default=list, blank=True, help_text="The symbols that were chosen; empty is all of them."
    )
    priority = models.JSONField(default=list, blank=True, help_text="Tickers of the symbols that come first.")
    max_workers = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Most chunks that are executed at once; empty is as many as there are workers."
    )
    use_cache = models.BooleanField(default=True, help_text="Take results that an earlier run has, where all is equal.")
    notify_email = models.EmailField(blank=True, help_text="Who is written to when the run is done.")
    notify_url = models.URLField(
        max_length=500, blank=True, help_text="The webhook that is called when the run is done."
    )

    scan_digest = models.CharField(max_length=32, blank=True, help_text="Of everything that its symbols share.")
    digest = models.CharField(max_length=32, blank=True, help_text="Of that, its symbols and all their bars.")
    is_reusable = models.BooleanField(default=True, help_text="Other runs may take results of this one.")
    submission = models.CharField(max_length=64, null=True, unique=True, editable=False)
    engine_version = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    n_symbols = models.PositiveIntegerField(default=0)
    n_done = models.PositiveIntegerField(default=0)
    n_failed = models.PositiveIntegerField(default=0)
    n_cached = models.PositiveIntegerField(default=0, help_text="Results taken from earlier runs.")
    n_reused = models.PositiveIntegerField(
        default=0, help_text="How often the whole run was the answer to a new request."
    )
    n_bytes = models.PositiveBigIntegerField(default=0, help_text="What its computed results take, roughly.")
    computed_us = models.PositiveBigIntegerField(default=0, help_text="What computing its results took, together.")
    saved_us = models.PositiveBigIntegerField(
        default=0, help_text="What computing the results took that are from earlier runs."
    )
    last_sequence = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_s = models.FloatField(default=0.0, help_text="Seconds between its start and its end in which it rested.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When it was complete or cancelled.")
    notified_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When somebody first looked at the finished run.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(n_done__lte=F("n_symbols")), name="run_done_within_symbols"),
            models.CheckConstraint(condition=Q(n_failed__lte=F("n_done")), name="run_failed_within_done"),
            models.CheckConstraint(
                condition=~Q(state="complete") | Q(n_done=F("n_symbols"), finished_at__isnull=False),
                name="run_complete_is_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state="cancelled") | Q(finished_at__isnull=False), name="run_cancelled_has_end"
            ),
            models.CheckConstraint(condition=~Q(state="paused") | Q(paused_at__isnull=False), name="run_paused_since"),
            models.CheckConstraint(condition=Q(n_cached__lte=F("n_done")), name="run_cached_within_done"),
            models.CheckConstraint(
                condition=Q(max_workers__isnull=True) | Q(max_workers__gt=0), name="run_has_workers"
            ),
            models.CheckConstraint(condition=Q(interval__in=Interval.values), name="run_interval_known"),
            models.CheckConstraint(
                condition=Q(start_date__isnull=True) | Q(end_date__isnull=True) | Q(start_date__lte=F("end_date")),
                name="run_dates_ordered",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="run_newest"),
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="run_unfinished"),
            models.Index(fields=["digest"], name="run_digest"),
            models.Index(fields=["scan_digest"], name="run_scan_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.strategy} on {self.universe}"

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.id])

    @property
    def is_finished(self) -> bool:
        """Whether it is complete or cancelled: nobody works on it, unless it is resumed."""
        return self.state in {self.State.COMPLETE, self.State.CANCELLED}

    @property
    def elapsed_s(self) -> float | None:
        """The seconds that it has been worked on since it started, or that it took; None before it has started."""
        if self.started_at is None:
            return None
        ends = [time for time in (self.paused_at, self.finished_at) if time is not None]
        end = min(ends) if ends else timezone.now()
        return max(0.0, (end - self.started_at).total_seconds() - self.paused_s)

    @property
    def engine_rules(self) -> Rules:
        """The rules as the engine takes them.

        Another version of the engine may have saved the run: rules that it did not know are at their defaults, those
        that are gone are left out, and a value that is no longer taken is refused with RulesError.
        """
        return Rules.of({key: value for key, value in self.rules.items() if key in RULES_BY_KEY})

    @property
    def ordered_parameters(self) -> dict[str, float]:
        """The parameters in the order in which the strategy declares them; PostgreSQL returns another one.

        The strategy of an old run may be gone; its parameters then come by key.
        """
        return {key: value for key, _, value in self._parameters()}

    @property
    def labelled_parameters(self) -> list[tuple[str, float]]:
        """The parameters by label, in declared order; those of a strategy that is gone keep their keys."""
        return [(label, value) for _, label, value in self._parameters()]

    def _parameters(self) -> list[tuple[str, str, float]]:
        strategy = class_or_none(self.strategy)
        declared = strategy.parameters() if strategy else {}
        keys = [*(key for key in declared if key in self.parameters), *sorted(self.parameters.keys() - declared.keys())]
        return [(key, declared[key].label if key in declared else key, self.parameters[key]) for key in keys]


class RunChunk(models.Model):
    """A part of a run's symbols that one worker executes at once. The rows are the queue."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    index = models.PositiveIntegerField()
    symbol_ids = models.JSONField()
    n_symbols = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=80, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "index"]
        constraints = [
            models.UniqueConstraint(fields=["run", "index"], name="run_chunk_unique"),
            models.CheckConstraint(condition=Q(n_symbols__gt=0), name="run_chunk_has_symbols"),
            models.CheckConstraint(
                condition=~Q(state="claimed") | Q(leased_until__isnull=False), name="run_chunk_claim_has_lease"
            ),
        ]
        indexes = [models.Index(fields=["run", "state", "index"], name="run_chunk_queue")]

    def __str__(self) -> str:
        return f"{self.run_id} chunk {self.index}"


class Result(models.Model):
    """One symbol's outcome in a run: metrics, curve and trades, or the reason why there are none."""

    # The unique constraints begin with the run: an index of its own would only make saving slower.
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="results", db_index=False)
    # Nor an index of symbols: each row of a chunk would change another page of it. Few ask for a symbol's results, and
    # find them in the constraint's.
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="results", db_index=False)
    sequence = models.PositiveIntegerField(help_text="Position in the order in which the run's results were saved.")
    reason = models.TextField(blank=True, help_text="Why there is no result; empty when there is one.")
    digest = models.CharField(max_length=32, help_text="Of everything that produced the result.")
    elapsed_us = models.PositiveIntegerField(
        help_text="What computing it took, in this run or the one that it is from."
    )
    is_cached = models.BooleanField(default=False, help_text="Taken from an earlier run.")

    start = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)
    bars = models.PositiveIntegerField(null=True)
    exposure_pct = models.FloatField(null=True)
    final_equity = models.FloatField(null=True)
    peak_equity = models.FloatField(null=True)
    net_profit = models.FloatField(null=True)
    return_pct = models.FloatField(null=True)
    buy_hold_return_pct = models.FloatField(null=True)
    excess_return_pct = models.FloatField(null=True)
    cagr_pct = models.FloatField(null=True)
    volatility_pct = models.FloatField(null=True)
    sharpe = models.FloatField(null=True)
    sortino = models.FloatField(null=True)
    calmar = models.FloatField(null=True)
    omega = models.FloatField(null=True)
    max_drawdown_pct = models.FloatField(null=True)
    average_drawdown_pct = models.FloatField(null=True)
    longest_drawdown_bars = models.FloatField(null=True)
    average_drawdown_bars = models.FloatField(null=True)
    trades = models.PositiveIntegerField(null=True)
    open_trades = models.PositiveIntegerField(null=True)
    win_rate_pct = models.FloatField(null=True)
    best_trade_pct = models.FloatField(null=True)
    worst_trade_pct = models.FloatField(null=True)
    average_trade_pct = models.FloatField(null=True)
    longest_trade_bars = models.FloatField(null=True)
    average_trade_bars = models.FloatField(null=True)
    profit_factor = models.FloatField(null=True)
    expectancy = models.FloatField(null=True)
    sqn = models.FloatField(null=True)
    kelly_pct = models.FloatField(null=True)
    payoff_ratio = models.FloatField(null=True)
    fees_paid = models.FloatField(null=True)
    slippage_paid = models.FloatField(null=True)
    borrow_paid = models.FloatField(null=True)
    turnover = models.FloatField(null=True)
    longest_win_streak = models.PositiveIntegerField(null=True)
    longest_loss_streak = models.PositiveIntegerField(null=True)
    var_95_pct = models.FloatField(null=True)
    cvar_95_pct = models.FloatField(null=True)
    skew = models.FloatField(null=True)
    kurtosis = models.FloatField(null=True)
    ulcer_index = models.FloatField(null=True)
    average_mae_pct = models.FloatField(null=True)
    average_mfe_pct = models.FloatField(null=True)
    probabilistic_sharpe_pct = models.FloatField(null=True)

    curve = models.BinaryField(
        default=bytes, help_text="Equity ÷ cash at 60 evenly spaced bars, little-endian float32."
    )
    hold_curve = models.BinaryField(
        default=bytes, help_text="Close ÷ the first close at the same bars: what holding the symbol gave."
    )
    trade_list = models.BinaryField(default=bytes, help_text="The trades, in the engine's TRADE layout.")

    class Meta:
        ordering = ["run", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["run", "symbol"], name="result_unique"),
            models.UniqueConstraint(fields=["run", "sequence"], name="result_sequence_unique"),
            models.CheckConstraint(condition=Q(return_pct__isnull=False) ^ ~Q(reason=""), name="result_or_reason"),
        ]
        # Copies are not copied again: without them the index is small, and names each outcome about once.
        indexes = [models.Index(fields=["digest"], condition=Q(reason="", is_cached=False), name="result_digest")]

    def __str__(self) -> str:
        return f"{self.symbol} in {self.run_id}"

    @property
    def is_failed(self) -> bool:
        return bool(self.reason)


class ApiToken(models.Model):
    """A key with which a program acts as its owner. Only a hash is kept; the token itself is shown once."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="What it is for.")
    prefix = models.CharField(max_length=12, help_text="Its first characters, to tell it from others.")
    hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ScreenRun(models.Model):
    """A screen as it was asked: everything that its answer follows from. Asked again, it is the same row."""

    id = models.CharField(primary_key=True, max_length=12, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="screen_runs"
    )
    name = models.CharField(max_length=80, blank=True)
    formula = models.TextField()
    values = models.JSONField(default=dict, help_text="Values of the formula's parameters.")
    universe = models.ForeignKey(Universe, on_delete=models.CASCADE, related_name="screen_runs")
    interval = models.CharField(max_length=4, choices=Interval.choices, default=Interval.DAY_1)
    as_of = models.DateField(null=True, blank=True, help_text="The last day that counts; the last bar without one.")
    tickers = models.JSONField(default=list, help_text="The symbols that are asked; all without any.")
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-asked_at"]
        constraints = [models.CheckConstraint(condition=Q(interval__in=Interval.values), name="screen_run_interval")]

    def __str__(self) -> str:
        return f"{self.name or self.formula[:40]} on {self.universe}"

    def get_absolute_url(self) -> str:
        return reverse("screen-run", args=[self.pk])


# Django looks for models here; theirs need those above.
import backtests.schedules.models  # noqa: E402, F401
