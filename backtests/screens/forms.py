"""The forms of screens: what is asked, of which market, as of when; and how a backtest of it leaves."""

from __future__ import annotations

from typing import Any

from django import forms

from backtests.models import Interval, ScreenRun, Universe
from backtests.rule_fields import RULE_FIELDS
from backtests.runs.errors import RequestRefused
from backtests.runs.plan import stored_intervals
from backtests.screens.asking import Asked, checked_screen
from backtests.screens.backtest import EXITS, LEVELS, Leaving, check_condition
from backtests.screens.checking import values_of
from backtests.screens.screening import ScreenRequest
from strategies.formula.limits import LONGEST_TEXT

# Browsers must not mend what is no prose.
PLAIN_TEXT = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off", "wrap": "off"}


class ScreenForm(forms.Form):
    """A formula and where it is asked. ``request`` and ``name`` are there once it is valid."""

    formula = forms.CharField(
        label="Formula",
        max_length=LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, **PLAIN_TEXT}),
        error_messages={"required": "Write a formula, such as close > sma(close, 50), or choose one of the library."},
    )
    universe = forms.ModelChoiceField(
        Universe.objects.order_by("is_synthetic", "market", "name"), to_field_name="slug", empty_label=None
    )
    interval = forms.ChoiceField(
        error_messages={"invalid_choice": "This universe has no such bars; choose one of the intervals that it has."}
    )
    as_of = forms.DateField(
        label="As of", required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: the last bar."
    )

    request: ScreenRequest
    name: str

    def __init__(self, data: Any = None, *, user: Any = None, **options: Any) -> None:
        super().__init__(data, label_suffix="", **options)
        self._user = user
        chosen = Universe.objects.filter(slug=self["universe"].value() or "").first()
        stored = stored_intervals(chosen) or [Interval.DAY_1.value]
        labels = dict(Interval.choices)
        self.fields["interval"].choices = [(each, labels[Interval(each)]) for each in stored]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        values = values_of(self.data)
        asked = Asked(cleaned["formula"], cleaned["universe"].slug, cleaned["interval"], cleaned["as_of"], (), values)
        try:
            self.request, self.name = checked_screen(asked, self._user)
        except RequestRefused as error:
            field = error.field if error.field in self.fields else "formula"
            told = error.problem if field == error.field else f"{error.field.removeprefix('values.')}: {error.problem}"
            self.add_error(field, told)
        return cleaned


class LeavingForm(forms.Form):
    """How a backtest of a screen leaves what it has entered. ``leaving`` is there once it is valid."""

    exit = forms.ChoiceField(choices=[(each.key, each.label) for each in EXITS])
    exit_formula = forms.CharField(
        required=False, max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 2, **PLAIN_TEXT})
    )

    leaving: Leaving

    def __init__(self, data: Any = None, *, run: ScreenRun, **options: Any) -> None:
        super().__init__(data, label_suffix="", **options)
        self._run = run
        self.fields.update({key: RULE_FIELDS[key] for key in LEVELS})

    @property
    def is_told(self) -> bool:
        """Whether something is said below the choice, or something is wrong."""
        return any(self[name].value() or self[name].errors for name in ("exit_formula", *LEVELS))

    def clean_exit_formula(self) -> str:
        condition: str = self.cleaned_data["exit_formula"].replace("\r\n", "\n").strip()
        if condition:
            try:
                check_condition(self._run, condition)
            except RequestRefused as error:
                raise forms.ValidationError(error.problem) from error
        return condition

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            levels = {key: cleaned[key] for key in LEVELS if cleaned[key] is not None}
            self.leaving = Leaving(cleaned["exit"], cleaned["exit_formula"], levels)
            try:
                _ = self.leaving.chosen
            except RequestRefused as error:
                self.add_error(None, error.problem)
        return cleaned


class DrawForm(forms.Form):
    """A formula that is drawn over a symbol's candles."""

    formula = forms.CharField(
        required=False, max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 3, **PLAIN_TEXT})
    )
