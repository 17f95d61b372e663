"""Errors of prices.

PricesError
├── ImportRefused    a file that cannot be imported, as a whole; nothing was stored
│   └── RowsRefused  because of its rows: none can be used, or the import is strict; has the report
└── BlockDamaged     a stored block whose columns are not what its checksum says
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtests.prices.import_report import ImportReport


class PricesError(ValueError):
    """Base of everything that this package raises on purpose."""


class ImportRefused(PricesError):
    """A file that cannot be imported, as a whole; nothing was stored."""


class RowsRefused(ImportRefused):
    """A file that is refused because of its rows; ``report`` says which and why."""

    def __init__(self, problem: str, report: ImportReport) -> None:
        super().__init__(problem)
        self.report = report


class BlockDamaged(PricesError):
    """A stored block whose columns are not what its checksum says."""
