from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from backtests.engine.rules import RULES_BY_KEY, Rules
from strategies.registry import strategies


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
        COMPLETE = "complete", "Complete"

    id = models.CharField(primary_key=True, max_length=12, default=new_run_id, editable=False)
    strategy = models.ForeignKey("strategies.Strategy", on_delete=models.PROTECT, related_name="runs")
    universe = models.ForeignKey(Universe, on_delete=models.PROTECT, related_name="runs")
    parameters = models.JSONField(default=dict)
    interval = models.CharField(max_length=4, choices=Interval.choices, default=Interval.DAY_1)
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    preset = models.CharField(max_length=40, blank=True, help_text="The preset that the rules were chosen from.")
    rules = models.JSONField(default=default_rules, help_text="Every rule of the engine, by key.")

    submission = models.CharField(max_length=64, null=True, unique=True, editable=False)
    engine_version = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    n_symbols = models.PositiveIntegerField(default=0)
    n_done = models.PositiveIntegerField(default=0)
    n_failed = models.PositiveIntegerField(default=0)
    last_sequence = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(n_done__lte=F("n_symbols")), name="run_done_within_symbols"),
            models.CheckConstraint(condition=Q(n_failed__lte=F("n_done")), name="run_failed_within_done"),
            models.CheckConstraint(
                condition=~Q(state="complete") | Q(n_done=F("n_symbols"), finished_at__isnull=False),
                name="run_complete_is_whole",
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
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.strategy} on {self.universe}"

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.id])

    @property
    def is_finished(self) -> bool:
        return self.state == self.State.COMPLETE

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
        strategy = strategies().get(self.strategy.key)
        declared = [key for key in (strategy.parameters() if strategy else ()) if key in self.parameters]
        return {key: self.parameters[key] for key in [*declared, *sorted(set(self.parameters) - set(declared))]}

    @property
    def labelled_parameters(self) -> list[tuple[str, float]]:
        """The parameters by label, in declared order; those of a strategy that is gone keep their keys."""
        strategy = strategies().get(self.strategy.key)
        declared = strategy.parameters() if strategy else {}
        values = self.ordered_parameters
        return [(declared[key].label if key in declared else key, value) for key, value in values.items()]


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
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="results")
    sequence = models.PositiveIntegerField(help_text="Position in the order in which the run's results were saved.")
    reason = models.TextField(blank=True, help_text="Why there is no result; empty when there is one.")
    digest = models.CharField(max_length=32, help_text="Of everything that produced the result.")
    elapsed_us = models.PositiveIntegerField()

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
    trade_list = models.BinaryField(default=bytes, help_text="The trades, in the engine's TRADE layout.")

    class Meta:
        ordering = ["run", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["run", "symbol"], name="result_unique"),
            models.UniqueConstraint(fields=["run", "sequence"], name="result_sequence_unique"),
            models.CheckConstraint(condition=Q(return_pct__isnull=False) ^ ~Q(reason=""), name="result_or_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} in {self.run_id}"

    @property
    def is_failed(self) -> bool:
        return bool(self.reason)
