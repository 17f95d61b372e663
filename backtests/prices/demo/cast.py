"""Who is in the demo market: names, sectors, listings and delistings.

None of it depends on the seed: a market that is loaded again with another seed has the same symbols with bars at the
same times, so that every bar of the market before is replaced and none is left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from backtests.prices.demo.calendar import N_COIN_DAYS, N_SESSIONS
from backtests.prices.demo.names import coin_words, company_words, tickers
from backtests.prices.demo.paths import stream

N_HOURLY_COINS = 48

_CAST_SEED = 1_602
_SHORTEST_HISTORY = 44

Ending = Literal["trading", "failed", "taken over"]


@dataclass(frozen=True, slots=True)
class Sector:
    """A group of symbols that move together.

    ``beta`` is their average move for a market move of one; volatilities are annual: of what the group's symbols share
    beside the market, and of what is a symbol's own.
    """

    label: str
    n_symbols: int
    beta: float
    shared_volatility: float
    own_volatility: float
    suffixes: tuple[str, ...] = ()


SECTORS = (
    Sector("Communication Services", 24, 0.95, 0.08, 0.23, ("Media", "Telecom", "Networks")),
    Sector("Consumer Discretionary", 51, 1.15, 0.08, 0.24, ("Brands", "Motors", "Retail Group", "Resorts")),
    Sector("Consumer Staples", 38, 0.65, 0.08, 0.17, ("Foods", "Beverages", "Household Products")),
    Sector("Energy", 22, 1.15, 0.19, 0.23, ("Petroleum", "Energy", "Pipelines")),
    Sector("Financials", 73, 1.10, 0.09, 0.18, ("Bancorp", "Insurance Group", "Capital", "Financial")),
    Sector("Health Care", 60, 0.85, 0.08, 0.23, ("Therapeutics", "Health", "Biosciences", "Medical Devices")),
    Sector("Industrials", 78, 1.08, 0.07, 0.19, ("Industries", "Aerospace", "Logistics", "Machinery", "Rail")),
    Sector("Information Technology", 69, 1.25, 0.09, 0.23, ("Systems", "Software", "Semiconductor", "Technologies")),
    Sector("Materials", 26, 1.08, 0.10, 0.21, ("Chemicals", "Metals", "Packaging")),
    Sector("Real Estate", 31, 0.85, 0.11, 0.16, ("Properties", "Residential Trust", "Office Trust")),
    Sector("Utilities", 31, 0.55, 0.12, 0.13, ("Power", "Electric", "Water")),
)

COIN_CATEGORIES = (
    Sector("AI", 28, 1.15, 0.22, 0.70),
    Sector("DeFi", 48, 1.10, 0.18, 0.62),
    Sector("Exchange", 14, 0.75, 0.12, 0.45),
    Sector("Gaming", 32, 1.10, 0.22, 0.65),
    Sector("Infrastructure", 34, 1.05, 0.12, 0.58),
    Sector("Layer 1", 40, 1.00, 0.15, 0.52),
    Sector("Layer 2", 22, 1.10, 0.18, 0.58),
    Sector("Meme", 25, 1.20, 0.30, 0.85),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A symbol; index 0 is the market's largest. It has bars from step ``first`` up to but without ``end``."""

    index: int
    ticker: str
    name: str
    sector: Sector
    first: int
    end: int
    ending: Ending = "trading"
    halted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Life:
    first: int
    end: int
    ending: Ending = "trading"
    halted: tuple[int, ...] = ()


@cache
def stock_cast() -> tuple[Member, ...]:
    """Return the 503 companies, largest first."""
    rng = stream(_CAST_SEED, 1)
    sectors = _shuffled(rng, SECTORS)
    words = company_words(rng, len(sectors))
    codes = tickers(words, rng.choice([3, 4, 4, 4, 4, 4, 5, 5], len(sectors)).tolist())
    suffixes = [sector.suffixes[rng.integers(len(sector.suffixes))] for sector in sectors]
    lives = _lives(rng, len(sectors), N_SESSIONS, n_late=35, n_failed=4, n_taken_over=2, n_halted=3, always=0)
    return tuple(
        Member(index, code, f"{word} {suffix}", sector, life.first, life.end, life.ending, life.halted)
        for index, (code, word, suffix, sector, life) in enumerate(
            zip(codes, words, suffixes, sectors, lives, strict=True)
        )
    )


@cache
def coin_cast() -> tuple[Member, ...]:
    """Return the 243 coins, largest first; the first 48 have hourly bars, too, and whole histories."""
    rng = stream(_CAST_SEED, 2)
    sectors = _shuffled(rng, COIN_CATEGORIES)
    words = coin_words(rng, len(sectors))
    codes = tickers(words, rng.choice([3, 4, 4, 4, 5], len(sectors)).tolist())
    always = N_HOURLY_COINS
    lives = _lives(rng, len(sectors), N_COIN_DAYS, n_late=35, n_failed=6, n_taken_over=0, n_halted=0, always=always)
    return tuple(
        Member(index, f"{code}USDT", word, sector, life.first, life.end, life.ending)
        for index, (code, word, sector, life) in enumerate(zip(codes, words, sectors, lives, strict=True))
    )


def _shuffled(rng: np.random.Generator, sectors: tuple[Sector, ...]) -> list[Sector]:
    every = [sector for sector in sectors for _ in range(sector.n_symbols)]
    return [every[index] for index in rng.permutation(len(every)).tolist()]


def _lives(
    rng: np.random.Generator,
    count: int,
    n_steps: int,
    *,
    n_late: int,
    n_failed: int,
    n_taken_over: int,
    n_halted: int,
    always: int,
) -> list[_Life]:
    """Return when each symbol trades; the first ``always`` ones do all the time."""
    lives = [_Life(0, n_steps) for _ in range(count)]
    chosen = iter((always + rng.permutation(count - always)).tolist())
    for length in np.linspace(_SHORTEST_HISTORY, 0.92 * n_steps, n_late).astype(int).tolist():
        lives[next(chosen)] = _Life(n_steps - length, n_steps)
    for number in range(n_failed + n_taken_over):
        end = int(rng.integers(n_steps * 3 // 10, n_steps * 19 // 20))
        lives[next(chosen)] = _Life(0, end, "failed" if number < n_failed else "taken over")
    for _ in range(n_halted):
        halt = int(rng.integers(n_steps // 10, n_steps - 10))
        lives[next(chosen)] = _Life(0, n_steps, "trading", tuple(range(halt, halt + int(rng.integers(1, 4)))))
    return lives
