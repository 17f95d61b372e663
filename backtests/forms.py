"""The form that starts a run: the fields that every run has, those that the strategy declares, and every rule.

Choices are looked up only when the form is drawn: whether a choice is valid is for ``check_request`` to say, which
every other door asks as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.conf import settings
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
from backtests.runs.offered import active_strategies, grouped_choices, is_known_to, is_startable
from backtests.runs.plan import stored_intervals
from backtests.runs.request import MOST_WORKERS, CheckedRequest, RunRequest, check_request
from strategies.base import Strategy
from strategies.formula_strategies import find_class
from strategies.models import Strategy as StrategyRow
from strategies.registry import get_strategy

PARAMETER_PREFIX = "param-"
DEFAULT_STRATEGY = "rsi"
EXECUTION = ("priority", "max_workers", "afresh", "notify_email", "notify_url", "repeat")

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
    priority = forms.CharField(
        label="First",
        required=False,
        max_length=2000,
        help_text="Tickers of symbols to begin with; empty: the most traded ones",
    )
    max_workers = forms.IntegerField(
        label="Workers",
        required=False,
        min_value=1,
        max_value=MOST_WORKERS,
        help_text="Most chunks at once; empty: one for each processor",
    )
    afresh = forms.BooleanField(
        label="Compute afresh",
        required=False,
        help_text="Take no result of an earlier run, even where everything is equal",
    )
    notify_email = forms.CharField(
        label="E-mail when done", required=False, widget=forms.EmailInput, help_text="Where to write; empty: nowhere"
    )
    notify_url = forms.CharField(
        label="Webhook when done", required=False, widget=forms.URLInput, help_text="Address to call; empty: none"
    )
    repeat = forms.BooleanField(
        label="Repeat after every import",
        required=False,
        help_text="Start it again whenever an import brings new bars of the universe",
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    def __init__(self, values: Any = None, *, like: Run | None = None, user: Any = None) -> None:
        self._user = user
        sent = None if values is None else with_preset(values)
        super().__init__(sent, label_suffix="", initial=_values_of(like) if like is not None else None)
        self.checked: CheckedRequest | None = None
        self.initial["token"] = secrets.token_urlsafe(16)
        self.strategy_class = self._strategy_class()
        if not settings.EMAIL_HOST:
            self.fields["notify_email"].help_text = "Not on this server: it sends no mail without TRAWL_EMAIL_URL"
        self._add_parameters()
        # Shared by all forms: nobody changes them, and copies would double what checking a form takes.
        self.fields.update(RULE_FIELDS)
        self._offer("universe", lambda: [(row.slug, _label(row)) for row in self.universes])
        self._offer("strategy", lambda: grouped_choices(self.strategy_rows, user, self["strategy"].value() or ""))
        self._offer("interval", lambda: self.intervals)

    @cached_property
    def universes(self) -> list[Universe]:
        """All universes: real ones first, then the largest."""
        counted = Universe.objects.annotate(n_symbols=Count("symbols"))
        return list(counted.order_by("is_synthetic", "-n_symbols", "name"))

    @cached_property
    def strategy_rows(self) -> dict[str, StrategyRow]:
        """The strategies that are switched on and offered to the user, by key."""
        return active_strategies(self._user)

    @property
    def active_strategies(self) -> Choices:
        """Their labels."""
        return [(key, row.label) for key, row in self.strategy_rows.items()]

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

    def execution_fields(self) -> list[forms.BoundField]:
        """Return the bound fields that say how the run is executed, and change no result."""
        return [self[name] for name in EXECUTION]

    @property
    def is_execution_told(self) -> bool:
        """Whether something is said about the execution, or is wrong there."""
        return any(field.errors or field.value() for field in self.execution_fields())

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
        if cleaned["repeat"] and cleaned["end_date"]:
            self.add_error("end_date", "Leave it empty, or do not repeat the run: it would end there each time.")
            return cleaned
        try:
            self.checked = check_request(self._request(), self._user)
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
        priority = tuple(cleaned["priority"].replace(",", " ").split())
        execution = {"priority": priority, "use_cache": not cleaned["afresh"]}
        return RunRequest(**{**shared, **execution, "parameters": parameters, "rules": rules})

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

    def _offer(self, name: str, choices: Callable[[], Sequence[tuple[str, Any]]]) -> None:
        widget = self.fields[name].widget
        assert isinstance(widget, forms.Select)
        widget.choices = CallableChoiceIterator(choices)

    def _strategy_class(self) -> type[Strategy]:
        asked = str(self.data.get("strategy") if self.is_bound else self.initial.get("strategy"))
        if self.is_bound and is_known_to(self._user, asked) and (sent := find_class(asked)):
            return sent
        active = [key for key, _ in self.active_strategies]
        chosen = next((key for key in (asked, DEFAULT_STRATEGY, *active) if key in active), DEFAULT_STRATEGY)
        # Staff may start a run like one of somebody else's formula, which they are not offered otherwise.
        if self.initial.get("strategy") and asked not in active and is_startable(asked, self._user):
            chosen = asked
        if chosen != asked:
            # Values of a strategy that is switched off mean nothing to another one.
            self.initial = {key: value for key, value in self.initial.items() if not key.startswith(PARAMETER_PREFIX)}
        self.initial["strategy"] = chosen
        return find_class(chosen) or get_strategy(DEFAULT_STRATEGY)


def _label(universe: Universe) -> str:
    return f"{universe.name} (synthetic)" if universe.is_synthetic else universe.name


def _values_of(run: Run) -> dict[str, Any]:
    kept = ("interval", "start_date", "end_date", "preset", "max_workers", "notify_email", "notify_url")
    values = {name: getattr(run, name) for name in kept}
    values["priority"] = ", ".join(run.priority)
    parameters = {
        PARAMETER_PREFIX + key: f"{value:.15g}" if isinstance(value, float) else value
        for key, value in run.parameters.items()
    }
    rules = {key: written(RULES_BY_KEY[key], value) for key, value in run.rules.items() if key in RULES_BY_KEY}
    return {**values, **parameters, **rules, "universe": run.universe.slug, "strategy": run.strategy.key}
