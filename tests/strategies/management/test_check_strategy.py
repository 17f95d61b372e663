from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from backtests.models import Universe
from strategies import user_strategies
from strategies.conformance.report import PARTS
from strategies.registry import strategies
from tests.builders import make_market, store_universe
from tests.strategies.management.commands import manage
from tests.strategies.own import write_strategy
from tests.waiting import DEADLINE_S, wait_for

CHEATS = str(Path(__file__).parent.parent / "conformance" / "cheats.py")
MARKET = make_market(n_symbols=6, n_bars=300)


@pytest.fixture
def universe(db: None) -> Universe:
    return store_universe("Test", MARKET)


def check(*options: str) -> str:
    printed = StringIO()
    call_command("check_strategy", *options, stdout=printed)
    return printed.getvalue()


def failing(*options: str, status: int = 1) -> tuple[str, str]:
    """What is printed and what is said at the end of a check that does not pass."""
    printed = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("check_strategy", *options, stdout=printed)
    assert caught.value.returncode == status
    return printed.getvalue(), str(caught.value)


def glance(folder: Path) -> Path:
    """A file with a strategy that looks one bar ahead."""
    path = write_strategy(folder, "glance", before="import numpy as np")
    line = "        average = sma(bars.close, self.period)\n"
    ahead = "        average = np.append(average[1:], average[-1:])\n"
    path.write_text(path.read_text().replace(line, line + ahead))
    return path


def row(printed: str, label: str) -> str:
    """The row of a table, on one line however wide the terminal is."""
    lines = printed.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(label))
    more = lines[first + 1 :]
    rest = more[: next((number for number, line in enumerate(more) if not line.startswith(" ")), len(more))]
    return " ".join(" ".join([lines[first], *rest]).split())


def test_the_table_has_a_row_for_each_part(universe: Universe) -> None:
    printed = check("sma-cross")
    text = " ".join(printed.split())
    assert text.startswith(
        "Moving-average cross (sma-cross) on 6 symbols of Test, 1,800 bars of 1d, 2024-01-01 to 2024-10-26"
    )
    for part in PARTS:
        assert row(printed, part.label).removeprefix(part.label).split()[0] == "pass"
    assert row(printed, "Look-ahead, removed") == "Look-ahead, removed pass 6 symbols, 1,800 bars"
    assert printed.endswith("sma-cross keeps the contract.\n")


def test_json_is_one_object_with_everything(universe: Universe) -> None:
    said = json.loads(check("rsi", "--param", "period=5", "--json"))
    assert said["verdict"] == "pass"
    bars = said["bars"]
    assert (bars["universe"], bars["name"], bars["interval"]) == ("test", "Test", "1d")
    assert (bars["is_synthetic"], bars["symbols"], bars["n_bars"]) == (False, list(MARKET), 1800)
    (examined,) = said["strategies"]
    assert (examined["key"], examined["parameters"]) == ("rsi", {"period": 5, "low": 30.0, "high": 70.0})
    assert [item["check"] for item in examined["checks"]] == [part.key for part in PARTS]
    warned = [item for item in examined["checks"] if item["verdict"] == "warn"]
    assert [item["check"] for item in warned] == ["starts"]


@pytest.mark.usefixtures("own_strategies")
def test_a_file_that_looks_ahead_fails_with_symbol_day_and_value(universe: Universe, tmp_path: Path) -> None:
    printed, said = failing(str(glance(tmp_path)))
    assert said == "glance: the contract is not kept"
    found = row(printed, "Look-ahead, removed")
    assert found.startswith("Look-ahead, removed fail on S0 the ")
    assert found.endswith("when the bars after it are removed")
    assert " of 2024-0" in found
    assert "glance does not keep the contract: " in printed


@pytest.mark.usefixtures("own_strategies")
def test_a_faster_way_that_gives_something_else_fails_by_name(universe: Universe, tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "hurried")
    override = "return [self.signals(each) for each in (*bars[:1], *bars[:-1])]"
    path.write_text(f"{path.read_text()}\n    def signals_all(self, bars):\n        {override}\n")
    printed, said = failing(str(path))
    assert said == "hurried: the contract is not kept"
    assert row(printed, "All at once").startswith("All at once fail on S0 with period=10: ")
    assert ", from signals_all, as number 2 of 33 series and with 300 bars" in row(printed, "All at once")
    assert "hurried does not keep the contract: 1 of 13 checks fail" in printed


def test_a_file_with_several_strategies_has_a_table_for_each(universe: Universe) -> None:
    printed, said = failing(CHEATS, "--json")
    examined = json.loads(printed)["strategies"]
    assert len(examined) > 10
    assert next(item["verdict"] for item in examined if item["key"] == "honest") == "pass"
    assert said.startswith("example, example")


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("x = 1\ndef broken(:\n", 2, "SyntaxError: invalid syntax"),
        ("", None, user_strategies.NO_STRATEGY),
        ("import no_such\n", 1, "ModuleNotFoundError: No module named 'no_such'"),
    ],
)
def test_a_broken_file_fails_with_its_line_and_reason(
    db: None, tmp_path: Path, content: str, line: int | None, reason: str
) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(content)
    printed, said = failing(str(path))
    assert printed == ""
    assert said == f"{path} is broken: " + (f"line {line}: {reason}" if line else reason)
    printed, _ = failing(str(path), "--json")
    assert json.loads(printed) == {"verdict": "fail", "file": str(path), "line": line, "reason": reason}


def test_a_class_that_declares_too_little_fails_in_the_first_part(universe: Universe, tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "nameless", key="NO KEY")
    printed, _ = failing(str(path))
    assert row(printed, "Declaration").startswith("Declaration fail its key must be small letters, digits")
    assert row(printed, "Speed") == 'Speed skip not looked at: "Declaration" must pass first'


def test_a_copy_of_a_strategy_is_checked_with_a_warning(universe: Universe, tmp_path: Path) -> None:
    printed = check(str(write_strategy(tmp_path, "copy_of_rsi", key="rsi")))
    assert row(printed, "Declaration") == (
        "Declaration warn another strategy has the key 'rsi', so that this one would be left out"
    )
    assert printed.endswith("rsi keeps the contract, with 1 warning.\n")


def test_brackets_are_text(universe: Universe, tmp_path: Path) -> None:
    printed = check(str(write_strategy(tmp_path, "odd", label="Odd [bold][/x]")))
    assert printed.startswith("Odd [bold][/x] (odd) on 6 symbols")


def test_universe_symbols_and_interval_choose_the_bars(universe: Universe) -> None:
    store_universe("Coins", make_market(n_symbols=3, n_bars=90), market="crypto", interval="1h")
    said = json.loads(check("rsi", "--json", "--universe", "coins", "--symbols", "2", "--interval", "1h"))
    assert (said["bars"]["universe"], said["bars"]["interval"], said["bars"]["n_bars"]) == ("coins", "1h", 180)


KNOWN = ", ".join(strategies())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nope",), f"'nope' is unknown; known are: {KNOWN}; a file is named by its path, such as ./nope.py"),
        (("./nope.py",), "there is no Python file './nope.py'"),
        (("docs/engine.md",), "there is no Python file 'docs/engine.md'"),
        (("rsi", "--universe", "nope"), "--universe: 'nope' is unknown; valid are: test"),
        (("rsi", "--symbols", "0"), "--symbols: must be at least 1; it is 0"),
        (("rsi", "--symbols", "all"), "--symbols: must be a whole number; it is 'all'"),
        (("rsi", "--interval", "2d"), "--interval: must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w; it is '2d'"),
        (("rsi", "--interval", "1h"), "--interval: 'test' has bars of 1d; it is '1h'"),
        (("rsi", "--param", "period=1"), "--param period: must be from 2 to 200; it is 1"),
        (("zscore", "--param", "x=1"), "--param x: is not a parameter of zscore; its parameters are: {}"),
        (("rsi", "--param", "period"), "--param: must be NAME=VALUE, such as period=14; it is 'period'"),
        (("rsi", "--param", "period=3", "--param", "period=4"), "--param: period is given twice"),
        ((CHEATS, "--param", "length=3"), "--param: the file has more than one strategy; name one by its key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_would_be_right(
    universe: Universe, options: tuple[str, ...], message: str
) -> None:
    declared = ", ".join(strategies()["zscore"].parameters())
    assert failing(*options, status=2) == ("", message.replace("{}", declared))


@pytest.mark.usefixtures("own_strategies")
def test_the_name_of_a_broken_file_says_why_it_is_unknown(universe: Universe, tmp_path: Path) -> None:
    (tmp_path / "my_idea.py").write_text("def broken(:\n")
    user_strategies.load(tmp_path)
    _, said = failing("my-idea", status=2)
    assert said.startswith("'my-idea' is unknown; my_idea.py, line 1: SyntaxError: invalid syntax; known are: ")


def test_as_a_process_without_anything_prepared_it_takes_the_demo_market(tmp_path: Path) -> None:
    path = glance(tmp_path)
    done = manage(tmp_path / "data", "check_strategy", str(path), "--symbols", "2")
    assert done.returncode == 1
    assert " on 2 symbols of the demo market, as nothing is stored, synthetic prices, 5,040 bars" in done.stdout
    assert done.stderr == "CommandError: glance: the contract is not kept\n"
    done = manage(tmp_path / "data", "check_strategy", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("CommandError: 'nope' is unknown; known are: ")
    assert manage(tmp_path / "data", "check_strategy", "rsi", "--symbols", "1").returncode == 0


def test_on_a_terminal_what_takes_longer_than_a_second_shows_its_progress(tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "slow", before="import time")
    line = "        average = sma(bars.close, self.period)\n"
    path.write_text(path.read_text().replace(line, "        time.sleep(0.01)\n" + line))
    terminal, end = os.openpty()
    environment = {**os.environ, "TRAWL_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "check_strategy"]
    shown = b""
    with subprocess.Popen(
        [*command, str(path), "--symbols", "1", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
    ) as process:
        os.close(end)
        with suppress(OSError):
            while part := os.read(terminal, 1024):
                shown += part
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["verdict"] == "pass"
    os.close(terminal)
    assert process.returncode == 0
    assert b"Look-ahead, removed" in shown


def test_ctrl_c_ends_it_with_one_line(tmp_path: Path) -> None:
    started = tmp_path / "started"
    path = write_strategy(tmp_path, "endless", before="import time\nfrom pathlib import Path")
    line = "        average = sma(bars.close, self.period)\n"
    waits = f"        Path({str(started)!r}).touch()\n        time.sleep(60)\n"
    path.write_text(path.read_text().replace(line, waits + line))
    environment = {**os.environ, "TRAWL_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "check_strategy", str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for("the strategy is asked", started.exists)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert (process.returncode, printed, said) == (130, "", "CommandError: interrupted\n")
