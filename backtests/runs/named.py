"""The bars of symbols that a formula names, wherever they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from backtests.models import Symbol
from backtests.prices.importers.rows import INTERVAL_S
from backtests.prices.store import read_bars
from backtests.runs.errors import RequestRefused
from strategies.formula import Facts, Flat


def bars_of_tickers(tickers: Sequence[str], *, interval: str, market: str, end_s: int | None) -> dict[str, Flat]:
    """Return the bars of symbols by ticker, up to but without ``end_s``; of several with one ticker, one of the market.

    Raises RequestRefused if one is not stored, or has no prices of the interval.
    """
    if not tickers:
        return {}
    stored = list(Symbol.objects.filter(ticker__in=tickers))
    stored.sort(key=lambda symbol: (symbol.market != market, symbol.is_synthetic), reverse=True)
    by_ticker = {symbol.ticker: symbol for symbol in stored}
    if missing := [ticker for ticker in tickers if ticker not in by_ticker]:
        raise RequestRefused("formula", f"asks for the symbol {missing[0]}, which is not stored; import its prices")
    series = read_bars([by_ticker[ticker].pk for ticker in tickers], interval=interval, end_s=end_s)
    if missing := [ticker for ticker in tickers if by_ticker[ticker].pk not in series]:
        raise RequestRefused("formula", f"asks for the symbol {missing[0]}, which has no {interval} prices")
    found = {}
    for ticker in tickers:
        symbol = by_ticker[ticker]
        facts = [Facts(ticker, symbol.sector, symbol.market)]
        found[ticker] = Flat.of([series[symbol.pk].bars], facts, interval_s=INTERVAL_S[interval])
    return found
