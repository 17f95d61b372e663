"""docs/indicators.md is the table, written out; its example runs, and nothing in it depends on when it was written."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

from strategies.indicators.page import indicators_page
from strategies.indicators.table import INDICATORS

PAGE = Path(__file__).parent.parent / "docs" / "indicators.md"


def test_the_page_is_written_from_the_table() -> None:
    again = "write it again: .venv/bin/python -m strategies.indicators.page > docs/indicators.md"
    assert PAGE.read_text() == indicators_page(), again


def test_every_indicator_has_its_rows() -> None:
    text = PAGE.read_text()
    for indicator in INDICATORS:
        assert text.count(f"| `{indicator.signature}` | {indicator.label} | {indicator.formula} |") == 1
        assert text.count(f"\n| `{indicator.key}` | {indicator.outputs[0].key}: `") == 1
        for item in indicator.parameters:
            declared = f"{item.kind} | {item.default} | {item.low} | {item.high} | {item.help}"
            assert text.count(f"\n| `{indicator.key}` | `{item.key}` | {declared} |") == 1


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for rows in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        assert len({line.count("|") for line in rows.splitlines()}) == 1


def test_the_example_gives_what_the_page_says() -> None:
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```(python|pycon)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "pycon"]
    exec(compile(blocks[0][1], PAGE.name, "exec"), names)
    example = doctest.DocTestParser().get_doctest(blocks[1][1], names, PAGE.name, PAGE.name, 0)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert not report, "".join(report)
