"""Markets, prices and runs in the admin: every page answers, records cannot be edited, lists stay light."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backtests.admin.runs import COUNTERS, SHOWN_TRADES
from backtests.engine import METRICS, RULES, TRADE
from backtests.models import PriceBlock, Result, Run, RunChunk, Symbol, Universe
from backtests.prices.store import COLUMNS, read_bars
from tests.builders import execute_run, make_bars, make_market, make_run, store_universe

ADMIN = "/admin/backtests/"
MODELS = ("symbol", "universe", "priceblock", "run", "runchunk", "result")
RECORDS = ("priceblock", "run", "runchunk", "result")
CACHE = f"{ADMIN}priceblock/cache/"

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class World:
    """A universe with prices, one symbol without, and a run over all of them."""

    universe: Universe
    run: Run

    @property
    def symbol(self) -> Symbol:
        return Symbol.objects.get(ticker="S0")

    @property
    def block(self) -> PriceBlock:
        return PriceBlock.objects.filter(symbol=self.symbol).order_by("period")[0]

    @property
    def result(self) -> Result:
        return Result.objects.get(symbol=self.symbol)

    @property
    def failed(self) -> Result:
        return Result.objects.get(symbol__ticker="EMPTY")

    def page_of(self, model: str) -> str:
        rows = {
            "symbol": self.symbol,
            "universe": self.universe,
            "priceblock": self.block,
            "run": self.run,
            "runchunk": self.run.chunks.all()[0],
            "result": self.result,
        }
        return f"{ADMIN}{model}/{rows[model].pk}/change/"


@pytest.fixture
def world() -> World:
    market = make_market(n_symbols=3, n_bars=300, shape="waves")
    universe = store_universe("Small", {**market, "EMPTY": make_bars([])})
    return World(universe=universe, run=execute_run(make_run(universe)))


@pytest.fixture
def admin_user(db: None) -> User:
    # Without a password: to hash one takes longer than most of these tests.
    return User.objects.create_superuser("admin")


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def select(client: Client, model: str, action: str, *pks: object) -> str:
    sent = {"action": action, "_selected_action": [str(pk) for pk in pks], "index": 0}
    return client.post(f"{ADMIN}{model}/", sent, follow=True).content.decode()


def clerk(*permissions: str) -> User:
    """A member of the staff who may do only this."""
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def queries_of(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        text_of(client, address)
    return [str(query["sql"]) for query in queries]


def damage(block: PriceBlock) -> None:
    PriceBlock.objects.filter(pk=block.pk).update(close=b"\x00" * 8 * block.n_bars)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_page_answers(admin_client: Client, world: World, model: str) -> None:
    assert "0 results" not in text_of(admin_client, f"{ADMIN}{model}/")
    text_of(admin_client, world.page_of(model))


@pytest.mark.parametrize("model", MODELS)
def test_strangers_are_sent_to_the_login(client: Client, world: World, model: str) -> None:
    for address in (f"{ADMIN}{model}/", world.page_of(model)):
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("model", MODELS)
def test_staff_without_permission_is_refused(client: Client, world: World, model: str) -> None:
    client.force_login(clerk())
    assert client.get(f"{ADMIN}{model}/").status_code == 403


@pytest.mark.parametrize("model", RECORDS)
def test_records_cannot_be_edited_or_added(admin_client: Client, world: World, model: str) -> None:
    assert admin_client.post(world.page_of(model), {"state": "failed", "n_bars": 1}).status_code == 403
    assert admin_client.get(f"{ADMIN}{model}/add/").status_code == 403
    assert admin_client.post(f"{ADMIN}{model}/add/", {}).status_code == 403


@pytest.mark.parametrize("model", ["runchunk", "result"])
def test_parts_of_a_run_cannot_be_deleted_alone(admin_client: Client, world: World, model: str) -> None:
    page = world.page_of(model).replace("/change/", "/delete/")
    assert admin_client.post(page, {"post": "yes"}).status_code == 403
    assert "delete_selected" not in text_of(admin_client, f"{ADMIN}{model}/")


@pytest.mark.parametrize("model", MODELS)
def test_more_rows_need_no_more_queries(admin_client: Client, world: World, model: str) -> None:
    few = len(queries_of(admin_client, f"{ADMIN}{model}/"))
    more = {f"T{number}": bars for number, bars in enumerate(make_market(n_symbols=6, n_bars=300).values())}
    execute_run(make_run(store_universe("More", more)))
    assert len(queries_of(admin_client, f"{ADMIN}{model}/")) == few


@pytest.mark.parametrize("model", ["symbol", "universe", "priceblock"])
def test_lists_leave_the_columns_of_prices_alone(admin_client: Client, world: World, model: str) -> None:
    for sql in queries_of(admin_client, f"{ADMIN}{model}/"):
        assert not any(f'"backtests_priceblock"."{column}"' in sql for column in COLUMNS), sql


def test_the_list_of_results_leaves_curves_and_trades_alone(admin_client: Client, world: World) -> None:
    for sql in queries_of(admin_client, f"{ADMIN}result/"):
        assert '"curve"' not in sql
        assert '"trade_list"' not in sql


@pytest.mark.parametrize(
    ("model", "query", "n_found"),
    [
        ("symbol", "q=s1", 1),
        ("symbol", "q=S1 Incorporated", 1),
        ("symbol", "q=nothing", 0),
        ("symbol", "market__exact=crypto", 0),
        ("symbol", "sector__exact=Industry", 4),
        ("symbol", "is_synthetic__exact=1", 0),
        ("symbol", "prices=stored", 3),
        ("symbol", "prices=none", 1),
        ("universe", "q=small", 1),
        ("universe", "is_synthetic__exact=1", 0),
        ("priceblock", "q=S2", 1),
        ("priceblock", "interval__exact=1h", 0),
        ("priceblock", "symbol__market__exact=stocks", 3),
        ("run", "q=rsi", 1),
        ("run", "q=small", 1),
        ("run", "state__exact=failed", 0),
        ("run", "state__exact=complete", 1),
        ("runchunk", "state__exact=waiting", 0),
        ("result", "q=S0", 1),
        ("result", "q=nothing", 0),
        ("result", "outcome=failed", 1),
        ("result", "outcome=successful", 3),
    ],
)
def test_search_and_filters_narrow_the_list(
    admin_client: Client, world: World, model: str, query: str, n_found: int
) -> None:
    answer = admin_client.get(f"{ADMIN}{model}/?{query}")
    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == n_found


@pytest.mark.parametrize("model", ["runchunk", "result"])
def test_parts_of_a_run_are_found_by_its_id(admin_client: Client, world: World, model: str) -> None:
    n_parts = {"runchunk": world.run.chunks.count(), "result": 4}[model]
    for query in (f"q={world.run.pk}", f"run__id__exact={world.run.pk}"):
        assert len(admin_client.get(f"{ADMIN}{model}/?{query}").context["cl"].result_list) == n_parts


def test_results_of_one_run_stand_in_their_order(admin_client: Client, world: World) -> None:
    found = admin_client.get(f"{ADMIN}result/?run__id__exact={world.run.pk}").context["cl"].result_list
    assert [result.sequence for result in found] == [1, 2, 3, 4]


# Symbols


def test_a_symbol_shows_its_bars_by_interval(admin_client: Client, world: World) -> None:
    store_universe("Hourly", {"S0": make_bars([1.0] * 1200, step_s=3600)}, interval="1h")
    for address in (f"{ADMIN}symbol/?q=S0", world.page_of("symbol")):
        text = text_of(admin_client, address)
        assert "1h: 1,200, 1d: 300" in text
        assert "2024-01-01" in text
    assert f"{ADMIN}priceblock/?symbol__id__exact={world.symbol.pk}" in text_of(admin_client, world.page_of("symbol"))


def test_what_identifies_a_symbol_is_fixed_and_its_name_is_not(admin_client: Client, world: World) -> None:
    sent = {"ticker": "OTHER", "market": "crypto", "is_synthetic": "on", "name": "New name", "sector": "Trade"}
    assert admin_client.post(world.page_of("symbol"), sent).status_code == 302
    symbol = world.symbol
    assert (symbol.market, symbol.is_synthetic, symbol.name, symbol.sector) == ("stocks", False, "New name", "Trade")


def test_a_symbol_can_be_added(admin_client: Client) -> None:
    sent = {"ticker": "NEW", "market": "stocks", "name": "", "sector": ""}
    assert admin_client.get(f"{ADMIN}symbol/add/").status_code == 200
    assert admin_client.post(f"{ADMIN}symbol/add/", sent).status_code == 302
    assert Symbol.objects.filter(ticker="NEW").exists()


def test_a_symbol_with_results_is_kept(admin_client: Client, world: World) -> None:
    page = world.page_of("symbol").replace("/change/", "/delete/")
    assert "Results of S0: 1" in text_of(admin_client, page)
    admin_client.post(page, {"post": "yes"})
    assert world.symbol.pk


def test_a_symbol_without_results_goes_with_its_prices(admin_client: Client, world: World) -> None:
    page, symbol = world.page_of("symbol").replace("/change/", "/delete/"), world.symbol
    world.run.delete()
    assert "Price blocks: 1" in text_of(admin_client, page)
    assert admin_client.post(page, {"post": "yes"}).status_code == 302
    assert not PriceBlock.objects.filter(symbol_id=symbol.pk).exists()


# Universes


def test_a_universe_counts_symbols_prices_and_runs(admin_client: Client, world: World) -> None:
    row = admin_client.get(f"{ADMIN}universe/").context["cl"].result_list[0]
    assert (row.n_symbols, row.n_priced, row.n_bars, row.n_runs) == (4, 3, 900, 1)
    assert f"{ADMIN}run/?universe__id__exact={world.universe.pk}" in text_of(admin_client, f"{ADMIN}universe/")


def test_synthetic_universes_and_symbols_wear_a_badge(admin_client: Client, world: World) -> None:
    assert "badge synthetic" not in text_of(admin_client, f"{ADMIN}universe/")
    store_universe("Invented", {"FAKE": make_bars([1.0, 2.0])}, is_synthetic=True)
    for model in ("universe", "symbol"):
        assert text_of(admin_client, f"{ADMIN}{model}/").count("badge synthetic") == 1


def test_a_universe_is_added_first_and_given_symbols_then(admin_client: Client, world: World) -> None:
    assert 'name="symbols"' not in text_of(admin_client, f"{ADMIN}universe/add/")
    sent = {"name": "Mine", "slug": "mine", "market": "stocks", "as_of": "2024-01-01", "_continue": "Save"}
    answer = admin_client.post(f"{ADMIN}universe/add/", sent)
    universe = Universe.objects.get(slug="mine")
    assert answer["Location"] == f"{ADMIN}universe/{universe.pk}/change/"
    admin_client.post(answer["Location"], {**sent, "slug": "other", "market": "crypto", "symbols": [world.symbol.pk]})
    universe.refresh_from_db()
    assert (universe.slug, universe.market) == ("mine", "stocks")
    assert list(universe.symbols.all()) == [world.symbol]


def test_an_invented_price_never_joins_real_ones(admin_client: Client, world: World) -> None:
    store_universe("Invented", {"FAKE": make_bars([1.0, 2.0])}, is_synthetic=True)
    fake = Symbol.objects.get(ticker="FAKE")
    page = world.page_of("universe")
    assert "FAKE" not in text_of(admin_client, page)
    sent = {"name": "Small", "as_of": "2024-01-01", "symbols": [fake.pk]}
    assert "Select a valid choice" in admin_client.post(page, sent).content.decode()


def test_a_universe_with_more_symbols_than_a_form_can_send_keeps_them(
    admin_client: Client, world: World, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 23
    page = world.page_of("universe")
    assert "more symbols than a form can send" in text_of(admin_client, page)
    assert admin_client.post(page, {"name": "Renamed", "as_of": "2024-01-01"}).status_code == 302
    world.universe.refresh_from_db()
    assert (world.universe.name, world.universe.symbols.count()) == ("Renamed", 4)


def test_a_universe_with_runs_is_kept_and_one_without_can_go(admin_client: Client, world: World) -> None:
    page = world.page_of("universe").replace("/change/", "/delete/")
    assert "Runs on Small: 1" in text_of(admin_client, page)
    world.run.delete()
    assert admin_client.post(page, {"post": "yes"}).status_code == 302
    assert not Universe.objects.exists()
    assert Symbol.objects.count() == 4


# Price blocks


def test_a_blocks_page_shows_its_first_and_last_bars(admin_client: Client, world: World) -> None:
    text = text_of(admin_client, world.page_of("priceblock"))
    bars = read_bars([world.symbol.pk], interval="1d")[world.symbol.pk].bars
    for bar in (0, 4, 295, 299):
        assert f"<td>{bars.close[bar]:,.8g}</td>" in text
    assert f"{bars.close[5]:,.8g}" not in text
    assert "intact" in text
    assert "The first and the last 5 of 300 bars." in text
    assert "14.1 KiB" in text


def test_a_short_block_shows_every_bar_once(admin_client: Client) -> None:
    store_universe("Short", {"AAA": make_bars([1.5, 2.5, 3.5])})
    text = text_of(admin_client, f"{ADMIN}priceblock/{PriceBlock.objects.get().pk}/change/")
    assert [text.count(f"2024-01-0{day}</td>") for day in (1, 2, 3)] == [1, 1, 1]


def test_a_damaged_block_says_so_and_shows_no_bars(admin_client: Client, world: World) -> None:
    damage(world.block)
    text = text_of(admin_client, world.page_of("priceblock"))
    assert "damaged" in text
    assert "not shown, because they are not what was imported" in text


def test_verifying_names_the_damaged_blocks(admin_client: Client, world: World) -> None:
    pks = list(PriceBlock.objects.values_list("pk", flat=True))
    assert "Verified 3: every one is intact." in select(admin_client, "priceblock", "verify", *pks)
    damage(world.block)
    text = select(admin_client, "priceblock", "verify", *pks)
    assert "1 of 3 are damaged, import their prices again: S0 1d 2024-01-01" in text


def test_verifying_needs_the_permission_to_view_only(client: Client, world: World) -> None:
    client.force_login(clerk("view_priceblock"))
    assert "every one is intact" in select(client, "priceblock", "verify", world.block.pk)


def test_deleting_a_block_says_what_is_lost_and_does_it(admin_client: Client, world: World) -> None:
    page = world.page_of("priceblock").replace("/change/", "/delete/")
    assert "removes its prices from the database" in text_of(admin_client, page)
    assert "removes its prices from the database" in select(
        admin_client, "priceblock", "delete_selected", world.block.pk
    )
    symbol = world.symbol
    assert admin_client.post(page, {"post": "yes"}).status_code == 302
    assert read_bars([symbol.pk], interval="1d") == {}


def test_all_blocks_are_deleted_however_many_fields_a_form_may_have(
    admin_client: Client, world: World, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    everything = f"{ADMIN}priceblock/?interval__exact=1d"
    sent = {"action": "delete_selected", "_selected_action": [world.block.pk], "select_across": "1"}
    text = admin_client.post(everything, {**sent, "index": "0"}).content.decode()
    assert "Price blocks: 3" in text
    assert text.count('name="_selected_action"') == text.count('name="select_across"') == 1
    assert admin_client.post(everything, {**sent, "post": "yes"}).status_code == 302
    assert not PriceBlock.objects.exists()


def test_a_long_deletion_names_only_the_first_rows(admin_client: Client) -> None:
    Symbol.objects.bulk_create([Symbol(ticker=f"T{number:03}", market="stocks") for number in range(130)])
    text = select(admin_client, "symbol", "delete_selected", *Symbol.objects.values_list("pk", flat=True))
    assert "Symbols: 130" in text
    assert "T099" in text
    assert "T100" not in text
    assert "and 30 more" in text


def test_deleting_blocks_needs_the_permission(client: Client, world: World) -> None:
    client.force_login(clerk("view_priceblock"))
    page = world.page_of("priceblock").replace("/change/", "/delete/")
    assert client.post(page, {"post": "yes"}).status_code == 403
    assert PriceBlock.objects.count() == 3


# The site


def test_the_index_leads_to_every_list_the_cache_and_back_to_the_site(admin_client: Client) -> None:
    text = text_of(admin_client, "/admin/")
    for address in [*(f"{ADMIN}{model}/" for model in MODELS), "/admin/strategies/strategy/", CACHE, "/"]:
        assert f'href="{address}"' in text
    assert "<title>Administration | Trawl</title>" in text


# Runs


def test_a_runs_page_shows_every_field_and_leads_to_its_parts(admin_client: Client, world: World) -> None:
    answer = admin_client.get(world.page_of("run"))
    text = answer.content.decode()
    for field in Run._meta.fields:
        assert f"field-{field.name}" in text or field.name in {*COUNTERS, "rules"}
    for rule in RULES:
        assert f"<td>{rule.label}</td>" in text
    assert "<td>at the open of the next bar</td>" in text
    assert "4 of 4" in text
    assert f'href="/runs/{world.run.pk}/"' in text
    for part in (f"result/?run__id__exact={world.run.pk}", f"runchunk/?run__id__exact={world.run.pk}"):
        assert ADMIN + part in text
    assert f"result/?run__id__exact={world.run.pk}&amp;outcome=failed" in text


def test_the_list_of_runs_says_how_far_each_is(admin_client: Client, world: World) -> None:
    waiting = make_run(world.universe)
    text = text_of(admin_client, f"{ADMIN}run/")
    assert world.run.pk in text
    assert waiting.pk in text
    assert "4 of 4" in text
    assert "0 of 4" in text


def test_a_run_goes_with_its_chunks_and_results(admin_client: Client, world: World) -> None:
    page = world.page_of("run").replace("/change/", "/delete/")
    assert "Results: 4" in text_of(admin_client, page)
    assert admin_client.post(page, {"post": "yes"}).status_code == 302
    assert not Run.objects.exists()
    assert not RunChunk.objects.exists()
    assert not Result.objects.exists()


def test_selected_runs_are_deleted_together(admin_client: Client, world: World) -> None:
    other = make_run(world.universe)
    sent = {"action": "delete_selected", "_selected_action": [world.run.pk, other.pk], "post": "yes"}
    assert admin_client.post(f"{ADMIN}run/", sent).status_code == 302
    assert not Run.objects.exists()


def test_deleting_a_run_needs_the_permission(client: Client, world: World) -> None:
    client.force_login(clerk("view_run"))
    page = world.page_of("run").replace("/change/", "/delete/")
    assert client.post(page, {"post": "yes"}).status_code == 403
    select(client, "run", "delete_selected", world.run.pk)
    assert Run.objects.exists()


# Chunks


def test_a_chunk_names_its_symbols(admin_client: Client, world: World) -> None:
    chunk = world.run.chunks.all()[0]
    tickers = Symbol.objects.filter(pk__in=chunk.symbol_ids).values_list("ticker", flat=True)
    assert ", ".join(sorted(tickers)) in text_of(admin_client, world.page_of("runchunk"))


@pytest.mark.parametrize(("seconds", "shown"), [(3600, "left"), (-3600, "free to be taken up")])
def test_a_lease_says_whether_it_is_over(admin_client: Client, world: World, seconds: int, shown: str) -> None:
    until = timezone.now() + timedelta(seconds=seconds)
    RunChunk.objects.filter(index=0).update(state="claimed", worker="host:1:ab", leased_until=until)
    assert shown in text_of(admin_client, f"{ADMIN}runchunk/?state__exact=claimed")


# Results


def test_a_results_page_shows_every_metric_and_the_trades(admin_client: Client, world: World) -> None:
    text = text_of(admin_client, world.page_of("result"))
    for metric in METRICS:
        assert metric.label in text
    trades = np.frombuffer(world.result.trade_list, dtype=TRADE)
    assert len(trades) > 0
    for trade in trades:
        assert f"<td>{trade['entry_price']:,.6g}</td>" in text


def test_a_failed_result_shows_its_reason(admin_client: Client, world: World) -> None:
    assert "no 1d prices are stored" in text_of(admin_client, f"{ADMIN}result/?outcome=failed")
    text = text_of(admin_client, f"{ADMIN}result/{world.failed.pk}/change/")
    assert "failed: no 1d prices are stored" in text
    assert "none, because it failed" in text


def test_no_page_carries_an_inline_script_or_style(admin_client: Client, world: World) -> None:
    pages = ["/admin/", CACHE, *(f"{ADMIN}{model}/" for model in MODELS), *(world.page_of(model) for model in MODELS)]
    for address in pages:
        text = text_of(admin_client, address)
        assert "<style" not in text
        assert " style=" not in text
        assert "<script>" not in text


def test_the_docs_tell_of_every_page() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "admin.md").read_text()
    ours = [model for model in site._registry if model._meta.app_label in {"backtests", "strategies"}]
    assert {model._meta.model_name for model in ours} >= {*MODELS, "strategy", "apitoken"}
    for model in ours:
        assert f"\n| {str(model._meta.verbose_name_plural).capitalize()} | " in docs
    assert f"the first {SHOWN_TRADES} trades" in docs
