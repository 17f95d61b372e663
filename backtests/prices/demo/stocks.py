"""Daily bars of the demo companies: market, sector and own moves, split into night and day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtests.prices.demo.calendar import N_SESSIONS, stock_sessions
from backtests.prices.demo.cast import SECTORS, Member
from backtests.prices.demo.paths import (
    Episode,
    activity,
    clusters,
    collapse,
    extremes,
    fat_tails,
    overnight_part,
    persistent,
    pinned,
    price_columns,
    stream,
    turbulence,
)
from strategies.bars import Bars, BoolArray, FloatArray

SESSIONS_PER_YEAR = 252
EARNINGS_EVERY = 63

_MARKET, _SECTOR, _STOCK = 11, 12, 13
_MARKET_VOLATILITY = 0.135
_MARKET_LOG_GROWTH = 0.80
_NIGHT_SHARE = 0.3


# Two corrections, a slow fall with its recovery, a crash with its rebound, a year's bear market, a sharp scare.
EPISODES = (
    Episode(290, 30, -0.09, 1.5),
    Episode(770, 55, -0.15, 1.6),
    Episode(825, 70, 0.13),
    Episode(1090, 24, -0.32, 3.4),
    Episode(1114, 50, 0.22),
    Episode(1540, 190, -0.18, 1.25),
    Episode(2345, 14, -0.12, 2.4),
    Episode(2359, 35, 0.11),
)


@dataclass(frozen=True, slots=True)
class Moves:
    """Moves in log price per session, by night and by day, and their volatility."""

    night: FloatArray
    day: FloatArray
    volatility: FloatArray


@dataclass(frozen=True, slots=True)
class StockFactors:
    market: Moves
    sectors: dict[str, Moves]


def stock_factors(seed: int) -> StockFactors:
    """Return what the companies share."""
    sectors = {
        sector.label: _sector_moves(stream(seed, _SECTOR, number), sector.shared_volatility)
        for number, sector in enumerate(SECTORS)
    }
    return StockFactors(_market_moves(stream(seed, _MARKET)), sectors)


def stock_bars(member: Member, factors: StockFactors, seed: int) -> Bars:
    """Return a company's bars: prices in cents, volume in whole shares."""
    rng = stream(seed, _STOCK, member.index)
    beta = max(0.2, member.sector.beta + 0.2 * rng.standard_normal())
    own_volatility = _daily(member.sector.own_volatility * np.exp(0.25 * rng.standard_normal()))
    growth = _daily_growth(rng)
    market, sector = factors.market, factors.sectors[member.sector.label]

    own = _own_moves(rng, own_volatility, member)
    reports = _earnings(rng, own_volatility)
    variance = (beta * market.volatility) ** 2 + sector.volatility**2 + own.volatility**2
    moves = Moves(
        beta * market.night + sector.night + own.night + reports,
        beta * market.day + sector.day + own.day + growth,
        np.sqrt(variance),
    )
    if member.ending == "taken over":
        moves = _after_offer(rng, moves, member)
    high, low = extremes(rng, moves.day, np.sqrt(1 - _NIGHT_SHARE) * moves.volatility)

    usual = np.hypot(_daily(_MARKET_VOLATILITY) * beta, own_volatility)
    surprise = np.abs(moves.night + moves.day) / usual
    busy = activity(rng, surprise, persistence=0.85, spread=0.33, response=0.55) * np.where(reports != 0, 1.6, 1.0)
    price = np.exp(np.log(55.0) + 0.6 * rng.standard_normal())
    opened, closed = _log_prices(moves, member)

    traded = _traded(member)
    prices = price_columns(opened[traded], closed[traded], high[traded], low[traded], scale=price, digits=2)
    turnover = 3e9 / (member.index + 4) ** 0.9
    volume = np.maximum(np.round(turnover * busy[traded] / np.sqrt(prices["close"] * price)), 1.0)
    return Bars.of(time=stock_sessions()[traded], volume=volume, **prices)


def _market_moves(rng: np.random.Generator) -> Moves:
    shocks, other, nights = rng.standard_normal((3, N_SESSIONS))
    # Leverage effect: a fall raises the volatility of the sessions after it.
    push = np.concatenate((other[:1], -0.6 * shocks[:-1] + 0.8 * other[1:]))
    level = 0.8 * persistent(push, 0.975) + 0.6 * persistent(rng.standard_normal(N_SESSIONS), 0.8)
    volatility = _daily(_MARKET_VOLATILITY) * clusters(level, 0.42) * fat_tails(rng, N_SESSIONS, 7)
    volatility *= turbulence(EPISODES, N_SESSIONS, calming=30)
    move = pinned(volatility * shocks, EPISODES, _MARKET_LOG_GROWTH)
    night = overnight_part(move, volatility, _NIGHT_SHARE, nights)
    return Moves(night, move - night, volatility)


def _sector_moves(rng: np.random.Generator, annual_volatility: float) -> Moves:
    shocks, pushes, nights = rng.standard_normal((3, N_SESSIONS))
    volatility = _daily(annual_volatility) * clusters(persistent(pushes, 0.97), 0.35) * fat_tails(rng, N_SESSIONS, 6)
    move = volatility * shocks
    # A sector's own drift over ten years is kept small: half of what chance gives.
    move -= 0.5 * np.cumsum(move)[-1] / N_SESSIONS
    night = overnight_part(move, volatility, _NIGHT_SHARE, nights)
    return Moves(night, move - night, volatility)


def _own_moves(rng: np.random.Generator, own_volatility: float, member: Member) -> Moves:
    shocks, pushes, nights = rng.standard_normal((3, N_SESSIONS))
    volatility = own_volatility * clusters(persistent(pushes, 0.965), 0.52) * fat_tails(rng, N_SESSIONS, 4)
    if member.ending == "failed":
        fall, alarm = collapse(rng, N_SESSIONS, member.end, int(rng.integers(90, 240)))
        volatility *= alarm
    else:
        fall = np.zeros(N_SESSIONS)
    move = volatility * shocks + fall
    night = overnight_part(move, volatility, _NIGHT_SHARE, nights)
    return Moves(night, move - night, volatility)


def _earnings(rng: np.random.Generator, own_volatility: float) -> FloatArray:
    """Return the jumps before the open of the sessions after quarterly reports."""
    jumps = np.zeros(N_SESSIONS)
    days = np.arange(int(rng.integers(EARNINGS_EVERY)), N_SESSIONS, EARNINGS_EVERY)
    jumps[days] = 2.8 * own_volatility * rng.standard_normal(len(days))
    return jumps


def _after_offer(rng: np.random.Generator, moves: Moves, member: Member) -> Moves:
    """Return the moves of a company that is bought: a jump to the price that is offered, and then hardly any."""
    offer = member.end - int(rng.integers(35, 70))
    calm = np.ones(N_SESSIONS)
    calm[offer:] = 0.1
    night = moves.night * calm
    night[offer] = rng.uniform(0.2, 0.4)
    return Moves(night, moves.day * calm, moves.volatility * calm)


def _log_prices(moves: Moves, member: Member) -> tuple[FloatArray, FloatArray]:
    """Return open and close of each session in log price; the first open of the listing is 0."""
    closed = np.cumsum(moves.night + moves.day)
    opened = closed - moves.day
    start = opened[member.first]
    return opened - start, closed - start


def _traded(member: Member) -> BoolArray:
    traded = np.ones(N_SESSIONS, bool)
    traded[: member.first] = traded[member.end :] = False
    traded[list(member.halted)] = False
    return traded


def _daily(annual_volatility: float) -> float:
    return float(annual_volatility / np.sqrt(SESSIONS_PER_YEAR))


def _daily_growth(rng: np.random.Generator) -> float:
    return float(0.045 * rng.standard_normal() / SESSIONS_PER_YEAR)
