"""Screens: from the click to the matches, and on to the last chart; and the formula language alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from http.client import HTTPConnection
from time import perf_counter
from urllib.parse import urlencode

from backtests.benchmarks.figures import Figure
from backtests.benchmarks.markets import Market
from backtests.benchmarks.server import Server, form_of, manage, own_data_dir, serving
from backtests.benchmarks.stored import LARGE, store_in
from strategies.bars import Bars
from strategies.formula import Facts, Flat, compile_formula, evaluate

BREAKOUT = "close > highest(high, {days})[1] and volume > 2 * sma(volume, 20)"
CHARTS = "rank(close[{days}]) <= 88"
N_CHARTED = 88
TEN_INDICATORS = """\
fast = ema(close, 12) - ema(close, 26)
fast > 0 and rsi(close, 14) < 70 and close > sma(close, 200) and volume > 1.5 * sma(volume, 20)
and adx(14) > 20 and atr(14) / close < 0.05 and close > bollinger(close, 20, 2).middle
and zscore(close, 20) > 0 and highest(high, 20)[1] < close"""
# As many bars as stay in a processor's cache.
SYMBOLS_AT_ONCE = 16


class Client:
    """A browser that asks screens of which nothing is known yet."""

    def __init__(self, server: Server, universe: str) -> None:
        self._connection = HTTPConnection(server.host, server.port)
        self._universe = universe
        self._cookie, self._csrf_token = form_of(self._connection, "/screens/")
        self._days = itertools.count(40)

    def ask(self, formula: str) -> str:
        """Ask a formula and return the address of its answer."""
        body = {
            "csrfmiddlewaretoken": self._csrf_token,
            "formula": formula.format(days=next(self._days) % 400 + 1),
            "universe": self._universe,
            "interval": "1d",
        }
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/screens/ask/", urlencode(body), headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        path = response.getheader("Location")
        if response.status != 302 or path is None:
            raise RuntimeError(f"the server answered {response.status} to a POST of {body}: {text[:200]}")
        return path

    def matches(self, formula: str) -> tuple[float, str]:
        """Return the milliseconds until the page with the matches is here, and its address."""
        began = perf_counter()
        path = self.ask(formula)
        self.read(path)
        return (perf_counter() - began) * 1000, path

    def read(self, path: str) -> bytes:
        self._connection.request("GET", path, headers={"Cookie": self._cookie})
        return self._connection.getresponse().read()

    def charts(self, path: str) -> float:
        """Return the milliseconds until every chart is here."""
        began = perf_counter()
        sent = self.read(f"{path}charts")
        if (n_charts := sent.count(b"<svg")) != 2 * N_CHARTED:
            raise RuntimeError(f"{path} has {n_charts} charts, not {2 * N_CHARTED}")
        return (perf_counter() - began) * 1000


def measure_screens(n_runs: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the figures of screens over the demo market and over one of 10,000 symbols."""
    say("The formula language alone, on 503 x 2,520 bars in memory.")
    figures = [Figure("ten indicators on 503 x 2,520 bars, one thread", _alone(n_runs), goal=150)]
    with own_data_dir() as environment:
        say("Loading the demo market into an empty database.")
        manage(environment, "prepare")
        with serving(environment) as server:
            say(f"Screens of demo-stocks, {n_runs} runs after two to warm up.")
            figures += _of_demo(Client(server, "demo-stocks"), n_runs)
    with own_data_dir() as environment:
        manage(environment, "migrate", "-v0")
        say("Making 10,000 x 2,520 daily bars in a database.")
        store_in(environment, LARGE)
        with serving(environment) as server:
            client = Client(server, LARGE.slug)
            times = [client.matches(BREAKOUT)[0] for _ in range(max(1, n_runs // 3) + 1)]
            figures.append(Figure("10,000 symbols: POST to the matches", times[1:], goal=1500))
    return figures


def _of_demo(client: Client, n_runs: int) -> list[Figure]:
    for _ in range(2):
        client.charts(client.matches(CHARTS)[1])
    matches = [client.matches(BREAKOUT)[0] for _ in range(n_runs)]
    charts, repeated = [], []
    for _ in range(n_runs):
        _, path = client.matches(CHARTS)
        charts.append(client.charts(path))
        began = perf_counter()
        client.read(path)
        client.charts(path)
        repeated.append((perf_counter() - began) * 1000)
    return [
        Figure("503 symbols: POST to the matches", matches, goal=250),
        Figure("88 symbols x 2 charts, all of them", charts, goal=1000),
        Figure("the same again: matches and all charts", repeated, goal=60),
    ]


def _alone(n_runs: int) -> list[float]:
    market = Market(503, 2_520)
    bars = [market.symbol_bars(number) for number in range(market.n_symbols)]
    program = compile_formula(TEN_INDICATORS)
    times = []
    for _ in range(n_runs + 1):
        began = perf_counter()
        for first in range(0, len(bars), SYMBOLS_AT_ONCE):
            part: list[Bars] = bars[first : first + SYMBOLS_AT_ONCE]
            evaluate(program, Flat.of(part, [Facts(market="stocks")] * len(part)))
        times.append((perf_counter() - began) * 1000)
    return times[1:]
