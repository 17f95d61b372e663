"""How many bars a year has, by market and interval: from the market's calendar, never from the clock."""

from __future__ import annotations

import math

from backtests.engine.errors import EngineError

# Minutes of one bar. A day or longer is counted in sessions, not minutes.
INTERVAL_MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240}
SESSIONS_A_YEAR = {"stocks": 252, "crypto": 365}
MINUTES_A_SESSION = {"stocks": 390, "crypto": 1440}


def bars_per_year(market: str, interval: str, days_a_year: int | None = None) -> float:
    """Return the number of bars of an interval in a year of a market, the factor that makes figures annual.

    Stocks have 252 sessions of 390 minutes, crypto 365 of 1,440; a session that does not divide evenly has a last,
    shorter bar (7 hourly bars for stocks). ``days_a_year`` takes the place of the market's sessions. A year has 52
    weekly bars in any case.

    Raises
    ------
    EngineError
        If the market or the interval is unknown, or a year has less than one or more than 366 days.
    """
    if market not in SESSIONS_A_YEAR:
        raise EngineError(f"market must be one of {', '.join(SESSIONS_A_YEAR)}; it is {market!r}")
    if days_a_year is not None and not 1 <= days_a_year <= 366:
        raise EngineError(f"days_a_year must be from 1 to 366; it is {days_a_year!r}")
    sessions = SESSIONS_A_YEAR[market] if days_a_year is None else days_a_year
    if interval == "1d":
        return sessions
    if interval == "1w":
        return 52
    if interval not in INTERVAL_MINUTES:
        raise EngineError(f"interval must be one of {', '.join(INTERVAL_MINUTES)}, 1d, 1w; it is {interval!r}")
    return sessions * math.ceil(MINUTES_A_SESSION[market] / INTERVAL_MINUTES[interval])
