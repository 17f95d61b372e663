"""run_scan: how a run is executed, and what becomes of one that is there already; Ctrl-C as a terminal sends it."""

from __future__ import annotations

import json
import signal
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backtests.models import Run, RunChunk, Symbol, Universe
from backtests.runs import control
from backtests.runs.engines.threads import ThreadsEngine
from tests.backtests.listeners import HOST, webhook
from tests.backtests.processes import Outside
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S, wait_for

NEW = ("--strategy", "rsi", "--universe", "test")
GATED = ("run_scan", "--strategy", "gated", "--universe", "test")
CANCELLING = "Cancelling run {} after the chunks at work; Ctrl-C again ends at once.\n"
RESTING = "CommandError: run {} was {} at {} of 9 symbols; go on with: manage.py run_scan --resume {}\n"


def store(*, n_symbols: int = 9, **more: Any) -> None:
    store_universe("Test", {**make_market(n_symbols=n_symbols, n_bars=60), **more})


def run_scan(*options: str) -> str:
    printed = StringIO()
    call_command("run_scan", *options, stdout=printed)
    return printed.getvalue()


def refused(*options: str, status: int = 2) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("run_scan", *options, stdout=StringIO())
    assert caught.value.returncode == status
    return str(caught.value)


def order_of(run: Run) -> list[str]:
    tickers = dict(Symbol.objects.values_list("pk", "ticker"))
    return [tickers[symbol_id] for chunk in run.chunks.order_by("index") for symbol_id in chunk.symbol_ids]


# How a run is executed.


@pytest.mark.usefixtures("engine")
def test_symbols_and_priority_are_those_that_were_named() -> None:
    store()
    event = json.loads(run_scan(*NEW, "--json", "--symbols", "s4, S1 S7,,s8", "--priority", "S7"))
    run = Run.objects.get()
    assert (run.tickers, run.priority) == (["S4", "S1", "S7", "S8"], ["S7"])
    assert order_of(run)[0] == "S7"
    assert {row["ticker"] for row in event["stock_results"]} == {"S1", "S4", "S7", "S8"}


@pytest.mark.usefixtures("engine")
def test_workers_and_messages_are_those_that_were_asked_for(settings: Any) -> None:
    store()
    settings.WEBHOOK_HOSTS = [HOST]
    with webhook() as hook:
        run_scan(*NEW, "--json", "--max-workers", "1", "--notify-url", hook.url)
        # Before the command ends, everything is told.
        assert [call.message["job_id"] for call in hook.calls] == [Run.objects.get().pk]
    assert Run.objects.get().max_workers == 1


@pytest.mark.usefixtures("engine")
def test_the_same_scan_again_is_the_same_run_unless_it_is_computed_afresh() -> None:
    store()
    events = [json.loads(run_scan(*NEW, "--json", *more)) for more in ((), (), ("--no-cache",), ("--no-cache",))]
    assert len({event["job_id"] for event in events}) == 3
    assert events[0]["job_id"] == events[1]["job_id"]
    rows = [{row["ticker"]: row["total_return"] for row in event["stock_results"]} for event in events]
    assert rows[0] == rows[2] == rows[3]
    assert list(Run.objects.filter(n_cached__gt=0)) == []


@pytest.mark.usefixtures("idle_engine")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--symbols", "S1,XYZ"), "--symbols: not in the universe 'test': XYZ"),
        (("--symbols", ""), "--symbols: must name symbols of the universe, by comma"),
        (("--priority", " , "), "--priority: must name symbols of the universe, by comma"),
        (("--symbols", "S1", "--priority", "S2"), "--priority: not in the chosen symbols: S2"),
        (("--max-workers", "0"), "--max-workers: must be from 1 to 256; it is 0"),
        (("--max-workers", "257"), "--max-workers: must be from 1 to 256; it is 257"),
        (("--max-workers", "two"), "--max-workers: must be a whole number; it is 'two'"),
        (("--notify-email", "me"), "--notify-email: must be an e-mail address; it is 'me'"),
        (
            ("--notify-email", "me@example.com"),
            "--notify-email: this server sends no mail; whoever runs it has to set TRAWL_EMAIL_URL",
        ),
        (
            ("--notify-url", "ftp://example.com"),
            "--notify-url: must be an address that begins with http:// or https://; it is 'ftp://example.com'",
        ),
    ],
)
def test_what_is_wrong_about_the_execution_is_named(options: tuple[str, ...], message: str, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    store()
    assert refused(*NEW, *options) == message
    assert not Run.objects.exists()


@pytest.mark.usefixtures("idle_engine")
def test_a_scan_beyond_the_quota_says_so(settings: Any) -> None:
    settings.MOST_BARS = 100
    store()
    message = refused(*NEW)
    assert message.startswith("this run has 9 symbols with 540 bars; the most that one may test is 100")


# Runs that are there already.


@pytest.fixture
def run(idle_engine: ThreadsEngine) -> Run:
    """A run of which three symbols are done: one with a result, and two without prices."""
    universe = store_universe("Test", {"A": make_bars([1.0] * 60), "B": make_bars([]), "C": make_bars([]),
                                       **make_market(n_symbols=6, n_bars=60)})  # fmt: skip
    return execute_run(make_run(universe), n_chunks=2)


@pytest.mark.parametrize(("option", "state"), [("--pause", "paused"), ("--cancel", "cancelled")])
def test_a_run_is_paused_or_cancelled_and_not_followed(option: str, state: str, run: Run) -> None:
    assert run_scan(option, run.pk) == f"Run {run.pk} is {state}: 3 of 9 symbols are done.\n"
    run.refresh_from_db()
    assert (run.state, run.results.count()) == (state, 3)


def test_a_run_is_resumed_and_followed_to_its_end(run: Run, engine: ThreadsEngine) -> None:
    control.pause(run.pk)
    event = json.loads(run_scan("--resume", run.pk, "--json"))
    assert (event["job_id"], event["successful"], event["failed"]) == (run.pk, 7, 2)
    assert len(event["stock_results"]) == 9
    assert Run.objects.get(pk=run.pk).state == "complete"


def test_failed_symbols_are_retried_and_followed_to_the_end(run: Run, engine: ThreadsEngine) -> None:
    run = execute_run(run)
    store_universe("Test", {"B": make_bars([1.0] * 60), "C": make_bars([2.0] * 60)})
    event = json.loads(run_scan("--retry-failed", run.pk, "--json"))
    assert (event["successful"], event["failed"]) == (9, 0)
    assert {row["ticker"] for row in event["stock_results"][-2:]} == {"B", "C"}


@pytest.mark.parametrize("option", ["--pause", "--resume", "--cancel", "--retry-failed"])
def test_a_run_that_is_not_there_is_refused(option: str, run: Run) -> None:
    assert refused(option, "nosuchrun") == f"{option}: there is no run 'nosuchrun'"
    assert refused(option, "") == f"{option}: there is no run ''"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--resume", "a run that is running cannot be resumed; it must be paused or cancelled"),
        ("--retry-failed", "a run that is running cannot be asked for another try; it must be complete or cancelled"),
    ],
)
def test_what_the_state_of_a_run_does_not_allow_is_refused(option: str, message: str, run: Run) -> None:
    assert refused(option, run.pk) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pause", "--strategy", "rsi"), "--strategy: cannot be given with --pause"),
        (("--resume", "--max-workers", "2"), "--max-workers: cannot be given with --resume"),
        (("--cancel", "--no-cache"), "--no-cache: cannot be given with --cancel"),
        (("--retry-failed", "--param", "period=3"), "--param: cannot be given with --retry-failed"),
        (("--retry-failed", "--cash", "3"), "--cash: cannot be given with --retry-failed"),
        (("--pause", "--json"), "--json: cannot be given with --pause"),
        (("--cancel", "--csv", "results.csv"), "--csv: cannot be given with --cancel"),
    ],
)
def test_what_a_run_that_is_there_does_not_take_is_refused(
    options: tuple[str, ...], message: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(options[0], run.pk, *options[1:]) == message
    assert Run.objects.get(pk=run.pk).state == "running"


def test_two_changes_at_once_are_refused(run: Run) -> None:
    with pytest.raises(CommandError, match="not allowed with argument"):
        call_command("run_scan", "--pause", run.pk, "--cancel", run.pk)


# As a process, on a terminal's signals.


def at_the_gate(
    outside: Outside, gate: Path, *options: str, passed: int = 3
) -> tuple[subprocess.Popen[bytes], Path, Run]:
    """Start a scan of nine symbols that stands still in the chunk after the third symbol."""
    store()
    process, output = outside.start(*GATED, *options, GATE_FILE=str(gate), GATE_AFTER=str(passed))
    run = wait_for(
        "it stands at its gate",
        lambda: Run.objects.filter(n_done=passed, chunks__state="claimed").first(),
    )
    assert run is not None
    return process, output, run


@pytest.fixture
def gate(tmp_path: Path, gated: None) -> Path:
    return tmp_path / "gate"


def rows_of(run: Run) -> list[tuple[Any, ...]]:
    return list(run.results.order_by("sequence").values_list("sequence", "symbol__ticker", "return_pct", "digest"))


def assert_resumed_to_its_end(outside: Outside, run: Run, before: list[tuple[Any, ...]]) -> None:
    done = outside.run("run_scan", "--resume", run.pk, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    run.refresh_from_db()
    assert (run.state, run.n_done, run.n_failed) == ("complete", 9, 0)
    assert rows_of(run)[: len(before)] == before
    assert sorted(row[1] for row in rows_of(run)) == [f"S{number}" for number in range(9)]
    assert {row["ticker"] for row in json.loads(done.stdout)["stock_results"]} == {f"S{number}" for number in range(9)}


def test_ctrl_c_cancels_the_run_saves_what_was_at_work_and_says_how_to_go_on(outside: Outside, gate: Path) -> None:
    process, output, run = at_the_gate(outside, gate)
    process.send_signal(signal.SIGINT)
    wait_for("the run is cancelled", lambda: Run.objects.filter(pk=run.pk, state="cancelled").exists())
    assert process.poll() is None, "it waits for the chunk at work"
    gate.touch()
    assert process.wait(timeout=DEADLINE_S) == 130
    run.refresh_from_db()
    assert (run.state, run.n_done) == ("cancelled", 7)
    before = rows_of(run)
    assert len(before) == 7
    text = output.read_text()
    assert text.startswith(CANCELLING.format(run.pk))
    assert text.endswith(RESTING.format(run.pk, "cancelled", 7, run.pk))
    assert_resumed_to_its_end(outside, run, before)


def test_a_second_ctrl_c_ends_at_once_and_loses_nothing(outside: Outside, gate: Path) -> None:
    process, output, run = at_the_gate(outside, gate)
    before = rows_of(run)
    process.send_signal(signal.SIGINT)
    wait_for("the run is cancelled", lambda: Run.objects.filter(pk=run.pk, state="cancelled").exists())
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=DEADLINE_S) == 137
    assert output.read_text() == CANCELLING.format(run.pk)
    run.refresh_from_db()
    assert (run.state, rows_of(run)) == ("cancelled", before)
    # Its chunk is taken up at once, though the lease is not over.
    assert RunChunk.objects.filter(run=run, state="claimed").count() == 1
    assert_resumed_to_its_end(outside, run, before)
    assert list(run.chunks.order_by("index").values_list("attempts", flat=True)) == [1, 1, 2, 1]


def test_a_run_that_somebody_pauses_ends_the_command_that_follows_it(outside: Outside, gate: Path) -> None:
    process, output, run = at_the_gate(outside, gate, "--json")
    control.pause(run.pk)
    gate.touch()
    assert process.wait(timeout=DEADLINE_S) == 3
    printed, said = output.read_text().splitlines(keepends=True)
    assert said == RESTING.format(run.pk, "paused", 7, run.pk)
    assert len(json.loads(printed)["stock_results"]) == 7
    assert_resumed_to_its_end(outside, Run.objects.get(pk=run.pk), rows_of(run))


def test_ctrl_c_on_a_run_that_is_resumed_cancels_it_again(outside: Outside, gate: Path) -> None:
    store()
    run = make_run(Universe.objects.get(), strategy="gated")
    control.cancel(run.pk)
    process, output = outside.start("run_scan", "--resume", run.pk, GATE_FILE=str(gate), GATE_AFTER="1")
    wait_for("it stands at its gate", lambda: run.chunks.filter(state="claimed", index=1).exists())
    process.send_signal(signal.SIGINT)
    wait_for("the run is cancelled", lambda: Run.objects.filter(pk=run.pk, state="cancelled").exists())
    gate.touch()
    assert process.wait(timeout=DEADLINE_S) == 130
    assert output.read_text().endswith(RESTING.format(run.pk, "cancelled", 3, run.pk))
    assert run.results.count() == 3


def test_as_a_process_a_change_that_is_refused_is_one_line_and_status_2(outside: Outside) -> None:
    done = outside.run("run_scan", "--pause", "nosuchrun")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "CommandError: --pause: there is no run 'nosuchrun'\n"
