"""config.settings: what it reads stands in the docs, and what it cannot use stops the start with one clear line."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.settings import ENVIRONMENT, Variable

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "settings.md").read_text()


def documented(heading: str) -> dict[str, tuple[str, ...]]:
    """The table under a heading of docs/settings.md: the further cells of each row by the first."""
    section = DOCS.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")
    ]
    return {cells[0].strip("`"): tuple(cells[1:]) for cells in rows}


def check(data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py check`` with these variables and no others."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"TRAWL_DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variable", ENVIRONMENT, ids=lambda variable: variable.name)
def test_a_variable_stands_in_the_docs_with_its_default_and_help(variable: Variable) -> None:
    default = f"`{variable.default}`" if variable.default else "empty"
    assert documented("Trawl").get(variable.name) == (default, variable.help)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_wherever_else_a_table_names_a_variable_its_default_is_the_same(path: Path) -> None:
    defaults = {variable.name: variable.default or "empty" for variable in ENVIRONMENT}
    for line in path.read_text().split("## docker compose")[0].splitlines():
        found = re.match(r"\| `((?:TRAWL|DATABASE|REDIS)_\w+)` \| `?([^|`]*)`? \|", line)
        if found and found[1] in defaults:
            assert found[2].strip() == defaults[found[1]], line


def test_the_docs_name_no_variable_that_is_not_read() -> None:
    assert list(documented("Trawl")) == [variable.name for variable in ENVIRONMENT]


def test_every_variable_that_the_settings_read_is_declared() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    reads = set(
        re.findall(
            r'_(?:text|number|whole_number|flag|list|choice|origins|address|connections|redis_url|email)\(\s*"([A-Z_]+)"',
            source,
        )
    )
    assert reads == {variable.name for variable in ENVIRONMENT}
    assert source.count("os.environ") == 1, "read the environment through _text, which knows what is declared"


def test_the_defaults_start(tmp_path: Path) -> None:
    finished = check(tmp_path)
    assert finished.returncode == 0, finished.stderr


def test_an_empty_value_means_the_default(tmp_path: Path) -> None:
    empty = {variable.name: "" for variable in ENVIRONMENT if variable.name != "TRAWL_DATA_DIR"}
    finished = check(tmp_path, **empty)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAWL_DATA_DIR", "/dev/null/trawl"),
        ("TRAWL_STRATEGIES_DIR", "/no/such/folder"),
        ("TRAWL_STRATEGIES_DIR", "manage.py"),
        ("DATABASE_URL", "mysql://user@host/name"),
        ("DATABASE_URL", "postgres://user@host:5432"),
        ("DATABASE_URL", "postgres://user@host:port/name"),
        ("DATABASE_URL", "postgres://user:half/half@host/name"),
        ("REDIS_URL", "localhost:6379"),
        ("TRAWL_DEBUG", "maybe"),
        ("TRAWL_TRUSTED_ORIGINS", "trawl.example"),
        ("TRAWL_TRUSTED_ORIGINS", "https://trawl.example/path"),
        ("TRAWL_WORKERS", "many"),
        ("TRAWL_WORKERS", "-1"),
        ("TRAWL_WORKERS", "2.5"),
        ("TRAWL_WORKERS", "nan"),
        ("TRAWL_CONNECTIONS", "-1"),
        ("TRAWL_BARS_CACHE_MB", "0"),
        ("TRAWL_CACHE_DAYS", "-1"),
        ("TRAWL_CACHE_DAYS", "0.5"),
        ("TRAWL_CACHE_MB", "much"),
        ("TRAWL_LEASE_S", "0"),
        ("TRAWL_LEASE_S", "inf"),
        ("TRAWL_POLL_S", "never"),
        ("TRAWL_STUCK_S", "0"),
        ("TRAWL_RUNNING_RUNS", "0"),
        ("TRAWL_WAITING_RUNS", "-1"),
        ("TRAWL_MOST_BARS", "many"),
        ("TRAWL_URL", "trawl.example"),
        ("TRAWL_URL", "https://"),
        ("TRAWL_EMAIL_URL", "mail.example"),
        ("TRAWL_EMAIL_URL", "https://mail.example"),
        ("TRAWL_EMAIL_URL", "smtp://"),
        ("TRAWL_EMAIL_URL", "smtp://user@mail.example:port"),
        ("TRAWL_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_that_cannot_be_used_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, name: str, value: str
) -> None:
    finished = check(tmp_path, **{name: value})
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"trawl: {name} ")
    assert finished.stderr.count("\n") == 1


def mail_settings(data_dir: Path, url: str) -> dict[str, Any]:
    """What Django is told of the mail server at this address."""
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    chosen = f"{{name: getattr(own, 'EMAIL_' + name, None) for name in {names}}}"
    code = f"import json, config.settings as own; print(json.dumps({chosen}))"
    environment = {"TRAWL_DATA_DIR": str(data_dir), "TRAWL_EMAIL_URL": url}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return {name: value for name, value in json.loads(done.stdout).items() if value}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("", {}),
        ("smtp://mail.example", {"HOST": "mail.example"}),
        (
            "smtp+tls://me:pa%40ss@mail.example:587",
            {"HOST": "mail.example", "PORT": 587, "HOST_USER": "me", "HOST_PASSWORD": "pa@ss", "USE_TLS": True},
        ),
        ("smtp+ssl://mail.example:465", {"HOST": "mail.example", "PORT": 465, "USE_SSL": True}),
    ],
)
def test_the_mail_server_is_the_one_of_the_address(tmp_path: Path, url: str, wanted: dict[str, Any]) -> None:
    assert mail_settings(tmp_path, url) == wanted


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "TRAWL_EMAIL_URL"])
def test_a_refused_address_does_not_print_its_password(tmp_path: Path, name: str) -> None:
    for address in (
        "postgres://user:secret/word@host/name",
        "amqp://user:secret/word@host",
        "user:secret@host",
        "smtp://user:secret/word@host",
    ):
        finished = check(tmp_path, **{name: address})
        assert finished.returncode == 1
        assert "secret" not in finished.stderr


def test_processes_that_start_at_once_share_one_secret_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    load = [sys.executable, "-c", "import config.settings"]
    environment = {"TRAWL_DATA_DIR": str(tmp_path)}
    starting = [subprocess.Popen(load, cwd=ROOT, env=environment) for _ in range(4)]
    assert [process.wait() for process in starting] == [0, 0, 0, 0]
    path = tmp_path / "secret_key"
    key = path.read_text()
    subprocess.run(load, cwd=ROOT, env=environment, check=True)
    assert path.read_text() == key
    assert len(key) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_secret_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    finished = check(tmp_path)
    assert finished.returncode == 1
    assert "TRAWL_SECRET_KEY" in finished.stderr
