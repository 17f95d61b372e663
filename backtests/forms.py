"""The form that starts a run: the fields that every run has, those that the strategy declares, and every rule.

Choices are looked up only when the form is drawn: whether a choice is valid is for ``check_request`` to say, which
every other door asks as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django import forms
from django.db.models import Count
from django.utils.choices import CallableChoiceIterator
from django.utils.functional import cached_property

from backtests.engine.presets import PRESETS
from backtests.engine.rule_text import written
from backtests.engine.rules import RULES_BY_KEY
from backtests.models import Interval, Run, Universe
from backtests.rule_fields import (
    ESSENTIAL,
    RULE_FIELDS,
    RuleGroup,
    preset_choices,
    preset_note,
    rule_groups,
    with_preset,
)
from backtests.runs.errors import ParameterRefused, RequestRefused
from backtests.runs.execute import least_bars
from backtests.runs.plan import stored_intervals
from backtests.runs.request import CheckedRequest, RunRequest, active_strategies, check_request
from strategies.base import Strategy
from strategies.registry import strategies

PARAMETER_PREFIX = "param-"
DEFAULT_STRATEGY = "rsi"

Choices = list[tuple[str, str]]


class RunForm(forms.Form):
    """Everything about a run. Parameters of the strategy are fields named ``param-<key>``, rules by their key."""

    universe = forms.CharField(help_text="Which symbols to test", widget=forms.Select)
    strategy = forms.CharField(help_text="When to trade", widget=forms.Select)
    interval = forms.CharField(help_text="Length of a bar", widget=forms.Select)
    start_date = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: the first bar"
    )
    end_date = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: the last bar"
    )
    preset = forms.CharField(
        label="Rules of",
        required=False,
        help_text="What you have changed yourself stays",
        widget=forms.Select(choices=preset_choices()),
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    def __init__(self, values: Any = None, *, like: Run | None = None) -> None:
        sent = None if values is None else with_preset(values)
        super().__init__(sent, label_suffix="", initial=_values_of(like) if like is not None else None)
        self.checked: CheckedRequest | None = None
        self.initial["token"] = secrets.token_urlsafe(16)
        self.strategy_class = self._strategy_class()
        self._add_parameters()
        # Shared by all forms: nobody changes them, and copies would double what checking a form takes.
        self.fields.update(RULE_FIELDS)
        self._offer("universe", lambda: [(row.slug, _label(row)) for row in self.universes])
        self._offer("strategy", lambda: self.active_strategies)
        self._offer("interval", lambda: self.intervals)

    @cached_property
    def universes(self) -> list[Universe]:
        """All universes: real ones first, then the largest."""
        counted = Universe.objects.annotate(n_symbols=Count("symbols"))
        return list(counted.order_by("is_synthetic", "-n_symbols", "name"))

    @cached_property
    def active_strategies(self) -> Choices:
        """The strategies that are switched on, by label."""
        return [(key, row.label) for key, row in active_strategies().items()]

    @cached_property
    def chosen_universe(self) -> Universe | None:
        """The universe that the form stands on: the one that was sent, or the first."""
        slug = self["universe"].value()
        return next((row for row in self.universes if row.slug == slug), next(iter(self.universes), None))

    @cached_property
    def intervals(self) -> Choices:
        """The intervals that the chosen universe has bars of, daily first."""
        labels = dict(Interval.choices)
        offered = stored_intervals(self.chosen_universe) or [Interval.DAY_1.value]
        return [(interval, str(labels[Interval(interval)])) for interval in offered]

    @property
    def least_bars(self) -> int:
        """How many bars a symbol needs to be tested with these parameters; 1 while they are not valid."""
        return least_bars(self.checked.strategy) if self.checked is not None else 1

    def parameter_fields(self) -> list[forms.BoundField]:
        """Return the bound fields of the strategy's parameters, in declared order."""
        return [self[name] for name in self.fields if name.startswith(PARAMETER_PREFIX)]

    def essential_rules(self) -> list[forms.BoundField]:
        """Return the bound fields of the rules that are seen at once."""
        return [self[key] for key in ESSENTIAL]

    @property
    def chosen_preset(self) -> str:
        """The key of the preset that the values are of, as it was sent."""
        return str(self["preset"].value() or "")

    def rule_groups(self) -> list[RuleGroup]:
        """Return the other rules by group."""
        return rule_groups(self, self.chosen_preset)

    @property
    def preset_help(self) -> str:
        """What is worth knowing of the preset."""
        return PRESETS[self.chosen_preset].help if self.chosen_preset in PRESETS else ""

    def preset_note(self) -> list[tuple[str, str]]:
        """Return what the preset sets, in words."""
        return preset_note(self.chosen_preset)

    def wrong_fields(self) -> list[forms.BoundField]:
        """Return the bound fields with something wrong, in the order of the form."""
        return [self[name] for name in self.fields if name in self.errors]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            self.checked = check_request(self._request())
        except RequestRefused as error:
            self.refuse(error)
        return cleaned

    def refuse(self, error: RequestRefused) -> None:
        """Show why a request was refused, at the field that the refusal names."""
        name = PARAMETER_PREFIX + error.field if isinstance(error, ParameterRefused) else error.field
        self.add_error(name if name in self.fields else None, error.problem)

    def _request(self) -> RunRequest:
        cleaned = self.cleaned_data
        parameters = {
            name.removeprefix(PARAMETER_PREFIX): value
            for name, value in cleaned.items()
            if name.startswith(PARAMETER_PREFIX)
        }
        shared = {key: value for key, value in cleaned.items() if key in RunRequest.__slots__ and value is not None}
        rules = {key: cleaned[key] for key in RULE_FIELDS}
        return RunRequest(**{**shared, "parameters": parameters, "rules": rules})

    def _add_parameters(self) -> None:
        """Add the strategy's; one not sent has its default: the strategy has just changed, or a program is brief."""
        defaults: dict[str, str] = {}
        for key, parameter in self.strategy_class.parameters().items():
            name, value = PARAMETER_PREFIX + key, f"{parameter.default:g}"
            kind: Any = forms.IntegerField if parameter.kind == "int" else forms.FloatField
            self.fields[name] = kind(
                label=parameter.label,
                initial=value,
                min_value=parameter.low,
                max_value=parameter.high,
                help_text=parameter.help,
            )
            defaults[name] = value
        if self.is_bound:
            self.data = {**defaults, **self.data}

    def _offer(self, name: str, choices: Callable[[], Choices]) -> None:
        widget = self.fields[name].widget
        assert isinstance(widget, forms.Select)
        widget.choices = CallableChoiceIterator(choices)

    def _strategy_class(self) -> type[Strategy]:
        known = strategies()
        asked = str(self.data.get("strategy") if self.is_bound else self.initial.get("strategy"))
        if self.is_bound and asked in known:
            return known[asked]
        active = [key for key, _ in self.active_strategies]
        chosen = next((key for key in (asked, DEFAULT_STRATEGY, *active) if key in active), DEFAULT_STRATEGY)
        if chosen != asked:
            # Values of a strategy that is switched off mean nothing to another one.
            self.initial = {key: value for key, value in self.initial.items() if not key.startswith(PARAMETER_PREFIX)}
        self.initial["strategy"] = chosen
        return known[chosen]


def _label(universe: Universe) -> str:
    return f"{universe.name} (synthetic)" if universe.is_synthetic else universe.name


def _values_of(run: Run) -> dict[str, Any]:
    values = {name: getattr(run, name) for name in ("interval", "start_date", "end_date", "preset")}
    parameters = {
        PARAMETER_PREFIX + key: f"{value:.15g}" if isinstance(value, float) else value
        for key, value in run.parameters.items()
    }
    rules = {key: written(RULES_BY_KEY[key], value) for key, value in run.rules.items() if key in RULES_BY_KEY}
    return {**values, **parameters, **rules, "universe": run.universe.slug, "strategy": run.strategy.key}
