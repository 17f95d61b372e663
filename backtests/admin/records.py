"""What admin pages share: rows that nobody edits, links to lists, and deletions that are counted before they happen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from backtests.streams.figures import NO_VALUE

SHOWN_ROWS = 100

Deletion = tuple[list[str], dict[str, int], set[str], list[str]]

SYNTHETIC = mark_safe('<span class="badge synthetic">synthetic</span>')


class RecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Rows that record what happened: nobody adds or changes them by hand, or they would lie."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def list_link(model: type[Model], text: str, **filters: object) -> SafeString:
    """Return a link to the list of a model in the admin, narrowed by these filters."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=filters)
    return format_html('<a href="{}">{}</a>', address, text)


def row_link(model: type[Model], pk: object, text: str) -> SafeString:
    """Return a link to one row in the admin."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
    return format_html('<a href="{}">{}</a>', address, text)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, note: str = "", ends_in_words: bool = False
) -> SafeString:
    """Return a small table; figures stand to the right, words in the first and perhaps the last column to the left."""
    context = {"columns": columns, "rows": rows, "note": note, "ends_in_words": ends_in_words}
    return render_to_string("admin/backtests/_table.html", context)


def moment(time: datetime | None) -> str:
    """Return a time, UTC: the day, and the time of day unless it is midnight, as it is for daily bars."""
    if time is None:
        return NO_VALUE
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"


def deletion_of(
    model_admin: admin.ModelAdmin,  # type: ignore[type-arg]
    request: HttpRequest,
    rows: Sequence[Model],
    *,
    also: Mapping[str, int],
    kept_by: Sequence[str] = (),
) -> Deletion:
    """Return what ``get_deleted_objects`` must: the rows, counts, missing permissions, and what stands in the way.

    Django's own would load every row that goes with them, binary columns included, and list each on the page.
    """
    opts = model_admin.opts
    counts = {str(opts.verbose_name_plural): len(rows), **{name: n for name, n in also.items() if n}}
    is_allowed = all(model_admin.has_delete_permission(request, row) for row in rows)
    missing = set() if is_allowed else {str(opts.verbose_name)}
    shown = [str(row) for row in rows[:SHOWN_ROWS]]
    if len(rows) > SHOWN_ROWS:
        shown.append(f"and {len(rows) - SHOWN_ROWS:,} more")
    return shown, counts, missing, list(kept_by)
