from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtests.models import Universe
from strategies.ready_screens import READY_SCREENS
from tests.builders import make_bars, store_universe


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe(
        "Test",
        {"UP": make_bars([100.0 + day for day in range(60)]), "DOWN": make_bars([200.0 - day for day in range(60)])},
    )


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("run_screen", *arguments, stdout=out)
    return out.getvalue()


def test_it_prints_the_matches_and_how_many_there_are(universe: Universe) -> None:
    out = printed("close > sma(close, 20)", "--universe", "test")
    assert "UP" in out
    assert "DOWN" not in out
    assert "1 of 2 symbols match on 2024-02-29; 0 could not be asked" in out


def test_a_table_wider_than_the_terminal_loses_no_symbol_and_no_digit(universe: Universe) -> None:
    averages = " and ".join(f"sma(close, {days}) * 1234567 > 0" for days in range(20, 26))
    out = printed(averages, "--universe", "test")
    assert "UP" in out
    assert "sma(close, 25) * 1234567" in out
    assert "…" not in out
    heads = out.splitlines()[0].split()
    assert heads.count("close") == 1


def test_it_prints_one_thing_at_a_time(universe: Universe) -> None:
    with pytest.raises(CommandError) as error:
        printed("close > 0", "--universe", "test", "--json", "--csv")
    assert "not allowed with argument" in str(error.value)


def test_nothing_that_matches_is_a_status(universe: Universe) -> None:
    with pytest.raises(SystemExit) as ended:
        printed("close > 1000", "--universe", "test")
    assert ended.value.code == 1


def test_programs_read_json_and_csv(universe: Universe) -> None:
    read = json.loads(printed("close > 0", "--universe", "test", "--sort=-close", "--json"))
    assert [stock["symbol"] for stock in read["stocks"]] == ["UP", "DOWN"]
    rows = list(csv.DictReader(io.StringIO(printed("close > 0", "--universe", "test", "--sort", "ticker", "--csv"))))
    assert [(row["ticker"], row["close"], row["date"]) for row in rows] == [
        ("DOWN", "141.0", "2024-02-29"),
        ("UP", "159.0", "2024-02-29"),
    ]


def test_a_file_symbols_a_day_and_parameters_are_taken(universe: Universe, tmp_path: Path) -> None:
    formula = tmp_path / "idea.formula"
    formula.write_text("level = param(1000, 1, 1000)\nclose > level\n")
    chosen = ("--file", str(formula), "--universe", "test", "--param", "level=100", "--symbols", "up")
    read = json.loads(printed(*chosen, "--as-of", "2024-01-10", "--json"))
    assert [(stock["symbol"], stock["close"]) for stock in read["stocks"]] == [("UP", 109.0)]


def test_the_library_is_listed() -> None:
    out = printed("--list")
    assert all(ready.key in out for ready in READY_SCREENS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a formula"),
        (["close > 1"], "--universe is required"),
        (["close > 1", "--universe", "nosuch"], "--universe: 'nosuch' is unknown; valid are: test"),
        (["clse > 1", "--universe", "test"], "formula: line 1, column 1: `clse` is not known; did you mean `close`?"),
        (
            ["high volume breakou", "--universe", "test"],
            "formula: no screen has this name; did you mean 'High Volume B",
        ),
        (["close > 1", "--universe", "test", "--as-of", "today"], "--as-of must be a date"),
        (["close > 1", "--universe", "test", "--param", "x"], "--param must be NAME=VALUE"),
        (["close > 1", "--universe", "test", "--param", "x=1"], "--param x: is not a parameter of this formula"),
        (["close > 1", "--universe", "test", "--sort", "x"], "--sort: 'x' is no column"),
        (["close > 1", "--universe", "test", "--symbols", "XYZ"], "--symbols: not in the universe 'test': XYZ"),
        (["close > 1", "--file", "x", "--universe", "test"], "give a formula or --file, not both"),
        (["--file", "/no/such/file", "--universe", "test"], "--file: /no/such/file cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_refused(universe: Universe, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as error:
        printed(*arguments)
    assert message in str(error.value)
    assert error.value.returncode == 2
