"""Errors of prices.

PricesError
├── ImportRefused    a file that cannot be imported, as a whole; nothing was stored
└── BlockDamaged     a stored block whose columns are not what its checksum says
"""

from __future__ import annotations


class PricesError(ValueError):
    """Base of everything that this package raises on purpose."""


class ImportRefused(PricesError):
    """A file that cannot be imported, as a whole; nothing was stored."""


class BlockDamaged(PricesError):
    """A stored block whose columns are not what its checksum says."""
