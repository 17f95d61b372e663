"""A server whose memory is too small for its market keeps the market's bars in its file."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from backtests.engine import METRICS
from backtests.models import Result, Universe
from tests.backtests.processes import Outside, Server
from tests.builders import make_market, store_universe
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

N_SYMBOLS, N_BARS = 40, 1100
# With the key of the test the server knows who has logged in there.
SMALL = {"TRAWL_BARS_CACHE_MB": "1", "TRAWL_SECRET_KEY": settings.SECRET_KEY}


@pytest.fixture
def universe() -> Universe:
    """One that needs 2 MiB, which are in two blocks each."""
    return store_universe("Large", make_market(n_symbols=N_SYMBOLS, n_bars=N_BARS))


@pytest.fixture
def cookies() -> dict[str, str]:
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    return {"sessionid": admin.cookies["sessionid"].value}


def facts(server: Server, cookies: dict[str, str]) -> dict[str, str]:
    """What the page of both caches says, of bars where it says something of results under the same name."""
    with server.client() as client:
        client.cookies.update(cookies)
        page = client.get("/admin/backtests/priceblock/cache/").text
    return dict(re.findall(r"<tr><th scope=.row.>([^<]+)</th><td>(.*?)</td></tr>", page))


def scanned(server: Server, universe: Universe, **fields: object) -> list[tuple[object, ...]]:
    """Scan, and return everything that was stored of every symbol."""
    asked = {"strategy": "rsi", "universe": universe.slug, "interval": "1d", "use_cache": False, **fields}
    with server.client() as client:
        ended = client.post("/api/market-scan", json=asked).json()
    assert (ended["type"], ended["successful"]) == ("complete", N_SYMBOLS), ended
    stored = Result.objects.filter(run_id=ended["job_id"]).order_by("symbol_id")
    return list(stored.values_list(*(metric.key for metric in METRICS), "digest", "curve", "hold_curve", "trade_list"))


def in_file(server: Server, cookies: dict[str, str]) -> list[str]:
    told = facts(server, cookies)
    return [told[label].partition("</td>")[0] for label in ("Entries", "In the file", "Read there")]


@pytest.mark.parametrize("asked", [{}, {"max_workers": 1}, {"start_date": "2017-01-01"}])
def test_scans_read_the_file_and_compute_the_same(
    outside: Outside, universe: Universe, cookies: dict[str, str], asked: dict[str, object]
) -> None:
    server = outside.serve(**SMALL)
    wait_for("the market is in the file", lambda: in_file(server, cookies)[1] == str(N_SYMBOLS))
    first, second = scanned(server, universe, **asked), scanned(server, universe, **asked)
    assert in_file(server, cookies) == ["0", str(N_SYMBOLS), str(2 * N_SYMBOLS)]
    without = outside.serve(**SMALL, TRAWL_BARS_FILE_MB="0")
    assert scanned(without, universe, **asked) == first == second
    assert "this process has no file" in facts(without, cookies)["Disk"]


def test_screens_read_the_file(outside: Outside, universe: Universe, cookies: dict[str, str]) -> None:
    server = outside.serve(**SMALL)
    wait_for("the market is in the file", lambda: in_file(server, cookies)[1] == str(N_SYMBOLS))
    asked = {"formula": "close > 9 * highest(close, 1000)", "universe": universe.slug, "interval": "1d"}
    with server.client() as client:
        answer = client.post("/api/formula-results-with-charts", json=asked)
    assert f'"tested":{N_SYMBOLS}' in answer.text
    assert in_file(server, cookies) == ["0", str(N_SYMBOLS), str(N_SYMBOLS)]
