"""Find curl for the examples of docs/api.md, or install it where Debian's packages can be had."""

from __future__ import annotations

import shutil

from tests.tooling import chromium

MISSING = "The tests run the examples of docs/api.md, which need curl: install curl."


def main() -> None:
    if shutil.which("curl") is None:
        chromium.install("curl", MISSING)
