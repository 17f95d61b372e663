"""A page of a run's results, sorted and filtered by the database: nobody reads ten thousand rows to show a thousand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q

from backtests.models import Result
from backtests.runs.statistics import COLUMNS, FIGURE_KEYS, ResultRow

ONLY = {"failed": ~Q(reason=""), "cached": Q(is_cached=True)}


@dataclass(frozen=True, slots=True)
class TableView:
    """How somebody looks at the results: in which order, which of them, and which page."""

    sort: str = ""
    text: str = ""
    only: str = ""
    page: int = 1

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> TableView:
        """Return the view that an address asks for; what is unknown in it counts for nothing."""
        sort, only, page = (str(sent.get(name, "")) for name in ("sort", "only", "page"))
        return cls(
            sort=sort if sort.removeprefix("-") in FIGURE_KEYS and not sort.startswith("--") else "",
            text=str(sent.get("q", "")).replace("\x00", "").strip()[:100],
            only=only if only in ONLY else "",
            page=max(1, int(page)) if page.isdecimal() and len(page) <= 6 else 1,
        )

    @property
    def filters(self) -> dict[str, str]:
        """The part of its address that chooses rows."""
        return {name: value for name, value in (("q", self.text), ("only", self.only)) if value}

    @property
    def query(self) -> dict[str, str]:
        """The part of its address that chooses and orders rows."""
        return {**self.filters, **({"sort": self.sort} if self.sort else {})}

    @property
    def is_of_landing(self) -> bool:
        """Whether it is the table to whose end new rows are added: all rows in the order in which they land."""
        return not self.query and self.page == 1


def read_page(run_id: str, view: TableView, *, rows_a_page: int) -> tuple[list[ResultRow], int]:
    """Return the rows of a page, and how many rows there are on all pages.

    Rows by a figure, such as ``return_pct`` or, highest first, ``-return_pct``; those without it come last. A page
    behind the last one is empty.
    """
    chosen = Result.objects.filter(ONLY.get(view.only, Q()), run_id=run_id)
    if view.text:
        fields = ("symbol__ticker", "symbol__name", "symbol__sector")
        anywhere = [Q(**{f"{field}__icontains": view.text}) for field in fields]
        chosen = chosen.filter(anywhere[0] | anywhere[1] | anywhere[2])
    order: list[Any] = ["sequence"]
    if view.sort:
        figure = F(view.sort.removeprefix("-"))
        order.insert(0, (figure.desc if view.sort.startswith("-") else figure.asc)(nulls_last=True))
    first = (view.page - 1) * rows_a_page
    page = chosen.order_by(*order).values_list(*COLUMNS)[first : first + rows_a_page]
    return [ResultRow._make(values) for values in page], chosen.count()
