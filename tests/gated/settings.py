"""Trawl's settings with one strategy more, which stops in the middle of a run until it is let through."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as TRAWLS_APPS

INSTALLED_APPS = [*TRAWLS_APPS, "tests.gated"]
