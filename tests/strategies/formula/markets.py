"""Bars to try formulas on, and the answers of formulas as plain lists: None is what is unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from strategies.bars import Bars
from strategies.formula import Facts, Flat, Part, Program, compile_formula, evaluate
from tests.builders import DAY_S, MONDAY_S, Shape, make_bars, make_market

HOUR_S = 3600
Answers = list[float | bool | None]


def ask(
    text: str,
    flat: Flat | Bars | Sequence[float],
    others: Mapping[str, Flat] | None = None,
    **values: float,
) -> Answers:
    """What a formula answers on every bar; a plain list stands for the closes of one symbol."""
    program = compile_formula(text, values) if values else compiled(text)
    assert program.answer is not None
    return answers(program, program.answer, as_flat(flat), others)


@cache
def compiled(text: str) -> Program:
    """The program of a formula with its defaults."""
    return compile_formula(text)


def answers(program: Program, part: Part, flat: Flat, others: Mapping[str, Flat] | None = None) -> Answers:
    """What a part of a program gives on every bar."""
    found = evaluate(program, flat, others)
    if part.kind == "condition":
        pairs = zip(found.matches(part).tolist(), found.fails(part).tolist(), strict=True)
        return [True if is_true else False if is_false else None for is_true, is_false in pairs]
    return [None if math.isnan(value) else value for value in found.numbers(part).tolist()]


def as_flat(given: Flat | Bars | Sequence[float]) -> Flat:
    if isinstance(given, Flat):
        return given
    bars = given if isinstance(given, Bars) else make_bars(list(given))
    return Flat.of([bars], [Facts("AAA", "Technology", "stocks")])


def weekdays(n_bars: int, *, start_s: int = MONDAY_S, without: Sequence[int] = ()) -> list[int]:
    """The times of so many daily bars from Monday to Friday, but for those of these places."""
    days = [datetime.fromtimestamp(start_s, UTC) + timedelta(days=number) for number in range(2 * n_bars + 7)]
    trading = [int(day.timestamp()) for day in days if day.weekday() < 5]
    return [time_s for place, time_s in enumerate(trading) if place not in set(without)][:n_bars]


def at_times(bars: Bars, times: Sequence[int]) -> Bars:
    """These bars at other times, with highs and lows that reach beyond open and close, and volumes of their own."""
    random = np.random.default_rng([len(times), times[0]])
    return Bars.of(
        time=list(times),
        open=bars.open,
        high=bars.high * (1.0 + 0.01 * random.random(len(times))),
        low=bars.low * (1.0 - 0.01 * random.random(len(times))),
        close=bars.close,
        volume=np.floor(1e6 * random.random(len(times))),
    )


def without(bars: Bars, places: Sequence[int]) -> Bars:
    """These bars but for those of some places."""
    kept = np.setdiff1d(np.arange(len(bars)), places)
    return Bars(*(getattr(bars, name)[kept] for name in ("time", "open", "high", "low", "close", "volume")))


def stocks(seed: int = 1, *, n_symbols: int = 3, n_bars: int = 120, shape: Shape = "walk") -> list[Bars]:
    """Symbols that trade from Monday to Friday; each lacks a few days of its own, Fridays among them."""
    market = make_market(seed, n_symbols=n_symbols, n_bars=n_bars, shape=shape).values()
    holidays: list[list[int]] = [[], [4, 9, 37, 38], [24, 61], [14]]
    return [
        at_times(bars, weekdays(n_bars, without=holidays[number % len(holidays)])) for number, bars in enumerate(market)
    ]


def coins(seed: int = 1, *, n_symbols: int = 2, n_bars: int = 120, step_s: int = DAY_S) -> list[Bars]:
    """Symbols that trade on all days."""
    times = [MONDAY_S + number * step_s for number in range(n_bars)]
    return [at_times(bars, times) for bars in make_market(seed, n_symbols=n_symbols, n_bars=n_bars).values()]


def flat_of(bars: Sequence[Bars], market: str = "stocks", *, interval_s: int = DAY_S) -> Flat:
    """Symbols S0, S1 and so on behind each other, of two sectors in turn."""
    sectors = ("Technology", "Energy")
    facts = [Facts(f"S{number}", sectors[number % 2], market) for number in range(len(bars))]
    return Flat.of(bars, facts, interval_s=interval_s)


def cut(flat: Flat, end_s: int) -> tuple[Flat, Any]:
    """What of a flat begins before a moment, and where that stands in it."""
    kept = flat.time < end_s
    n_bars = [int(kept[first:end].sum()) for first, end in zip(flat.edges[:-1], flat.edges[1:], strict=True)]
    columns = {name: column[kept] for name, column in flat.columns.items()}
    edges = np.concatenate(([0], np.cumsum(n_bars)))
    return Flat(flat.time[kept], columns, edges, flat.facts, flat.interval_s), kept


def one_by_one(flat: Flat) -> list[Flat]:
    """Each symbol of a flat by itself."""
    return [last_bars(flat, number, len(flat)) for number in range(flat.n_symbols)]


def last_bars(flat: Flat, symbol: int, n_bars: int) -> Flat:
    """The last so many bars of one symbol of a flat."""
    end = int(flat.edges[symbol + 1])
    part = slice(max(int(flat.edges[symbol]), end - n_bars), end)
    columns = {name: column[part].copy() for name, column in flat.columns.items()}
    edges = np.array([0, part.stop - part.start])
    return Flat(flat.time[part].copy(), columns, edges, [flat.facts[symbol]], flat.interval_s)
