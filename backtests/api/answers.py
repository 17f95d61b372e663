"""The shapes of answers, as the OpenAPI page shows them. Rows and events are made in ``backtests.streams.events``."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field


class Refusal(Schema):
    """Why a request was refused."""

    detail: str


class FieldProblem(Schema):
    """A part of the request and what is wrong with it."""

    field: str
    problem: str


class WrongFields(Schema):
    """The parts of a request that are wrong, each by name."""

    detail: list[FieldProblem]


class Started(Schema):
    job_id: str


class Changed(Schema):
    job_id: str
    state: str


class Status(Schema):
    """How far a run is, and its results so far."""

    job_id: str
    state: str = Field(description="queued, running, paused, cancelled or complete")
    complete: bool
    progress_pct: float
    current: int
    total: int
    successful: int
    failed: int
    cached: int
    elapsed_time: float | None
    last_sequence: int = Field(description="Send it back as ?after= to be sent only what is new.")
    results: list[dict[str, Any]]


class RunInfo(Schema):
    """A run and everything that it assumes."""

    model_config = ConfigDict(extra="allow")

    id: str
    job_id: str
    state: str
    strategy: str
    parameters: dict[str, float]
    universe: str
    is_synthetic: bool
    interval: str
    start_date: str | None
    end_date: str | None
    preset: str
    rules: dict[str, Any]
    engine_version: str
    total: int
    completed: int
    failed: int
    cached: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    elapsed_time: float | None


class Page(Schema):
    """A part of a longer list."""

    count: int
    page: int
    pages: int
    page_size: int


class RunPage(Page):
    runs: list[RunInfo]


class ResultPage(Page):
    results: list[dict[str, Any]] = Field(description="Every result with all metrics, or the reason why it has none.")


class ParameterInfo(Schema):
    key: str
    label: str
    help: str
    kind: str
    default: float
    low: float
    high: float


class StrategyInfo(Schema):
    id: str
    key: str
    label: str
    help: str
    is_builtin: bool
    parameters: list[ParameterInfo]


class StrategyList(Schema):
    strategies: list[StrategyInfo]


class UniverseInfo(Schema):
    slug: str
    name: str
    market: str
    as_of: str
    is_synthetic: bool
    symbols: int
    intervals: list[str]


class UniverseList(Schema):
    universes: list[UniverseInfo]
