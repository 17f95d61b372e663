"""Find the system's Chromium for the browser tests, or install it where Debian's packages can be had.

``python -m tests.tooling.chromium`` prints the path of the browser.
"""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "The browser tests need Chromium: install chromium, or name a browser in CHROMIUM=/path/to/chromium."


def find_chromium() -> str | None:
    """Return the path of CHROMIUM if that is set, else of the first known browser on PATH, else None."""
    if named := os.environ.get("CHROMIUM", ""):
        return shutil.which(named)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install_chromium() -> None:
    """Install Debian's package as root or by a sudo that asks nothing; raise SystemExit where that cannot be."""
    if os.environ.get("CHROMIUM"):
        raise SystemExit(MISSING)
    install("chromium", MISSING)


def install(package: str, missing: str) -> None:
    """Install a Debian package; raise SystemExit with what is missing where that cannot be."""
    if not shutil.which("apt-get"):
        raise SystemExit(missing)
    prefix = _as_root(missing)
    print(f"No {package} found: installing Debian's package.", flush=True)
    for words in (["update", "-qq"], ["install", "-qq", "--yes", package]):
        command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *words]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit(f"{' '.join(command)} failed. {missing}")


def _as_root(missing: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        return ["sudo", "-n"]
    raise SystemExit(missing)


def main() -> None:
    if find_chromium() is None:
        install_chromium()
    path = find_chromium()
    if path is None:
        raise SystemExit(MISSING)
    print(f"Browser: {path}", flush=True)


if __name__ == "__main__":
    main()
