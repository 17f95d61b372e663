"""Who is told of what a schedule has found: to a real web server and a real mail server, and by the bell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import timezone

from backtests.models import Universe
from backtests.runs.chunks import writing
from backtests.schedules import notices
from backtests.schedules.looking import ask_now
from backtests.schedules.models import Outcome, Schedule
from backtests.schedules.notices import SHOWN, mark_outcomes_seen, news_of, notify_outcomes, unseen_outcomes
from tests.backtests.listeners import Hook
from tests.backtests.schedules.builders import ask_all, import_day, make_schedule, newest
from tests.backtests.schedules.conftest import N_BARS
from tests.backtests.schedules.test_due import at_the_same_moment
from tests.waiting import DEADLINE_S

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("idle_engine")]


def tell() -> int:
    """Notify, wait until everything is told, and return of how many outcomes."""
    tellers = notify_outcomes()
    for teller in tellers:
        teller.join()
    return len(tellers)


def test_a_webhook_is_sent_what_is_new_and_gone(universe: Universe, hook: Hook) -> None:
    schedule = make_schedule(universe, url=hook.url)
    assert tell() == 0
    import_day({"UP": 150.0, "FLAT": 55.0})
    (outcome,) = ask_all()
    assert tell() == 1
    assert hook.calls[0].message == {
        "type": "screen.matches",
        "schedule": schedule.pk,
        "kind": "screen",
        "name": "close > close[1]",
        "universe": "test",
        "interval": "1d",
        "url": f"https://trawl.example{outcome.link()}",
        "formula": "close > close[1]",
        "as_of": "2024-03-01",
        "since": "2024-02-29",
        "tested": 3,
        "matches": ["FLAT"],
        "new": [{"symbol": "FLAT", "name": "FLAT Incorporated", "close": 55.0, "change_pct": pytest.approx(10.0)}],
        "gone": ["UP"],
    }
    assert tell() == 0
    assert len(hook.calls) == 1


def test_of_nothing_new_nobody_is_told(universe: Universe, hook: Hook) -> None:
    make_schedule(universe, url=hook.url)
    import_day({"UP": 1.0})
    (outcome,) = ask_all()
    assert outcome.gone == ["UP"]
    assert tell() == 0
    assert unseen_outcomes(None).count() == 0


def test_of_nothing_new_is_told_who_wants_to_know_each_time(universe: Universe, hook: Hook) -> None:
    make_schedule(universe, url=hook.url, is_always=True)
    import_day({"UP": 999.0})
    ask_all()
    assert tell() == 2
    told = sorted((call.message["since"] or "", call.message["new"]) for call in hook.calls)
    assert told == [("", []), ("2024-02-29", [])]


def test_a_failure_is_told_once(universe: Universe, hook: Hook) -> None:
    schedule = make_schedule(universe, url=hook.url)
    Schedule.objects.update(asked={"formula": "clos > 1", "values": {}})
    for _ in range(2):
        ask_now(schedule.pk)
        tell()
    (call,) = hook.calls
    assert call.message["type"] == "schedule.failed"
    assert "did you mean `close`?" in call.message["error"]
    assert call.message["url"] == "https://trawl.example/schedules/"


def test_a_private_address_is_not_called_unless_it_is_named(
    universe: Universe, hook: Hook, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WEBHOOK_HOSTS = []
    schedule = make_schedule(universe)
    Schedule.objects.update(notify_url=hook.url)
    import_day({"DOWN": 999.0})
    ask_all()
    assert tell() == 1
    assert hook.calls == []
    assert (
        f"schedule {schedule.pk}: a call of its webhook failed, attempt 1 of 3: 127.0.0.1 is in a private"
        in caplog.text
    )


def test_whoever_is_named_later_is_not_told_of_before(universe: Universe, hook: Hook) -> None:
    schedule = make_schedule(universe)
    import_day({"DOWN": 999.0})
    ask_all()
    assert newest(schedule).is_news
    Schedule.objects.update(notify_url=hook.url)
    assert tell() == 0


def test_a_mail_lists_what_is_new(universe: Universe, settings: Any, mailoutbox: list[EmailMessage]) -> None:
    settings.EMAIL_HOST = "mail.example"
    make_schedule(universe, email="me@example.com")
    import_day({"UP": 150.0, "FLAT": 55.0})
    (outcome,) = ask_all()
    assert tell() == 1
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["me@example.com"], "close > close[1] on Test: 1 new match")
    assert mail.body.splitlines() == [
        "1 new match since 2024-02-29, of 1 match on 2024-03-01.",
        "  FLAT              55.00  +10.00 %  FLAT Incorporated",
        "No longer: UP.",
        "",
        f"https://trawl.example{outcome.link()}",
    ]


def test_a_mail_of_very_many_counts_the_rest(universe: Universe) -> None:
    schedule = make_schedule(universe)
    row = {"symbol": "S", "name": "", "close": 1.0, "change_pct": None}
    outcome = Outcome(schedule=schedule, since=timezone.now(), new=[row] * (SHOWN + 5), gone=["G"] * (SHOWN + 5))
    body = notices.message_about(outcome).body
    assert "  and 5 more" in body
    assert body.count("  S ") == SHOWN
    assert body.count("G") == SHOWN


def test_of_processes_that_look_at_the_same_moment_one_tells(
    transactional_db: None, universe: Universe, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_schedule(universe, url=hook.url)
    import_day({"DOWN": 999.0})
    ask_all()
    all_have_found_it = threading.Barrier(4)

    @contextmanager
    def then_write() -> Iterator[None]:
        all_have_found_it.wait(DEADLINE_S)
        with writing():
            yield

    monkeypatch.setattr(notices, "writing", then_write)
    assert sum(at_the_same_moment(tell)) == 1
    assert len(hook.calls) == 1


def test_the_bell_shows_news_of_ones_own_until_they_are_seen(universe: Universe) -> None:
    alice = User.objects.create_user("alice")
    of_nobody, hers = make_schedule(universe), make_schedule(universe, owner=alice)
    import_day({"DOWN": 999.0})
    ask_all()
    for owner, schedule in ((None, of_nobody), (alice, hers)):
        (news,) = news_of(unseen_outcomes(owner))
        assert (news.what, news.universe, news.said) == ("close > close[1]", "Test", "1 new match")
        assert news.address == newest(schedule).link()
    assert mark_outcomes_seen(alice, newest(of_nobody).screen_run_id) == 0
    assert mark_outcomes_seen(alice, newest(hers).screen_run_id) == 1
    assert [unseen_outcomes(owner).count() for owner in (None, alice)] == [1, 0]
    import_day({"FLAT": 999.0}, day=N_BARS)
    ask_all()
    assert mark_outcomes_seen(None) == 2


def test_the_bell_is_silent_about_what_is_long_ago(universe: Universe) -> None:
    make_schedule(universe, is_always=True)
    assert unseen_outcomes(None).count() == 1
    Outcome.objects.update(asked_at=timezone.now() - timedelta(days=8))
    assert unseen_outcomes(None).count() == 0
