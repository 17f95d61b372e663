"""Strategies in the admin: what the code says cannot be edited, what is offered can, and takes effect at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backtests.models import Run, Universe
from backtests.runs.engines import threads
from strategies import registry, user_strategies
from strategies.builtins import sync_builtins
from strategies.models import Screen, Strategy
from tests.builders import make_bars, make_run, store_universe
from tests.strategies.own import write_strategy

LIST = "/admin/strategies/strategy/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_user(db: None) -> User:
    # Without a password: to hash one takes longer than most of these tests.
    return User.objects.create_superuser("admin")


@pytest.fixture
def universe() -> Universe:
    return store_universe("Test", {"AAA": make_bars([1.0, 2.0, 3.0])})


def rsi() -> Strategy:
    return Strategy.objects.get(key="rsi")


def page_of(strategy: Strategy) -> str:
    return f"{LIST}{strategy.pk}/change/"


def act(client: Client, action: str, *chosen: Strategy) -> str:
    sent = {"action": action, "_selected_action": [strategy.pk for strategy in chosen], "index": 0}
    return client.post(LIST, sent, follow=True).content.decode()


def tick(client: Client, strategy: Strategy, *, is_active: bool) -> Any:
    """Save the list with the tick of one strategy changed, as a browser sends it."""
    rows = list(Strategy.objects.order_by("label", "-pk"))
    sent: dict[str, Any] = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "Save"}
    for number, row in enumerate(rows):
        sent[f"form-{number}-id"] = row.pk
        if is_active if row == strategy else row.is_active:
            sent[f"form-{number}-is_active"] = "on"
    return client.post(LIST, sent, follow=True)


def start_rsi(client: Client, universe: Universe) -> Any:
    sent = {"strategy": "rsi", "universe": universe.slug, "interval": "1d", "cash": "10000"}
    return client.post("/runs/start/", {**sent, "fee_pct": "0", "slippage_pct": "0"})


def is_offered(client: Client, strategy: Strategy) -> bool:
    return f'<option value="{strategy.key}"' in client.get("/").content.decode()


def n_queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    return len(queries)


@pytest.fixture
def folder(tmp_path: Path, own_strategies: None) -> Path:
    """A folder with a strategy that works and two that are broken."""
    write_strategy(tmp_path, "pull_back", label="Pull-back")
    (tmp_path / "wrong.py").write_text("x = 1\ndef broken(:\n")
    (tmp_path / "empty.py").touch()
    user_strategies.load(tmp_path)
    sync_builtins()
    return tmp_path


def without_code() -> Strategy:
    """A built-in of an earlier version."""
    return Strategy.objects.create(key="forgotten", label="Forgotten", is_active=False)


def test_the_list_shows_every_strategy(admin_client: Client) -> None:
    answer = admin_client.get(LIST)
    text = answer.content.decode()
    assert answer.status_code == 200
    for strategy in Strategy.objects.all():
        assert strategy.label in text
        assert strategy.key in text
    assert "period = 14, low = 30.0, high = 70.0" in text


def test_a_strategys_page_shows_what_the_code_says(admin_client: Client) -> None:
    answer = admin_client.get(page_of(rsi()))
    assert answer.status_code == 200
    for text in (rsi().label, rsi().help, "period = 14, low = 30.0, high = 70.0"):
        assert text in answer.content.decode()


@pytest.mark.parametrize("wanted", [LIST, f"{LIST}1/change/"])
def test_strangers_are_sent_to_the_login(client: Client, wanted: str) -> None:
    answer = client.get(wanted)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_users_without_permission_are_refused(client: Client) -> None:
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    assert client.get(LIST).status_code == 403
    assert client.post(page_of(rsi()), {"label": "Mine"}).status_code == 403


def test_a_deactivated_strategy_is_refused_at_once_and_an_activated_one_is_back(
    admin_client: Client, universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads.ENGINE, "submit", lambda *_: None)
    assert is_offered(admin_client, rsi())

    assert "1 strategy deactivated." in act(admin_client, "deactivate", rsi())
    assert not is_offered(admin_client, rsi())
    assert start_rsi(admin_client, universe).status_code == 422
    assert not Run.objects.exists()

    assert "1 strategy activated." in act(admin_client, "activate", rsi())
    assert is_offered(admin_client, rsi())
    assert start_rsi(admin_client, universe).status_code == 302
    assert Run.objects.count() == 1


def test_the_tick_in_the_list_switches_too(admin_client: Client) -> None:
    assert tick(admin_client, rsi(), is_active=False).status_code == 200
    assert not rsi().is_active
    assert not is_offered(admin_client, rsi())
    tick(admin_client, rsi(), is_active=True)
    assert is_offered(admin_client, rsi())


def test_the_tick_on_the_page_switches_and_nothing_else_can_be_sent(admin_client: Client) -> None:
    before = rsi()
    sent = {"label": "Mine", "key": "mine", "help": "Mine", "default_parameters": "{}"}
    assert admin_client.post(page_of(before), sent).status_code == 302
    after = rsi()
    assert not after.is_active
    assert (after.label, after.help, after.default_parameters) == (before.label, before.help, before.default_parameters)


def test_a_migration_keeps_the_administrators_choice(admin_client: Client) -> None:
    act(admin_client, "deactivate", rsi())
    sync_builtins()
    assert not rsi().is_active


def test_switching_is_kept_in_the_history(admin_client: Client) -> None:
    act(admin_client, "deactivate", rsi())
    act(admin_client, "deactivate", rsi())
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Deactivated."]
    assert "Deactivated." in admin_client.get(f"{LIST}{rsi().pk}/history/").content.decode()


def test_a_strategy_without_code_cannot_be_activated_by_action(admin_client: Client) -> None:
    strategy = without_code()
    text = act(admin_client, "activate", strategy)
    assert "There is no code for this strategy any more" in text
    assert "0 strategies activated." in text
    strategy.refresh_from_db()
    assert not strategy.is_active


def test_a_strategy_without_code_cannot_be_activated_by_tick(admin_client: Client) -> None:
    strategy = without_code()
    assert "There is no code" in admin_client.post(page_of(strategy), {"is_active": "on"}).content.decode()
    assert "There is no code" in tick(admin_client, strategy, is_active=True).content.decode()
    strategy.refresh_from_db()
    assert not strategy.is_active


def test_nobody_adds_a_strategy_by_hand(admin_client: Client) -> None:
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}add/", {"label": "Mine", "key": "mine"}).status_code == 403


def test_a_built_in_strategy_cannot_be_deleted(admin_client: Client) -> None:
    assert admin_client.post(f"{LIST}{rsi().pk}/delete/", {"post": "yes"}).status_code == 403
    act(admin_client, "delete_selected", rsi())
    assert Strategy.objects.filter(key="rsi").exists()


def test_a_strategy_that_is_not_built_in_can_be_deleted(admin_client: Client) -> None:
    own = Strategy.objects.create(key="own", label="Own", is_builtin=False)
    assert admin_client.post(f"{LIST}{own.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Strategy.objects.filter(key="own").exists()


def test_the_number_of_runs_leads_to_them(admin_client: Client, universe: Universe) -> None:
    make_run(universe)
    run = make_run(universe)
    link = f"/admin/backtests/run/?strategy__id__exact={rsi().pk}"
    assert f'<a href="{link}">2</a>' in admin_client.get(LIST).content.decode()
    assert run.pk in admin_client.get(link).content.decode()


@pytest.mark.parametrize(
    ("query", "is_found"),
    [("q=relative strength", True), ("q=rsi", True), ("q=no such thing", False), ("is_active__exact=0", False)],
)
def test_search_and_filters_narrow_the_list(admin_client: Client, query: str, is_found: bool) -> None:
    assert (page_of(rsi()) in admin_client.get(f"{LIST}?{query}").content.decode()) is is_found


def test_more_strategies_and_runs_need_no_more_queries(admin_client: Client, universe: Universe) -> None:
    few = n_queries(admin_client)
    for number in range(5):
        Strategy.objects.create(key=f"own-{number}", label=f"Own {number}", is_builtin=False)
        make_run(universe)
    assert n_queries(admin_client) == few


def pull_back() -> Strategy:
    return Strategy.objects.get(key="pull-back")


def test_what_is_broken_is_listed_with_its_reason(admin_client: Client, folder: Path) -> None:
    text = admin_client.get(LIST).content.decode()
    assert "Broken strategies" in text
    assert "<td>wrong.py</td><td>2</td><td>SyntaxError: invalid syntax</td>" in text
    assert "<td>empty.py</td><td></td><td>it declares no strategy" in text
    assert str(settings.STRATEGIES_DIR) in text


def test_a_reason_is_shown_as_text(admin_client: Client, tmp_path: Path, own_strategies: None) -> None:
    (tmp_path / "odd.py").write_text("raise ValueError('<b>bold</b>')")
    user_strategies.load(tmp_path)
    assert "ValueError: &lt;b&gt;bold&lt;/b&gt;" in admin_client.get(LIST).content.decode()


def test_without_a_broken_one_there_is_no_such_list(admin_client: Client) -> None:
    assert "Broken strategies" not in admin_client.get(LIST).content.decode()


def test_the_list_says_where_a_strategy_comes_from(admin_client: Client, folder: Path) -> None:
    text = admin_client.get(LIST).content.decode()
    assert '<td class="field-origin">pull_back.py</td>' in text
    assert '<td class="field-origin">Trawl</td>' in text
    registry._registry().pop("pull-back")
    assert "pull_back.py, code is gone" in admin_client.get(LIST).content.decode()


def test_a_users_strategy_can_be_deleted_only_once_its_code_is_gone(admin_client: Client, folder: Path) -> None:
    address = f"{LIST}{pull_back().pk}/delete/"
    assert admin_client.post(address, {"post": "yes"}).status_code == 403
    registry._registry().pop("pull-back")
    assert "There is no code" in admin_client.post(page_of(pull_back()), {"is_active": "on"}).content.decode()
    assert admin_client.post(address, {"post": "yes"}).status_code == 302
    assert not Strategy.objects.filter(key="pull-back").exists()


@pytest.mark.parametrize("is_left_off", [True, False])
def test_one_that_is_switched_off_while_its_file_is_gone_stays_off(
    admin_client: Client, folder: Path, is_left_off: bool
) -> None:
    kind = registry._registry().pop("pull-back")
    sync_builtins()
    assert pull_back().is_missing
    if is_left_off:
        assert "1 strategy deactivated." in act(admin_client, "deactivate", pull_back())
    registry._registry()["pull-back"] = kind
    sync_builtins()
    assert pull_back().is_active != is_left_off


def test_a_saved_screen_is_changed_there_if_its_formula_means_something(admin_client: Client) -> None:
    screen = Screen.objects.create(name="Mine", formula="close > 1")
    address = f"/admin/strategies/screen/{screen.pk}/change/"
    assert admin_client.get("/admin/strategies/screen/").status_code == 200
    refused = admin_client.post(address, {"name": "Mine", "formula": "clse > 1"})
    assert "did you mean `close`?" in refused.content.decode()
    assert admin_client.post(address, {"name": "Mine", "formula": "close > 2", "is_shared": "on"}).status_code == 302
    screen.refresh_from_db()
    assert (screen.formula, screen.is_shared) == ("close > 2", True)
