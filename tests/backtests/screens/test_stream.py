from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Sequence
from html import unescape
from typing import Any
from unittest.mock import Mock

import pytest
from django.test import Client

from backtests.api.formulas import FormulaBody
from backtests.models import PriceBlock, Symbol, Universe
from backtests.prices.cache import BARS_CACHE
from backtests.prices.store import write_bars
from backtests.runs.errors import RequestRefused
from backtests.screens import stream
from backtests.screens.answers import ANSWERS
from backtests.screens.asking import Asked, checked_screen, store
from backtests.screens.charting import SYMBOLS_A_BATCH, Chart, charts_of
from backtests.screens.kept import Kept
from backtests.screens.screening import Match, ScreenRequest
from backtests.streams.feed import HEARTBEAT
from tests.backtests.api.asking import ask, events, post, problems
from tests.backtests.api.examples import DOCS
from tests.builders import DAY_S, MONDAY_S, make_bars, make_market, store_universe

ADDRESS = "/api/formula-results-with-charts"
N_SYMBOLS = 40

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wide(transactional_db: None) -> Universe:
    return store_universe("Wide", make_market(n_symbols=N_SYMBOLS, n_bars=80))


def of_page(universe: Universe, after: int = 0, *, sort: str = "") -> str:
    request, name = checked_screen(Asked("close > 0", universe.slug, sort=sort))
    run, answer = store(request, name), ANSWERS.of(request)

    async def main() -> str:
        return b"".join([part async for part in stream.page_events(run, answer, after=after)]).decode()

    return asyncio.run(main())


def shown(sent: str) -> list[str]:
    return re.findall(r"<figcaption><strong><a [^>]*>(\w+)</a></strong>", sent)


def test_the_page_gets_every_chart_in_batches_with_the_progress(wide: Universe) -> None:
    sent = of_page(wide)
    assert len(shown(sent)) == len(set(shown(sent))) == N_SYMBOLS
    assert re.findall(r"^id: (\d+)$", sent, re.MULTILINE) == ["1", "2", "3", "3"]
    assert re.findall(r"(\d+ of 40 charts, batch \d of 3)", sent) == [
        "18 of 40 charts, batch 1 of 3", "36 of 40 charts, batch 2 of 3", "40 of 40 charts, batch 3 of 3",
    ]  # fmt: skip
    assert sent.endswith("event: done\ndata: done\n\n")
    assert sent.count("<svg") == 2 * N_SYMBOLS


def test_who_comes_back_gets_the_batches_that_are_missing(wide: Universe) -> None:
    whole, rest = of_page(wide), of_page(wide, after=2)
    assert shown(rest) == shown(whole)[2 * SYMBOLS_A_BATCH :]
    assert shown(of_page(wide, after=3)) == []


def test_what_was_drawn_is_sent_again_as_it_is(wide: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of_page(wide)
    drawn = count_charts(monkeypatch)
    assert of_page(wide) == whole
    backwards = shown(of_page(wide, sort="-ticker"))
    assert backwards == sorted(backwards, reverse=True)
    assert drawn == []


def test_new_bars_are_drawn_anew(wide: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of_page(wide)
    symbol = Symbol.objects.get(ticker="S3")
    write_bars([(symbol, make_bars([1.0], start_s=MONDAY_S + 80 * DAY_S))], interval="1d", source="test")
    assert "S3, daily candles from 2024-01-01 to 2024-03-21" in of_page(wide)
    assert "S3, daily candles from 2024-01-01 to 2024-03-20" in whole


def test_only_what_is_not_kept_is_drawn(wide: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of_page(wide)
    monkeypatch.setattr(stream, "KEPT", small := Kept(most_bytes=200_000))
    of_page(wide)
    assert 0 < small.n_bytes <= 200_000
    drawn = count_charts(monkeypatch)
    assert of_page(wide, after=2) == whole[whole.index("id: 3\n") :]
    assert drawn == []
    of_page(wide)
    assert 0 < len(drawn) <= N_SYMBOLS


def count_charts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the symbols whose charts are made from now on."""
    made: list[str] = []

    def counted(request: ScreenRequest, matches: Sequence[Match], **options: Any) -> list[Chart]:
        made.extend(match.ticker for match in matches)
        return charts_of(request, matches, **options)

    monkeypatch.setattr(stream, "charts_of", counted)
    return made


def test_bad_data_stands_in_its_place_and_is_tried_again(wide: Universe) -> None:
    request, _ = checked_screen(Asked("close > 0", wide.slug))
    ANSWERS.of(request)
    blocks = PriceBlock.objects.filter(symbol__ticker="S7")
    good = {block.pk: block.high for block in blocks}
    blocks.update(high=b"")
    BARS_CACHE.clear()
    sent = of_page(wide)
    assert shown(sent) == shown(of_page(wide))
    (figure,) = re.findall(r"<figure(?:(?!<figure).)*S7</a>.*?</figure>", sent)
    assert figure.count("bad data") == 2
    assert sent.count("<svg") == 2 * (N_SYMBOLS - 1)
    _, told = ask("post", ADDRESS, {"formula": "close > 0", "universe": "wide"})
    complete = events(told)[-1][1]
    assert complete["type"] == "complete"
    assert {failure["symbol"] for failure in complete["data"]["failures"]} == {"S7"}
    for pk, high in good.items():
        PriceBlock.objects.filter(pk=pk).update(high=high)
    assert of_page(wide).count("<svg") == 2 * N_SYMBOLS


@pytest.mark.parametrize(
    ("error", "told"),
    [(RequestRefused("formula", "SPY is gone"), "SPY is gone"), (ValueError("x"), "the server&#x27;s log")],
)
def test_what_cannot_go_on_is_told(
    wide: Universe, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    monkeypatch.setattr(stream, "charts_of", Mock(side_effect=error))
    sent = of_page(wide)
    assert told in sent
    assert sent.endswith("event: done\ndata: done\n\n")
    _, events_sent = ask("post", ADDRESS, {"formula": "close > 0", "universe": "wide"})
    first, last = events(events_sent)
    assert (first[1]["type"], last[1]["type"], last[1]["data"]["fatal"]) == ("formula-results", "error", True)
    assert unescape(told) in last[1]["data"]["error"]


def test_new_prices_under_a_page_are_told_instead_of_charts(wide: Universe) -> None:
    request, name = checked_screen(Asked("close > 0", wide.slug))
    run = store(request, name)
    feed = f"{run.get_absolute_url()}charts?of={ANSWERS.of(request).state}"
    assert b"<svg" in ask("get", feed)[1]
    symbol = Symbol.objects.get(ticker="S3")
    write_bars([(symbol, make_bars([1.0], start_s=MONDAY_S + 80 * DAY_S))], interval="1d", source="test")
    _, sent = ask("get", feed)
    assert b"New prices have arrived" in sent
    assert b"<svg" not in sent
    assert sent.endswith(b"event: done\ndata: done\n\n")


def test_a_slow_batch_does_not_let_the_stream_fall_silent(wide: Universe, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(*given: Any, **options: Any) -> list[Chart]:
        assert go_on.wait(20)
        return charts_of(*given, **options)

    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(stream, "charts_of", slow)
    request, name = checked_screen(Asked("close > 0", wide.slug))
    run, answer = store(request, name), ANSWERS.of(request)

    async def main() -> list[bytes]:
        parts = []
        async for part in stream.page_events(run, answer, after=2):
            parts.append(part)
            go_on.set()
        return parts

    first, *rest = asyncio.run(main())
    assert first == HEARTBEAT
    assert b"40 of 40 charts" in b"".join(rest)


def test_programs_get_the_matches_before_any_chart(wide: Universe) -> None:
    response, sent = ask("post", ADDRESS, {"formula": "close > 0", "universe": "wide", "sort": "-close"})
    assert response["Content-Type"] == "text/event-stream"
    found = events(sent)
    assert [event["type"] for _, event in found] == ["formula-results", *["chart-batch"] * 3, "complete"]
    assert [number for number, _ in found] == [0, 1, 2, 3, 3]
    results, *batches, complete = [event["data"] for _, event in found]
    assert (results["totalCharts"], results["resolutions"], results["barsCount"]) == (80, ["1W", "1D"], 300)
    closes = [stock["values"]["close"] for stock in results["stocks"]]
    assert closes == sorted(closes, reverse=True)
    charts = [chart for batch in batches for chart in batch["charts"]]
    assert [chart["symbol"] for chart in charts[1::2]] == [stock["symbol"] for stock in results["stocks"]]
    assert {chart["resolution"] for chart in charts} == {"1W", "1D"}
    assert batches[1]["progress"] == {
        "loaded": 72, "total": 80, "percentage": 90.0, "batchesComplete": 2, "totalBatches": 3,
    }  # fmt: skip
    assert (complete["totalCharts"], complete["failures"]) == (80, [])
    assert charts[1]["bars"][-1][4] == closes[0]


def test_every_field_of_an_event_is_in_the_docs(wide: Universe) -> None:
    _, sent = ask("post", ADDRESS, {"formula": "close > 0", "universe": "wide", "resolutions": ["1D"], "bars_count": 2})
    section = DOCS.split("## Formulas\n")[1].split("\n## ")[0]
    for _, event in events(sent):
        (told,) = re.findall(rf"^\| `{event['type']}` \| (.*) \|$", section, re.MULTILINE)
        names = set(re.findall(r"`(\w+)`", told))
        own = event["data"]
        parts = [own, *own.get("stocks", []), *own.get("charts", []), own.get("progress", {}), own.get("timing", {})]
        there = {name for part in parts for name in part}
        assert names - {"symbol", "error"} == there - {"symbol"}


def test_every_field_of_a_request_is_in_the_docs() -> None:
    section = DOCS.split("## Formulas\n")[1].split("Every event is")[0]
    assert set(FormulaBody.model_fields) <= set(re.findall(r"`(\w+)`", section))


def test_the_same_by_address_resumes_behind_a_batch(wide: Universe) -> None:
    address = f"{ADDRESS}?formula=close%20%3E%200&universe=wide&resolutions=1D&bars_count=5"
    _, whole = ask("get", address)
    _, rest = ask("get", address, **{"Last-Event-ID": "2"})
    _, same = ask("get", f"{address}&last_event_id=2")
    assert [event["data"].get("batchIndex") for _, event in events(rest)] == [2, None]
    _, after_the_matches = ask("get", address, **{"Last-Event-ID": "0"})
    assert [event["type"] for _, event in events(after_the_matches)] == [*["chart-batch"] * 3, "complete"]
    without = [charts(event) for _, event in events(same)]
    assert without == [charts(event) for _, event in events(rest)] == [charts(event) for _, event in events(whole)][-2:]


def charts(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without its times."""
    data = {key: value for key, value in event["data"].items() if key not in {"timing", "fromCache"}}
    return {"type": event["type"], "data": data}


def test_asked_again_it_says_that_it_is_from_the_cache(wide: Universe) -> None:
    body = {"formula": "close > 1", "universe": "wide"}
    ends = [events(ask("post", ADDRESS, body)[1])[-1][1]["data"]["fromCache"] for _ in range(2)]
    assert ends == [False, True]


def test_a_screen_of_the_library_is_asked_by_its_name(wide: Universe) -> None:
    _, sent = ask("post", ADDRESS, {"formula": "High Volume Breakout", "universe": "wide"})
    assert events(sent)[0][1]["data"]["formulaName"] == "High Volume Breakout"


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"formula": "clse > 3"}, "formula", "did you mean `close`?"),
        ({"formula": "close > 3", "universe": "nosuch"}, "universe", "is unknown"),
        ({"formula": "close > 3", "symbols": ["XYZ"]}, "universe", ""),
        ({"formula": "close > 3", "universe": "wide", "symbols": ["XYZ"]}, "symbols", "not in the universe"),
        ({"formula": "close > 3", "universe": "wide", "resolutions": ["1h"]}, "resolutions", "must be some of 1W, 1D"),
        ({"formula": "close > 3", "universe": "wide", "bars_count": 0}, "bars_count", "greater than or equal to 1"),
        ({"formula": "close > 3", "universe": "wide", "sort": "x"}, "sort", "is no column"),
        ({"formula": "close > 3", "universe": "wide", "interval": "2d"}, "interval", "must be one of"),
        (
            {"formula": "f = param(5, 1, 9)\nclose > f", "universe": "wide", "values": {"f": 10}},
            "values.f",
            "from 1 to 9",
        ),
        ({"formula": "close > 3", "as_of": "yesterday"}, "as_of", "must be a date"),
        ({"formula": "close > 3", "nonsense": 1}, "nonsense", "is unknown; known are: formula, universe,"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_field(
    wide: Universe, client: Client, body: dict[str, Any], field: str, problem: str
) -> None:
    if body.get("symbols") == ["XYZ"] and "universe" not in body:
        # Without a universe, the one is taken that has the symbols.
        field, problem = "symbols", "not in the universe"
    found = problems(post(client, ADDRESS, body))
    assert problem in found[field]


def test_strangers_are_refused(client: Client, wide: Universe) -> None:
    response = client.get(f"{ADDRESS}?formula=close>3", REMOTE_ADDR="192.0.2.7")
    assert (response.status_code, json.loads(response.content)["detail"] != "") == (401, True)
