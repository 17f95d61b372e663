"""Users' strategies: files of a folder and installed packages. What is broken is named, and the rest works."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import WARNING, run_checks

from strategies import user_strategies
from strategies.files import declared_in, load_file
from strategies.registry import get_strategy, strategies
from strategies.user_strategies import Broken, broken, load, source_of
from tests.builders import make_market
from tests.strategies.own import write_strategy

ROOT = Path(__file__).parent.parent.parent
BARS = make_market(3, n_symbols=1)["S0"]

pytestmark = pytest.mark.usefixtures("own_strategies")


def broken_of(folder: Path, content: str) -> Broken:
    """What is said of a file with this content, that lies beside one that works."""
    (folder / "wrong.py").write_text(content)
    write_strategy(folder, "works")
    load(folder)
    assert source_of("works") == "works.py"
    assert get_strategy("works")().signals(BARS).entry.any()
    (problem,) = broken()
    assert problem.source == "wrong.py"
    return problem


def declared(*lines: str, before: str = "", after: str = "def signals(self, bars): ...") -> str:
    body = "\n    ".join([*lines, after])
    imports = "from strategies.base import Strategy\nfrom strategies.params import Float, Int"
    return f"{imports}\n{before}\n\nclass Wrong(Strategy):\n    {body}\n"


NAMED = ('key = "wrong"', 'label = "Wrong"')


def test_every_file_of_the_folder_is_a_strategy_like_any_other(tmp_path: Path) -> None:
    write_strategy(tmp_path, "pull_back")
    write_strategy(tmp_path, "_shared")
    load(tmp_path)
    assert not broken()
    assert source_of("pull-back") == "pull_back.py"
    assert source_of("rsi") == source_of("no-such") == ""
    assert get_strategy("pull-back")(period=5).signals(BARS).entry.any()
    assert "shared" not in "".join(strategies())


def test_one_file_may_declare_several(tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "first")
    path.write_text(path.read_text() + '\n\nclass Second(First):\n    key = "second"\n    label = "Second"\n')
    load(tmp_path)
    assert (source_of("first"), source_of("second")) == ("first.py", "first.py")
    assert not broken()


def test_an_edit_changes_neither_the_code_that_runs_nor_its_version(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    load(write_strategy(tmp_path / "one", "steady").parent)
    path = tmp_path / "one" / "steady.py"
    path.write_text(path.read_text() + "\n# edited while the server runs\n")
    unchanged = declared_in(load_file(write_strategy(tmp_path / "two", "steady")))[0]
    assert get_strategy("steady").code_version() == unchanged.code_version()


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    before = strategies()
    load(tmp_path / "missing")
    assert (strategies(), broken()) == (before, ())


def test_a_folder_loaded_again_changes_nothing(tmp_path: Path) -> None:
    write_strategy(tmp_path, "again")
    load(tmp_path)
    before = strategies()
    load(tmp_path)
    assert (strategies(), broken()) == (before, ())


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("def broken(:\n", 1, "SyntaxError: invalid syntax"),
        ("x = 1\n\nimport no_such_library\n", 3, "ModuleNotFoundError: No module named 'no_such_library'"),
        ("", None, "it declares no strategy, a class that extends strategies.base.Strategy"),
        ("from strategies.library.rsi import Rsi\n", None, "it declares no strategy"),
        (declared(), 5, "Wrong: it has no key, such as"),
        (declared('key = "Not A Key"', 'label = "Wrong"'), 5, "Wrong: its key must be small letters, digits"),
        (declared("key = 7", 'label = "Wrong"'), 5, "Wrong: its key must be small letters, digits"),
        (declared(f'key = "{"k" * 61}"', 'label = "Wrong"'), 5, "Wrong: its key must be .*, 60 at most"),
        (declared('key = "wrong"'), 5, "Wrong: it has no label, such as"),
        (declared('key = "wrong"', 'label = ""'), 5, "Wrong: its label must be a line of text"),
        (declared('key = "wrong"', f'label = "{"x" * 101}"'), 5, "Wrong: its label must be .* 1 to 100 characters"),
        (declared(*NAMED, after="pass"), 5, r"Wrong: it has no signals\(self, bars\)"),
        (declared(*NAMED, 'n = Int(5, low=6, high=7, help="N")'), 8, "ValueError: the default 5 must lie between"),
        (declared(*NAMED, 'n = Int(5.5, low=1, high=7, help="N")'), 5, "the default of its parameter n must be"),
        (declared(*NAMED, 'n = Int(5, low=1, high=7.5, help="N")'), 5, "the high of its parameter n must be a whole"),
        (declared(*NAMED, 'n = Int(5, low=5, high=5, help="N")'), 5, "low must be below high in its parameter n"),
        (declared(*NAMED, 'n = Int(5, low=1, high=7, help=" ")'), 5, "its parameter n has no help"),
        (declared(*NAMED, 'n = Int(5, low=1, high=7)'), 8, "TypeError: .*help"),
        (declared(*NAMED, 'values = Int(5, low=1, high=7, help="N")'), 5, "no parameter can be called values"),
        (declared(*NAMED, 'warmup = Int(5, low=1, high=7, help="N")'), 5, "no parameter can be called warmup"),
        (declared(*NAMED, 'def check(self): raise KeyError("x")'), 5, "with its defaults it raises KeyError: 'x'"),
        (declared(*NAMED, "warmup = 2.5"), 5, "its warmup must be a whole number of bars, 0 or more; it is 2.5"),
        (declared('key = "rsi"', 'label = "Mine"'), 5, "its key 'rsi' is already that of the built-in RSI reversion"),
        ("from strategies.library.rsi import Rsi\n\n\nclass Mine(Rsi):\n    pass\n", 4, "Mine: its key 'rsi' is"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_with_its_line_and_reason_and_the_rest_works(
    tmp_path: Path, content: str, line: int | None, reason: str
) -> None:
    problem = broken_of(tmp_path, content)
    assert re.match(rf"(Wrong: )?{reason}", problem.reason), problem
    assert problem.line == line
    assert "wrong" not in strategies()
    assert get_strategy("rsi").__module__ == "strategies.library.rsi"


def test_of_two_files_with_one_key_the_first_has_it(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_strategy(tmp_path, name, key="same")
    load(tmp_path)
    assert source_of("same") == "a.py"
    (problem,) = broken()
    assert str(problem) == "b.py, line 8: B: its key 'same' is already that of a.py; choose another one"


def test_the_good_strategy_of_a_file_works_beside_a_broken_one(tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "good")
    path.write_text(path.read_text() + '\n\nclass Bad(Good):\n    key = "BAD"\n')
    load(tmp_path)
    assert source_of("good") == "good.py"
    assert [problem.reason.split(":")[0] for problem in broken()] == ["Bad"]


def test_what_is_broken_is_in_the_log_and_in_the_system_checks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        problem = broken_of(tmp_path, "def broken(:\n")
    wanted = "wrong.py, line 1: SyntaxError: invalid syntax"
    assert str(problem) == wanted
    assert caplog.messages == [f"a strategy is broken and left out: {wanted}"]
    (warning,) = [message for message in run_checks() if message.id == "strategies.W001"]
    assert warning.level == WARNING
    assert warning.msg == f"A strategy is broken: {wanted}"
    assert "check_strategy" in (warning.hint or "")


def test_without_a_broken_one_the_checks_are_silent(tmp_path: Path) -> None:
    write_strategy(tmp_path, "fine")
    load(tmp_path)
    assert [message for message in run_checks() if (message.id or "").startswith("strategies.")] == []


# Installed packages.


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, name: str, *entry_points: str) -> None:
    information = site / f"{name}-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (information / "entry_points.txt").write_text("\n".join(["[trawl.strategies]", *entry_points]) + "\n")


def load_installed(tmp_path: Path) -> None:
    load(tmp_path / "no-folder")


def test_an_entry_point_names_a_module_or_a_class(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_strategy(site, "trawl_by_module", before="print('hello')")
    write_strategy(site, "trawl_by_class")
    install(site, "ideas", "all = trawl_by_module", "one = trawl_by_class:TrawlByClass")
    load_installed(tmp_path)
    assert not broken()
    assert source_of("trawl-by-module") == "all of ideas 1.5"
    assert source_of("trawl-by-class") == "one of ideas 1.5"
    assert capsys.readouterr().out == ""
    assert get_strategy("trawl-by-class")().signals(BARS).entry.any()


def test_a_package_gives_the_strategies_that_it_collects(site: Path, tmp_path: Path) -> None:
    package = site / "trawl_package"
    package.mkdir()
    write_strategy(package, "inner", key="inner-one")
    (package / "__init__.py").write_text(
        "from trawl_package.inner import Inner\nfrom strategies.library.rsi import Rsi\n"
    )
    install(site, "package", "all = trawl_package", "again = trawl_package.inner:Inner")
    load_installed(tmp_path)
    assert not broken()
    assert source_of("inner-one") == "again of package 1.5"
    assert get_strategy("inner-one").code_version()


def test_a_broken_entry_point_is_named_and_the_rest_works(site: Path, tmp_path: Path) -> None:
    write_strategy(site, "trawl_sound")
    (site / "trawl_raises.py").write_text("raise RuntimeError('no licence')\n")
    points = (
        "a = trawl_missing",
        "b = trawl_raises",
        "c = trawl_sound:Absent",
        "d = trawl_sound:sma",
        "e = trawl_sound",
    )
    install(site, "mixed", *points, "f = strategies.library.rsi:Rsi", "g = strategies.library")
    load_installed(tmp_path)
    assert {problem.source.split()[0]: problem.reason for problem in broken()} == {
        "a": "ModuleNotFoundError: No module named 'trawl_missing'",
        "b": "RuntimeError: no licence",
        "c": "AttributeError: module 'trawl_sound' has no attribute 'Absent'",
        "d": "trawl_sound:sma must be a module or a Strategy class; it is a function",
        "f": "Rsi: its key 'rsi' is already that of the built-in RSI reversion; choose another one",
        "g": user_strategies.NO_STRATEGY,
    }
    assert all(problem.source.endswith(" of mixed 1.5") for problem in broken())
    assert source_of("trawl-sound") == "e of mixed 1.5"
    assert source_of("rsi") == ""


# In a process of their own, as a user has them.


def manage(data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRAWL_DATA_DIR": str(data_dir), **variables}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_folder_beside_the_data_is_the_default_and_a_start_names_what_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "strategies"
    folder.mkdir()
    write_strategy(folder, "fine")
    (folder / "wrong.py").write_text("def broken(:\n")
    done = manage(tmp_path, "check")
    assert done.returncode == 0, done.stderr
    wanted = "wrong.py, line 1: SyntaxError: invalid syntax"
    assert f"WARNING strategies.user_strategies: a strategy is broken and left out: {wanted}" in done.stderr
    assert f"(strategies.W001) A strategy is broken: {wanted}" in done.stderr
    assert "fine.py" not in done.stderr


def test_the_setting_names_another_folder(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write_strategy(folder, "found")
    code = "from strategies.registry import strategies; print('found' in strategies())"
    done = manage(tmp_path, "shell", "--no-imports", "-c", code, TRAWL_STRATEGIES_DIR=str(folder))
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
