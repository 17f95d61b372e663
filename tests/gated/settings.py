"""Trawl's settings with one strategy more, which stops in the middle of a run until it is let through."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES
from config.settings import INSTALLED_APPS as TRAWLS_APPS

INSTALLED_APPS = [*TRAWLS_APPS, "tests.gated"]

if timeout_s := os.environ.get("GATE_SQLITE_TIMEOUT_S"):
    DATABASES["default"]["OPTIONS"]["timeout"] = float(timeout_s)
