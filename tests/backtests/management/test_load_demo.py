from __future__ import annotations

import re
from datetime import date
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import CommandParser

from backtests.management.commands.load_demo import Command
from backtests.models import PriceBlock, Symbol, Universe
from backtests.prices.demo import SEED, load_demo
from backtests.prices.demo.cast import coin_cast, stock_cast
from backtests.prices.demo.stocks import stock_bars, stock_factors
from backtests.prices.errors import PricesError
from backtests.prices.store import read_bars
from backtests.prices.universes import Listing, save_universe

pytestmark = pytest.mark.django_db

SMALL = ("--stocks=5", "--coins=4", "--hourly=2")


def load(*options: str) -> str:
    printed = StringIO()
    call_command("load_demo", *options, stdout=printed)
    return printed.getvalue()


def checksums() -> list[str]:
    return list(PriceBlock.objects.order_by("symbol", "interval", "period").values_list("checksum", flat=True))


def is_nothing_stored() -> bool:
    return not (Symbol.objects.exists() or Universe.objects.exists() or PriceBlock.objects.exists())


def test_the_whole_market_is_loaded() -> None:
    loaded = load_demo()
    parts = {part.universe.slug: (part.n_symbols, part.interval) for part in loaded.universes}
    assert parts == {"demo-stocks": (503, "1d"), "demo-crypto": (243, "1d"), "demo-crypto-hourly": (48, "1h")}
    assert Symbol.objects.count() == 503 + 243
    assert PriceBlock.objects.count() == loaded.blocks.added
    assert sum(PriceBlock.objects.values_list("n_bars", flat=True)) == loaded.n_bars


def test_every_symbol_universe_and_source_says_that_it_is_synthetic() -> None:
    printed = load(*SMALL)
    assert printed.endswith("The prices are synthetic, not real.\n")
    assert set(Symbol.objects.values_list("is_synthetic", flat=True)) == {True}
    assert set(Universe.objects.values_list("is_synthetic", "as_of")) == {(True, date(2025, 12, 31))}
    assert set(PriceBlock.objects.values_list("source", flat=True)) == {f"Synthetic demo market, seed {SEED}"}


def test_it_prints_what_was_loaded() -> None:
    printed = load(*SMALL).splitlines()
    assert re.fullmatch(r"Demo Stocks: 5 symbols, [\d,]+ bars of 1d", printed[0])
    assert printed[1] == "Demo Crypto: 4 symbols, 4,380 bars of 1d"
    assert printed[2] == "Demo Crypto Hourly: 2 symbols, 17,520 bars of 1h"
    assert re.fullmatch(r"Blocks: \d+ added, 0 replaced, 0 unchanged", printed[3])
    assert re.fullmatch(r"Loaded [\d,]+ bars in \d+\.\d s\. The prices are synthetic, not real\.", printed[4])


def test_nothing_is_written_to_an_error_stream_that_is_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    load("--stocks=1", "--coins=0")
    assert capsys.readouterr().err == ""


def test_loading_again_changes_nothing() -> None:
    load(*SMALL)
    before = checksums()
    assert f"Blocks: 0 added, 0 replaced, {len(before)} unchanged" in load(*SMALL)
    assert checksums() == before


def test_a_smaller_market_is_a_part_of_the_larger_one() -> None:
    load(*SMALL)
    before = len(checksums())
    assert f" 0 replaced, {before} unchanged" in load("--stocks=8", "--coins=6", "--hourly=3")


def test_the_stored_bars_are_those_that_were_made() -> None:
    load(*SMALL)
    member = stock_cast()[2]
    symbol = Symbol.objects.get(ticker=member.ticker)
    stored = read_bars([symbol.pk], interval="1d")[symbol.pk].bars
    made = stock_bars(member, stock_factors(SEED), SEED)
    assert (symbol.name, symbol.sector, symbol.market) == (member.name, member.sector.label, "stocks")
    assert np.array_equal(stored.time, made.time)
    assert np.array_equal(stored.close, made.close)


def test_another_seed_replaces_every_bar_and_leaves_none_behind() -> None:
    load("--seed=2", *SMALL)
    fresh = checksums()
    load("--seed=1", *SMALL)
    assert not set(checksums()) & set(fresh)
    assert f"Blocks: 0 added, {len(fresh)} replaced, 0 unchanged" in load("--seed=2", *SMALL)
    assert checksums() == fresh
    assert Symbol.objects.count() == 5 + 4


def test_hourly_coins_are_the_first_of_the_daily_ones() -> None:
    load(*SMALL)
    hourly = Universe.objects.get(slug="demo-crypto-hourly")
    assert set(hourly.symbols.values_list("ticker", flat=True)) == {member.ticker for member in coin_cast()[:2]}
    assert Universe.objects.get(slug="demo-crypto").symbols.count() == 4
    assert PriceBlock.objects.filter(interval="1h").values("symbol").distinct().count() == 2


def test_a_market_without_coins_or_without_stocks_has_only_the_other() -> None:
    load("--stocks=2", "--coins=0")
    assert list(Universe.objects.values_list("slug", flat=True)) == ["demo-stocks"]
    load("--stocks=0", "--coins=1", "--hourly=0")
    assert set(Universe.objects.values_list("slug", flat=True)) == {"demo-stocks", "demo-crypto"}


def test_with_few_coins_hourly_is_at_most_their_number() -> None:
    load("--stocks=0", "--coins=3")
    assert Universe.objects.get(slug="demo-crypto-hourly").symbols.count() == 3


def test_an_interrupted_load_leaves_nothing() -> None:
    def interrupt(done: int, _total: int) -> None:
        if done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_demo(n_stocks=70, n_coins=0, n_hourly=0, progress=interrupt)
    assert is_nothing_stored()


def test_progress_counts_every_series() -> None:
    seen: list[tuple[int, int]] = []
    load_demo(n_stocks=70, n_coins=3, n_hourly=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 75), (70, 75), (73, 75), (75, 75)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stocks=504"], "stocks must be from 0 to 503; it is 504"),
        (["--stocks=-1"], "stocks must be from 0 to 503; it is -1"),
        (["--coins=244"], "coins must be from 0 to 243; it is 244"),
        (["--coins=-2"], "coins must be from 0 to 243; it is -2"),
        (["--hourly=49"], "hourly must be from 0 to 48; it is 49"),
        (["--coins=3", "--hourly=4"], "hourly must be at most the number of coins, 3; it is 4"),
        (["--stocks=0", "--coins=0"], "stocks and coins must not both be 0: there would be nothing to load"),
        (["--seed=-1"], "seed must be from 0 to 9223372036854775807; it is -1"),
        (["--stocks=many"], "argument --stocks: invalid int value: 'many'"),
    ],
)
def test_a_bad_number_is_refused_in_one_line(options: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=f"{re.escape(message)}$"):
        load(*options)
    assert is_nothing_stored()


def test_a_universe_of_real_prices_is_not_touched() -> None:
    save_universe(
        name="Demo Stocks", market="stocks", listings=[Listing("AAA")], as_of=date(2024, 1, 1), is_synthetic=False
    )
    with pytest.raises(CommandError, match="the universe Demo Stocks holds real stocks"):
        load(*SMALL)
    assert list(Symbol.objects.values_list("ticker", flat=True)) == ["AAA"]


def test_the_domain_function_refuses_with_an_error_of_prices() -> None:
    with pytest.raises(PricesError, match="stocks must be from 0 to 503; it is 900"):
        load_demo(n_stocks=900)


def test_every_option_is_in_the_docs_with_its_help() -> None:
    parser = CommandParser()
    Command().add_arguments(parser)
    options = [(action.option_strings[0], action.help) for action in parser._actions if action.dest != "help"]
    docs = (Path(__file__).parents[3] / "docs" / "demo-market.md").read_text()
    assert re.findall(r"^\| `(--\w+) N` \| (.+) \|$", docs, re.MULTILINE) == options
