"""Messages about finished runs, to a real web server and a real mail server."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from backtests import delivery
from backtests.delivery import ATTEMPTS
from backtests.models import Run
from backtests.runs import control, notify
from backtests.runs.chunks import writing
from backtests.runs.engines.threads import ThreadsEngine
from backtests.runs.notify import message_of, notify_finished
from tests.backtests.listeners import HOST, Hook, Mailbox, mail_server, webhook
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe
from tests.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.usefixtures("idle_engine")


@pytest.fixture(autouse=True)
def _settings(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_HOSTS = [HOST]
    settings.PUBLIC_URL = "https://trawl.example"
    monkeypatch.setattr(delivery, "PAUSE_S", 0.01)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as served:
        yield served


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    with mail_server() as served:
        use(settings, served)
        yield served


def use(settings: Any, served: Mailbox) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, served.port
    settings.DEFAULT_FROM_EMAIL = "trawl@trawl.example"


def finished_run(**fields: Any) -> Run:
    universe = store_universe("Test", {**make_market(n_symbols=3, n_bars=60), "EMPTY": make_bars([])})
    return execute_run(make_run(universe, **fields))


def tell(run_id: str | None = None) -> int:
    """Notify, wait until everything is told, and return of how many runs."""
    tellers = notify_finished(run_id)
    for teller in tellers:
        teller.join()
    return len(tellers)


def test_a_webhook_is_sent_the_run_as_json(hook: Hook) -> None:
    run = finished_run(notify_url=f"{hook.url}?token=a%20b&run=1#top")
    assert tell() == 1
    (call,) = hook.calls
    assert (call.method, call.target) == ("POST", "/done?token=a%20b&run=1")
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Host"] == f"{HOST}:{hook.port}"
    assert call.message == {
        "type": "run.complete",
        "job_id": run.pk,
        "state": "complete",
        "url": f"https://trawl.example/runs/{run.pk}/",
        "strategy": "rsi",
        "universe": "test",
        "total": 4,
        "completed": 4,
        "failed": 1,
        "elapsed_time": run.elapsed_s,
    }


def test_a_cancelled_run_is_told_as_such(hook: Hook) -> None:
    universe = store_universe("Test", make_market(n_symbols=3, n_bars=60))
    run = execute_run(make_run(universe, notify_url=hook.url), n_chunks=1)
    control.cancel(run.pk)
    tell()
    message = hook.calls[0].message
    assert (message["type"], message["state"], message["completed"]) == ("run.cancelled", "cancelled", 1)


def test_a_run_is_told_once_unless_it_ends_again(hook: Hook) -> None:
    run = finished_run(notify_url=hook.url)
    assert [tell(), tell(), tell(run.pk)] == [1, 0, 0]
    assert Run.objects.get(pk=run.pk).notified_at is not None
    control.retry_failed(run.pk)
    assert tell() == 0
    execute_run(run)
    assert tell() == 1
    assert len(hook.calls) == 2


def test_of_processes_that_look_at_the_same_moment_one_tells(
    transactional_db: None, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_run(notify_url=hook.url)
    all_have_found_it = threading.Barrier(4)

    @contextmanager
    def then_write() -> Iterator[None]:
        all_have_found_it.wait(DEADLINE_S)
        with writing():
            yield

    def look(_number: int) -> int:
        try:
            return tell()
        finally:
            connections.close_all()

    monkeypatch.setattr(notify, "writing", then_write)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look, range(4))) == 1
    assert len(hook.calls) == 1


@pytest.mark.parametrize("state", ["queued", "running", "paused"])
def test_a_run_that_has_not_ended_is_not_told(state: str, hook: Hook) -> None:
    universe = store_universe("Test", make_market(n_symbols=3, n_bars=60))
    run = make_run(universe, notify_url=hook.url)
    Run.objects.filter(pk=run.pk).update(state=state, paused_at=timezone.now())
    assert tell() == tell(run.pk) == 0
    assert hook.calls == []


def test_a_run_of_which_nobody_wants_to_know_is_not_told() -> None:
    run = finished_run()
    assert tell() == tell(run.pk) == 0
    assert Run.objects.get(pk=run.pk).notified_at is None


def test_of_several_runs_one_can_be_told_alone(hook: Hook) -> None:
    first, second = finished_run(notify_url=hook.url), finished_run(notify_url=hook.url)
    assert tell(second.pk) == 1
    assert [call.message["job_id"] for call in hook.calls] == [second.pk]
    assert tell() == 1
    assert [call.message["job_id"] for call in hook.calls] == [second.pk, first.pk]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_answer_of_success_is_one(status: int) -> None:
    with webhook(status, 500) as hook:
        finished_run(notify_url=hook.url)
        tell()
        assert len(hook.calls) == 1


def test_a_webhook_that_fails_is_called_again_with_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with webhook(500, 503, 200) as hook:
        run = finished_run(notify_url=hook.url)
        tell()
        assert len(hook.calls) == 3
        assert len({call.body for call in hook.calls}) == 1
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        f"run {run.pk}: a call of its webhook failed, attempt 1 of 3: it answered 500",
        f"run {run.pk}: a call of its webhook failed, attempt 2 of 3: it answered 503",
    ]


def test_after_some_attempts_a_message_is_lost_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with webhook(500) as hook:
        finished_run(notify_url=hook.url)
        assert tell() == 1
        assert tell() == 0
        assert len(hook.calls) == ATTEMPTS
    assert len([record for record in caplog.records if "it answered 500" in record.getMessage()]) == ATTEMPTS


def test_a_webhook_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.1)
    with webhook(200, is_slow=True) as hook:
        finished_run(notify_url=hook.url)
        assert tell() == 1
        assert len(hook.calls) == ATTEMPTS


def test_a_webhook_that_nobody_serves_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unserved:
        unserved.bind((HOST, 0))
        finished_run(notify_url=f"http://{HOST}:{unserved.getsockname()[1]}/done")
        tell()
    assert len([record for record in caplog.records if "refused" in record.getMessage()]) == ATTEMPTS


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, hook: Hook) -> None:
    with webhook(status, elsewhere=hook.url) as moved:
        finished_run(notify_url=moved.url)
        tell()
        assert len(moved.calls) == ATTEMPTS
    assert hook.calls == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_private_address_is_not_called_unless_it_is_named(
    host: str, hook: Hook, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WEBHOOK_HOSTS = ["elsewhere.example"]
    url = hook.url.replace(HOST, host)
    finished_run(notify_url=url)
    tell()
    assert hook.calls == []
    assert f"{host.strip('[]')} is in a private network; TRAWL_WEBHOOK_HOSTS names those" in caplog.text
    settings.WEBHOOK_HOSTS = [host.strip("[]")]
    finished_run(notify_url=url)
    tell()
    assert len(hook.calls) == 1


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.0.9", "169.254.169.254", "100.64.0.1", "fd00::1", "fe80::1%eth0"]
)
def test_a_name_of_a_private_address_is_private(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("93.184.216.34", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: answers)
    with pytest.raises(OSError, match=r"rebound\.example is in a private network"):
        delivery.public_address("rebound.example", 80)


def test_the_address_that_was_checked_is_the_one_that_is_called(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means a public address when it is looked at and a private one when it is called, is of no use."""
    asked: list[str] = []

    def looked_up(host: str, _port: int) -> str:
        asked.append(host)
        return HOST

    monkeypatch.setattr(delivery, "public_address", looked_up)
    finished_run(notify_url=hook.url.replace(HOST, "anywhere.example"))
    tell()
    assert asked == ["anywhere.example"]
    assert hook.calls[0].headers["Host"] == f"anywhere.example:{hook.port}"


def test_what_http_cannot_carry_in_an_address_is_escaped(hook: Hook) -> None:
    finished_run(notify_url=f"{hook.url}/für/%C3%A4?name=ö&x=[1]")
    tell()
    assert hook.calls[0].target == "/done/f%C3%BCr/%C3%A4?name=%C3%B6&x=[1]"


def test_a_mail_says_how_it_ended_and_where_to_look(mailbox: Mailbox) -> None:
    run = finished_run(notify_email="me@example.com")
    assert tell() == 1
    (mail,) = mailbox.mails
    assert isinstance(mail, EmailMessage)
    assert (mail["To"], mail["From"]) == ("me@example.com", "trawl@trawl.example")
    assert mail["Subject"] == "RSI reversion on Test: complete"
    assert mail.get_content().split() == (f"4 of 4 symbols, 1 failed. https://trawl.example/runs/{run.pk}/".split())
    assert mailbox.recipients == ["me@example.com"]


def test_a_mail_that_is_refused_for_now_is_sent_again(settings: Any) -> None:
    with mail_server(refusals=2) as mailbox:
        use(settings, mailbox)
        finished_run(notify_email="me@example.com")
        tell()
        assert len(mailbox.mails) == 1


def test_a_mail_server_that_is_away_holds_up_no_webhook(settings: Any, hook: Hook) -> None:
    with socket.socket() as unserved:
        unserved.bind((HOST, 0))
        use(settings, Mailbox(port=unserved.getsockname()[1]))
        finished_run(notify_email="me@example.com", notify_url=hook.url)
        tell()
    assert len(hook.calls) == 1


def test_both_are_told(mailbox: Mailbox, hook: Hook) -> None:
    finished_run(notify_email="me@example.com", notify_url=hook.url)
    tell()
    assert (len(mailbox.mails), len(hook.calls)) == (1, 1)


def test_a_name_with_a_line_break_makes_no_second_header(mailbox: Mailbox, caplog: pytest.LogCaptureFixture) -> None:
    run = finished_run(notify_email="me@example.com")
    run.universe.name = "Test\nBcc: you@example.com"
    run.universe.save()
    tell()
    assert mailbox.recipients in ([], ["me@example.com"])


def test_a_server_tells_of_runs_when_they_end(engine: ThreadsEngine, hook: Hook, settings: Any) -> None:
    settings.LEASE_S = 0.2
    engine.take_up_unfinished()
    universe = store_universe("Test", make_market(n_symbols=3, n_bars=60))
    run = make_run(universe, notify_url=hook.url)
    engine.submit(run.pk)
    wait_for("the webhook is called", lambda: hook.calls)
    assert hook.calls[0].message["job_id"] == run.pk


def test_a_message_names_no_time_of_a_run_that_never_began() -> None:
    run = make_run(store_universe("Test", make_market(n_symbols=3, n_bars=60)))
    run = control.cancel(run.pk)
    assert message_of(run)["elapsed_time"] is None
