from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backtests.models import PriceBlock, ScreenRun, Universe
from backtests.prices.cache import BARS_CACHE
from backtests.screens.asking import formula_of
from strategies.formula import compile_formula
from strategies.formula.functions import ALIASES, FIELDS, FUNCTIONS, TEXTS
from strategies.models import Screen
from strategies.ready_screens import READY_SCREENS, ReadyScreen
from tests.backtests.streams.frames import Element
from tests.backtests.test_views.pages import field, only_reading, page_of
from tests.builders import make_bars, store_universe

pytestmark = pytest.mark.django_db

RISING = "close > sma(close, 5)"
HTMX = {"HX-Request": "true"}


def ask(client: Client, formula: str = RISING, **more: str) -> str:
    body = {"formula": formula, "universe": "test", "interval": "1d", **more}
    response = client.post("/screens/ask/", body)
    assert response.status_code == 302, response.content.decode()
    return str(response["Location"])


def test_the_editor_offers_the_library_and_begins_with_a_screen(client: Client, universe: Universe) -> None:
    with only_reading():
        page = page_of(client.get("/screens/"))
    assert page.by_id("id_formula").text == READY_SCREENS[0].formula
    names = [link.text for link in page.all("a")]
    assert {ready.name for ready in READY_SCREENS} <= set(names)


@pytest.mark.parametrize("ready", READY_SCREENS, ids=lambda ready: ready.key)
def test_every_screen_of_the_library_opens_in_the_editor_and_is_answered(
    client: Client, universe: Universe, ready: object
) -> None:
    key, formula = ready.key, ready.formula  # type: ignore[attr-defined]
    assert page_of(client.get(f"/screens/?ready={key}")).by_id("id_formula").text.split() == formula.split()
    assert client.get(ask(client, formula)).status_code == 200


def test_everything_that_can_be_written_is_explained_and_every_example_is_understood(client: Client) -> None:
    page = page_of(client.get("/screens/language/"))
    written = " ".join(each.text for each in page.all("dt"))
    named = {*FUNCTIONS, *FIELDS, *TEXTS, *ALIASES}
    assert {name for name in named if name not in written and f" {name}" not in page.text} == set()
    examples = [each.text for each in page.all("code") if each.attributes.get("class") == "example"]
    assert len(examples) > len(FUNCTIONS)
    for example in examples:
        # That of a knob only names it.
        compile_formula(f"{example}; close > fast" if "param(" in example else example)


def offered(page: Element) -> list[str]:
    return [option.attributes["value"] for option in field(page, "interval").all("option")]


def test_the_intervals_offered_are_those_of_the_universe(client: Client, universe: Universe) -> None:
    store_universe("Hours", {"BTC": make_bars([1.0, 2.0], step_s=3600)}, interval="1h", is_synthetic=True)
    assert offered(page_of(client.get("/screens/"))) == ["1d"]
    assert offered(page_of(client.get("/screens/intervals/?universe=hours"))) == ["1h"]
    response = client.post("/screens/ask/", {"formula": "close > 0", "universe": "hours", "interval": "1d"})
    assert response.status_code == 422
    page = page_of(response)
    assert "choose one of the intervals that it has" in page.text
    assert offered(page) == ["1h"]


def test_a_formula_is_answered_with_its_matches(client: Client, universe: Universe) -> None:
    address = ask(client)
    with only_reading():
        page = page_of(client.get(address))
    rows = [[cell.text for cell in row.all("td")] for row in page.all("tr")[1:]]
    assert rows == [["159.00", "+0.63 %", "157.00"]]
    heads = [head.text for head in page.all("th")]
    assert heads[:4] == ["Symbol", "Close", "Change", "sma(close, 5)"]
    assert "1 of 3 symbols of Test match on 2024-02-29" in " ".join(page.text.split())
    assert "STALE its last bar is of 2024-01-20" in " ".join(page.text.split())


def test_asked_again_it_has_the_same_address(client: Client, universe: Universe) -> None:
    assert ask(client) == ask(client)
    assert ask(client, as_of="2024-01-20") != ask(client)
    assert ScreenRun.objects.count() == 2


def test_ones_own_screen_comes_before_that_of_the_library_and_those_of_others() -> None:
    alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
    for owner, name in ((alice, "Inside day"), (alice, "Mine"), (bob, "Mine"), (alice, "mine")):
        Screen.objects.create(owner=owner, name=name, formula=f"close > {owner.pk}", is_shared=True)
    assert formula_of("inside DAY", alice) == (f"close > {alice.pk}", "Inside day")
    assert formula_of("inside day", bob) == ("high < high[1] and low > low[1]", "Inside day")
    assert formula_of("Mine", alice) == (f"close > {alice.pk}", "Mine")
    assert formula_of("mine", alice) == (f"close > {alice.pk}", "mine")
    assert formula_of("mine", bob) == (f"close > {bob.pk}", "Mine")


def test_a_screen_of_the_library_carries_its_name(client: Client, universe: Universe) -> None:
    assert page_of(client.get(ask(client, "high volume breakout"))).all("h1")[0].text == "High Volume Breakout"


@pytest.mark.parametrize("ready", READY_SCREENS, ids=lambda ready: ready.key)
def test_a_ready_formula_sent_by_a_browser_keeps_its_name(db: None, ready: ReadyScreen) -> None:
    assert formula_of(ready.formula.replace("\n", "\r\n"), None) == (ready.formula, ready.name)


def test_the_table_is_sorted_by_its_heads(client: Client, universe: Universe) -> None:
    address = ask(client, "close > 0")
    page = page_of(client.get(f"{address}?sort=-close"))
    assert [row.all("a")[0].text for row in page.all("tr")[1:]] == ["UP", "DOWN", "FLAT"]
    (head,) = [head for head in page.all("th") if "aria-sort" in head.attributes]
    assert (head.text, head.attributes["aria-sort"]) == ("Close", "descending")
    assert head.all("a")[0].attributes["href"] == f"{address}?sort=close"


def test_an_unknown_column_is_refused(client: Client, universe: Universe) -> None:
    response = client.get(f"{ask(client)}?sort=nonsense")
    assert response.status_code == 422
    assert "is no column" in page_of(response).text


def test_charts_stream_or_come_on_demand(client: Client, universe: Universe) -> None:
    address = ask(client)
    feed = page_of(client.get(address)).by_id("screen-feed").attributes["hx-sse:connect"]
    assert re.fullmatch(rf"{address}charts\?of=[0-9a-f]{{16}}", feed)
    on_demand = page_of(client.get(f"{address}?charts=none"))
    assert "screen-feed" not in [element.attributes.get("id") for element in on_demand.all("div")]
    (button,) = [button for button in on_demand.all("button") if button.text == "Show charts"]
    shown = page_of(client.get(button.attributes["hx-get"], headers=HTMX))
    assert len(shown.all("svg")) == 2


def test_nothing_that_matches_is_said(client: Client, universe: Universe) -> None:
    assert "Nothing matches on 2024-02-29" in page_of(client.get(ask(client, "close > 1000"))).text


def test_a_symbol_shows_when_it_matched(client: Client, universe: Universe) -> None:
    address = ask(client, "close > 150")
    page = page_of(client.get(f"{address}symbols/UP/"))
    assert "9 of 60 bars, 15.0 %" in page.text
    cells = [cell.text for cell in page.all("tr")[1].all("td")]
    assert page.all("tr")[1].all("th")[0].text == "2024-02-21"
    assert cells == ["2024-02-29", "9", "151.00", "–"]
    falling = page_of(client.get(f"{address}symbols/DOWN/"))
    assert [cell.text for cell in falling.all("tr")[1].all("td")] == ["2024-02-19", "50", "200.00", "−10.0 %"]
    assert "It matches now. 1 time, on 9 of 60 bars" in page.text
    assert "Last on 2024-04-08" not in page.text
    assert labels(page) == [
        "UP, weekly candles from 2024-01-01 to 2024-02-24, last close 159.00, between 100.00 and 159.00; "
        "2 of 9 bars match, the last on 2024-02-24",
        "UP, daily candles from 2024-01-01 to 2024-02-29, last close 159.00, between 100.00 and 159.00; "
        "9 of 60 bars match, the last on 2024-02-29",
    ]


def labels(page: Element) -> list[str]:
    return [svg.attributes["aria-label"] for svg in page.all("svg") if "aria-label" in svg.attributes]


def legend(page: Element) -> list[Element]:
    return [each for each in page.all("ul") if each.attributes.get("class") == "legend"]


def test_it_says_how_long_ago_a_symbol_matched(client: Client, universe: Universe) -> None:
    page = page_of(client.get(f"{ask(client, 'close > 198')}symbols/DOWN/"))
    assert "Last on 2024-01-02, 58 bars ago. 1 time, on 2 of 60 bars" in page.text
    never = page_of(client.get(f"{ask(client, 'close > 1000')}symbols/DOWN/"))
    assert "Never yet, on 60 bars." in never.text


def test_another_formula_is_drawn_over_a_symbol_by_its_address(client: Client, universe: Universe) -> None:
    address = f"{ask(client, 'close > 150')}symbols/UP/"
    formula = "days = param(5, 2, 9)\nmean = sma(close, days)\nclose > mean and rsi(close, 3) > 50"
    page = page_of(client.get(address, {"formula": formula, "value_days": "3"}))
    assert page.by_id("id_formula").text == " ".join(formula.split())
    assert page.by_id("value_days").attributes["value"] == "3"
    assert [item.text for item in legend(page)[0].all("li")] == ["mean", "it matches"]
    assert "57 of 60 bars match" in labels(page)[2]
    assert labels(page)[1].startswith("UP, weekly rsi(close, 3): now")
    assert "on 57 of 60 bars" in page.text


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("clse > 3", "line 1, column 1: `clse` is not known; did you mean `close`?"),
        ('close > symbol("XYZ", close)', "asks for the symbol XYZ, which is not stored"),
        ("f = param(5, 2, 9); close > f", "must be from 2 to 9; it is 50"),
        ("a" * 5000, "4,000"),
    ],
)
def test_what_cannot_be_drawn_is_told_beside_the_bare_candles(
    client: Client, universe: Universe, formula: str, told: str
) -> None:
    address = f"{ask(client, 'close > 150')}symbols/UP/"
    response = client.get(address, {"formula": formula, "value_f": "50"})
    page = page_of(response)
    assert response.status_code == 422
    assert told in page.by_id("draw-check").text
    assert page.by_id("id_formula").text == formula
    assert len(labels(page)) == 2
    assert legend(page) == []


def test_any_symbol_has_a_page_of_its_own(client: Client, universe: Universe) -> None:
    page = page_of(client.get("/screens/chart/test/FLAT/"))
    assert len(labels(page)) == 2
    assert "When it matched" not in page.text
    number = page_of(client.get("/screens/chart/test/FLAT/", {"formula": "sma(close, 5)", "as_of": "2024-01-31"}))
    assert "daily candles from 2024-01-01 to 2024-01-31" in labels(number)[1]
    assert [item.text for item in legend(number)[0].all("li")] == ["sma(close, 5)"]
    condition = page_of(client.get("/screens/chart/test/FLAT/", {"formula": "close == 50"}))
    assert "It matches now." in condition.text
    for address in ("/screens/chart/test/NOSUCH/", "/screens/chart/nosuch/FLAT/"):
        assert client.get(address).status_code == 404


def test_bad_data_of_a_symbol_is_told_in_the_place_of_its_charts(client: Client, universe: Universe) -> None:
    address = f"{ask(client, 'close > 150')}symbols/UP/"
    PriceBlock.objects.filter(symbol__ticker="UP").update(high=b"")
    BARS_CACHE.clear()
    response = client.get(address)
    assert response.status_code == 422
    assert page_of(response).text.count("bad data: a price block does not match its checksum") == 2


def test_a_ticker_may_have_a_slash(client: Client, db: None) -> None:
    store_universe("Pairs", {"BTC/USDT": make_bars([1.0 + day for day in range(30)])})
    response = client.post("/screens/ask/", {"formula": "close > 1", "universe": "pairs", "interval": "1d"})
    page = page_of(client.get(response["Location"]))
    (link,) = [link for link in page.all("a") if link.text == "BTC/USDT"]
    assert len(labels(page_of(client.get(link.attributes["href"])))) == 2


def test_every_symbol_tells_when_it_matched_last(client: Client, universe: Universe) -> None:
    address = ask(client, "close > 150 and close < 190")
    link = next(
        link for link in page_of(client.get(address)).all("a") if link.text == "When did each symbol match last?"
    )
    page = page_of(client.get(link.attributes["href"]))
    rows = [[cell.text for cell in (*row.all("th"), *row.all("td"))] for row in page.all("tr")]
    assert rows[-4:] == [
        ["UP UP Incorporated", "2024-02-29", "0", "1", "15.0 %"],
        ["DOWN DOWN Incorporated", "2024-02-19", "10", "1", "65.0 %"],
        ["FLAT FLAT Incorporated", "never", "", "0", "0.0 %"],
        ["STALE STALE Incorporated", "never", "", "0", "0.0 %"],
    ]
    # DOWN matched first at 189, and stood at 169 twenty bars later. UP matched too late to know.
    assert rows[1] == ["After a match", "1", "−10.58 %", "−10.58 %", "0.0 %"]
    assert rows[2][:2] == ["After any bar", "120"]
    assert "NONE no prices" in page.text


@pytest.mark.parametrize("fits", [True, False])
def test_last_matches_drive_nothing_out_of_memory(
    client: Client, universe: Universe, settings: Any, fits: bool
) -> None:
    address = ask(client)
    BARS_CACHE.clear()
    settings.BARS_CACHE_BYTES = 10**6 if fits else 100
    assert client.get(f"{address}last/").status_code == 200
    assert (BARS_CACHE.state.entries > 0) is fits


def test_last_matches_of_a_ranking_and_beside_bad_data(client: Client, universe: Universe) -> None:
    PriceBlock.objects.filter(symbol__ticker="FLAT").update(high=b"")
    address = ask(client, "rank(close) <= 1")
    BARS_CACHE.clear()
    page = page_of(client.get(f"{address}last/"))
    assert "FLAT bad data" in page.text
    assert [row.all("a")[0].text for row in page.all("tr") if row.all("a")] == ["UP", "DOWN", "STALE"]


def test_matches_are_a_file_for_a_spreadsheet(client: Client, universe: Universe) -> None:
    response = client.get(f"{ask(client, 'close > 0 and volume > 0')}matches.csv?sort=-close")
    head, *lines = response.content.decode().splitlines()
    assert head == "ticker,name,sector,date,close,change_pct,volume"
    assert [line.split(",")[0] for line in lines] == ["UP", "DOWN", "FLAT"]
    assert "attachment" in response["Content-Disposition"]
    assert client.get(f"{ask(client)}matches.csv?sort=nonsense").status_code == 400


def test_a_symbol_of_elsewhere_is_not_found(client: Client, universe: Universe) -> None:
    assert client.get(f"{ask(client)}symbols/ELSEWHERE/").status_code == 404


def test_a_symbol_of_a_ranking_has_no_history(client: Client, universe: Universe) -> None:
    page = page_of(client.get(f"{ask(client, 'rank(close) <= 1')}symbols/UP/"))
    assert "compares symbols" in page.text


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("clse > 3", "line 1, column 1: `clse` is not known; did you mean `close`?"),
        ("close >", "line 1, column 8"),
        ("", "Write a formula"),
        ("close", "must end in a condition"),
        ('symbol("XYZ", close) > 3', None),
    ],
)
def test_what_means_nothing_is_refused_where_it_stands_and_kept(
    client: Client, universe: Universe, formula: str, problem: str | None
) -> None:
    response = client.post("/screens/ask/", {"formula": formula, "universe": "test", "interval": "1d"})
    if problem is None:
        refused = client.get(response["Location"])
        assert refused.status_code == 422
        assert "asks for the symbol XYZ, which is not stored" in page_of(refused).text
        return
    assert response.status_code == 422
    page = page_of(response)
    assert problem in page.text
    assert page.by_id("id_formula").text == formula


def test_an_unknown_universe_is_refused(client: Client, universe: Universe) -> None:
    response = client.post("/screens/ask/", {"formula": RISING, "universe": "nosuch", "interval": "1d"})
    assert response.status_code == 422
    assert ScreenRun.objects.count() == 0


def test_what_is_typed_is_checked_with_its_place(client: Client) -> None:
    wrong = page_of(client.post("/screens/check/", {"formula": "close > 3 and\nvolum > 3"}))
    (problem,) = wrong.all("pre")
    assert (problem.attributes["data-line"], problem.attributes["data-column"]) == ("2", "1")
    assert "did you mean `volume`?" in problem.text
    assert "Understood" in page_of(client.post("/screens/check/", {"formula": RISING})).text


def test_parameters_become_knobs_that_are_used(client: Client, universe: Universe) -> None:
    formula = "level = param(150, 1, 1000)\nclose > level"
    page = page_of(client.post("/screens/check/", {"formula": formula, "value_level": "120"}))
    (knob,) = page.all("input")
    assert (knob.attributes["name"], knob.attributes["value"], knob.attributes["max"]) == ("value_level", "120", "1000")
    found = ScreenRun.objects.get(pk=ask(client, formula, value_level="120").strip("/").rpartition("/")[2])
    assert found.values == {"level": 120}
    response = client.post(
        "/screens/ask/", {"formula": formula, "universe": "test", "interval": "1d", "value_level": "5000"}
    )
    assert "level: must be from 1 to 1000; it is 5000" in page_of(response).text


def test_a_screen_is_saved_shared_and_deleted(client: Client, universe: Universe) -> None:
    body = {"name": "Mine", "formula": RISING, "idea": "It rises.", "is_shared": "on"}
    response = client.post("/screens/save/", body)
    saved = Screen.objects.get()
    assert (response["Location"], saved.formula, saved.is_shared) == (f"/screens/?saved={saved.pk}", RISING, True)
    assert page_of(client.get(response["Location"])).by_id("id_formula").text == RISING
    client.post("/screens/save/", {**body, "formula": "close > 1"})
    assert Screen.objects.get().formula == "close > 1"
    assert client.post(f"/screens/saved/{saved.pk}/delete/").status_code == 302
    assert not Screen.objects.exists()


def test_a_screen_is_called_what_it_says(client: Client, universe: Universe) -> None:
    assert "The close leaves the range" in page_of(client.get("/screens/?ready=high-volume-breakout")).text
    library = next(ready for ready in READY_SCREENS if ready.key == "high-volume-breakout")
    client.post("/screens/save/", {"name": "Mine", "formula": RISING, "idea": "It rises.", "is_shared": "on"})
    names = {text: page_of(client.get(ask(client, text))).all("h1")[0].text for text in (library.formula, RISING)}
    assert names == {library.formula: "High Volume Breakout", RISING: "Mine"}
    changed = ask(client, f"{library.formula} and close > 1", name="High Volume Breakout")
    assert page_of(client.get(changed)).all("h1")[0].text == "Screen"
    again = page_of(client.get(ask(client, RISING)))
    assert (field(again, "name").attributes["value"], field(again, "idea").attributes["value"]) == ("Mine", "It rises.")
    assert "checked" in field(again, "is_shared").attributes


def test_the_answer_says_why_the_screen_may_be_worth_a_look(client: Client, universe: Universe) -> None:
    ready = READY_SCREENS[0]
    answer = page_of(client.get(ask(client, ready.name)))
    assert ready.idea in answer.text
    assert field(answer, "idea").attributes["value"] == ready.idea
    assert ready.idea not in page_of(client.get(ask(client, f"{ready.formula} and close > 1"))).text


def test_a_screen_of_somebody_else_is_duplicated_and_then_ones_own(client: Client, universe: Universe) -> None:
    alice, bob = User.objects.create_user("alice"), User.objects.create_user("bob")
    shared = Screen.objects.create(owner=alice, name="Rising", formula=RISING, idea="It rises.", is_shared=True)
    own = Screen.objects.create(owner=alice, name="Hidden", formula=RISING)
    client.force_login(bob)
    for _ in range(2):
        response = client.post(f"/screens/saved/{shared.pk}/duplicate/")
    copies = Screen.objects.filter(owner=bob).order_by("name")
    assert [(each.name, each.formula, each.idea, each.is_shared) for each in copies] == [
        ("Rising (copy 2)", RISING, "It rises.", False),
        ("Rising (copy)", RISING, "It rises.", False),
    ]
    assert response["Location"] == f"/screens/?saved={copies[0].pk}"
    assert client.post(f"/screens/saved/{own.pk}/duplicate/").status_code == 404
    assert client.get(f"/screens/saved/{shared.pk}/duplicate/").status_code == 405


@pytest.mark.parametrize("body", [{"name": "", "formula": RISING}, {"name": "Mine", "formula": "clse"}])
def test_what_cannot_be_saved_is_told(client: Client, universe: Universe, body: dict[str, str]) -> None:
    response = client.post("/screens/save/", body)
    assert response.status_code == 422
    assert page_of(response).by_id("id_formula").text == body["formula"]
    assert not Screen.objects.exists()


def test_strangers_see_neither_screens_nor_what_was_asked(client: Client, universe: Universe) -> None:
    alice, mallory = User.objects.create_user("alice"), User.objects.create_user("mallory")
    client.force_login(alice)
    address = ask(client)
    client.post("/screens/save/", {"name": "Mine", "formula": RISING})
    client.force_login(mallory)
    for hidden in (address, *(f"{address}{page}" for page in ("charts", "symbols/UP/", "last/", "matches.csv"))):
        assert client.get(hidden).status_code == 404
    saved = Screen.objects.get()
    assert client.post(f"/screens/saved/{saved.pk}/delete/").status_code == 404
    assert "Mine" not in [link.text for link in page_of(client.get("/screens/")).all("a")]
    Screen.objects.update(is_shared=True)
    assert "Mine" in [link.text for link in page_of(client.get("/screens/")).all("a")]


@pytest.mark.parametrize("address", ["/screens/nosuchscreen/", "/screens/%00/", "/screens/nosuch/charts"])
def test_what_is_not_there_is_not_found(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", ["/screens/check/", "/screens/save/", "/screens/saved/1/delete/"])
def test_what_changes_something_takes_a_post(client: Client, address: str) -> None:
    assert client.get(address).status_code == 405


def test_another_website_can_ask_nothing(universe: Universe) -> None:
    foreign = Client(enforce_csrf_checks=True)
    assert foreign.post("/screens/ask/", {"formula": RISING, "universe": "test"}).status_code == 403


def test_without_prices_the_page_says_what_to_do(client: Client) -> None:
    assert "There are no prices yet" in page_of(client.get("/screens/")).text
