"""Symbols and universes. What identifies them is fixed once they exist: prices and runs were stored under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Aggregate, Count, F, Max, Min, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.forms.models import ModelMultipleChoiceField
from django.http import HttpRequest
from django.utils.safestring import SafeString

from backtests.admin.records import SYNTHETIC, Deletion, deletion_of, list_link, moment
from backtests.models import Interval, PriceBlock, Result, Run, Symbol, Universe
from backtests.streams.figures import NO_VALUE, count

UNIVERSE_COUNTS = ("n_symbols", "n_priced", "n_bars", "runs_link")
OTHER_FIELDS = 20
TOO_LARGE = (
    "Symbols",
    {
        "fields": UNIVERSE_COUNTS,
        "description": "It has more symbols than a form can send; its list comes from an import.",
    },
)

INTERVALS = [str(value) for value in Interval.values]


def over(related: QuerySet[Any], key: str, aggregate: Aggregate) -> Subquery:
    """Return an aggregate over the related rows of each row; only the rows of the page in view pay for it."""
    return Subquery(related.order_by().values(key).annotate(value=aggregate).values("value"))


class PricesFilter(admin.SimpleListFilter):
    title = "prices"
    parameter_name = "prices"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("stored", "Stored"), ("none", "None")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> QuerySet[Symbol]:
        with_prices = PriceBlock.objects.values("symbol")
        if self.value() == "stored":
            return queryset.filter(pk__in=with_prices)
        return queryset.exclude(pk__in=with_prices) if self.value() == "none" else queryset


@admin.register(Symbol)
class SymbolAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # cannot be subscripted at run time
    list_display = [
        "ticker", "name", "market", "sector", "synthetic", "bars", "first_bar", "last_bar", "n_universes",
    ]  # fmt: skip
    list_filter = ["market", "is_synthetic", PricesFilter, "universes", "sector"]
    search_fields = ["ticker", "name"]
    fieldsets = [
        (None, {"fields": ["ticker", "market", "is_synthetic", "name", "sector"]}),
        ("Prices", {"fields": ["bars", "first_bar", "last_bar", "blocks_link"]}),
        ("Use", {"fields": ["member_of", "results_link"]}),
    ]
    readonly_fields = ["bars", "first_bar", "last_bar", "blocks_link", "member_of", "results_link"]

    def get_fieldsets(self, request: HttpRequest, obj: Symbol | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.fieldsets[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: Symbol | None = None) -> list[str]:
        return [*self.readonly_fields, *(["ticker", "market", "is_synthetic"] if obj else [])]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Symbol]:
        blocks = PriceBlock.objects.filter(symbol=OuterRef("pk"))
        memberships = Universe.symbols.through.objects.filter(symbol=OuterRef("pk"))
        # Without the columns: they are megabytes, and nothing here looks into them.
        described = PriceBlock.objects.only("symbol", "interval", "n_bars").order_by("period")
        symbols: QuerySet[Symbol] = super().get_queryset(request)
        return symbols.annotate(
            n_bars=over(blocks, "symbol", Sum("n_bars")),
            first_bar=over(blocks, "symbol", Min("first_time")),
            last_bar=over(blocks, "symbol", Max("last_time")),
            n_universes=over(memberships, "symbol", Count("pk")),
        ).prefetch_related(Prefetch("price_blocks", queryset=described))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deletion:
        rows = list(objs)
        kept_by = Result.objects.filter(symbol__in=rows).values("symbol__ticker").annotate(n=Count("pk"))
        return deletion_of(
            self,
            request,
            rows,
            also={"price blocks": PriceBlock.objects.filter(symbol__in=rows).count()},
            kept_by=[f"Results of {row['symbol__ticker']}: {row['n']:,}" for row in kept_by.order_by("symbol__ticker")],
        )

    @admin.display(description="synthetic", ordering="is_synthetic")
    def synthetic(self, symbol: Symbol) -> str:
        return SYNTHETIC if symbol.is_synthetic else ""

    @admin.display(description="bars", ordering="n_bars")
    def bars(self, symbol: Symbol) -> str:
        totals: dict[str, int] = {}
        for block in symbol.price_blocks.all():
            totals[block.interval] = totals.get(block.interval, 0) + block.n_bars
        parts = [f"{interval}: {totals[interval]:,}" for interval in INTERVALS if interval in totals]
        return ", ".join(parts) or NO_VALUE

    @admin.display(description="first bar", ordering="first_bar")
    def first_bar(self, symbol: Symbol) -> str:
        return moment(getattr(symbol, "first_bar", None))

    @admin.display(description="last bar", ordering="last_bar")
    def last_bar(self, symbol: Symbol) -> str:
        return moment(getattr(symbol, "last_bar", None))

    @admin.display(description="universes", ordering="n_universes")
    def n_universes(self, symbol: Symbol) -> str:
        return count(getattr(symbol, "n_universes", None) or 0)

    @admin.display(description="price blocks")
    def blocks_link(self, symbol: Symbol) -> SafeString:
        return list_link(PriceBlock, count(len(symbol.price_blocks.all())), symbol__id__exact=symbol.pk)

    @admin.display(description="universes")
    def member_of(self, symbol: Symbol) -> str:
        return ", ".join(universe.name for universe in symbol.universes.all()) or "none"

    @admin.display(description="results")
    def results_link(self, symbol: Symbol) -> SafeString:
        return list_link(Result, count(symbol.results.count()), symbol__id__exact=symbol.pk)


def fits_in_form(universe: Universe) -> bool:
    """Whether a form may have a field for each symbol, and some for all else."""
    most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    return most is None or universe.symbols.count() <= most - OTHER_FIELDS


class UniverseForm(forms.ModelForm):  # type: ignore[type-arg]
    """Offers the symbols of the universe's own market, and no invented prices among real ones."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        symbols = self.fields.get("symbols")
        if isinstance(symbols, ModelMultipleChoiceField):
            universe: Universe = self.instance
            offered = Symbol.objects.filter(market=universe.market, is_synthetic=universe.is_synthetic)
            symbols.queryset = offered


@admin.register(Universe)
class UniverseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = UniverseForm
    list_display = ["name", "slug", "market", "synthetic", "as_of", "n_symbols", "n_priced", "n_bars", "runs_link"]
    list_filter = ["market", "is_synthetic"]
    search_fields = ["name", "slug"]
    date_hierarchy = "as_of"
    filter_horizontal = ["symbols"]
    readonly_fields = UNIVERSE_COUNTS
    fieldsets = [
        (None, {"fields": ["name", "slug", "market", "is_synthetic", "as_of"]}),
        ("Symbols", {"fields": [*UNIVERSE_COUNTS, "symbols"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Universe | None = None) -> Any:
        # Which symbols may be chosen depends on the market, which is known once the universe is saved.
        if obj is None:
            return self.fieldsets[:1]
        return self.fieldsets if fits_in_form(obj) else [*self.fieldsets[:1], TOO_LARGE]

    def get_readonly_fields(self, request: HttpRequest, obj: Universe | None = None) -> list[str]:
        return [*self.readonly_fields, *(["slug", "market", "is_synthetic"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Universe | None = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Universe]:
        memberships = Universe.symbols.through.objects.filter(universe=OuterRef("pk"))
        has_prices = Q(symbol__price_blocks__isnull=False)
        universes: QuerySet[Universe] = super().get_queryset(request)
        return universes.annotate(
            n_symbols=over(memberships, "universe", Count("pk")),
            n_priced=over(memberships, "universe", Count("symbol", distinct=True, filter=has_prices)),
            n_bars=over(memberships, "universe", Sum("symbol__price_blocks__n_bars")),
            n_runs=over(Run.objects.filter(universe=OuterRef("pk")), "universe", Count("pk")),
        )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deletion:
        rows = list(objs)
        kept_by = Run.objects.filter(universe__in=rows).values(name=F("universe__name")).annotate(n=Count("pk"))
        texts = [f"Runs on {row['name']}: {row['n']:,}" for row in kept_by.order_by("name")]
        return deletion_of(self, request, rows, also={}, kept_by=texts)

    @admin.display(description="synthetic", ordering="is_synthetic")
    def synthetic(self, universe: Universe) -> str:
        return SYNTHETIC if universe.is_synthetic else ""

    @admin.display(description="members", ordering="n_symbols")
    def n_symbols(self, universe: Universe) -> SafeString:
        return list_link(Symbol, count(getattr(universe, "n_symbols", None) or 0), universes__id__exact=universe.pk)

    @admin.display(description="with prices", ordering="n_priced")
    def n_priced(self, universe: Universe) -> str:
        return count(getattr(universe, "n_priced", None) or 0)

    @admin.display(description="bars", ordering="n_bars")
    def n_bars(self, universe: Universe) -> str:
        return count(getattr(universe, "n_bars", None) or 0)

    @admin.display(description="runs", ordering="n_runs")
    def runs_link(self, universe: Universe) -> SafeString:
        return list_link(Run, count(getattr(universe, "n_runs", None) or 0), universe__id__exact=universe.pk)
