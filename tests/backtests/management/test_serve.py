from __future__ import annotations

import contextlib
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from tests.backtests.processes import Outside
from tests.backtests.streams.frames import parse
from tests.builders import make_market, store_universe
from tests.waiting import DEADLINE_S

FORM = {"universe": "test", "interval": "1d", "cash": "10000", "fee_pct": "0.1", "slippage_pct": "0.05"}


@pytest.fixture(autouse=True)
def _universe(transactional_db: None) -> None:
    # With prices in it, no demo market is loaded.
    store_universe("Test", make_market(n_symbols=9, n_bars=60))


def test_it_says_where_it_is_and_answers_there(outside: Outside) -> None:
    server = outside.serve()
    assert f"Trawl is at {server.url}/  (Ctrl-C stops it)\n" in server.output.read_text()
    with server.client() as client:
        assert client.get("/healthz").text == "ok\n"
        assert "<title>New run" in client.get("/").text
        assert client.get("/static/css/base.css").status_code == 200


def test_it_streams_a_run_that_it_was_asked_for(outside: Outside) -> None:
    server = outside.serve()
    run_id = server.start_run(strategy="rsi", **FORM)
    with server.client() as client:
        answer = client.get(f"/runs/{run_id}/stream", headers={"accept-encoding": "gzip"})
        frames = parse(answer.content)
        missing = client.get("/runs/nosuchrun/stream", follow_redirects=False)
    assert answer.headers["content-type"] == "text/event-stream"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert answer.headers["content-encoding"] == "identity"
    assert [number for frame in frames if not frame.event for number in frame.sequences] == list(range(1, 10))
    assert frames[-1].event == "done"
    assert (missing.status_code, missing.text) == (404, "there is no such run")


@pytest.mark.usefixtures("gated")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told_to_even_in_the_middle_of_a_stream(
    outside: Outside, tmp_path: Path, number: signal.Signals
) -> None:
    server = outside.serve(GATE_FILE=str(tmp_path / "gate"), GATE_AFTER="4")  # one call warms it
    run_id = server.start_run(strategy="gated", **FORM)
    with server.client() as client, client.stream("GET", f"/runs/{run_id}/stream") as stream:
        sent = stream.iter_bytes()
        while b"hx-partial" not in next(sent):
            pass
        server.process.send_signal(number)
        server.process.wait(timeout=DEADLINE_S)


def test_it_stops_in_the_middle_of_pages(outside: Outside) -> None:
    server, answered = outside.serve(), threading.Semaphore(0)

    def ask() -> None:
        with server.client() as client, contextlib.suppress(httpx.TransportError):
            while True:
                client.get("/")
                answered.release()

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for each in asking:
        each.start()
    for _ in range(8):
        assert answered.acquire(timeout=DEADLINE_S)
    server.process.terminate()
    server.process.wait(timeout=DEADLINE_S)
    for each in asking:
        each.join(DEADLINE_S)


def test_a_port_that_is_taken_is_named(outside: Outside) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = outside.run("serve", "--port", str(port))
    said = f"CommandError: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--port", "70000"), "--port must be from 0 to 65535; it is 70000"),
        (("--port", "-1"), "--port must be from 0 to 65535; it is -1"),
        (("--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1:0: "),
        (("--host", "no such host", "--port", "0"), "cannot listen on no such host:0: "),
    ],
)
def test_an_address_that_cannot_be_is_refused(options: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("serve", *options)
