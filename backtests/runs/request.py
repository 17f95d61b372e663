"""What a run may be asked for. The page, the command and every other door check it here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email

from backtests.engine import PRESETS, RULES, Rules, RulesError, preset_rules
from backtests.models import Interval, Universe
from backtests.runs.errors import ParameterRefused, RequestRefused, RuleRefused
from backtests.runs.offered import active_strategy
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.formula.strategy import FormulaStrategy
from strategies.formula_strategies import class_of
from strategies.models import Strategy as StrategyRow

logger = logging.getLogger(__name__)

MOST_WORKERS = 256
MOST_URL = 500
MOST_EMAIL = 254
WEB = ("http", "https")
# What a formula calls a stop or a target in percent is a rule.
RULES_OF_LEVELS = {"stop": "stop_loss_pct", "target": "take_profit_pct"}


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
    symbols: Sequence[str] = ()
    priority: Sequence[str] = ()
    max_workers: int | None = None
    use_cache: bool = True
    notify_email: str = ""
    notify_url: str = ""


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request whose every part exists and fits. ``tickers`` are the chosen symbols; none means the whole universe."""

    strategy: Strategy
    strategy_row: StrategyRow
    universe: Universe
    preset: str
    rules: Rules
    interval: str
    start_date: date | None
    end_date: date | None
    tickers: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    max_workers: int | None = None
    use_cache: bool = True
    notify_email: str = ""
    notify_url: str = ""


def rule_values(rules: Rules) -> dict[str, Any]:
    """Return every rule by key; ``asdict`` would copy each of them deeply, which takes longer than a query."""
    return {rule.key: getattr(rules, rule.key) for rule in RULES}


def check_request(request: RunRequest, user: Any = None) -> CheckedRequest:
    """Return the request with its keys looked up, or raise RequestRefused, which names the field and what is valid.

    ``user`` is who asks; nobody's formulas are all that may be used without one.
    """
    row = active_strategy(request.strategy, user)
    strategy = _strategy_of(row, request.parameters)
    if request.interval not in Interval.values:
        raise RequestRefused("interval", f"must be one of {', '.join(Interval.values)}; it is {request.interval!r}")
    if request.start_date and request.end_date and request.start_date > request.end_date:
        raise RequestRefused(
            "start_date", f"must not be after the end date {request.end_date}; it is {request.start_date}"
        )
    universe = find_universe(request.universe)
    tickers = _tickers_of("symbols", request.symbols, universe)
    _check_execution(request)
    return CheckedRequest(
        strategy=strategy,
        strategy_row=row,
        universe=universe,
        preset=request.preset,
        rules=_rules_of(request.preset, _with_levels(strategy, request.rules)),
        interval=request.interval,
        start_date=request.start_date,
        end_date=request.end_date,
        tickers=tickers,
        priority=_tickers_of("priority", request.priority, universe, among=tickers),
        max_workers=request.max_workers,
        use_cache=request.use_cache and strategy.is_of_bars_alone,
        notify_email=request.notify_email,
        notify_url=request.notify_url,
    )


def _tickers_of(name: str, asked: Sequence[str], universe: Universe, *, among: Sequence[str] = ()) -> tuple[str, ...]:
    """Return tickers as the universe spells them, each once, in the order in which they were asked for."""
    if not asked:
        return ()
    known = {ticker.upper(): ticker for ticker in among or universe.symbols.values_list("ticker", flat=True)}
    wanted = [ticker.strip() for ticker in asked]
    unknown = [ticker for ticker in wanted if ticker.upper() not in known]
    if unknown:
        what = "the chosen symbols" if among else f"the universe {universe.slug!r}"
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise RequestRefused(
            name, f"not in {what}: {', '.join(ticker or repr(ticker) for ticker in unknown[:5])}{more}"
        )
    return tuple(dict.fromkeys(known[ticker.upper()] for ticker in wanted))


def _check_execution(request: RunRequest) -> None:
    if request.max_workers is not None and not 1 <= request.max_workers <= MOST_WORKERS:
        raise RequestRefused("max_workers", f"must be from 1 to {MOST_WORKERS}; it is {request.max_workers}")
    check_notify(request.notify_email, request.notify_url)


def check_notify(email: str, url: str) -> None:
    """Raise RequestRefused unless an e-mail can be sent to the one and a webhook called at the other, or none is."""
    for name, value, check, wanted in (
        ("notify_email", email, _validate_email, "an e-mail address"),
        ("notify_url", url, _validate_webhook, "an address that begins with http:// or https://"),
    ):
        try:
            if value:
                check(value)
        except (ValidationError, ValueError):
            raise RequestRefused(name, f"must be {wanted}; it is {value!r}") from None
    if email and not settings.EMAIL_HOST:
        raise RequestRefused("notify_email", "this server sends no mail; whoever runs it has to set TRAWL_EMAIL_URL")


def _validate_email(address: str) -> None:
    if len(address) > MOST_EMAIL:
        raise ValidationError("no address")
    validate_email(address)


def _validate_webhook(url: str) -> None:
    address = urlsplit(url)
    # Reading the port is what finds one that is none.
    if address.port == 0 or len(url) > MOST_URL:
        raise ValidationError("no address")
    # A host in a private network may have a name without a dot, which is no public one.
    if not (address.scheme in WEB and (address.hostname or "") in settings.WEBHOOK_HOSTS):
        URLValidator(schemes=WEB)(url)


def _strategy_of(row: StrategyRow, parameters: Mapping[str, Any]) -> Strategy:
    kind = class_of(row)
    try:
        strategy = kind(**dict(parameters))
        # Whoever plans a run asks for it, and somebody's own may raise.
        _ = strategy.warmup
    except ParameterError as error:
        raise ParameterRefused(error.name, error.problem) from error
    except Exception as error:
        logger.exception("the strategy %s cannot be made with %s", row.key, dict(parameters))
        problem = f"{kind.label} raises {type(error).__name__} with these parameters: {error}"
        raise RequestRefused("strategy", problem) from error
    return strategy


def find_universe(slug: str) -> Universe:
    """Return the universe with this slug, or raise RequestRefused naming the stored ones."""
    universe = Universe.objects.filter(slug=slug).first()
    if universe is None:
        known = (
            ", ".join(Universe.objects.order_by("slug").values_list("slug", flat=True)) or "none; import prices first"
        )
        raise RequestRefused("universe", f"{slug!r} is unknown; valid are: {known}")
    return universe


def _with_levels(strategy: Strategy, rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rules with the stop and target in percent that a formula has, where none is asked for."""
    if not isinstance(strategy, FormulaStrategy):
        return rules
    levels = {RULES_OF_LEVELS[name]: percent for name, percent in strategy.program.levels.items()}
    return {**rules, **{key: percent for key, percent in levels.items() if rules.get(key) is None}}


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
