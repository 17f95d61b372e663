"""The form of a schedule: who is told of what it finds."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from backtests.models import Run, ScreenRun
from backtests.runs.errors import RequestRefused
from backtests.runs.request import check_notify
from backtests.schedules.making import Notice
from backtests.schedules.models import Schedule

# Beside those that the form of a run has on the same page.
PREFIX = "schedule"


class ScheduleForm(forms.Form):
    """An e-mail address, a webhook, and whether both are told of nothing new as well. ``notice`` once it is valid."""

    notify_email = forms.CharField(
        label="E-mail", required=False, widget=forms.EmailInput, help_text="Where to write; empty: nowhere"
    )
    notify_url = forms.CharField(
        label="Webhook", required=False, widget=forms.URLInput, help_text="Address to call; empty: none"
    )
    is_new_only = forms.BooleanField(
        label="Only of new matches",
        required=False,
        initial=True,
        help_text="Else each time, even when nothing is new",
    )

    def __init__(self, values: Any = None, *, of: Schedule | ScreenRun | Run) -> None:
        super().__init__(values, label_suffix="", initial=_initial(of), auto_id=f"id_{PREFIX}_{of.pk}_%s")
        if not settings.EMAIL_HOST:
            self.fields["notify_email"].help_text = "Not on this server: it sends no mail without TRAWL_EMAIL_URL"
        if isinstance(of, Run) or (isinstance(of, Schedule) and not of.is_screen):
            # A run tells of its end, whatever it has found.
            del self.fields["is_new_only"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        try:
            check_notify(cleaned.get("notify_email", ""), cleaned.get("notify_url", ""))
        except RequestRefused as error:
            self.add_error(error.field, error.problem)
        return cleaned

    @property
    def notice(self) -> Notice:
        values = self.cleaned_data
        return Notice(values["notify_email"], values["notify_url"], not values.get("is_new_only", True))


def _initial(of: Schedule | ScreenRun | Run) -> dict[str, Any]:
    if isinstance(of, ScreenRun):
        return {"is_new_only": True}
    told = {"notify_email": of.notify_email, "notify_url": of.notify_url}
    return {**told, "is_new_only": not of.is_always_told} if isinstance(of, Schedule) else told
