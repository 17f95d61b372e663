"""Bars of the demo coins: daily for three years, hourly for the last one, and the two agree.

A coin with hourly bars moves by the hour in its last year, and its daily bars of that year are put together from the
hourly ones. The moves that coins share are made by the hour in that year as well, and summed for the daily coins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtests.prices.demo.calendar import N_COIN_DAYS, N_HOURLY_DAYS, coin_days, coin_hours
from backtests.prices.demo.cast import COIN_CATEGORIES, N_HOURLY_COINS, Member
from backtests.prices.demo.paths import (
    Episode,
    activity,
    clusters,
    collapse,
    extremes,
    fat_tails,
    persistent,
    pinned,
    price_columns,
    stream,
    turbulence,
)
from strategies.bars import Bars, FloatArray

DAYS_PER_YEAR = 365

_MARKET, _CATEGORY, _COIN = 21, 22, 23
_MARKET_VOLATILITY = 0.58
_MARKET_LOG_GROWTH = 0.75
_COIN_LOG_GROWTH = -0.35
_N_DAILY_ONLY = N_COIN_DAYS - N_HOURLY_DAYS

# Share of the day's variance in each hour UTC: quiet in the Asian night, busiest when Europe and America both trade.
_HOUR_SHARES = 1 + 0.45 * np.cos(2 * np.pi * (np.arange(24) - 15.5) / 24)
_HOUR_SHARES /= np.cumsum(_HOUR_SHARES)[-1]

EPISODES = (
    Episode(65, 35, 0.35, 1.3),
    Episode(235, 6, -0.28, 2.6),
    Episode(390, 150, 0.75, 1.2),
    Episode(655, 9, -0.32, 2.5),
    Episode(664, 30, 0.18),
    Episode(772, 60, 0.45, 1.3),
    Episode(980, 3, -0.27, 3.2),
    Episode(1020, 60, -0.30, 1.2),
)


@dataclass(frozen=True, slots=True)
class Moves:
    """Log returns and their volatility by day, and by hour in the last year (empty where there are no hours)."""

    days: FloatArray
    day_volatility: FloatArray
    hours: FloatArray
    hour_volatility: FloatArray

    def plus(self, other: Moves, times: float = 1.0) -> Moves:
        """Return these moves and independent other ones together."""
        return Moves(
            self.days + times * other.days,
            np.hypot(self.day_volatility, times * other.day_volatility),
            self.hours + times * other.hours,
            np.hypot(self.hour_volatility, times * other.hour_volatility),
        )

    def without_hours(self) -> Moves:
        return Moves(self.days, self.day_volatility, np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True)
class CoinFactors:
    market: Moves
    categories: dict[str, Moves]


@dataclass(frozen=True, slots=True)
class CoinBars:
    """A coin's daily bars, and its hourly ones if it has any."""

    daily: Bars
    hourly: Bars | None


def coin_factors(seed: int) -> CoinFactors:
    """Return what the coins share."""
    categories = {}
    for number, category in enumerate(COIN_CATEGORIES):
        rng = stream(seed, _CATEGORY, number)
        days = _daily(category.shared_volatility) * clusters(_level(rng, 0.95), 0.35)
        categories[category.label] = _moves(rng, days, has_hours=True, degrees=5)
    return CoinFactors(_market_moves(stream(seed, _MARKET)), categories)


def coin_bars(member: Member, factors: CoinFactors, seed: int) -> CoinBars:
    """Return a coin's bars: prices of about five digits, volume in whole coins."""
    rng = stream(seed, _COIN, member.index)
    has_hours = member.index < N_HOURLY_COINS
    # The largest coins move less than the rest, with the market and on their own.
    calm = 1 - 0.45 * np.exp(-member.index / 12)
    beta = max(0.4, (member.sector.beta + 0.12 * rng.standard_normal()) * (0.35 + 0.65 * calm))
    own_volatility = _daily(member.sector.own_volatility * calm * np.exp(0.2 * rng.standard_normal()))
    growth = calm * _COIN_LOG_GROWTH + 0.3 * rng.standard_normal()

    own = _own_moves(rng, own_volatility, growth, member, has_hours=has_hours)
    shared = factors.categories[member.sector.label].plus(factors.market, beta)
    moves = own.plus(shared if has_hours else shared.without_hours())
    price = _first_price(rng, member)
    usual = np.hypot(beta * _daily(_MARKET_VOLATILITY), own_volatility)
    return _bars(rng, member, moves, price, usual)


def _market_moves(rng: np.random.Generator) -> Moves:
    volatility = _daily(_MARKET_VOLATILITY) * clusters(_level(rng, 0.96), 0.55)
    volatility *= turbulence(EPISODES, N_COIN_DAYS, calming=8)
    moves = _moves(rng, volatility, has_hours=True, degrees=5)
    return _with_drift(moves, pinned(moves.days, EPISODES, _MARKET_LOG_GROWTH) - moves.days)


def _own_moves(
    rng: np.random.Generator, own_volatility: float, growth: float, member: Member, *, has_hours: bool
) -> Moves:
    volatility = own_volatility * clusters(_level(rng, 0.95), 0.6)
    drift = np.full(N_COIN_DAYS, growth / DAYS_PER_YEAR)
    if member.ending == "failed":
        fall, alarm = collapse(rng, N_COIN_DAYS, member.end, int(rng.integers(40, 160)))
        volatility *= alarm
        drift += fall
    return _with_drift(_moves(rng, volatility, has_hours=has_hours, degrees=4), drift)


def _moves(rng: np.random.Generator, volatility: FloatArray, *, has_hours: bool, degrees: float) -> Moves:
    """Return moves of a volatility by day; with hours, the last year's days are the sums of their hours."""
    actual = volatility * fat_tails(rng, N_COIN_DAYS, degrees)
    days = actual * rng.standard_normal(N_COIN_DAYS)
    if not has_hours:
        return Moves(days, actual, np.empty(0), np.empty(0))
    n_hours = 24 * N_HOURLY_DAYS
    by_hour = np.outer(volatility[_N_DAILY_ONLY:], np.sqrt(_HOUR_SHARES)).reshape(-1)
    by_hour *= clusters(persistent(rng.standard_normal(n_hours), 0.85), 0.35) * fat_tails(rng, n_hours, degrees)
    hours = by_hour * rng.standard_normal(n_hours)
    days[_N_DAILY_ONLY:] = _by_day(hours)
    actual[_N_DAILY_ONLY:] = np.sqrt(_by_day(by_hour**2))
    return Moves(days, actual, hours, by_hour)


def _with_drift(moves: Moves, drift: FloatArray) -> Moves:
    hours = moves.hours
    if len(hours):
        hours = hours + np.repeat(drift[_N_DAILY_ONLY:] / 24, 24)
    return Moves(moves.days + drift, moves.day_volatility, hours, moves.hour_volatility)


def _bars(rng: np.random.Generator, member: Member, moves: Moves, price: float, usual: float) -> CoinBars:
    # Daily bars of the last year are made even where those from hours replace them: one order of draws for all coins.
    listed = slice(member.first, member.end)
    turnover = 2.5e10 / (member.index + 2) ** 1.45
    days = moves.days[listed]
    daily = _prices(rng, 0.0, days, moves.day_volatility[listed], price)
    busy = activity(rng, np.abs(days) / usual, persistence=0.93, spread=0.5, response=0.95)
    daily["volume"] = _volume(turnover * busy, daily["close"], price)
    if not len(moves.hours):
        return CoinBars(Bars.of(time=coin_days()[listed], **daily), None)

    start = float(np.cumsum(moves.days)[_N_DAILY_ONLY - 1])
    hourly = _prices(rng, start, moves.hours, moves.hour_volatility, price)
    surprise = np.abs(moves.hours) / (usual / np.sqrt(24))
    busy = activity(rng, surprise, persistence=0.96, spread=0.6, response=0.95)
    by_hour = turnover * np.tile(_HOUR_SHARES, N_HOURLY_DAYS)
    hourly["volume"] = _volume(by_hour * busy, hourly["close"], price)
    hour_bars = Bars.of(time=coin_hours(), **hourly)
    return CoinBars(_with_last_year(daily, hour_bars), hour_bars)


def _with_last_year(daily: dict[str, FloatArray], hourly: Bars) -> Bars:
    """Return daily bars whose last year is put together from hourly bars."""
    shape = (N_HOURLY_DAYS, 24)
    last_year = {
        "open": hourly.open.reshape(shape)[:, 0],
        "high": hourly.high.reshape(shape).max(axis=1),
        "low": hourly.low.reshape(shape).min(axis=1),
        "close": hourly.close.reshape(shape)[:, -1],
        "volume": hourly.volume.reshape(shape).sum(axis=1),
    }
    whole = {name: np.concatenate((daily[name][:_N_DAILY_ONLY], part)) for name, part in last_year.items()}
    return Bars.of(time=coin_days(), **whole)


def _prices(
    rng: np.random.Generator, start: float, moves: FloatArray, volatility: FloatArray, price: float
) -> dict[str, FloatArray]:
    """Return open, high, low and close, rounded to a tick of about a ten-thousandth of the coin's first price."""
    log_close = start + np.cumsum(moves)
    log_open = np.concatenate(([start], log_close[:-1]))
    high, low = extremes(rng, moves, volatility)
    digits = min(max(4 - int(np.floor(np.log10(price))), 2), 10)
    return price_columns(log_open, log_close, high, low, scale=price, digits=digits)


def _volume(turnover: FloatArray, closed: FloatArray, price: float) -> FloatArray:
    """Return the coins traded for a turnover in dollars, in whole lots of a size that suits the price.

    Lots keep to some six digits, so that the last bit of a logarithm, which differs between processors, never shows.
    Turnover rises with the square root of the price, as money follows a coin that does well.
    """
    lot = 10.0 ** max(2 - int(np.floor(np.log10(price))), 0)
    return np.maximum(np.round(turnover / np.sqrt(closed * price) / lot), 1.0) * lot


def _first_price(rng: np.random.Generator, member: Member) -> float:
    """Return the price at which a coin starts: memes far below a cent, the largest coins in the thousands."""
    level = -0.2 + rng.standard_normal() + 3.6 * np.exp(-member.index / 1.5)
    return float(np.exp(np.log(10) * (level - 3 * (member.sector.label == "Meme"))))


def _level(rng: np.random.Generator, persistence: float) -> FloatArray:
    return persistent(rng.standard_normal(N_COIN_DAYS), persistence)


def _by_day(hours: FloatArray) -> FloatArray:
    sums: FloatArray = hours.reshape(N_HOURLY_DAYS, 24).sum(axis=1)
    return sums


def _daily(annual_volatility: float) -> float:
    return float(annual_volatility / np.sqrt(DAYS_PER_YEAR))
