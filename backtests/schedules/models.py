from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from backtests.models import Interval, Run, ScreenRun


class Schedule(models.Model):
    """A screen or a run that is asked again after every import that brings new bars of its universe.

    Universe and strategy are kept by name: when they are gone, the schedule says so instead of going with them.
    """

    class Kind(models.TextChoices):
        SCREEN = "screen", "Screen"
        RUN = "run", "Run"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="schedules"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=200)
    universe = models.SlugField(max_length=100)
    interval = models.CharField(max_length=4, choices=Interval.choices, default=Interval.DAY_1)
    tickers = models.JSONField(default=list, blank=True, help_text="The symbols that are asked; all without any.")
    asked = models.JSONField(default=dict, help_text="What else the screen or the run is asked with.")
    digest = models.CharField(max_length=32, help_text="Of everything that is asked.")
    is_on = models.BooleanField(default=True)
    notify_email = models.EmailField(blank=True, help_text="Who is written to.")
    notify_url = models.URLField(max_length=500, blank=True, help_text="The webhook that is called.")
    is_always_told = models.BooleanField(default=False, help_text="Told even when nothing new matches.")
    created_at = models.DateTimeField(default=timezone.now)

    due_since = models.DateTimeField(null=True, blank=True, help_text="When the first import came after it was asked.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="When it is asked, unless more is imported.")
    worker = models.CharField(max_length=80, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Of asking it, that broke off one after the other.")
    asked_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it could not be asked the last time.")

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "digest"], name="schedule_unique"),
            # Of nobody's, too: two NULLs are different owners to a database.
            models.UniqueConstraint(fields=["digest"], condition=Q(owner=None), name="schedule_of_nobody_unique"),
            models.CheckConstraint(condition=Q(interval__in=Interval.values), name="schedule_interval_known"),
            models.CheckConstraint(condition=Q(due_at=None) ^ Q(due_since__isnull=False), name="schedule_due_since"),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.universe}"

    @property
    def is_screen(self) -> bool:
        return self.kind == self.Kind.SCREEN

    @property
    def is_being_asked(self) -> bool:
        return self.leased_until is not None and self.leased_until > timezone.now()


class Outcome(models.Model):
    """What a schedule has found, one of the times that it was asked."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="outcomes")
    asked_at = models.DateTimeField(default=timezone.now)
    bar_time = models.DateTimeField(null=True, blank=True, help_text="The last bar of the market.")
    since = models.DateTimeField(null=True, blank=True, help_text="The last bar the time before; empty the first time.")
    n_tested = models.PositiveIntegerField(default=0)
    n_matches = models.PositiveIntegerField(default=0)
    matches = models.JSONField(default=list, help_text="Tickers of all symbols that match.")
    new = models.JSONField(default=list, help_text="Those that did not match the time before, with name and close.")
    gone = models.JSONField(default=list, help_text="Tickers of those that no longer match.")
    error = models.TextField(blank=True, help_text="Why there is no answer; empty when there is one.")
    screen_run = models.ForeignKey(ScreenRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="outcomes")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="outcomes")
    is_news = models.BooleanField(default=False, help_text="Somebody is to be told of it.")
    notified_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["schedule", "-id"], name="outcome_newest"),
            models.Index(fields=["notified_at"], condition=Q(is_news=True, notified_at=None), name="outcome_untold"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule} on {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def is_first(self) -> bool:
        """Whether there is no time before that it can be compared with."""
        return self.since is None

    @property
    def new_tickers(self) -> list[str]:
        return [row["symbol"] for row in self.new]

    def link(self) -> Any:
        """Return where the answer is, or None when it is kept no longer."""
        found = self.screen_run or self.run
        return found.get_absolute_url() if found else None
