"""From the click to the last row: a real server, a real connection, every result saved."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from time import perf_counter
from urllib.parse import urlencode

from backtests.benchmarks.figures import Figure, peak_memory_mib
from backtests.benchmarks.server import Server, form_of, manage, own_data_dir, serving
from backtests.benchmarks.stages import measure_stages
from backtests.benchmarks.stored import COINS, LARGE, StoredMarket, store_in

MARKETS = (("demo-stocks", "1d", 503), ("demo-crypto", "1d", 243), ("demo-crypto-hourly", "1h", 48))


@dataclass(slots=True)
class ScanTimes:
    """Milliseconds since the POST was sent, one value a run."""

    answered: list[float] = field(default_factory=list)
    first_row: list[float] = field(default_factory=list)
    last_row: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    repeated: list[float] = field(default_factory=list)


def measure_scan(n_runs: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the figures of RSI scans over the demo markets on a warm server."""
    figures: list[Figure] = []
    with own_data_dir() as environment:
        say("Loading the demo market into an empty database.")
        manage(environment, "prepare")
        with serving(environment) as server:
            figures.append(Figure("start of the server, everything prepared", [server.start_s * 1000], goal=4000))
            for universe, interval, n_symbols in MARKETS:
                say(f"RSI on {universe}, {n_runs} runs after two to warm up.")
                times = _scans(server, universe, interval, n_symbols, n_runs)
                figures += _figures(times, universe, n_symbols)
            peak = peak_memory_mib(server.pid)
            if peak is not None:
                figures.append(Figure("most memory that the server held", [peak], unit="MiB", goal=500))
        say("The stages of a scan, one after the other.")
        figures += measure_stages(environment, "demo-stocks", "1d", n_runs)
    return figures + measure_large_scans(max(1, n_runs // 3), say)


def measure_large_scans(n_runs: int, say: Callable[[str], None]) -> list[Figure]:
    """Return the figures of RSI scans over markets that are larger than the demo."""
    return [figure for stored in (COINS, LARGE) for figure in _large_scans(stored, n_runs, say)]


def _large_scans(stored: StoredMarket, n_runs: int, say: Callable[[str], None]) -> list[Figure]:
    # Each market has a database and a server of its own: what the other has in memory is nothing to it.
    with own_data_dir() as environment:
        manage(environment, "migrate", "-v0")
        say(f"Making {stored.market} bars of {stored.interval} in a database.")
        store_in(environment, stored)
        with serving(environment) as server:
            say(f"RSI on {stored.market} {stored.interval} bars, {n_runs} runs after one to warm up.")
            client = Client(server)
            n_symbols = stored.market.n_symbols
            times = [client.rows_for_programs(stored.slug, stored.interval, n_symbols) for _ in range(n_runs + 1)]
            label = f"{stored.market} {stored.interval}: POST to the last row"
            figures = [Figure(label, times[1:], goal=stored.goal_ms)]
            peak = peak_memory_mib(server.pid)
            if peak is not None:
                figures.append(Figure("the same: most memory of the server", [peak], unit="MiB", goal=700))
    return figures


def _figures(times: ScanTimes, universe: str, n_symbols: int) -> list[Figure]:
    is_reference = universe == "demo-stocks"
    return [
        Figure(f"{universe}: POST answered", times.answered),
        Figure(f"{universe}: POST to the first row", times.first_row, goal=15 if is_reference else None),
        Figure(f"{universe}: POST to the last of {n_symbols} rows", times.last_row, goal=80 if is_reference else None),
        Figure(f"{universe}: another page during the scan", times.others, goal=100 if is_reference else None),
        Figure(
            f"{universe}: the same again, POST to the end of the page",
            times.repeated,
            goal=30 if is_reference else None,
        ),
    ]


def _scans(server: Server, universe: str, interval: str, n_symbols: int, n_runs: int) -> ScanTimes:
    times = ScanTimes()
    client = Client(server)
    for number in range(n_runs + 2):
        one = client.scan(universe, interval, n_symbols)
        if number >= 2:
            times.answered.append(one[0])
            times.first_row.append(one[1])
            times.last_row.append(one[2])
    for _ in range(n_runs):
        times.repeated.append(client.repeat(universe, interval, n_symbols))
    for _ in range(n_runs):
        times.others.append(client.slowest_page_during(universe, interval, n_symbols))
    return times


class Client:
    """What a browser does: get the form, post it, follow to the stream."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = HTTPConnection(server.host, server.port)
        self._cookie, self._csrf_token = form_of(self._connection, "/")
        # Nobody has asked for that much cash before: nothing can be taken from an earlier run.
        self._cash = itertools.count(10_000)

    def scan(self, universe: str, interval: str, n_symbols: int) -> tuple[float, float, float]:
        """Return the milliseconds to the answer, the first and the last row."""
        began = perf_counter()
        path = self.start(universe, interval)
        answered = perf_counter()
        stream = HTTPConnection(self._server.host, self._server.port)
        stream.request("GET", f"{path}stream")
        response = stream.getresponse()
        n_rows, first, last, rest = 0, 0.0, 0.0, b""
        while n_rows < n_symbols:
            received = response.read1(1 << 20)
            if not received:
                raise RuntimeError(f"the stream of {path} ended after {n_rows} of {n_symbols} rows")
            *rows, rest = (rest + received).split(b"</tr>")
            n_rows += len(rows)
            last = perf_counter()
            first = first or (last if n_rows else 0.0)
        while response.read1(1 << 20):
            pass
        stream.close()
        self.check(path, n_symbols)
        return (answered - began) * 1000, (first - began) * 1000, (last - began) * 1000

    def rows_for_programs(self, universe: str, interval: str, n_symbols: int) -> float:
        """Return the milliseconds until a program has every row; the page shows the first thousand only."""
        began = perf_counter()
        run_id = self.start(universe, interval).strip("/").rpartition("/")[2]
        stream = HTTPConnection(self._server.host, self._server.port)
        stream.request("GET", f"/api/market-scan/stream/{run_id}")
        response = stream.getresponse()
        n_rows, rest = 0, b""
        while n_rows < n_symbols:
            received = response.read1(1 << 20)
            if not received:
                raise RuntimeError(f"the stream of {run_id} ended after {n_rows} of {n_symbols} rows")
            *lines, rest = (rest + received).split(b"\n")
            n_rows += sum(line.startswith(b'data: {"type": "result"') for line in lines)
        took = perf_counter() - began
        stream.close()
        return took * 1000

    def start(self, universe: str, interval: str) -> str:
        """Start a scan of which nothing is known yet; return the address of its run."""
        return self._post(universe, interval, cash=next(self._cash))

    def repeat(self, universe: str, interval: str, n_symbols: int) -> float:
        """Return the milliseconds until the page of a run that was made before is there with all its rows."""
        began = perf_counter()
        path = self._post(universe, interval, cash=10_000)
        self._connection.request("GET", path)
        html = self._connection.getresponse().read()
        took = perf_counter() - began
        if html.count(b"<tr data-ticker") != n_symbols:
            raise RuntimeError(f"{path} has {html.count(b'<tr data-ticker')} rows at once, not {n_symbols}")
        return took * 1000

    def slowest_page_during(self, universe: str, interval: str, n_symbols: int) -> float:
        """Return the milliseconds that the slowest of the pages asked for during a scan took."""
        done = threading.Event()
        slowest = 0.0

        def scan() -> None:
            try:
                self.scan(universe, interval, n_symbols)
            finally:
                done.set()

        scanning = threading.Thread(target=scan)
        scanning.start()
        other = HTTPConnection(self._server.host, self._server.port)
        while not done.is_set():
            began = perf_counter()
            other.request("GET", "/runs/")
            other.getresponse().read()
            slowest = max(slowest, (perf_counter() - began) * 1000)
        scanning.join()
        other.close()
        return slowest

    def check(self, path: str, n_symbols: int) -> None:
        """Raise RuntimeError unless every result of the run is in the database, none of them failed."""
        page = HTTPConnection(self._server.host, self._server.port)
        page.request("GET", path)
        html = page.getresponse().read().decode()
        page.close()
        counts = html.count("<tr data-ticker"), html.count("data-failed"), html.count('data-status="complete"')
        if counts != (n_symbols, 0, 1):
            raise RuntimeError(f"{path} has (rows, failed, complete) {counts}, not {(n_symbols, 0, 1)}")

    def _post(self, universe: str, interval: str, *, cash: int) -> str:
        body = {
            "csrfmiddlewaretoken": self._csrf_token,
            "token": secrets.token_urlsafe(16),
            "universe": universe,
            "interval": interval,
            "strategy": "rsi",
            "cash": str(cash),
            "fee_pct": "0.1",
            "slippage_pct": "0.05",
        }
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/runs/start/", urlencode(body), headers)
        response = self._connection.getresponse()
        response.read()
        path = response.getheader("Location")
        if response.status != 302 or path is None:
            raise RuntimeError(f"the server answered {response.status} to a POST of {body}")
        return path
