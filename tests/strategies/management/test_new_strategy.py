from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from strategies.files import declared_in, load_file
from strategies.registry import strategies
from strategies.starter import NameRefused, starter_for
from tests.strategies.management.commands import manage

ROOT = Path(settings.BASE_DIR)


def new(*options: str) -> str:
    printed = StringIO()
    call_command("new_strategy", *options, stdout=printed)
    return printed.getvalue()


def refused(*options: str) -> str:
    with pytest.raises(CommandError) as caught:
        new(*options)
    assert caught.value.returncode == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("pull-up", ("pull-up", "Pull up", "PullUp", "pull_up.py")),
        ("Pull  up", ("pull-up", "Pull up", "PullUp", "pull_up.py")),
        ("PullUp", ("pull-up", "Pull up", "PullUp", "pull_up.py")),
        ("pull_up_2", ("pull-up-2", "Pull up 2", "PullUp2", "pull_up_2.py")),
        ("x", ("x", "X", "X", "x.py")),
        ("class", ("class", "Class", "Class", "class.py")),
    ],
)
def test_everything_is_named_after_the_name(tmp_path: Path, name: str, names: tuple[str, ...]) -> None:
    said = new(name, "--to", str(tmp_path)).splitlines()
    (path,) = tmp_path.iterdir()
    assert said[0] == f"Wrote {path}"
    (kind,) = declared_in(load_file(path))
    assert (kind.key, kind.label, kind.__name__, path.name) == names
    assert f"  python manage.py check_strategy {path}" in said
    assert f"  put it into {settings.STRATEGIES_DIR}, the folder of your own strategies" in said


@pytest.mark.parametrize(
    "name",
    ["", " ", "9lives", "a/b", "../a", "a.py", "é", "a-", "-a", "a b!", "x\n", "none", "True", "strategy", "int"],
)
def test_an_invalid_name_is_refused_with_what_is_valid(tmp_path: Path, name: str) -> None:
    problem = refused(name, "--to", str(tmp_path)) if not name.startswith("-") else str(_refusal(name))
    assert "a name has letters and digits in words" in problem or "is a name that the file needs" in problem
    assert not list(tmp_path.iterdir())


def _refusal(name: str) -> NameRefused:
    with pytest.raises(NameRefused) as caught:
        starter_for(name)
    return caught.value


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "at most 60 characters; it has 61" in refused("k" * 61, "--to", str(tmp_path))
    assert new("k" * 60, "--to", str(tmp_path))


def test_a_key_that_is_taken_is_refused_with_the_taken_ones(tmp_path: Path) -> None:
    taken = ", ".join(strategies())
    assert refused("RSI", "--to", str(tmp_path)) == (
        f"NAME: there is a strategy with the key 'rsi' already; taken are: {taken}"
    )


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("# precious")
    assert "exists already and stays as it is" in refused("mine", "--to", str(tmp_path))
    assert (tmp_path / "mine.py").read_text() == "# precious"


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_the_folder_must_exist(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    assert refused("mine", "--to", str(tmp_path / folder)).startswith("--to: must be a folder that exists; it is ")


def test_the_starter_is_laid_out_and_typed_like_the_rest_of_trawl(tmp_path: Path) -> None:
    new("my-idea", "--to", str(tmp_path))
    path = str(tmp_path / "my_idea.py")
    config = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    for command in (("ruff", "check", *config, path), ("ruff", "format", "--check", *config, path)):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout


def test_the_starter_passes_the_check_and_runs(tmp_path: Path) -> None:
    """Both commands for real, on a data folder where nothing has been prepared."""
    done = manage(tmp_path, "new_strategy", "my-idea")
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path / "strategies" / "my_idea.py"
    assert done.stdout.splitlines()[0] == f"Wrote {path}"
    assert "  python manage.py check_strategy my-idea" in done.stdout.splitlines()
    assert "put it into" not in done.stdout

    for named in ("my-idea", str(path)):
        done = manage(tmp_path, "check_strategy", named, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        (examined,) = json.loads(done.stdout)["strategies"]
        assert {item["check"]: item["verdict"] for item in examined["checks"]} == {
            item["check"]: "pass" for item in examined["checks"]
        }
