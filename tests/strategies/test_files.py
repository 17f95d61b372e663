"""A file is a module: executed once, with its source at hand, and with a digest that covers what it imports."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from strategies import source
from strategies.errors import FileBroken
from strategies.files import declared_in, load_file, strategy_files
from strategies.library.rsi import Rsi
from tests.strategies.own import NOTHING_TO_SEE, write_strategy


def test_the_files_of_a_folder_are_those_that_should_declare_strategies(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_shared.py", "__init__.py", ".hidden.py", "notes.txt", "c.py~"):
        (tmp_path / name).touch()
    (tmp_path / "folder.py").mkdir()
    assert [path.name for path in strategy_files(tmp_path)] == ["a.py", "b.py"]
    assert strategy_files(tmp_path / "missing") == []


def test_a_file_is_executed_once(tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "once", before=f"with open({str(tmp_path / 'log')!r}, 'a') as log: log.write('x')")
    assert load_file(path) is load_file(tmp_path / ".." / tmp_path.name / "once.py")
    assert (tmp_path / "log").read_text() == "x"


def test_a_file_that_fails_is_executed_once_too(tmp_path: Path) -> None:
    path = tmp_path / "fails.py"
    path.write_text(f"with open({str(tmp_path / 'log')!r}, 'a') as log: log.write('x')\nraise OSError('no disk')\n")
    for _ in range(2):
        with pytest.raises(FileBroken) as caught:
            load_file(path)
        assert (caught.value.reason, caught.value.line) == ("OSError: no disk", 2)
    assert (tmp_path / "log").read_text() == "x"
    assert not [name for name in sys.modules if name.endswith(".fails")]


def test_files_of_one_name_in_two_folders_are_two_modules_with_stable_names(tmp_path: Path) -> None:
    modules = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        modules.append(load_file(write_strategy(tmp_path / folder, "same", key=folder)))
    assert modules[0].__name__ != modules[1].__name__
    assert [kind.key for module in modules for kind in declared_in(module)] == ["one", "two"]
    assert all(sys.modules[module.__name__] is module for module in modules)
    assert modules[0].__name__.startswith("trawl_strategies_")


def test_the_source_of_a_strategy_is_found(tmp_path: Path) -> None:
    (kind,) = declared_in(load_file(write_strategy(tmp_path, "seen")))
    assert inspect.getsource(kind).startswith("class Seen(Strategy):")
    assert inspect.getsourcefile(kind) == str(tmp_path / "seen.py")


def test_what_a_file_imports_is_not_its_own(tmp_path: Path) -> None:
    write_strategy(tmp_path, "first")
    path = write_strategy(
        tmp_path, "second", before="from strategies.library.rsi import Rsi\nfrom .first import First\n", base="_Base"
    )
    path.write_text(path.read_text().replace("class Second", "class _Base(Rsi):\n    pass\n\n\nclass Second"))
    assert [kind.__name__ for kind in declared_in(load_file(path))] == ["Second"]
    assert issubclass(declared_in(load_file(path))[0], Rsi)


def test_print_does_not_reach_what_a_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_file(write_strategy(tmp_path, "chatty", before="print('hello')"))
    assert capsys.readouterr() == ("", "hello\n")


def test_an_edit_of_the_same_second_and_length_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would take the bytecode of the first for that of the second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    shared = tmp_path / "_shared.py"
    shared.write_text("LEVEL = 1\n")
    load_file(write_strategy(tmp_path, "edited", before="from ._shared import LEVEL"))
    times = shared.stat()
    shared.write_text("LEVEL = 2\n")
    os.utime(shared, ns=(times.st_atime_ns, times.st_mtime_ns))
    for name in [name for name in sys.modules if name.endswith(("._shared", ".edited"))]:
        del sys.modules[name]
    assert load_file(tmp_path / "edited.py").LEVEL == 2
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        ("x = (1,\n\ny = 2\n", "SyntaxError: '(' was never closed", 1),
        ("class A:\n  x = 1\n    y = 2\n", "IndentationError: unexpected indent", 3),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'", 1),
        ("x = 1\n\n\ndef f():\n    return 1 / 0\n\n\nf()\n", "ZeroDivisionError: division by zero", 5),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
        ("raise KeyError\n", "KeyError", 1),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines", 1),
        ("from strategies.params import Int\n\nInt(1, low=2, high=3, help='x')\n",
         "ValueError: the default 1 must lie between 2 and 3", 3),
        ("from ._missing import x\n", "ModuleNotFoundError: No module named", 1),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path: Path, content: str, reason: str, line: int) -> None:
    (tmp_path / "wrong.py").write_text(content)
    with pytest.raises(FileBroken) as caught:
        load_file(tmp_path / "wrong.py")
    assert caught.value.reason.startswith(reason)
    assert caught.value.line == line


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(FileBroken, match=r"SyntaxError|ValueError"):
        load_file(tmp_path / "binary.py")


def test_a_name_with_a_dot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileBroken, match="one dot"):
        load_file(write_strategy(tmp_path, "v1.2", class_name="V"))


def version(folder: Path, **files: str) -> str:
    """The code version of the strategy in ``main.py`` of a new folder with these files beside it."""
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)
    module = load_file(write_strategy(folder, "main", before=files.get("main", NOTHING_TO_SEE)))
    return declared_in(module)[0].code_version()


def test_the_code_version_covers_the_file_and_what_it_imports_from_its_folder(tmp_path: Path) -> None:
    plain = version(tmp_path / "a")
    assert version(tmp_path / "b") == plain
    assert version(tmp_path / "c", main="# another") != plain
    assert version(tmp_path / "d", _shared="x = 1\n") == plain

    one = version(tmp_path / "e", main="from ._shared import x", _shared="x = 1\n")
    two = version(tmp_path / "f", main="from ._shared import x", _shared="x = 2\n")
    assert len({plain, one, two}) == 3
    deep = "from ._shared import x"
    three = version(tmp_path / "g", main=deep, _shared="from . import _deep\nx = 1\n", _deep="y = 1\n")
    four = version(tmp_path / "h", main=deep, _shared="from . import _deep\nx = 1\n", _deep="y = 2\n")
    assert three != four


def test_the_code_version_covers_the_strategy_that_one_builds_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_strategy(tmp_path, "built", before="from strategies.library.rsi import Rsi", base="Rsi")
    (kind,) = declared_in(load_file(path))
    before = kind.code_version()
    real = source._source
    edited = Rsi.__module__
    monkeypatch.setattr(source, "_source", lambda module: real(module) + "#" * (module.__name__ == edited))
    source._digest_of.cache_clear()
    assert kind.code_version() != before
    monkeypatch.undo()
    source._digest_of.cache_clear()
    assert kind.code_version() == before


def test_the_code_version_is_that_of_the_code_that_runs(tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "runs")
    (kind,) = declared_in(load_file(path))
    before = kind.code_version()
    path.write_text(path.read_text() + "\n# edited while the server runs\n")
    assert kind.code_version() == before
