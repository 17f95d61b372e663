from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtests.models import PriceBlock, Symbol, Universe
from backtests.prices.errors import ImportRefused, RowsRefused
from backtests.prices.import_report import ImportReport
from backtests.prices.importing import BATCH_SYMBOLS, ImportRequest, import_prices
from backtests.prices.store import BlockChanges, read_bars
from strategies.bars import Bars
from tests.builders import DAY_S, MONDAY_S, price_columns, write_prices

pytestmark = pytest.mark.django_db


def imported(tmp_path: Path, columns: dict[str, Any], **options: Any) -> ImportReport:
    path = write_prices(tmp_path / "prices.parquet", columns)
    return import_prices(ImportRequest(**{"path": path, "universe": "Test", "market": "stocks", **options}))


def stored(ticker: str, interval: str = "1d") -> Bars:
    symbol = Symbol.objects.get(ticker=ticker)
    return read_bars([symbol.pk], interval=interval)[symbol.pk].bars


def is_nothing_stored() -> bool:
    return not (Symbol.objects.exists() or Universe.objects.exists() or PriceBlock.objects.exists())


def test_bars_are_stored_as_they_stand_in_the_file(tmp_path: Path) -> None:
    report = imported(tmp_path, price_columns(["BBB", "AAA"]))
    bars = stored("AAA")
    assert bars.time.tolist() == [MONDAY_S + day * DAY_S for day in range(6)]
    assert bars.open.tolist() == [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]
    assert bars.high.tolist() == [102.0, 103.0, 104.0, 105.0, 106.0, 107.0]
    assert bars.low.tolist() == [99.0, 100.0, 101.0, 102.0, 103.0, 104.0]
    assert bars.close.tolist() == [101.0, 102.0, 103.0, 104.0, 105.0, 106.0]
    assert bars.volume.tolist() == [1000.0] * 6
    assert (report.n_symbols, report.n_read, report.n_stored, report.n_dropped) == (2, 12, 12, 0)
    assert report.changes == BlockChanges(added=2)
    assert report.is_clean


def test_the_universe_has_the_symbols_and_the_date_of_the_last_bar(tmp_path: Path) -> None:
    imported(tmp_path, price_columns(["AAA", "BBB"]))
    universe = Universe.objects.get()
    assert (universe.name, universe.market, universe.as_of) == ("Test", "stocks", date(2024, 1, 6))
    assert [symbol.ticker for symbol in universe.symbols.all()] == ["AAA", "BBB"]


def test_the_date_of_the_universe_can_be_given(tmp_path: Path) -> None:
    imported(tmp_path, price_columns(), as_of=date(2023, 5, 1))
    assert Universe.objects.get().as_of == date(2023, 5, 1)


def test_more_symbols_than_a_batch_are_all_stored(tmp_path: Path) -> None:
    symbols = [f"S{number:03}" for number in range(BATCH_SYMBOLS * 2 + 1)]
    columns = price_columns(symbols, 2)
    columns["volume"] = [float(row // 2) for row in range(len(symbols) * 2)]
    imported(tmp_path, columns)
    assert [stored(symbol).volume[0] for symbol in symbols] == list(range(len(symbols)))


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    columns = price_columns(["AAA", "BBB"])
    imported(tmp_path, columns)
    before = list(PriceBlock.objects.values())
    report = imported(tmp_path, columns)
    assert report.changes == BlockChanges(unchanged=2)
    assert list(PriceBlock.objects.values()) == before
    assert (Symbol.objects.count(), Universe.objects.count()) == (2, 1)


def test_a_part_of_what_is_stored_changes_nothing(tmp_path: Path) -> None:
    imported(tmp_path, price_columns(n_bars=6))
    assert imported(tmp_path, price_columns(n_bars=3)).changes == BlockChanges(unchanged=1)
    assert len(stored("AAA")) == 6


def test_an_overlap_replaces_only_the_blocks_that_change(tmp_path: Path) -> None:
    five_years = 5 * 366
    start_s = MONDAY_S - five_years * DAY_S
    imported(tmp_path, price_columns(["AAA", "BBB"], five_years, start_s=start_s))
    blocks = {(block.symbol_id, block.period): block for block in PriceBlock.objects.all()}
    columns = price_columns(["AAA", "BBB"], five_years, start_s=start_s)
    columns["close"][five_years - 1] += 0.5
    report = imported(tmp_path, columns)
    assert report.changes == BlockChanges(replaced=1, unchanged=len(blocks) - 1)
    after = {(block.symbol_id, block.period): block for block in PriceBlock.objects.all()}
    changed = [key for key, block in after.items() if block.imported_at != blocks[key].imported_at]
    assert changed == [(Symbol.objects.get(ticker="AAA").pk, max(period for _, period in blocks))]
    assert stored("AAA").close[-1] == columns["close"][five_years - 1]


def test_bars_before_and_after_are_joined_with_the_stored_ones(tmp_path: Path) -> None:
    imported(tmp_path, price_columns(n_bars=4))
    report = imported(tmp_path, price_columns(n_bars=4, start_s=MONDAY_S + 3 * DAY_S))
    assert report.changes == BlockChanges(replaced=1)
    bars = stored("AAA")
    assert np.diff(bars.time).tolist() == [DAY_S] * 6
    assert bars.close.tolist() == [101.0, 102.0, 103.0, 101.0, 102.0, 103.0, 104.0]


def test_rows_in_reverse_are_stored_in_order(tmp_path: Path) -> None:
    report = imported(tmp_path, {name: column[::-1] for name, column in price_columns().items()})
    assert stored("AAA").close.tolist() == [101.0, 102.0, 103.0, 104.0, 105.0, 106.0]
    assert (report.n_sorted, report.n_stored) == (5, 6)


def test_what_was_read_is_stored_dropped_or_merged(tmp_path: Path) -> None:
    columns = price_columns(n_bars=8)
    columns["symbol"][0] = None
    columns["time"][1] = None
    columns["high"][2] = 1.0
    for name, column in columns.items():
        column.append(column[7] if name != "volume" else 1000.0)
    report = imported(tmp_path, columns)
    assert (report.n_read, report.n_stored, report.n_dropped, report.n_merged) == (9, 5, 3, 1)
    assert len(stored("AAA")) == 5


def test_names_and_sectors_come_from_the_list_of_symbols(tmp_path: Path) -> None:
    listed = tmp_path / "listed.csv"
    listed.write_text("Symbol,Security,GICS Sector\nAAA,Alpha,Energy\nZZZ,Omega,Energy\n")
    report = imported(tmp_path, price_columns(["AAA", "BBB"]), symbols_path=listed)
    named = list(Symbol.objects.values_list("ticker", "name", "sector"))
    assert named == [("AAA", "Alpha", "Energy"), ("BBB", "", "")]
    assert report.notes[1:] == (
        "1 of the symbols are not in listed.csv: BBB",
        "1 of the symbols in listed.csv have no prices: ZZZ",
    )


def test_a_strict_import_of_a_faultless_file_is_stored(tmp_path: Path) -> None:
    columns = price_columns()
    columns["volume"][2] = 0.0
    assert imported(tmp_path, columns, is_strict=True).n_stored == 6


@pytest.mark.parametrize("defect", ["dropped", "merged", "sorted", "time", "symbol"])
def test_a_strict_import_refuses_a_row_to_drop_or_repair(tmp_path: Path, defect: str) -> None:
    columns = price_columns(["AAA", "BBB"])
    if defect == "dropped":
        columns["high"][2] = 1.0
    elif defect in {"time", "symbol"}:
        columns[defect][2] = None
    else:
        for column in columns.values():
            column.insert(0, column[0] if defect == "merged" else column.pop(3))
    with pytest.raises(RowsRefused, match="the import is strict; nothing was stored") as refused:
        imported(tmp_path, columns, is_strict=True)
    assert not refused.value.report.is_clean
    assert is_nothing_stored()


def test_a_file_without_a_usable_row_is_refused_with_its_report(tmp_path: Path) -> None:
    columns = price_columns(n_bars=2)
    columns["open"] = [None, None]
    with pytest.raises(RowsRefused, match="has no row that can be used; nothing was stored") as refused:
        imported(tmp_path, columns)
    assert refused.value.report.n_dropped == 2
    assert is_nothing_stored()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"market": "bonds"}, "--market must be one of stocks, crypto; it is 'bonds'"),
        ({"interval": "2d"}, "--interval must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w; it is '2d'"),
        ({"universe": "  "}, "--universe must be a name of 1 to 100 characters; it is '  '"),
        ({"universe": "x" * 101}, f"--universe must be a name of 1 to 100 characters; it is '{'x' * 100}'"),
    ],
)
def test_a_bad_option_is_refused_by_name(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        imported(tmp_path, price_columns(), **options)
    assert str(refused.value) == message


def test_the_universe_of_another_market_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    Universe.objects.create(name="Test", slug="test", market="crypto", as_of=date(2024, 1, 1))
    with pytest.raises(ImportRefused, match="holds real crypto; choose another name"):
        imported(tmp_path, price_columns())
    assert not Symbol.objects.exists()


def test_an_interruption_leaves_nothing_half_stored(tmp_path: Path) -> None:
    symbols = [f"S{number:03}" for number in range(BATCH_SYMBOLS + 1)]
    path = write_prices(tmp_path / "prices.parquet", price_columns(symbols, 2))
    steps = []

    def interrupt(step: str, done: int, total: int) -> None:
        steps.append((step, done, total))
        if done == BATCH_SYMBOLS:
            assert PriceBlock.objects.count() == BATCH_SYMBOLS
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_prices(ImportRequest(path=path, universe="Test", market="stocks"), progress=interrupt)
    assert steps == [("reading", 0, 1), ("checking", 0, 1), ("storing", 0, 33), ("storing", 32, 33)]
    assert is_nothing_stored()
