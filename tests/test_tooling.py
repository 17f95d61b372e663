"""What ``make test`` stands on: nothing of the user's is touched, and nothing is left out without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.tooling import chromium, curl, services, verify

ROOT = Path(__file__).parent.parent
NOBODY = "127.0.0.1:1"  # Nothing listens on this port.


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, for programs that a test makes up."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return tmp_path


def make_program(path: Path, script: str = "") -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_ci_runs_what_everybody_runs() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_tests_work_in_a_folder_of_their_own() -> None:
    assert settings.DATA_DIR != ROOT / "var"
    assert os.environ["TRAWL_DATA_DIR"] == str(settings.DATA_DIR)


def test_a_process_that_a_test_starts_does_not_learn_of_the_real_database() -> None:
    assert "DATABASE_URL" not in os.environ
    assert "REDIS_URL" not in os.environ


def test_a_test_that_uses_the_database_is_marked_by_itself(request: pytest.FixtureRequest, db: None) -> None:
    assert request.node.get_closest_marker("database") is not None
    assert Path(str(connection.settings_dict["NAME"])).name.startswith("test")


def test_a_test_that_uses_none_is_not_marked(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("database") is None


def test_a_bare_pytest_ignores_the_settings_of_whoever_runs_it(tmp_path: Path) -> None:
    own = {"TRAWL_DATA_DIR": str(tmp_path / "own"), "REDIS_URL": f"redis://{NOBODY}/0", "TRAWL_LOG_LEVEL": "LOUD"}
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/test_purity.py"],
        cwd=ROOT,
        env={**environment, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert not (tmp_path / "own").exists()


def test_the_steps_start_without_the_settings_of_whoever_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "TRAWL_DEBUG"):
        monkeypatch.setenv(name, "theirs")
    environment = verify.clean_environment("/somewhere")
    assert "theirs" not in environment.values()
    assert environment["TRAWL_DATA_DIR"] == "/somewhere"


def test_the_first_step_that_fails_ends_the_run(tmp_path: Path) -> None:
    steps = tuple(
        verify.Step(str(number), (sys.executable, "-c", code))
        for number, code in enumerate(["", "raise SystemExit(3)", f"open({str(tmp_path / 'reached')!r}, 'w')"])
    )
    with pytest.raises(SystemExit, match=r"1 failed after .* \(status 3\)"):
        verify.run(steps, environment=dict(os.environ))
    assert not (tmp_path / "reached").exists()


def test_a_step_that_hangs_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LONGEST_STEP_S", 0.2)
    sleeping = verify.Step("sleep", (sys.executable, "-c", "import time; time.sleep(600)"))
    with pytest.raises(SystemExit, match=r"sleep did not end within 0.2 s"):
        verify.run((sleeping,), environment=dict(os.environ))


@pytest.mark.parametrize(
    ("redis_url", "expected"),
    [(None, "database and not browser and not redis"), ("redis://somewhere", "database and not browser")],
)
def test_the_second_run_of_the_database_tests_is_on_postgresql(redis_url: str | None, expected: str) -> None:
    *_, last = verify.test_steps(postgresql_url="postgres://somewhere/name", redis_url=redis_url, has_programs=True)
    assert "DATABASE_URL=postgres://somewhere/name" in last.command
    assert last.command[-2:] == ("-m", expected)


def test_without_services_all_runs_are_on_sqlite_and_leave_out_redis() -> None:
    _, plain, in_browser = verify.test_steps(postgresql_url=None, redis_url=None, has_programs=True)
    assert (plain.label, plain.command[-2:]) == ("tests on SQLite", ("-m", "not browser and not redis"))
    assert (in_browser.label, in_browser.command[-2:]) == ("tests in a browser", ("-m", "browser and not redis"))


def test_without_postgresqls_programs_no_server_is_started_and_stopped(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(services, "PROGRAMS", programs / "nowhere")
    assert services.postgresql_programs() is None
    assert "are left out" in capsys.readouterr().out
    *_, last = verify.test_steps(postgresql_url=None, redis_url="redis://somewhere", has_programs=False)
    assert last.command[-2:] == ("-m", "browser and not cluster")
    assert services.postgresql_programs() is None
    make_program(programs / "pg_ctl")
    assert services.postgresql_programs() == programs


def test_a_missing_postgresql_is_said_and_in_ci_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", f"postgres://somebody:secret@{NOBODY}/name")
    monkeypatch.delenv("CI", raising=False)
    assert services.postgresql() is None
    assert capsys.readouterr().out == f"no PostgreSQL answers at {NOBODY}: the database tests run on SQLite only\n"
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit, match=f"no PostgreSQL answers at {NOBODY}"):
        services.postgresql()


def test_a_missing_redis_is_said_and_in_ci_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", f"redis://{NOBODY}/0")
    monkeypatch.delenv("CI", raising=False)
    assert services.redis_server() is None
    assert capsys.readouterr().out == f"no Redis answers at {NOBODY}: the tests marked redis are left out\n"
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit, match=f"no Redis answers at {NOBODY}"):
        services.redis_server()


@pytest.mark.parametrize("name", chromium.NAMES)
def test_a_browser_is_found_by_any_of_its_names(programs: Path, name: str) -> None:
    assert chromium.find_chromium() is None
    path = make_program(programs / name)
    assert chromium.find_chromium() == str(path)


def test_a_named_browser_is_taken_and_no_other(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(programs / "chromium")
    named = make_program(programs / "my-browser")
    monkeypatch.setenv("CHROMIUM", str(named))
    assert chromium.find_chromium() == str(named)
    monkeypatch.setenv("CHROMIUM", str(programs / "absent"))
    assert chromium.find_chromium() is None
    with pytest.raises(SystemExit, match="CHROMIUM"):
        chromium.main()


def test_a_machine_without_a_browser_and_without_debian_packages_fails(programs: Path) -> None:
    with pytest.raises(SystemExit, match="install chromium"):
        chromium.main()


def test_debian_installs_its_browser(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (programs / "env").symlink_to("/usr/bin/env")
    log = programs / "log"
    browser = programs / "chromium"
    make_program(
        programs / "apt-get",
        f'echo "$*" >> {log}\nif [ "$1" = install ]; then echo > {browser}; /bin/chmod +x {browser}; fi',
    )
    chromium.main()
    assert log.read_text().splitlines() == ["update -qq", "install -qq --yes chromium"]
    assert capsys.readouterr().out.endswith(f"Browser: {browser}\n")


def test_debian_installs_curl_where_there_is_none(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="install curl"):
        curl.main()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (programs / "env").symlink_to("/usr/bin/env")
    log = programs / "log"
    make_program(programs / "apt-get", f'echo "$*" >> {log}')
    curl.main()
    assert log.read_text().splitlines() == ["update -qq", "install -qq --yes curl"]
    log.unlink()
    make_program(programs / "curl")
    curl.main()
    assert not log.exists()


def test_a_failed_installation_is_one_clear_line(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (programs / "env").symlink_to("/usr/bin/env")
    make_program(programs / "apt-get", "exit 100")
    with pytest.raises(SystemExit, match="apt-get update -qq failed"):
        chromium.main()


def test_a_user_who_may_not_install_is_told(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    make_program(programs / "apt-get")
    make_program(programs / "sudo", "exit 1")
    with pytest.raises(SystemExit, match="install chromium"):
        chromium.main()
