"""Price blocks, looked into and verified."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backtests.admin.cache import BAR_BYTES, cache_urls
from backtests.admin.records import Deletion, RecordAdmin, deletion_of, moment, table
from backtests.models import PriceBlock
from backtests.prices.errors import BlockDamaged
from backtests.prices.store import COLUMNS, decode
from backtests.streams.figures import count
from strategies.bars import Bars

SHOWN_BARS = 5
KIB = 1024


@admin.register(PriceBlock)
class PriceBlockAdmin(RecordAdmin):
    list_display = [
        "symbol", "interval", "period", "first", "last", "bar_count", "size", "source", "imported", "short_checksum",
    ]  # fmt: skip
    list_filter = ["interval", "symbol__market", "symbol__is_synthetic", "symbol__universes", "imported_at"]
    list_select_related = ["symbol"]
    search_fields = ["symbol__ticker", "source", "^checksum"]
    show_full_result_count = False
    actions = ["verify"]
    fieldsets = [
        (None, {"fields": ["symbol", "interval", "period", "first", "last", "bar_count", "size"]}),
        ("Origin", {"fields": ["source", "imported_at", "checksum"]}),
        ("Content", {"fields": ["verdict", "bars"]}),
    ]
    readonly_fields = ["first", "last", "bar_count", "size", "verdict", "bars"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceBlock]:
        # A list of a hundred blocks would read some ten megabytes of columns, to show none of them.
        return super().get_queryset(request).defer(*COLUMNS)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> PriceBlock | None:
        block: PriceBlock | None = super().get_object(request, object_id, from_field)
        if block is not None:
            block.refresh_from_db(fields=COLUMNS)
        return block

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deletion:
        return deletion_of(self, request, list(objs), also={})

    def get_urls(self) -> list[URLPattern]:
        return [*cache_urls(self.admin_site), *super().get_urls()]

    @admin.action(description="Verify checksums of selected price blocks", permissions=["view"])
    def verify(self, request: HttpRequest, chosen: QuerySet[PriceBlock]) -> None:
        n_verified, damaged = 0, []
        for block in chosen.defer(None).iterator(chunk_size=100):
            n_verified += 1
            if intact_bars(block) is None:
                damaged.append(str(block))
        if not damaged:
            self.message_user(request, f"Verified {n_verified:,}: every one is intact.")
            return
        named = "; ".join(damaged[:10]) + ("; ..." if len(damaged) > 10 else "")
        text = f"{len(damaged):,} of {n_verified:,} are damaged, import their prices again: {named}"
        self.message_user(request, text, messages.ERROR)

    @admin.display(description="first bar", ordering="first_time")
    def first(self, block: PriceBlock) -> str:
        return moment(block.first_time)

    @admin.display(description="last bar", ordering="last_time")
    def last(self, block: PriceBlock) -> str:
        return moment(block.last_time)

    @admin.display(description="bars", ordering="n_bars")
    def bar_count(self, block: PriceBlock) -> str:
        return count(block.n_bars)

    @admin.display(description="size", ordering="n_bars")
    def size(self, block: PriceBlock) -> str:
        return f"{block.n_bars * BAR_BYTES / KIB:,.1f} KiB"

    @admin.display(description="imported", ordering="imported_at")
    def imported(self, block: PriceBlock) -> str:
        return moment(block.imported_at)

    @admin.display(description="checksum", ordering="checksum")
    def short_checksum(self, block: PriceBlock) -> SafeString:
        return format_html("<code>{}</code>", block.checksum[:8])

    @admin.display(description="checksum says")
    def verdict(self, block: PriceBlock) -> SafeString:
        if intact_bars(block) is not None:
            return format_html('<strong class="intact">{}</strong>', "intact")
        return format_html('<strong class="damaged">damaged</strong>: {}', "import the prices again")

    @admin.display(description="content")
    def bars(self, block: PriceBlock) -> SafeString | str:
        bars = intact_bars(block)
        return "not shown, because they are not what was imported" if bars is None else bars_table(bars)


def intact_bars(block: PriceBlock) -> Bars | None:
    """Return the bars of a block, or None if its columns do not match its checksum."""
    try:
        return decode(block)
    except BlockDamaged:
        return None


def bars_table(bars: Bars) -> SafeString:
    """Return the first and the last bars as a table."""
    shown = list(range(len(bars)))
    if len(bars) > 2 * SHOWN_BARS:
        shown = [*shown[:SHOWN_BARS], *shown[-SHOWN_BARS:]]
    rows = [
        (
            moment(datetime.fromtimestamp(int(bars.time[bar]), UTC)),
            *(f"{getattr(bars, name)[bar]:,.8g}" for name in COLUMNS[1:]),
        )
        for bar in shown
    ]
    note = f"The first and the last {SHOWN_BARS} of {len(bars):,} bars." if len(bars) > len(shown) else ""
    return table([name.capitalize() for name in COLUMNS], rows, note=note)
