"""The schedules of all users and what they have found: looked at, switched on and off, asked now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from backtests.admin.records import RecordAdmin, list_link, moment, row_link
from backtests.runs.chunks import writing
from backtests.schedules.looking import ask_now
from backtests.schedules.models import Outcome, Schedule
from backtests.schedules.notices import told_of


@admin.register(Schedule)
class ScheduleAdmin(RecordAdmin):
    list_display = ["name", "kind", "universe", "interval", "owner", "is_on", "asked", "due", "error", "outcomes_link"]
    list_filter = ["kind", "is_on", "owner"]
    list_select_related = ["owner"]
    search_fields = ["name", "universe", "owner__username", "error"]
    fields = [
        "name", "kind", "owner", "universe", "interval", "tickers", "asked_with", "is_on", "notify_email", "notify_url",
        "is_always_told", "asked", "due", "attempts", "worker", "leased_until", "error", "outcomes_link",
    ]  # fmt: skip
    readonly_fields = ["asked_with", "asked", "due", "outcomes_link"]
    actions = ["switch_on", "switch_off", "ask"]

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Nobody edits a schedule, but whoever may change schedules may switch them and have them asked."""
        return bool(request.user.has_perm("backtests.change_schedule"))

    @admin.action(description="Switch selected schedules on", permissions=["control"])
    def switch_on(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        self._switch(request, schedules, is_on=True)

    @admin.action(description="Switch selected schedules off", permissions=["control"])
    def switch_off(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        self._switch(request, schedules, is_on=False)

    def _switch(self, request: HttpRequest, schedules: QuerySet[Schedule], *, is_on: bool) -> None:
        with writing():
            n_switched = schedules.exclude(is_on=is_on).order_by().update(is_on=is_on, due_since=None, due_at=None)
        self.message_user(request, f"{n_switched} switched {'on' if is_on else 'off'}.", messages.SUCCESS)

    @admin.action(description="Ask selected schedules now", permissions=["control"])
    def ask(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        for schedule in schedules:
            outcome = ask_now(schedule.pk)
            said = "is being asked already" if outcome is None else outcome.error or told_of(outcome)
            level = messages.WARNING if outcome is None or outcome.error else messages.SUCCESS
            self.message_user(request, f"Schedule {schedule}: {said}", level)

    @admin.display(description="asked with")
    def asked_with(self, schedule: Schedule) -> str:
        return ", ".join(f"{key}: {value}" for key, value in schedule.asked.items() if value not in ({}, [], "", None))

    @admin.display(description="asked", ordering="asked_at")
    def asked(self, schedule: Schedule) -> str:
        return moment(schedule.asked_at)

    @admin.display(description="due", ordering="due_at")
    def due(self, schedule: Schedule) -> str:
        return moment(schedule.due_at)

    @admin.display(description="outcomes")
    def outcomes_link(self, schedule: Schedule) -> SafeString:
        return list_link(Outcome, "Outcomes", schedule__id__exact=schedule.pk)


@admin.register(Outcome)
class OutcomeAdmin(RecordAdmin):
    list_display = ["schedule_link", "time", "said", "is_news", "notified_at", "seen_at"]
    list_display_links = ["time"]
    list_filter = ["is_news", "schedule"]
    list_select_related = ["schedule", "run"]
    show_full_result_count = False
    fields = [
        "schedule", "asked_at", "bar_time", "since", "said", "n_tested", "n_matches", "matches", "new", "gone",
        "error", "is_news", "notified_at", "seen_at",
    ]  # fmt: skip
    readonly_fields = ["said"]

    def get_ordering(self, request: HttpRequest) -> Any:
        return ("-pk",)

    @admin.display(description="schedule", ordering="schedule_id")
    def schedule_link(self, outcome: Outcome) -> SafeString:
        return row_link(Schedule, outcome.schedule_id, str(outcome.schedule))

    @admin.display(description="asked", ordering="asked_at")
    def time(self, outcome: Outcome) -> str:
        return moment(outcome.asked_at)

    @admin.display(description="outcome")
    def said(self, outcome: Outcome) -> str:
        return outcome.error or told_of(outcome)
