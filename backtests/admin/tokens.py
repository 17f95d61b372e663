"""Tokens of all users: who holds one, when it was used last, and taking it back. Nobody sees what a token is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from backtests.accounts.tokens import revoke_token
from backtests.admin.records import RecordAdmin, moment
from backtests.models import ApiToken


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("valid", "Valid"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        is_valid = Q(revoked_at=None, owner__is_active=True)
        if self.value() == "valid":
            return queryset.filter(is_valid)
        return queryset.exclude(is_valid) if self.value() == "revoked" else queryset


@admin.register(ApiToken)
class ApiTokenAdmin(RecordAdmin):
    list_display = ["name", "owner", "begins_with", "created", "last_used", "state"]
    list_filter = [StateFilter, "owner"]
    list_select_related = ["owner"]
    search_fields = ["name", "^prefix", "owner__username"]
    # By name, so that the hash is on no page.
    fields = ["name", "owner", "begins_with", "created", "last_used", "state"]
    readonly_fields = ["begins_with", "created", "last_used", "state"]
    actions = ["revoke_tokens"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Nobody edits a token, but whoever may change tokens may take them back."""
        return bool(request.user.has_perm("backtests.change_apitoken"))

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke_tokens(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        valid = list(tokens.filter(revoked_at=None))
        for token in valid:
            revoke_token(token)
        count = f"{len(valid):,} token{' was' if len(valid) == 1 else 's were'} revoked"
        self.message_user(request, f"{count}; programs that send them are refused from now on.", messages.SUCCESS)

    @admin.display(description="begins with", ordering="prefix")
    def begins_with(self, token: ApiToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description="made", ordering="created_at")
    def created(self, token: ApiToken) -> str:
        return moment(token.created_at)

    @admin.display(description="last used", ordering="last_used_at")
    def last_used(self, token: ApiToken) -> str:
        return moment(token.last_used_at) if token.last_used_at else "never"

    @admin.display(description="state", ordering="revoked_at")
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return f"revoked {moment(token.revoked_at)}"
        return "valid" if token.owner.is_active else "without effect: its owner is not active"
