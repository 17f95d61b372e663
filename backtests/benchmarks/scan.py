"""From the click to the last row: a real server, a real connection, every result saved."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from time import perf_counter
from urllib.parse import urlencode

from backtests.benchmarks.figures import Figure, peak_memory_mib
from backtests.benchmarks.server import Server, manage, own_data_dir, serving

MARKETS = (("demo-stocks", "1d", 503), ("demo-crypto", "1d", 243), ("demo-crypto-hourly", "1h", 48))


@dataclass(slots=True)
class ScanTimes:
    """Milliseconds since the POST was sent, one value a run."""

    answered: list[float] = field(default_factory=list)
    first_row: list[float] = field(default_factory=list)
    last_row: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)


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
    return figures


def _figures(times: ScanTimes, universe: str, n_symbols: int) -> list[Figure]:
    is_reference = universe == "demo-stocks"
    return [
        Figure(f"{universe}: POST answered", times.answered),
        Figure(f"{universe}: POST to the first row", times.first_row, goal=25 if is_reference else None),
        Figure(f"{universe}: POST to the last of {n_symbols} rows", times.last_row, goal=150 if is_reference else None),
        Figure(f"{universe}: another page during the scan", times.others, goal=100 if is_reference else None),
    ]


def _scans(server: Server, universe: str, interval: str, n_symbols: int, n_runs: int) -> ScanTimes:
    times = ScanTimes()
    client = _Client(server)
    for number in range(n_runs + 2):
        one = client.scan(universe, interval, n_symbols)
        if number >= 2:
            times.answered.append(one[0])
            times.first_row.append(one[1])
            times.last_row.append(one[2])
    for _ in range(n_runs):
        times.others.append(client.slowest_page_during(universe, interval, n_symbols))
    return times


class _Client:
    """What a browser does: get the form, post it, follow to the stream."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = HTTPConnection(server.host, server.port)
        self._connection.request("GET", "/")
        response = self._connection.getresponse()
        page = response.read().decode()
        self._cookie = (response.getheader("Set-Cookie") or "").split(";")[0]
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None
        self._csrf_token = found[1]

    def scan(self, universe: str, interval: str, n_symbols: int) -> tuple[float, float, float]:
        """Return the milliseconds to the answer, the first and the last row."""
        began = perf_counter()
        path = self._post(universe, interval)
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
        self._check(path, n_symbols)
        return (answered - began) * 1000, (first - began) * 1000, (last - began) * 1000

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

    def _check(self, path: str, n_symbols: int) -> None:
        """Raise RuntimeError unless every result of the run is in the database, none of them failed."""
        page = HTTPConnection(self._server.host, self._server.port)
        page.request("GET", path)
        html = page.getresponse().read().decode()
        page.close()
        counts = html.count("<tr data-ticker"), html.count("data-failed"), html.count('data-status="complete"')
        if counts != (n_symbols, 0, 1):
            raise RuntimeError(f"{path} has (rows, failed, complete) {counts}, not {(n_symbols, 0, 1)}")

    def _post(self, universe: str, interval: str) -> str:
        body = {
            "csrfmiddlewaretoken": self._csrf_token,
            "token": secrets.token_urlsafe(16),
            "universe": universe,
            "interval": interval,
            "strategy": "rsi",
            "cash": "10000",
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
