from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtests.models import PriceBlock, Symbol, Universe
from tests.builders import price_columns, write_prices

pytestmark = pytest.mark.django_db


def run(path: Path, *options: str, market: str = "stocks") -> str:
    printed = StringIO()
    call_command("import_prices", str(path), "--universe", "Test", "--market", market, *options, stdout=printed)
    return printed.getvalue()


@pytest.fixture
def defective(tmp_path: Path) -> Path:
    columns = price_columns(["AAA", "BBB", "CCC"])
    columns["high"][2] = 1.0
    columns["volume"][8] = 0.0
    return write_prices(tmp_path / "prices.csv", columns)


def is_nothing_stored() -> bool:
    return not (Symbol.objects.exists() or Universe.objects.exists() or PriceBlock.objects.exists())


def test_the_report_sums_up_and_names_every_finding(defective: Path) -> None:
    printed = run(defective)
    assert printed.startswith("prices.csv into Test: 3 symbols, 1d, 2024-01-01 to 2024-01-06\n")
    assert "  rows read                18\n  rows stored              17\n  rows dropped              1\n" in printed
    assert "  blocks         3 added, 0 replaced, 0 unchanged\n" in printed
    assert "AAA        2024-01-03 high 1, low 101" in printed
    assert "BBB        2024-01-03\n" in printed
    assert Symbol.objects.count() == 3


def test_a_second_import_says_that_nothing_changed(defective: Path) -> None:
    run(defective)
    assert "  blocks         0 added, 0 replaced, 3 unchanged\n" in run(defective)


def test_quiet_prints_the_summary_only(defective: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(defective, "--quiet")
    assert "1 high below low" in printed
    assert "Dropped" not in printed
    assert capsys.readouterr().err == ""


def test_progress_goes_to_the_error_stream(defective: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(defective)
    steps = "reading\nchecking\nstoring 0 of 3 symbols\nstoring 3 of 3 symbols\n"
    assert capsys.readouterr().err == steps
    assert "storing" not in printed


def test_strict_prints_the_report_and_stores_nothing(defective: Path) -> None:
    printed = StringIO()
    with pytest.raises(CommandError, match="has 1 rows to drop and 0 to repair") as refused:
        call_command("import_prices", str(defective), universe="Test", market="stocks", strict=True, stdout=printed)
    assert refused.value.returncode == 1
    assert "  refused: nothing was stored\n" in printed.getvalue()
    assert "  rows usable              17\n" in printed.getvalue()
    assert "AAA        2024-01-03 high 1, low 101" in printed.getvalue()
    assert is_nothing_stored()


def test_the_report_is_written_as_csv(defective: Path, tmp_path: Path) -> None:
    run(defective, "--report", str(tmp_path / "report.csv"))
    lines = (tmp_path / "report.csv").read_text().splitlines()
    assert lines[0] == "symbol,time,kind,action,detail"
    assert 'AAA,2024-01-03,high-below-low,dropped,"high 1, low 101"' in lines
    assert "BBB,2024-01-03,volume-zero,noted," in lines


def test_the_report_of_a_refused_import_is_written_too(defective: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run(defective, "--strict", "--report", str(tmp_path / "report.csv"))
    assert (tmp_path / "report.csv").exists()


def test_names_come_from_the_list_of_symbols(defective: Path, tmp_path: Path) -> None:
    listed = tmp_path / "listed.csv"
    listed.write_text("symbol,name,sector\nAAA,Alpha,Energy\n")
    printed = run(defective, "--symbols", str(listed))
    assert Symbol.objects.get(ticker="AAA").name == "Alpha"
    assert "2 of the symbols are not in listed.csv: BBB, CCC" in printed


def test_a_file_without_symbols_is_imported_with_a_ticker(tmp_path: Path) -> None:
    columns = price_columns()
    del columns["symbol"]
    run(write_prices(tmp_path / "prices.feather", columns), "--ticker", "spy", "--as-of", "2024-02-01")
    assert Symbol.objects.get().ticker == "SPY"
    assert Universe.objects.get().as_of.isoformat() == "2024-02-01"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interval", "1h"], "the bars are 1 day apart, which is not --interval 1h; give --interval 1d"),
        (["--interval", "daily"], "--interval must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w; it is 'daily'"),
        (["--market", "bonds"], "--market must be one of stocks, crypto; it is 'bonds'"),
        (["--market", ""], "--market is required"),
        (["--universe", ""], "--universe is required"),
        (["--as-of", "yesterday"], "--as-of must be a date such as 2024-01-31; it is 'yesterday'"),
        (["--symbols", "nothing.csv"], "nothing.csv does not exist"),
        (
            ["--report", "no/such/folder.csv"],
            "--report must be a file in a folder that exists; it is 'no/such/folder.csv'",
        ),
        (["--ticker", "SPY"], "--ticker is for a file without symbols; this one has 'symbol'"),
    ],
)
def test_a_bad_option_is_one_line_and_nothing_is_stored(defective: Path, options: list[str], message: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(defective, *options)
    assert str(refused.value) == message
    assert refused.value.returncode == 1
    assert is_nothing_stored()


def test_the_report_never_overwrites_what_is_read(defective: Path) -> None:
    before = defective.read_bytes()
    with pytest.raises(CommandError, match="--report would overwrite a file that is to be read"):
        run(defective, "--report", str(defective))
    assert defective.read_bytes() == before


@pytest.mark.parametrize("name", ["nothing.csv", ".", "prices.txt", "empty.csv", "broken.parquet", "broken.feather"])
def test_a_file_that_cannot_be_read_is_one_line_and_nothing_is_stored(tmp_path: Path, name: str) -> None:
    (tmp_path / "prices.txt").write_text("symbol")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "broken.feather").write_bytes(b"ARROW1 and no more")
    with pytest.raises(CommandError) as refused:
        run(tmp_path / name)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 1
    assert is_nothing_stored()
