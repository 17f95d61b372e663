"""Strategies in the admin. What the code says is shown; whether a strategy is offered is decided here, at once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from strategies.formula import FormulaError, compile_formula
from strategies.models import Screen, Strategy
from strategies.registry import strategies
from strategies.user_strategies import broken

FROM_CODE = "Label, help and default parameters of a strategy come from its code and cannot be edited."
NO_CODE = "There is no code for this strategy any more, so that it cannot be offered."


def lacks_code(strategy: Strategy) -> bool:
    """Whether the row is of a strategy whose code is gone: this version, or the users' folder, no longer has it."""
    return (strategy.is_builtin or bool(strategy.source)) and strategy.key not in strategies()


class StrategyForm(forms.ModelForm):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Only activity can be changed, and only a strategy that exists can be active."""

    class Meta:
        model = Strategy
        fields = ["is_active"]

    def clean_is_active(self) -> bool:
        is_active: bool = self.cleaned_data["is_active"]
        if is_active and lacks_code(self.instance):
            raise forms.ValidationError(NO_CODE)
        return is_active


@admin.register(Strategy)
class StrategyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = StrategyForm
    list_display = ["label", "is_active", "key", "short_help", "defaults", "origin", "owner", "runs_link"]
    list_editable = ["is_active"]
    list_filter = ["is_active", "is_builtin"]
    list_select_related = ["owner"]
    search_fields = ["label", "key", "help"]
    actions = ["activate", "deactivate"]
    fieldsets = [
        (None, {"fields": ["label", "key", "help", "defaults", "origin"], "description": FROM_CODE}),
        ("Formula", {"fields": ["owner", "formula"], "classes": ["collapse"]}),
        ("Use", {"fields": ["is_active", "runs_link", "updated_at"]}),
    ]
    readonly_fields = [
        "label", "key", "help", "defaults", "origin", "owner", "formula", "runs_link", "updated_at",
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A row is nothing without the code that it stands for.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Strategy | None = None) -> bool:
        # One with code would be back after the next start, active again. None asks for the list's bulk deletion.
        may_go = obj is not None and not obj.is_builtin and obj.key not in strategies()
        return may_go and super().has_delete_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = {"broken": broken(), "strategies_dir": settings.STRATEGIES_DIR}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Strategy]:
        rows: QuerySet[Strategy] = super().get_queryset(request)
        return rows.annotate(n_runs=Count("runs"))

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm[Strategy]]:
        return super().get_changelist_form(request, form=StrategyForm, **kwargs)

    @admin.display(description="help", ordering="help")
    def short_help(self, strategy: Strategy) -> str:
        return Truncator(strategy.help).chars(90)

    @admin.display(description="default parameters")
    def defaults(self, strategy: Strategy) -> str:
        stored, known = strategy.default_parameters, strategies().get(strategy.key)
        # In declared order: PostgreSQL keeps keys in one of its own.
        declared = [key for key in known.parameters() if key in stored] if known else []
        keys = dict.fromkeys([*declared, *stored])
        return ", ".join(f"{key} = {stored[key]}" for key in keys) or "none"

    @admin.display(description="comes from", ordering="source")
    def origin(self, strategy: Strategy) -> str:
        if strategy.formula:
            return "a formula"
        place = strategy.source or ("Trawl" if strategy.is_builtin else "somebody")
        return f"{place}, code is gone" if lacks_code(strategy) else place

    @admin.display(description="runs", ordering="n_runs")
    def runs_link(self, strategy: Strategy) -> SafeString:
        address = f"{reverse('admin:backtests_run_changelist')}?strategy__id__exact={strategy.pk}"
        n_runs: int = getattr(strategy, "n_runs", 0)
        return format_html('<a href="{}">{}</a>', address, f"{n_runs:,}")

    @admin.action(description="Activate selected strategies", permissions=["change"])
    def activate(self, request: HttpRequest, chosen: QuerySet[Strategy]) -> None:
        self._switch(request, chosen, is_active=True)

    @admin.action(description="Deactivate selected strategies", permissions=["change"])
    def deactivate(self, request: HttpRequest, chosen: QuerySet[Strategy]) -> None:
        self._switch(request, chosen, is_active=False)

    def _switch(self, request: HttpRequest, chosen: QuerySet[Strategy], *, is_active: bool) -> None:
        done = "activated" if is_active else "deactivated"
        n_switched = 0
        # One whose code is gone is off already; switched off by hand as well, it stays off when its code is back.
        for strategy in chosen.exclude(is_active=is_active, is_missing=False):
            if is_active and lacks_code(strategy):
                self.message_user(request, f"{strategy}: {NO_CODE}", messages.WARNING)
                continue
            strategy.is_active, strategy.is_missing = is_active, False
            strategy.save(update_fields=["is_active", "is_missing", "updated_at"])
            self.log_change(request, strategy, f"{done.capitalize()}.")
            n_switched += 1
        self.message_user(request, f"{n_switched} {'strategy' if n_switched == 1 else 'strategies'} {done}.")


class ScreenForm(forms.ModelForm):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """A saved screen, whose formula must mean something."""

    class Meta:
        model = Screen
        fields = ["owner", "name", "formula", "idea", "is_shared"]

    def clean_formula(self) -> str:
        text: str = self.cleaned_data["formula"].replace("\r\n", "\n").strip()
        try:
            compile_formula(text)
        except FormulaError as error:
            raise forms.ValidationError(str(error)) from error
        return text


@admin.register(Screen)
class ScreenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ScreenForm
    list_display = ["name", "owner", "is_shared", "formula", "updated_at"]
    list_filter = ["is_shared"]
    search_fields = ["name", "formula", "idea"]
    list_select_related = ["owner"]
