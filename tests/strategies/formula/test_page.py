"""docs/formulas.md is written from the tables, and whatever stands in it as a formula is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from strategies.formula import compile_formula, limits
from strategies.formula.functions import ALIASES, FIELDS, FUNCTIONS, TEXTS
from strategies.formula.page import BOUNDS, SIGNS, formulas_page
from tests.strategies.formula.markets import stocks

PAGE = Path(__file__).parents[3] / "docs" / "formulas.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_page_is_written_from_the_tables() -> None:
    again = "write it again: .venv/bin/python -m strategies.formula.page > docs/formulas.md"
    assert PAGE.read_text() == formulas_page(), again


def test_every_formula_on_it_compiles() -> None:
    shown = blocks("formula")
    assert len(shown) >= 8
    for text in (*shown, *(example for _, _, example in SIGNS)):
        program = compile_formula(text)
        assert program.answer or program.is_strategy


def test_every_function_has_its_row_and_its_example_compiles() -> None:
    text = PAGE.read_text()
    for function in FUNCTIONS.values():
        rows = [line for line in text.splitlines() if line.startswith(f"| `{function.signature}` |")]
        assert len(rows) == 1, function.key
        example = rows[0].split("| `")[-1].removesuffix("` |")
        if function.key != "param":
            compile_formula(example)
    for name in (*FIELDS, *TEXTS, *ALIASES):
        assert f"`{name}`" in text


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for rows in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        assert len({line.count(" | ") for line in rows.splitlines()}) == 1, rows


def test_the_example_in_python_runs() -> None:
    names: dict[str, Any] = {"bars": stocks(1, n_symbols=1, n_bars=9)[0]}
    (code,) = blocks("python")
    exec(compile(code, PAGE.name, "exec"), names)
    assert len(names["matches"]) == 9
    assert names["matches"].any()


def test_the_precedence_is_as_the_page_says() -> None:
    pairs = {
        "-close ^ 2 * 3 + 1 > 2": "(((-(close ^ 2)) * 3) + 1) > 2",
        "not close > open and true or false": "((not (close > open)) and true) or false",
        "if close > open then 1 else close + 1": "if (close > open) then 1 else (close + 1)",
        "close between open - 1 and open + 1 and true": "(close between (open - 1) and (open + 1)) and true",
    }
    for short, long in pairs.items():
        assert compile_formula(short).steps == compile_formula(long).steps


def test_every_limit_is_listed() -> None:
    declared = sorted(value for name, value in vars(limits).items() if name.isupper())
    assert declared == sorted(bound for _, bound in BOUNDS)
