"""When the demo market trades: fixed dates, so that it is the same everywhere and for ever."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np

from strategies.bars import IntArray

END_DATE = date(2025, 12, 31)
N_SESSIONS = 2_520
N_COIN_DAYS = 1_095
N_HOURLY_DAYS = 365
N_HOURS = N_HOURLY_DAYS * 24

DAY_S = 86_400
HOUR_S = 3_600

# Holidays on the n-th weekday of a month: (month, weekday from Monday = 0, n).
_FLOATING = ((1, 0, 3), (2, 0, 3), (5, 0, 4), (9, 0, 1), (11, 3, 4))
# Holidays on a date: (month, day). On a Saturday they are kept the day before, on a Sunday the day after.
_FIXED = ((1, 1), (6, 19), (7, 4), (12, 25))


@cache
def stock_sessions() -> IntArray:
    """Return the start of each trading session in seconds UTC: weekdays without holidays, the last on the end date."""
    end = np.datetime64(END_DATE)
    days = np.arange(end - np.timedelta64(11 * 366, "D"), end + np.timedelta64(1, "D"))
    years = range(END_DATE.year - 11, END_DATE.year + 2)
    holidays = np.array([day for year in years for day in _holidays(year)], dtype="datetime64[D]")
    sessions = days[np.is_busday(days, holidays=holidays)][-N_SESSIONS:]
    return _frozen(sessions.astype(np.int64) * DAY_S)


@cache
def coin_days() -> IntArray:
    """Return the start of each day on which coins trade in seconds UTC, the last on the end date."""
    end = int(np.datetime64(END_DATE).astype(np.int64)) + 1
    return _frozen(np.arange(end - N_COIN_DAYS, end, dtype=np.int64) * DAY_S)


@cache
def coin_hours() -> IntArray:
    """Return the start of each hour of the last 365 days in seconds UTC."""
    end = int(coin_days()[-1]) + DAY_S
    return _frozen(np.arange(end - N_HOURS * HOUR_S, end, HOUR_S, dtype=np.int64))


def _holidays(year: int) -> list[date]:
    holidays = []
    for month, weekday, occurrence in _FLOATING:
        first = date(year, month, 1)
        day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (occurrence - 1))
        holidays.append(day)
    for month, day_of_month in _FIXED:
        day = date(year, month, day_of_month)
        holidays.append(day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0)))
    return holidays


def _frozen(time: IntArray) -> IntArray:
    time.flags.writeable = False
    return time
