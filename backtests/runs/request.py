"""What a run may be asked for. The page, the command and every other door check it here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from backtests.engine import PRESETS, Rules, RulesError, preset_rules
from backtests.models import Interval, Universe
from backtests.runs.errors import ParameterRefused, RequestRefused, RuleRefused
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.models import Strategy as StrategyRow
from strategies.registry import get_strategy, strategies

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A scan as somebody asks for it, by keys. ``rules`` are those that differ from the preset's, or the defaults."""

    strategy: str
    universe: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    interval: str = "1d"
    start_date: date | None = None
    end_date: date | None = None
    preset: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request whose every part exists and fits."""

    strategy: Strategy
    strategy_row: StrategyRow
    universe: Universe
    preset: str
    rules: Rules
    interval: str
    start_date: date | None
    end_date: date | None


def check_request(request: RunRequest) -> CheckedRequest:
    """Return the request with its keys looked up, or raise RequestRefused, which names the field and what is valid."""
    row = active_strategy(request.strategy)
    strategy = _strategy_of(row.key, request.parameters)
    if request.interval not in Interval.values:
        raise RequestRefused("interval", f"must be one of {', '.join(Interval.values)}; it is {request.interval!r}")
    if request.start_date and request.end_date and request.start_date > request.end_date:
        raise RequestRefused(
            "start_date", f"must not be after the end date {request.end_date}; it is {request.start_date}"
        )
    return CheckedRequest(
        strategy=strategy,
        strategy_row=row,
        universe=find_universe(request.universe),
        preset=request.preset,
        rules=_rules_of(request.preset, request.rules),
        interval=request.interval,
        start_date=request.start_date,
        end_date=request.end_date,
    )


def _strategy_of(key: str, parameters: Mapping[str, Any]) -> Strategy:
    kind = get_strategy(key)
    try:
        strategy = kind(**dict(parameters))
        # Whoever plans a run asks for it, and somebody's own may raise.
        _ = strategy.warmup
    except ParameterError as error:
        raise ParameterRefused(error.name, error.problem) from error
    except Exception as error:
        logger.exception("the strategy %s cannot be made with %s", key, dict(parameters))
        problem = f"{kind.label} raises {type(error).__name__} with these parameters: {error}"
        raise RequestRefused("strategy", problem) from error
    return strategy


def active_strategies() -> dict[str, StrategyRow]:
    """Return the rows of the strategies that are switched on and have code, by key, in the order of their labels."""
    rows = StrategyRow.objects.filter(is_active=True, key__in=strategies()).order_by("label")
    return {row.key: row for row in rows}


def active_strategy(key: str) -> StrategyRow:
    """Return the row of an active strategy, or raise RequestRefused naming the active ones."""
    active = active_strategies()
    if key in active:
        return active[key]
    known = ", ".join(sorted(active)) or "none"
    is_off = key in strategies() and StrategyRow.objects.filter(key=key).exists()
    what = "is switched off" if is_off else "is unknown"
    raise RequestRefused("strategy", f"{key!r} {what}; valid are: {known}")


def find_universe(slug: str) -> Universe:
    """Return the universe with this slug, or raise RequestRefused naming the stored ones."""
    universe = Universe.objects.filter(slug=slug).first()
    if universe is None:
        known = (
            ", ".join(Universe.objects.order_by("slug").values_list("slug", flat=True)) or "none; import prices first"
        )
        raise RequestRefused("universe", f"{slug!r} is unknown; valid are: {known}")
    return universe


def _rules_of(preset: str, values: Mapping[str, Any]) -> Rules:
    try:
        return preset_rules(preset, values)
    except RulesError as error:
        kind = RuleRefused if preset in {"", *PRESETS} else RequestRefused
        raise kind(error.name, error.problem) from error


def bounds_s(start_date: date | None, end_date: date | None) -> tuple[int | None, int | None]:
    """Return the dates as seconds UTC, from the start of the first day to the end of the last one."""
    start = None if start_date is None else _midnight_s(start_date)
    # The last day that there is has no day after it, and no bar either.
    end = None if end_date is None or end_date == date.max else _midnight_s(end_date + timedelta(days=1))
    return start, end


def _midnight_s(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
