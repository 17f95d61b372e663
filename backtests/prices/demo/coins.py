"""Bars of the demo coins: daily for three years, hourly for the last one, and the two agree.

A coin with hourly bars moves by the hour in its last year, and its daily bars of that year are put together from the
hourly ones. The moves that coins share are made by the hour in that year as well, and summed for the daily coins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtests.prices.demo.calendar import N_COIN_DAYS, N_HOURLY_DAYS, coin_days, coin_hours
from backtests.prices.demo.cast import COIN_CATEGORIES, N_HOURLY_COINS, Member
from backtests.prices.demo.paths import activity, clusters, extremes, fat_tails, persistent, price_columns, stream
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

# Episodes of the coin market: first day as a share of the history, days, log return, factor of volatility.
_EPISODES = (
    (0.06, 35, 0.40, 1.4),
    (0.215, 6, -0.30, 2.8),
    (0.36, 150, 0.85, 1.2),
    (0.60, 9, -0.33, 2.6),
    (0.705, 60, 0.55, 1.4),
    (0.895, 3, -0.30, 3.5),
    (0.93, 60, -0.35, 1.2),
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
    scale = np.exp(np.log(10) * _price_level(rng, member))
    usual = np.hypot(beta * _daily(_MARKET_VOLATILITY), own_volatility)
    return _bars(rng, member, moves, scale, usual)


def _market_moves(rng: np.random.Generator) -> Moves:
    turbulence, drift = np.ones(N_COIN_DAYS), np.zeros(N_COIN_DAYS)
    for start, n_days, log_return, factor in _EPISODES:
        first = int(start * N_COIN_DAYS)
        drift[first : first + n_days] += log_return / n_days
        turbulence[first : first + n_days] *= factor
        turbulence[first + n_days :] *= 1 + (factor - 1) * np.exp(-np.arange(N_COIN_DAYS - first - n_days) / 8)
    volatility = _daily(_MARKET_VOLATILITY) * clusters(_level(rng, 0.95), 0.42) * turbulence
    moves = _moves(rng, volatility, has_hours=True, degrees=5)
    # Every seed's market ends at the same level, as that of the stocks does.
    drift += (_MARKET_LOG_GROWTH - np.cumsum(moves.days + drift)[-1]) / N_COIN_DAYS
    return _with_drift(moves, drift)


def _own_moves(
    rng: np.random.Generator, own_volatility: float, growth: float, member: Member, *, has_hours: bool
) -> Moves:
    volatility = own_volatility * clusters(_level(rng, 0.94), 0.5)
    drift = np.full(N_COIN_DAYS, growth / DAYS_PER_YEAR)
    if member.ending == "failed":
        slide = slice(member.end - int(rng.integers(40, 160)), member.end)
        volatility[slide] *= np.linspace(1.2, 2.5, slide.stop - slide.start)
        drift[slide] -= rng.uniform(1.5, 3.0) / (slide.stop - slide.start)
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


def _bars(rng: np.random.Generator, member: Member, moves: Moves, scale: float, usual: float) -> CoinBars:
    # The daily bars of the last year are drawn even where the hourly ones replace them: one order of draws for all.
    turnover = 2.5e10 / (member.index + 2) ** 1.45 / np.sqrt(scale)
    listed = slice(member.first, member.end)
    log_price = np.concatenate(([0.0], np.cumsum(moves.days)))
    log_price -= log_price[member.first]
    log_open, log_close = log_price[:-1][listed], log_price[1:][listed]
    daily = _prices(rng, log_open, log_close, moves.day_volatility[listed], scale)
    surprise = np.abs(moves.days[listed]) / usual
    busy = activity(rng, surprise, persistence=0.93, spread=0.5, response=0.95)
    daily["volume"] = _whole(turnover * busy / np.sqrt(daily["close"]))
    if not len(moves.hours):
        return CoinBars(Bars.of(time=coin_days()[listed], **daily), None)

    log_close = log_price[_N_DAILY_ONLY] + np.cumsum(moves.hours)
    log_open = np.concatenate((log_price[_N_DAILY_ONLY : _N_DAILY_ONLY + 1], log_close[:-1]))
    hourly = _prices(rng, log_open, log_close, moves.hour_volatility, scale)
    surprise = np.abs(moves.hours) / (usual / np.sqrt(24))
    busy = activity(rng, surprise, persistence=0.96, spread=0.6, response=0.95) * np.tile(_HOUR_SHARES, N_HOURLY_DAYS)
    hourly["volume"] = _whole(turnover * busy / np.sqrt(hourly["close"]))
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
    rng: np.random.Generator, log_open: FloatArray, log_close: FloatArray, volatility: FloatArray, scale: float
) -> dict[str, FloatArray]:
    """Return open, high, low and close, rounded to a tick of about a ten-thousandth of the first price."""
    high, low = extremes(rng, log_close - log_open, volatility)
    digits = min(max(4 - int(np.floor(np.log10(scale))), 2), 10)
    return price_columns(log_open, log_close, high, low, scale=scale, digits=digits)


def _price_level(rng: np.random.Generator, member: Member) -> float:
    """Return the power of ten of the first price: memes far below a cent, the largest coins in the thousands."""
    level = -0.2 + rng.standard_normal() + 3.6 * np.exp(-member.index / 1.5)
    return float(level - 3 * (member.sector.label == "Meme"))


def _level(rng: np.random.Generator, persistence: float) -> FloatArray:
    return persistent(rng.standard_normal(N_COIN_DAYS), persistence)


def _by_day(hours: FloatArray) -> FloatArray:
    sums: FloatArray = hours.reshape(N_HOURLY_DAYS, 24).sum(axis=1)
    return sums


def _whole(volume: FloatArray) -> FloatArray:
    return np.maximum(np.round(volume), 1.0)


def _daily(annual_volatility: float) -> float:
    return float(annual_volatility / np.sqrt(DAYS_PER_YEAR))
