"""What a frame does to the page, read from the stream as a browser would."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.test import Client

from backtests.models import Run, Symbol
from backtests.runs.statistics import read_rows
from backtests.streams import fragments
from backtests.streams.feed import follow
from backtests.streams.rows import render_rows
from tests.backtests.streams.frames import Frame, tree
from tests.backtests.streams.watching import next_frame, watch, work
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

pytestmark = pytest.mark.django_db(transaction=True)

MOVING = {f"#{element}" for element in fragments.MOVING}


def queued(n_symbols: int = 3) -> Run:
    return make_run(store_universe("Test", make_market(n_symbols=n_symbols, n_bars=60)))


def frames_of(run: Run) -> list[Frame]:
    """Return the frames of a run that is worked on while somebody looks."""

    async def main() -> list[Frame]:
        viewer = asyncio.create_task(watch(run))
        await work(run)
        return await viewer

    return asyncio.run(main())


@pytest.fixture(autouse=True)
def _look_often(settings: Any) -> None:
    settings.POLL_S = 0.05


def test_rows_go_to_the_end_of_the_table() -> None:
    for frame in frames_of(queued()):
        if not frame.event and frame.rows:
            partial = frame.partials["#results tbody"]
            assert partial.attributes == {"hx-target": "#results tbody", "hx-swap": "beforeend"}
            assert [child.tag for child in partial.children] == ["tr"] * len(partial.children)


def test_the_rows_are_those_that_the_page_draws() -> None:
    run = queued()
    frames = frames_of(run)
    sent = "".join(frame.data for frame in frames)
    for html in render_rows(read_rows(run.pk)):
        assert html in sent


def test_every_moving_part_replaces_the_element_of_its_id() -> None:
    for frame in frames_of(queued()):
        if frame.event:
            continue
        assert set(frame.partials) >= MOVING or set(frame.partials) == {"#results tbody"}
        for target, partial in frame.partials.items():
            if target != "#results tbody":
                assert partial.attributes["hx-swap"] == "outerHTML"
                (element,) = partial.children
                assert f"#{element.attributes['id']}" == target


def test_every_target_is_on_the_page(client: Client) -> None:
    run = queued()
    page = client.get(run.get_absolute_url()).content.decode()
    targets = {target for frame in frames_of(run) if not frame.event for target in frame.partials}
    assert targets == {*MOVING, "#results tbody", "#run-feed"}
    for target in targets:
        assert f'id="{target.removeprefix("#").removesuffix(" tbody")}"' in page


def test_the_progress_moves_with_the_rows() -> None:
    run = queued(7)

    async def main() -> list[Frame]:
        viewer = asyncio.create_task(watch(run))
        await work(run, n_chunks=1)
        await work(run)
        return await viewer

    n_rows = 0
    for frame in asyncio.run(main()):
        n_rows += len(frame.rows) if not frame.event else 0
        if not frame.event and "#run-progress" in frame.partials:
            (bar,) = frame.partials["#run-progress"].all("progress")
            assert (bar.attributes["value"], bar.attributes["max"]) == (str(n_rows), "7")
            assert frame.id == n_rows


def test_the_last_frame_shows_the_end_and_takes_the_connector_away() -> None:
    *_, last, done = frames_of(queued())
    assert (done.event, done.data) == ("done", "done")
    (status,) = last.partials["#run-status"].children
    assert status.attributes["data-status"] == "complete"
    (feed,) = last.partials["#run-feed"].children
    assert "hx-sse:connect" not in feed.attributes


def test_the_connector_stays_while_rows_are_missing() -> None:
    run = queued(7)

    async def main() -> Frame:
        viewer = follow(run.pk, after=0)
        await work(run, n_chunks=1)
        frame = await next_frame(viewer)
        await viewer.aclose()  # type: ignore[attr-defined]
        return frame

    frame = asyncio.run(main())
    assert set(frame.partials) == {*MOVING, "#results tbody"}


def test_text_from_outside_cannot_leave_its_place() -> None:
    bad = "</hx-partial></td><script>alert(1)</script>\n\nevent: done\ndata: x"
    symbols = {"AAA": make_bars([1.0 + number % 5 for number in range(60)]), "BBB": make_bars([])}
    run = make_run(store_universe("Test", symbols))
    Symbol.objects.update(name=bad[:200])
    Symbol.objects.filter(ticker="AAA").update(ticker="<i>&AAA")
    frames = frames_of(run)
    assert [frame.event for frame in frames].count("done") == 1
    rows = [row for frame in frames if not frame.event for row in frame.rows]
    assert [row.attributes["data-ticker"] for row in rows] == ["<i>&AAA", "BBB"]
    assert not any(row.all("script") or row.all("i") for row in rows)
    assert "</hx-partial></td><script>alert(1)</script> event: done data: x" in rows[0].text
    # The best symbol's ticker stands among the leaders, too.
    leaders = frames[-2].partials["#run-leaders"]
    assert "<i>&AAA" in leaders.text
    assert not leaders.all("script")


def test_a_page_that_is_opened_late_shows_the_rows_that_were_streamed(client: Client) -> None:
    run = queued(7)
    streamed = [row.attributes for frame in frames_of(run) if not frame.event for row in frame.rows]
    page = tree(client.get(run.get_absolute_url()).content.decode())
    (body,) = page.by_id("results").all("tbody")
    shown = [row.attributes for row in body.all("tr")]
    assert shown == streamed
    assert len(shown) == 7


def test_the_parts_of_a_finished_page_are_those_of_the_last_frame(client: Client) -> None:
    run = execute_run(queued(7))
    page = tree(client.get(run.get_absolute_url()).content.decode())
    last = asyncio.run(watch(run))[-2].partials
    for target in (*MOVING, "#run-feed"):
        (sent,) = last[target].children
        drawn = page.by_id(target.removeprefix("#"))
        assert drawn.attributes == sent.attributes
        assert drawn.text.replace(" ", "") == sent.text.replace(" ", ""), target
