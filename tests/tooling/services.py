"""Say which services answer, so that the tests that need them run against them.

Where CI=true both must answer: there, a test that quietly did not run would be taken for one that passed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379/0"
PROGRAMS = Path("/usr/lib/postgresql")  # where Debian has them, a folder for each version
TIMEOUT_S = 2


def postgresql() -> str | None:
    """Return the URL of the PostgreSQL server for the tests, or None where none answers, and say so."""
    url = os.environ.get("TEST_DATABASE_URL") or POSTGRESQL
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT_S) as connection:
            version = connection.execute("SHOW server_version").fetchone()
    except psycopg.OperationalError:
        _missing("PostgreSQL", url, "TEST_DATABASE_URL", "the database tests run on SQLite only")
        return None
    number = str(version[0]).split()[0] if version else "?"
    print(f"PostgreSQL {number} answers at {_place(url)}: the database tests run on it too", flush=True)
    return url


def redis_server() -> str | None:
    """Return the URL of the Redis server for the tests, or None where none answers, and say so."""
    url = os.environ.get("TEST_REDIS_URL") or REDIS
    client = redis.Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S)
    try:
        version = client.info("server")["redis_version"]
    except redis.RedisError:
        _missing("Redis", url, "TEST_REDIS_URL", "the tests marked redis are left out")
        return None
    finally:
        client.close()
    print(f"Redis {version} answers at {_place(url)}: the tests marked redis run", flush=True)
    return url


def postgresql_programs() -> Path | None:
    """Return the folder of PostgreSQL's own programs, with which a test starts a server, or None, and say so."""
    named = shutil.which("pg_ctl")
    found = [Path(named).resolve()] if named else sorted(PROGRAMS.glob("*/bin/pg_ctl"))
    if not found:
        print("no pg_ctl on PATH: tests that crash a PostgreSQL server of their own are left out", flush=True)
        return None
    return found[-1].parent


def _missing(service: str, url: str, variable: str, consequence: str) -> None:
    if os.environ.get("CI") == "true":
        raise SystemExit(f"no {service} answers at {_place(url)}: CI needs one; {variable} says where it is")
    print(f"no {service} answers at {_place(url)}: {consequence}", flush=True)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


if __name__ == "__main__":
    postgresql()
    redis_server()
