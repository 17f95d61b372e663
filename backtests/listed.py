"""Runs in lists: what a line says, read and worded at once, as a page may have fifty of them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from backtests.models import Run
from backtests.streams import figures

# All that a line needs: the columns of a run, its strategy and its universe are some fifty.
SHOWN = (
    "state",
    "n_done",
    "n_symbols",
    "created_at",
    "parameters",
    *(f"strategy__{name}" for name in ("key", "label", "help", "formula")),
    *(f"universe__{name}" for name in ("name", "is_synthetic")),
)


def with_what_is_listed(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return the same runs, of which no more is read than their lines show."""
    return runs.only(*SHOWN)


def lines_of(runs: Iterable[Run]) -> list[dict[str, object]]:
    """Return what the lines of a list of runs say."""
    return [
        {
            "address": run.get_absolute_url(),
            "strategy": run.strategy.label,
            "universe": run.universe.name,
            "is_synthetic": run.universe.is_synthetic,
            "parameters": ", ".join(f"{label} {figures.parameter(value)}" for label, value in run.labelled_parameters),
            "done": f"{run.n_done:,} of {run.n_symbols:,}",
            "created": run.created_at.isoformat(),
            "when": f"{run.created_at.day} {run.created_at:%b %Y, %H:%M} UTC",
            "state": run.state,
            "label": run.get_state_display(),
        }
        for run in runs
    ]
