"""Django settings, driven by the environment.

Every variable that Trawl reads is declared in ``ENVIRONMENT`` below, with its default and its help text;
docs/settings.md repeats the table and a test compares the two. A value that cannot be used stops the start with one
clear line.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Variable:
    """One environment variable that Trawl reads."""

    name: str
    default: str
    help: str


ENVIRONMENT = (
    Variable("TRAWL_DATA_DIR", "var", "Folder of the embedded database and the secret key; relative to the checkout."),
    Variable("TRAWL_STRATEGIES_DIR", "", "Folder of your own strategies. Empty: strategies in TRAWL_DATA_DIR."),
    Variable("DATABASE_URL", "", "postgres://user:password@host:5432/name. Empty: SQLite in TRAWL_DATA_DIR."),
    Variable("REDIS_URL", "", "redis://host:6379/0, the channel layer of several processes. Empty: in memory."),
    Variable("TRAWL_SECRET_KEY", "", "Signs sessions and forms. Empty: made once and kept in TRAWL_DATA_DIR."),
    Variable("TRAWL_DEBUG", "false", "Django's debug pages; for development only."),
    Variable("TRAWL_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", "Host names that the server answers to, by comma."),
    Variable("TRAWL_TRUSTED_ORIGINS", "", "Origins behind a TLS proxy, such as https://trawl.example, by comma."),
    Variable(
        "TRAWL_LOGIN", "auto", "auto: whoever uses it on the machine that it runs on needs no login. always: all do."
    ),
    Variable("TRAWL_WORKERS", "0", "Threads that execute chunks. 0: one for each processor."),
    Variable("TRAWL_CONNECTIONS", "0", "Most connections to PostgreSQL. 0: one more than workers, and 3 at least."),
    Variable("TRAWL_BARS_CACHE_MB", "300", "Memory for decoded bars in each process, in MiB."),
    Variable(
        "TRAWL_BARS_FILE_MB", "2048", "Disk for decoded bars that do not fit there, in MiB, of each server. 0: none."
    ),
    Variable("TRAWL_CACHE_DAYS", "30", "Days for which a run's results are reused by later runs. 0: without end."),
    Variable("TRAWL_CACHE_MB", "1024", "Results offered to later runs, in MiB; the oldest go first. 0: any number."),
    Variable("TRAWL_LEASE_S", "30", "Seconds after which a chunk that its worker left unfinished is taken up again."),
    Variable(
        "TRAWL_STUCK_S", "300", "Seconds after which a chunk counts as stuck; another worker tries its symbols alone."
    ),
    Variable("TRAWL_RUNNING_RUNS", "4", "Runs of one user that are executed at once; further ones wait."),
    Variable("TRAWL_WAITING_RUNS", "20", "Runs of one user that may wait; further ones are refused."),
    Variable("TRAWL_MOST_BARS", "500000000", "Most bars, of all symbols together, that one run may test."),
    Variable("TRAWL_SCHEDULES", "50", "Screens and runs of one user that may be asked after every import."),
    Variable("TRAWL_SETTLE_S", "20", "Seconds without a further import after which those schedules are asked."),
    Variable("TRAWL_URL", "http://127.0.0.1:8000", "Where people reach this server; stands in messages that it sends."),
    Variable("TRAWL_EMAIL_URL", "", "smtp://user:password@host:587 for messages about finished runs. Empty: none."),
    Variable("TRAWL_EMAIL_FROM", "trawl@localhost", "The sender of these messages."),
    Variable("TRAWL_WEBHOOK_HOSTS", "", "Hosts in private networks that webhooks may call, by comma."),
    Variable("TRAWL_POLL_S", "1.0", "Seconds between looks at the database when no message says that there is news."),
    Variable("TRAWL_STALL_S", "60", "Seconds after which a viewer that reads nothing of its stream is dropped."),
    Variable("TRAWL_LOG_LEVEL", "WARNING", "DEBUG, INFO, WARNING, ERROR or CRITICAL."),
)

_env = environ.Env()
_env.escape_proxy = False


def _text(name: str) -> str:
    declared = next(variable for variable in ENVIRONMENT if variable.name == name)
    return os.environ.get(name, "").strip() or declared.default


def _number(name: str, *, low: float, high: float) -> float:
    value = _text(name)
    try:
        number = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number from {low:g} to {high:g}; it is {value!r}.") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} must be from {low:g} to {high:g}; it is {value}.")
    return number


def _whole_number(name: str, *, low: int, high: int) -> int:
    number = _number(name, low=low, high=high)
    if number != int(number):
        raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}; it is {_text(name)}.")
    return int(number)


def _connections(name: str, *, least: int) -> int:
    number = _whole_number(name, low=0, high=1000)
    if 0 < number < least:
        raise ImproperlyConfigured(f"{name} must be 0 or at least {least}; it is {number}.")
    return number


def _flag(name: str) -> bool:
    value = _text(name).lower()
    if value not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} must be true or false; it is {value!r}.")
    return value in {"true", "1", "yes", "on"}


def _list(name: str) -> list[str]:
    return [item.strip() for item in _text(name).split(",") if item.strip()]


def _choice(name: str, choices: tuple[str, ...]) -> str:
    value = _text(name)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}; it is {value!r}.")
    return value


def _secret_key(data_dir: Path) -> str:
    if given := _text("TRAWL_SECRET_KEY"):
        return given
    path = data_dir / "secret_key"
    # A second process may start at the same moment: only one of them may create the file, which nobody else may read.
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    for _ in range(30):
        if key := path.read_text().strip():
            return key
        time.sleep(0.01)
    raise ImproperlyConfigured(f"{path} is empty; remove it, or set TRAWL_SECRET_KEY.")


def _origins(name: str) -> list[str]:
    origins = _list(name)
    for origin in origins:
        if not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ImproperlyConfigured(f"{name} must list origins such as https://trawl.example; one is {origin!r}.")
    return origins


def _address(name: str) -> str:
    address = _text(name)
    if not re.fullmatch(r"https?://[^/\s]+[^\s]*", address):
        raise ImproperlyConfigured(f"{name} must be an address such as https://trawl.example; it is {address!r}.")
    return address.rstrip("/")


def _redis_url(name: str) -> str:
    url = _text(name)
    if url and not re.match(r"(rediss?://[^/\s]+|unix:///)", url):
        raise ImproperlyConfigured(f"{name} must be like redis://host:6379/0, or empty (in memory).")
    return url


def _email(name: str) -> dict[str, Any]:
    """Return Django's settings of the mail server; without one its host is empty."""
    url = _text(name)
    if not url:
        return {"EMAIL_HOST": ""}
    if not url.startswith(("smtp://", "smtp+tls://", "smtp+ssl://")):
        raise ImproperlyConfigured(
            f"{name} must start with smtp://, smtp+tls:// or smtp+ssl://, or be empty (no mail)."
        )
    try:
        mail = dict(_env.email_url_config(url))
    except ValueError:
        # Python's own message would quote a part of the password.
        problem = "its port is not a number, or a special character in its password is not percent-encoded"
        raise ImproperlyConfigured(f"{name} cannot be read: {problem}.") from None
    if not mail["EMAIL_HOST"]:
        raise ImproperlyConfigured(f"{name} must name a host: smtp://user:password@host:587.")
    return {key: value for key, value in mail.items() if key != "EMAIL_FILE_PATH"}


def _database(data_dir: Path) -> dict[str, Any]:
    url = _text("DATABASE_URL")
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": data_dir / "trawl.sqlite3",
            # A file: it stays open from one request of a thread to the next.
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # Deferred transactions fail at once when two of them upgrade to a write; immediate ones wait.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # Pages of 16 KiB, set before the file is made, are read in half the time: columns of prices are long.
                # What is mapped, and what each connection caches, counts as memory of the process.
                "init_command": (
                    "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                    "PRAGMA cache_size=-16384; PRAGMA mmap_size=134217728; PRAGMA temp_store=MEMORY;"
                ),
            },
            # A database in memory is shared by locking whole tables, which worker threads cannot wait for.
            "TEST": {"NAME": str(data_dir / "test.sqlite3")},
        }
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must start with postgres:// or be empty (SQLite).")
    try:
        database: dict[str, Any] = dict(_env.db_url_config(url))
    except ValueError:
        # Python's own message would quote a part of the password.
        problem = "its port is not a number, or a special character in its password is not percent-encoded"
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {problem}.") from None
    if not database["NAME"]:
        raise ImproperlyConfigured("DATABASE_URL must end in a database: postgres://user:password@host:5432/name.")
    # A connection that the server closed meanwhile, by a restart, is replaced before it is used.
    database["CONN_HEALTH_CHECKS"] = True
    # A server that is away is noticed and asked again every few seconds, also one whose machine or network is gone: by
    # default the pool waits ever longer between two attempts, and a connection that nobody answers waits for hours.
    noticing = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    pool = {"min_size": 1, "max_size": CONNECTIONS, "timeout": 5, "reconnect_timeout": 5}
    database["OPTIONS"] = {**noticing, **database.get("OPTIONS", {}), "pool": pool}
    return database


def _strategies_dir(data_dir: Path) -> Path:
    given = _text("TRAWL_STRATEGIES_DIR")
    if not given:
        return data_dir / "strategies"
    path = (BASE_DIR / given).resolve()
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        # Without this, a mistyped name or a volume that is not mounted would quietly take everybody's strategies away.
        raise ImproperlyConfigured(f"TRAWL_STRATEGIES_DIR must be a folder that can be read; it is {given!r}.")
    return path


DATA_DIR = (BASE_DIR / _text("TRAWL_DATA_DIR")).resolve()
try:
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    SECRET_KEY = _secret_key(DATA_DIR)
except OSError as error:
    raise ImproperlyConfigured(f"TRAWL_DATA_DIR must be a folder that can be written: {error}") from error
STRATEGIES_DIR = _strategies_dir(DATA_DIR)
DEBUG = _flag("TRAWL_DEBUG")
ALLOWED_HOSTS = _list("TRAWL_ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = _origins("TRAWL_TRUSTED_ORIGINS")
# Origins behind a proxy are those of others: whoever comes from this machine is then the proxy.
LOCAL_MODE = _choice("TRAWL_LOGIN", ("auto", "always")) == "auto" and not CSRF_TRUSTED_ORIGINS
WORKERS = _whole_number("TRAWL_WORKERS", low=0, high=256) or os.cpu_count() or 1
# Who computes holds none (backtests/connections.py): three are enough for two workers, many viewers and some pages.
CONNECTIONS = _connections("TRAWL_CONNECTIONS", least=3) or max(3, WORKERS + 1)
BARS_CACHE_BYTES = _whole_number("TRAWL_BARS_CACHE_MB", low=1, high=1_048_576) * 1024 * 1024
BARS_FILE_BYTES = _whole_number("TRAWL_BARS_FILE_MB", low=0, high=1_048_576) * 1024 * 1024
CACHE_DAYS = _whole_number("TRAWL_CACHE_DAYS", low=0, high=36_500)
CACHE_BYTES = _whole_number("TRAWL_CACHE_MB", low=0, high=1_048_576) * 1024 * 1024
LEASE_S = _number("TRAWL_LEASE_S", low=1, high=3600)
POLL_S = _number("TRAWL_POLL_S", low=0.05, high=60)
STALL_S = _number("TRAWL_STALL_S", low=1, high=3600)
STUCK_S = _number("TRAWL_STUCK_S", low=1, high=86_400)
RUNNING_RUNS = _whole_number("TRAWL_RUNNING_RUNS", low=1, high=10_000)
WAITING_RUNS = _whole_number("TRAWL_WAITING_RUNS", low=0, high=10_000)
MOST_BARS = _whole_number("TRAWL_MOST_BARS", low=1, high=10**12)
SCHEDULES = _whole_number("TRAWL_SCHEDULES", low=0, high=100_000)
SETTLE_S = _number("TRAWL_SETTLE_S", low=0, high=3600)
PUBLIC_URL = _address("TRAWL_URL")
WEBHOOK_HOSTS = [host.lower() for host in _list("TRAWL_WEBHOOK_HOSTS")]
DEFAULT_FROM_EMAIL = _text("TRAWL_EMAIL_FROM")
EMAIL_TIMEOUT = 10
vars().update(_email("TRAWL_EMAIL_URL"))

INSTALLED_APPS = [
    "daphne",
    "axes",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "strategies",
    "backtests",
]

MIDDLEWARE = [
    # First and asynchronous: a file is answered without a thread.
    "servestatic.middleware.ServeStaticMiddleware",
    "backtests.page_threads.StreamsHoldNoConnection",
    "backtests.api.head.HeadMiddleware",
    "backtests.api.errors.JsonErrorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backtests.accounts.middleware.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": _database(DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if redis_url := _redis_url("REDIS_URL"):
    # The pub/sub layer survives a restart of Redis; messages are only hints to look at the database again.
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [redis_url], "prefix": "trawl"},
    }

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "new-run"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Ten wrong passwords for a name from one address; behind a proxy all addresses are the proxy's, and the name counts.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
# Admin lists: a run takes less than a second, and Django's own format ends at minutes.
DATETIME_FORMAT = "Y-m-d H:i:s"

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS: list[Any] = [
    BASE_DIR / "static",
    ("vendor/htmx", BASE_DIR / "node_modules" / "htmx.org" / "dist"),
    ("vendor/swagger-ui", BASE_DIR / "node_modules" / "swagger-ui-dist"),
]
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(CSRF_TRUSTED_ORIGINS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CSRF_TRUSTED_ORIGINS else None

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    # The pool warns of every connection that a process takes with it when it ends, Ctrl-C included.
    "loggers": {"psycopg.pool": {"level": "ERROR"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": _choice("TRAWL_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
    },
}
