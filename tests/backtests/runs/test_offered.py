"""Which strategies a user may choose: a formula is its owner's, and staff may start whatever they see."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from backtests.models import Universe
from backtests.runs import offered
from backtests.runs.errors import RequestRefused
from backtests.runs.offered import active_strategies, active_strategy, grouped_choices
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from strategies.formula_strategies import save_formula
from strategies.models import Screen, Strategy
from tests.backtests.test_views.pages import field, page_of
from tests.builders import make_bars, store_universe

FORMULA = "days = param(20, 2, 90)\nenter: close > sma(close, days)"

pytestmark = pytest.mark.django_db


@pytest.fixture
def universe() -> Universe:
    return store_universe("Test", {"AAA": make_bars([1.0, 2.0, 3.0])})


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def staff() -> User:
    return User.objects.create_user("staff", is_staff=True)


@pytest.fixture
def row(alice: User) -> Strategy:
    return save_formula(FORMULA, label="Above its average", owner=alice)


def listed(client: Client, address: str = "/") -> list[str]:
    options = field(page_of(client.get(address)), "strategy").all("option")
    return [option.attributes["value"] for option in options]


def test_a_formula_is_in_the_lists_of_its_owner_alone(
    row: Strategy, alice: User, bob: User, universe: Universe, client: Client
) -> None:
    for user, sees in ((alice, True), (bob, False), (None, False)):
        if user is not None:
            client.force_login(user)
        assert (row.key in listed(client)) is sees
        keys = [each["key"] for each in client.get("/api/strategies").json()["strategies"]]
        assert (row.key in keys) is sees
        form = client.get(f"/runs/form/?strategy={row.key}&universe=test").content.decode()
        assert ("param-days" in form) is sees
        client.logout()


@pytest.mark.parametrize("field_name", ["strategy", "strategy_id"])
def test_nobody_else_starts_it_by_its_key(
    row: Strategy, bob: User, universe: Universe, client: Client, field_name: str
) -> None:
    client.force_login(bob)
    with pytest.raises(RequestRefused, match="is unknown"):
        check_request(RunRequest(strategy=row.key, universe="test"), bob)
    token = client.get("/").cookies["csrftoken"].value
    body = {field_name: row.key if field_name == "strategy" else str(row.pk), "universe": "test"}
    response = client.post(
        "/api/market-scan/start", body, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert response.status_code == 404
    assert not row.runs.exists()


@pytest.mark.usefixtures("idle_engine", "universe")
def test_staff_start_a_run_like_one_of_somebody_else(
    row: Strategy, alice: User, staff: User, bob: User, client: Client
) -> None:
    asked = RunRequest(strategy=row.key, universe="test", parameters={"days": 33})
    run = start(check_request(asked, alice), owner=alice)
    client.force_login(staff)
    assert row.key not in listed(client)
    page = page_of(client.get(f"/?like={run.pk}"))
    assert field(page, "param-days").attributes["value"] == "33"
    assert row.key in listed(client, f"/?like={run.pk}")
    assert check_request(RunRequest(strategy=row.key, universe="test"), staff).strategy_row == row
    client.force_login(bob)
    assert row.key not in listed(client, f"/?like={run.pk}")


def test_one_that_belongs_to_nobody_is_everybodys(alice: User, universe: Universe) -> None:
    row = save_formula(FORMULA, label="Nobody's")
    for user in (None, AnonymousUser(), alice):
        assert active_strategy(row.key, user) == row


def test_formulas_stand_behind_the_others_the_saved_ones_first(row: Strategy, alice: User) -> None:
    saved = save_formula("enter: close > 1", label="AAA first by its label", owner=alice)
    Screen.objects.create(owner=alice, name="Kept", formula=saved.formula)
    rows = active_strategies(alice)
    *plain, kept, asked = grouped_choices(rows, alice)
    assert [key for key, _ in plain] == [key for key, each in rows.items() if not each.formula]
    assert [label for _, label in plain] == sorted(label for _, label in plain)
    assert kept == ("Saved formulas", [(saved.key, "Kept")])
    assert asked == ("Backtested screens", [(row.key, "Above its average")])


def test_only_the_newest_backtested_ones_are_listed_and_the_chosen_one(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offered, "MOST_LISTED", 2)
    keys = [save_formula(f"enter: close > {level}", label=str(level), owner=alice).key for level in range(4)]
    save_formula("enter: close > 0", label="again", owner=alice)

    def labels(chosen: str = "") -> list[str]:
        name, newest = grouped_choices(active_strategies(alice), alice, chosen)[-1]
        assert (name, isinstance(newest, list)) == ("Backtested screens", True)
        return [each[1] for each in newest]

    assert labels() == ["0", "3"]
    assert labels(keys[1]) == ["0", "3", "1"]


def test_two_of_one_name_can_be_told_apart(alice: User, bob: User) -> None:
    texts = ("enter: close > 1", "enter: close > 2", "enter: close > 3")
    labels = [save_formula(text, label="x" * 120, owner=alice).label for text in texts]
    assert labels == ["x" * 100, f"{'x' * 94} (2)", f"{'x' * 94} (3)"]
    assert save_formula(texts[0], label="Mine", owner=bob).label == "Mine"
    assert save_formula(texts[0], label="Mine", owner=alice).label == "x" * 100


def test_a_formula_that_means_nothing_any_more_is_not_listed_by_the_api(universe: Universe, client: Client) -> None:
    row = save_formula(FORMULA, label="Gone")
    Strategy.objects.filter(pk=row.pk).update(formula="enter: nosuch(close)", label="Renamed")
    keys = [each["key"] for each in client.get("/api/strategies").json()["strategies"]]
    assert row.key not in keys
    assert "rsi" in keys


def test_a_saved_strategy_is_offered_under_its_name(alice: User, universe: Universe, client: Client) -> None:
    client.force_login(alice)
    client.post("/screens/save/", {"name": "Trend", "formula": FORMULA})
    client.post("/screens/save/", {"name": "A screen", "formula": "close > 1"})
    client.post("/screens/save/", {"name": "Ranked", "formula": "enter: rank(close) < 3"})
    (group,) = field(page_of(client.get("/")), "strategy").all("optgroup")
    assert (group.attributes["label"], group.text) == ("Saved formulas", "Ranked Trend")
