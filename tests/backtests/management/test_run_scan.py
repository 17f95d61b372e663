from __future__ import annotations

import csv
import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from backtests.engine import METRICS, PRESETS, RULES, RULES_BY_KEY, Rules, preset_rules
from backtests.engine.rule_text import written
from backtests.models import Result, Run, Symbol
from backtests.runs.engines.threads import ThreadsEngine
from strategies.models import Strategy
from strategies.registry import strategies
from tests.backtests.processes import Outside
from tests.builders import make_bars, make_market, store_universe
from tests.waiting import wait_for


@pytest.fixture
def _universe(db: None) -> None:
    store_universe("Test", {**make_market(n_symbols=9, n_bars=120, shape="waves"), "ZZZ": make_bars([])})


@pytest.fixture
def _working(engine: ThreadsEngine, _universe: None) -> None:
    """A universe and an engine: what a scan needs to come to its end."""


KNOWN = ("--strategy", "rsi", "--universe", "test")
NO_PRICES = "no 1d prices are stored"


def scan(*options: str) -> str:
    printed = StringIO()
    call_command("run_scan", *KNOWN, *options, stdout=printed)
    return printed.getvalue()


def refused(*options: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("run_scan", *options)
    assert caught.value.returncode == 2
    assert not Run.objects.exists()
    return str(caught.value)


@pytest.mark.usefixtures("_working")
def test_json_is_one_object_with_every_result() -> None:
    event = json.loads(scan("--json", "--param", "period=5"))
    assert event["type"] == "complete"
    assert (event["total_stocks"], event["successful"], event["failed"]) == (10, 9, 1)
    assert event["run"]["parameters"]["period"] == 5
    assert {row["ticker"] for row in event["stock_results"]} == set(Symbol.objects.values_list("ticker", flat=True))


def all_failed(*options: str) -> str:
    """What is printed by a scan without a result, which says so at its end."""
    printed = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("run_scan", *KNOWN, *options, stdout=printed)
    assert (caught.value.returncode, str(caught.value)) == (1, f"every symbol failed; the first reason: {NO_PRICES}")
    return printed.getvalue()


@pytest.mark.usefixtures("engine")
def test_a_scan_whose_every_symbol_failed_prints_everything_and_ends_with_status_1(tmp_path: Path) -> None:
    store_universe("Test", {"AAA": make_bars([]), "BBB": make_bars([])})
    assert f"AAA {NO_PRICES}" in " ".join(all_failed().split())
    assert json.loads(all_failed("--json"))["failed"] == 2
    path = tmp_path / "results.csv"
    assert all_failed("--csv", str(path)).endswith(f" are in {path}.\n")
    assert [row["reason"] for row in csv.DictReader(path.read_text().splitlines())] == [NO_PRICES, NO_PRICES]


@pytest.mark.usefixtures("engine")
def test_one_result_among_failures_is_no_failure_of_the_scan() -> None:
    store_universe("Test", {"AAA": make_bars([]), "BBB": make_bars([1.0] * 60), "CCC": make_bars([])})
    assert json.loads(scan("--json"))["failed"] == 2


@pytest.mark.usefixtures("_working")
def test_everything_that_was_asked_for_is_in_the_run() -> None:
    dates = ("--start", "2024-01-10", "--end", "2024-04-01")
    money = ("--cash", "500", "--fee-pct", "0.2", "--slippage-pct", "0.3")
    scan("--param", "period=5", "--param", " low = 40 ", "--interval", "1d", *dates, *money)
    run = Run.objects.get()
    assert run.parameters == {"period": 5, "low": 40.0, "high": 70.0}
    assert (str(run.start_date), str(run.end_date)) == ("2024-01-10", "2024-04-01")
    assert run.engine_rules == Rules(cash=500.0, fee_pct=0.2, slippage_pct=0.3)


@pytest.mark.usefixtures("_working")
def test_rules_are_those_of_the_preset_and_of_the_command() -> None:
    rules = ("--rule", "stop_loss_pct=5", "--rule", " days_a_year = off ", "--rule", "whole_units=yes", "--cash", "500")
    event = json.loads(scan("--json", "--preset", "vectorbt", *rules))
    wanted = {"stop_loss_pct": 5.0, "days_a_year": None, "whole_units": True, "cash": 500.0}
    run = Run.objects.get()
    assert (run.preset, run.engine_rules) == ("vectorbt", preset_rules("vectorbt", wanted))
    assert event["run"]["rules"] == asdict(preset_rules("vectorbt", wanted))


@pytest.mark.usefixtures("_working")
def test_the_tables_say_which_rules_are_not_the_usual_ones() -> None:
    text = " ".join(scan("--preset", "vectorbt", "--rule", "stop_loss_pct=5").split())
    assert "rules of vectorbt; Fill: at the close that gave the signal; " in text
    assert "Stop-loss: 5 %" in text


def test_every_rule_and_preset_is_listed_and_nothing_is_run() -> None:
    printed = StringIO()
    call_command("run_scan", "--list-rules", stdout=printed)
    words = printed.getvalue().split()
    for rule in RULES:
        assert {rule.key, *rule.choices} <= {word.strip(",:") for word in words}
        assert rule.help.split()[0] in words
    for preset in PRESETS.values():
        assert preset.key in words
        assert {f"{key}={written(RULES_BY_KEY[key], value)}" for key, value in preset.values.items()} <= set(words)


@pytest.mark.usefixtures("engine")
def test_without_an_interval_it_takes_one_that_is_stored() -> None:
    store_universe("Test", {"AAA": make_bars([1.0] * 60, step_s=3600)}, interval="1h")
    assert json.loads(scan("--json"))["run"]["interval"] == "1h"


@pytest.mark.usefixtures("_working")
def test_the_tables_show_the_best_the_worst_the_failed_and_the_market() -> None:
    lines = [" ".join(line.split()) for line in scan("--top", "3", "--param", "period=5").splitlines()]
    ranked = list(Result.objects.filter(reason="").order_by("-return_pct").values_list("symbol__ticker", flat=True))
    assert lines[0] == f"RSI reversion on Test, run {Run.objects.get().pk}"

    def first_words(title: str, n_rows: int) -> list[str]:
        start = lines.index(title) + 2  # past the headings
        return [line.split()[0] for line in lines[start : start + n_rows]]

    assert first_words("Best 3", 3) == ranked[:3]
    assert first_words("Worst 3", 3) == ranked[:-4:-1]
    assert first_words("Failed: 1", 1) == ["ZZZ"]
    assert "ZZZ no 1d prices are stored" in lines
    assert "Symbols tested 9 (1 failed)" in lines


@pytest.mark.usefixtures("_working")
def test_no_symbol_is_among_the_best_and_the_worst() -> None:
    lines = [line.split()[0] for line in scan("--top", "6").splitlines() if line.split()]
    assert sorted(ticker for ticker in lines if ticker.startswith("S") and ticker[1:].isdigit()) == [
        f"S{number}" for number in range(9)
    ]
    assert "Worst" in lines


@pytest.mark.usefixtures("_working")
def test_brackets_in_names_and_reasons_are_text() -> None:
    universe = store_universe("Odd", {"[/x]": make_bars([]), "[red]R": make_bars([1.0] * 60)}, is_synthetic=True)
    universe.name = "Odd [bold][/y]"
    universe.save()
    printed = StringIO()
    call_command("run_scan", "--strategy", "rsi", "--universe", "odd", stdout=printed)
    text = " ".join(printed.getvalue().split())
    assert "RSI reversion on Odd [bold][/y] (synthetic prices), run" in text
    assert "[/x] no 1d prices are stored" in text
    assert "[red]R 0.0 %" in text


@pytest.mark.usefixtures("_working")
def test_csv_has_a_row_for_every_symbol_with_all_metrics(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    said = scan("--csv", str(path))
    assert said == f"10 results of run {Run.objects.get().pk} are in {path}.\n"
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row["ticker"]: row for row in csv.DictReader(file)}
    keys = [metric.key for metric in METRICS]
    run = [f"run_{key}" for key in (
        "id", "strategy", "universe", "is_synthetic", "interval", "start_date", "end_date", "preset", "engine_version",
    )]  # fmt: skip
    assumed = [*run, "param_period", "param_low", "param_high", *(f"rule_{rule.key}" for rule in RULES)]
    assert list(next(iter(rows.values()))) == ["ticker", "name", "sector", "reason", *keys, *assumed]
    assert set(rows) == set(Symbol.objects.values_list("ticker", flat=True))
    for result in Result.objects.select_related("symbol"):
        row = rows[result.symbol.ticker]
        assert row["reason"] == result.reason
        assert (row["run_id"], row["run_strategy"], row["rule_cash"], row["rule_stop_loss_pct"]) == (
            result.run_id, "rsi", "10000.0", "",
        )  # fmt: skip
        for key in keys:
            value = getattr(result, key)
            wanted = "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
            assert row[key] == wanted, key


@pytest.mark.usefixtures("_working")
@pytest.mark.parametrize("name", ["missing/results.csv", "."])
def test_a_file_that_cannot_be_written_is_named_before_anything_is_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="--csv: must be a file that can be written"):
        scan("--csv", str(tmp_path / name))
    assert not Run.objects.exists()


@pytest.mark.usefixtures("_working")
def test_the_results_are_those_of_the_page(client: Client) -> None:
    form = {"strategy": "rsi", "universe": "test", "interval": "1d", "start_date": "2024-01-10", "cash": "500"}
    money = {"fee_pct": "0.2", "slippage_pct": "0.3"}
    client.post("/runs/start/", {**form, **money, "param-period": "5", "param-low": "40", "param-high": "60"})
    by_page = Run.objects.get()
    wait_for("the run of the page is complete", lambda: Run.objects.get().is_finished)
    parameters = ("--param", "period=5", "--param", "low=40", "--param", "high=60")
    money_options = ("--cash", "500", "--fee-pct", "0.2", "--slippage-pct", "0.3")
    scan("--start", "2024-01-10", *money_options, *parameters, "--no-cache")
    by_command = Run.objects.exclude(pk=by_page.pk).get()

    def results(run: Run) -> list[tuple[Any, ...]]:
        columns = ("symbol", "reason", "digest", "curve", "trade_list", *(metric.key for metric in METRICS))
        return [
            tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            for row in run.results.order_by("symbol").values_list(*columns)
        ]

    assert results(by_command) == results(by_page)
    assert len(results(by_page)) == 10
    assert by_page.results.filter(trades__gt=0).exists()


@pytest.mark.usefixtures("_universe")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--strategy", "nope", "--universe", "test"),
            f"--strategy: 'nope' is unknown; valid are: {', '.join(strategies())}",
        ),
        (("--strategy", "rsi", "--universe", "nope"), "--universe: 'nope' is unknown; valid are: test"),
        (
            (*KNOWN, "--param", "speed=3"),
            "--param speed: is not a parameter of rsi; its parameters are: period, low, high",
        ),
        ((*KNOWN, "--param", "period=1"), "--param period: must be from 2 to 200; it is 1"),
        ((*KNOWN, "--param", "period=x"), "--param period: must be a whole number; it is 'x'"),
        ((*KNOWN, "--param", "period"), "--param: must be NAME=VALUE, such as period=14; it is 'period'"),
        ((*KNOWN, "--param", "=3"), "--param: must be NAME=VALUE, such as period=14; it is '=3'"),
        ((*KNOWN, "--param", "period=3", "--param", "period=4"), "--param: period is given twice"),
        ((*KNOWN, "--param", "low=80"), "--param low: must be smaller than high; 80 is not below 70"),
        ((*KNOWN, "--start", "2020-13-01"), "--start: must be a date such as 2020-01-31; it is '2020-13-01'"),
        ((*KNOWN, "--end", "tomorrow"), "--end: must be a date such as 2020-01-31; it is 'tomorrow'"),
        (
            (*KNOWN, "--start", "2021-01-01", "--end", "2020-01-01"),
            "--start: must not be after the end date 2020-01-01; it is 2021-01-01",
        ),
        ((*KNOWN, "--interval", "2d"), "--interval: must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w; it is '2d'"),
        ((*KNOWN, "--cash", "lots"), "--cash: must be a number; it is 'lots'"),
        ((*KNOWN, "--cash", "0"), "--cash: must be from 0.01 to 1,000,000,000,000; it is 0"),
        ((*KNOWN, "--cash", "nan"), "--cash: must be a number; it is nan"),
        ((*KNOWN, "--fee-pct", "51"), "--fee-pct: must be from 0 to 50; it is 51"),
        ((*KNOWN, "--slippage-pct", "inf"), "--slippage-pct: must be a number; it is inf"),
        ((*KNOWN, "--rule", "stop=5"), f"--rule stop: is no rule; the rules are: {', '.join(RULES_BY_KEY)}"),
        ((*KNOWN, "--rule", "stop_loss_pct=0"), "--rule stop_loss_pct: must be from 0.001 to 1000 or off; it is 0"),
        ((*KNOWN, "--rule", "fill=x"), "--rule fill: must be one of next_open, same_close, next_close; it is 'x'"),
        ((*KNOWN, "--rule", "cash=off"), "--rule cash: must be a number; it is 'off'"),
        ((*KNOWN, "--rule", "cash=0"), "--rule cash: must be from 0.01 to 1,000,000,000,000; it is 0"),
        ((*KNOWN, "--rule", "fee_pct=51", "--cash", "5"), "--rule fee_pct: must be from 0 to 50; it is 51"),
        ((*KNOWN, "--rule", "cash=5", "--fee-pct", "51"), "--fee-pct: must be from 0 to 50; it is 51"),
        ((*KNOWN, "--rule", "start=5"), f"--rule start: is no rule; the rules are: {', '.join(RULES_BY_KEY)}"),
        ((*KNOWN, "--rule", "preset=5"), f"--rule preset: is no rule; the rules are: {', '.join(RULES_BY_KEY)}"),
        (
            (*KNOWN, "--param", "start_date=5"),
            "--param start_date: is not a parameter of rsi; its parameters are: period, low, high",
        ),
        ((*KNOWN, "--rule", "cash"), "--rule: must be NAME=VALUE, such as stop_loss_pct=5; it is 'cash'"),
        ((*KNOWN, "--rule", "cash=1", "--rule", "cash=2"), "--rule: cash is given twice"),
        ((*KNOWN, "--rule", "cash=1", "--cash", "2"), "--cash: is given twice, here and as --rule cash"),
        ((*KNOWN, "--preset", "nope"), f"--preset: must be one of {', '.join(PRESETS)}; it is 'nope'"),
        (("--universe", "test"), f"--strategy: must be given; valid are: {', '.join(sorted(strategies()))}"),
        (("--strategy", "rsi"), "--universe: must be given; valid are: test"),
        ((*KNOWN, "--top", "0"), "--top: must be at least 1; it is 0"),
        ((*KNOWN, "--top", "1.5"), "--top: must be a whole number; it is '1.5'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_would_be_right(options: tuple[str, ...], message: str) -> None:
    assert refused(*options) == message


@pytest.mark.usefixtures("_universe")
def test_a_strategy_that_is_switched_off_is_refused() -> None:
    Strategy.objects.filter(key="rsi").update(is_active=False)
    assert refused(*KNOWN).startswith("--strategy: 'rsi' is switched off; valid are: ")


@pytest.mark.django_db
def test_a_universe_without_symbols_is_refused() -> None:
    store_universe("Empty", {})
    assert refused("--strategy", "rsi", "--universe", "empty").startswith("--universe: 'empty' has no symbols")


@pytest.mark.usefixtures("_universe")
def test_json_and_csv_exclude_each_other() -> None:
    with pytest.raises(CommandError, match="not allowed with argument"):
        scan("--json", "--csv", "x.csv")


def test_as_a_process_it_prints_json_and_nothing_else(outside: Outside) -> None:
    store_universe("Test", make_market(n_symbols=9, n_bars=60))
    done = outside.run("run_scan", *KNOWN, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    event = json.loads(done.stdout)
    assert event["job_id"] == Run.objects.get().pk
    assert event["successful"] == 9


def test_as_a_process_a_scan_without_a_result_says_why_in_one_line(outside: Outside) -> None:
    store_universe("Test", {"AAA": make_bars([])})
    done = outside.run("run_scan", *KNOWN, "--json")
    assert done.returncode == 1
    assert done.stderr == f"CommandError: every symbol failed; the first reason: {NO_PRICES}\n"
    assert json.loads(done.stdout)["failed"] == 1


def test_as_a_process_it_refuses_with_one_line_and_status_2(outside: Outside) -> None:
    store_universe("Test", {"AAA": make_bars([1.0, 2.0])})
    done = outside.run("run_scan", "--strategy", "nope", "--universe", "test", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--strategy: 'nope' is unknown; valid are: " in done.stderr
    assert done.stderr.endswith(f"{', '.join(strategies())}\n")
