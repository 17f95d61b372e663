"""The body of a scan: its fields, what a missing universe means, and the checked request that becomes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from django.db.models import Count
from ninja import Schema
from ninja.errors import HttpError
from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, StrictBool, StrictInt, StrictStr, WithJsonSchema

from backtests.models import Market, Universe
from backtests.runs.errors import RequestRefused, RuleRefused
from backtests.runs.offered import active_strategies
from backtests.runs.request import CheckedRequest, RunRequest, check_request

# Beyond it, a whole number is not the same as a decimal one any more.
LARGEST = 2**53
LONGEST = 500
MOST_TICKERS = 20_000

MONEY_FIELDS = ("cash", "fee_pct", "slippage_pct")


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character NUL")
    return text


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number; it is {str(value)[:40]!r}")
    # NaN is not within any bounds.
    if not -LARGEST <= value <= LARGEST:
        raise ValueError("must be a number between -2^53 and 2^53")
    return value


def _key_or_id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str | None) or len(text := str(value)) > LONGEST:
        raise ValueError("must be a key or an id that /api/strategies lists")
    return None if value is None else _no_nul(text)


def _rule_value(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= LONGEST:
        return _no_nul(value)
    return _number(value)


def _day(value: Any) -> date | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("must be a date such as 2024-01-31")
    return date.fromisoformat(value)


Text = Annotated[StrictStr, Field(max_length=LONGEST), AfterValidator(_no_nul)]
Number = Annotated[float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
KeyOrId = Annotated[str | None, PlainValidator(_key_or_id), WithJsonSchema({"type": ["string", "integer", "null"]})]
RuleValue = Annotated[
    Any, PlainValidator(_rule_value), WithJsonSchema({"type": ["boolean", "number", "string", "null"]})
]
Day = Annotated[date | None, PlainValidator(_day), WithJsonSchema({"type": ["string", "null"], "format": "date"})]
Tickers = Annotated[list[Text], Field(max_length=MOST_TICKERS)]


class ScanBody(Schema):
    """One scan: everything but the strategy has a default."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [{"required": ["strategy"]}, {"required": ["strategy_id"]}],
            "examples": [{"strategy": "rsi", "parameters": {"period": 14}, "start_date": "2020-01-01", "cash": 10000}],
        },
    )

    strategy: Text | None = Field(None, description="Key of the strategy, as /api/strategies lists it.")
    strategy_id: KeyOrId = Field(None, description="Instead of `strategy`: its id or its key.")
    parameters: dict[Text, Number] = Field(
        default_factory=dict, description="Parameters of the strategy by key; those left out have their defaults."
    )
    start_date: Day = Field(None, description="First day; without it, the first bar.")
    end_date: Day = Field(None, description="Last day; without it, the last bar.")
    interval: Text = Field("1d", description="Length of a bar: 1m, 5m, 15m, 30m, 1h, 4h, 1d or 1w.")
    cash: Number | None = Field(None, description="Money that each symbol starts with; 10000 without it.")
    fee_pct: Number | None = Field(None, description="Fee of a trade's side, in percent.")
    slippage_pct: Number | None = Field(None, description="Slippage of a fill, in percent.")
    rules: dict[Text, RuleValue] = Field(
        default_factory=dict, description="Rules by key, where they differ from the preset's or the defaults."
    )
    preset: Text = Field("", description="Rules of another backtester, such as vectorbt.")
    universe: Text | None = Field(
        None, description="Slug of a universe; without it, the largest real one of the route's market."
    )
    symbols: Tickers = Field(default_factory=list, description="Tickers to test; without them, the whole universe.")
    priority: Tickers = Field(default_factory=list, description="Tickers that come first.")
    max_workers: StrictInt | None = Field(None, description="Most chunks that are executed at once.")
    use_cache: StrictBool = Field(True, description="Take results that an earlier run has, where all is equal.")
    notify_email: Text = Field("", description="Who is written to when the run is done.")
    notify_url: Text = Field("", description="The webhook that is called when the run is done.")


def checked_scan(body: ScanBody, *, market: Market, user: Any) -> CheckedRequest:
    """Return the checked request of a body. Raises HttpError 404 if the strategy is unknown, else RequestRefused."""
    asked = _request_of(body, market, user)
    try:
        return check_request(asked, user)
    except RuleRefused as error:
        if error.field in MONEY_FIELDS and getattr(body, error.field) is not None:
            raise RequestRefused(error.field, error.problem) from error
        raise
    except RequestRefused as error:
        if error.field == "strategy" and asked.strategy not in active_strategies(user):
            raise HttpError(404, str(error)) from error
        raise


def _request_of(body: ScanBody, market: Market, user: Any) -> RunRequest:
    return RunRequest(
        strategy=_strategy_of(body, user),
        universe=body.universe if body.universe is not None else default_universe(market, body.symbols),
        parameters=body.parameters,
        interval=body.interval,
        start_date=body.start_date,
        end_date=body.end_date,
        preset=body.preset,
        rules=_rules_of(body),
        symbols=tuple(body.symbols),
        priority=tuple(body.priority),
        max_workers=body.max_workers,
        use_cache=body.use_cache,
        notify_email=body.notify_email,
        notify_url=body.notify_url,
    )


def default_universe(market: Market, symbols: Sequence[str] = ()) -> str:
    """Return the slug of the universe that is meant where none is named.

    Of those of the market: the S&P 500, else the largest real one, else the largest. Chosen symbols may belong to
    another one, even to another market's: then it is the first that has all of them.
    """
    counted = list(Universe.objects.annotate(n=Count("symbols")).filter(n__gt=0).order_by("-n", "slug"))
    counted.sort(key=lambda universe: (universe.market != market, universe.is_synthetic, not _is_sp500(universe)))
    wanted = {ticker.strip().upper() for ticker in symbols}
    if wanted:
        for universe in counted:
            known = universe.symbols.values_list("ticker", flat=True)
            if wanted <= {ticker.upper() for ticker in known}:
                return universe.slug
    if not counted or counted[0].market != market:
        raise RequestRefused("universe", f"there is none of {Market(market).label.lower()}; import prices first")
    return counted[0].slug


def _is_sp500(universe: Universe) -> bool:
    return re.sub(r"[^a-z0-9]", "", universe.slug.lower()) in {"sp500", "snp500", "sandp500"}


def _strategy_of(body: ScanBody, user: Any) -> str:
    if body.strategy_id is None:
        if body.strategy is None:
            raise RequestRefused("strategy", "is required: a key that /api/strategies lists")
        return body.strategy
    by_id = {str(row.pk): key for key, row in active_strategies(user).items()}
    key = by_id.get(body.strategy_id, body.strategy_id)
    if body.strategy not in {None, key}:
        raise RequestRefused("strategy_id", f"names another strategy than strategy does: {body.strategy_id!r}")
    return key


def _rules_of(body: ScanBody) -> dict[str, Any]:
    money = {name: value for name in MONEY_FIELDS if (value := getattr(body, name)) is not None}
    if twice := sorted(set(money) & set(body.rules)):
        raise RequestRefused(twice[0], "is given twice: here, and in rules")
    return {**body.rules, **money}
