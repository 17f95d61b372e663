"""The examples of docs/api.md, and how large the market is that they are run on."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

DOCS = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
N_STOCKS, N_COINS = 12, 5


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)
