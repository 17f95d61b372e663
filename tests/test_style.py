"""The limits of size and form that keep this code easy to change. An exception is a line here, with its reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("config", "strategies", "backtests", "tests")

FUNCTION_LINES = 50
MODULE_LINES = 500
TEMPLATE_LINES = 100
STRATEGY_LINES = 60

# Longer than the limit, and why that is right: "path" or "path:function" -> reason.
EXCEPTIONS: dict[str, str] = {}

# Words of the workplace, not of the trade: the docs tell a reader what there is, not how or by whom it came about.
WORKPLACE = re.compile(
    r"\b(TODO|FIXME|XXX|WIP)\b|\b(issue|ticket|pull request) #?\d+\b|(?<![\w&])#\d+\b", re.IGNORECASE
)
DOCS = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Part:
    """Something with a length: a function, a module or a template."""

    name: str
    lines: int


def modules() -> list[Path]:
    found = [
        path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.parent.name != "migrations"
    ]
    return [ROOT / "manage.py", *sorted(found)]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[Definition]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Definition):
            yield node


def is_kernel(function: Definition) -> bool:
    calls = [item.func if isinstance(item, ast.Call) else item for item in function.decorator_list]
    return any(isinstance(item, ast.Name) and item.id == "kernel" for item in calls)


def length(function: Definition) -> int:
    """Lines from def to the end, without the docstring: that one may be as long as the contract needs."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def too_long(parts: list[Part], limit: int) -> list[str]:
    assert parts, "nothing was counted"
    return [
        f"{part.name} has {part.lines} lines, at most {limit} are allowed"
        for part in parts
        if part.lines > limit and part.name not in EXCEPTIONS
    ]


def files(paths: list[Path]) -> list[Part]:
    return [Part(relative(path), len(path.read_text().splitlines())) for path in paths]


def function_parts() -> list[Part]:
    return [
        Part(f"{relative(path)}:{function.name}", length(function))
        for path in modules()
        for function in functions(path)
        if not is_kernel(function)
    ]


def test_functions_are_short() -> None:
    assert too_long(function_parts(), FUNCTION_LINES) == []


def test_modules_are_short() -> None:
    assert too_long(files(modules()), MODULE_LINES) == []


def test_templates_are_short() -> None:
    assert too_long(files(sorted((ROOT / "templates").rglob("*.html"))), TEMPLATE_LINES) == []


def test_a_built_in_strategy_reads_like_its_idea() -> None:
    library = [path for path in (ROOT / "strategies" / "library").glob("*.py") if path.name != "__init__.py"]
    assert too_long(files(library), STRATEGY_LINES) == []


def test_every_exception_is_still_needed() -> None:
    lengths = {part.name: part.lines for part in [*function_parts(), *files(modules())]}
    limits = {name: FUNCTION_LINES if ":" in name else MODULE_LINES for name in EXCEPTIONS}
    assert [name for name, limit in limits.items() if lengths.get(name, 0) <= limit] == []


@pytest.mark.parametrize("path", modules(), ids=relative)
def test_no_error_is_caught_and_dropped(path: Path) -> None:
    """``except Exception: pass`` hides every fault; what may be dropped is named by contextlib.suppress."""
    broad = {"Exception", "BaseException"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else broad
            drops = all(
                isinstance(item, ast.Pass | ast.Continue | ast.Constant) or is_ellipsis(item) for item in node.body
            )
            assert not (names & broad and drops), f"{relative(path)}:{node.lineno} drops every error"


def is_ellipsis(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@pytest.mark.parametrize("path", DOCS, ids=relative)
def test_the_docs_tell_what_there_is(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if WORKPLACE.search(line)]
    assert found == []


@pytest.mark.parametrize("text", ["TODO: say more", "see issue 12", "fixed in #34"])
def test_words_of_the_workplace_are_recognised(text: str) -> None:
    assert WORKPLACE.search(text)


@pytest.mark.parametrize("text", ["&#39;", "a colour of #3b82f6", "the issue of shares", "# Settings"])
def test_ordinary_words_are_not(text: str) -> None:
    assert not WORKPLACE.search(text)


def test_comments_leave_no_work_behind() -> None:
    marks = re.compile(r"#.*\b(TODO|FIXME|XXX)\b")
    own = Path(__file__)
    left = [relative(path) for path in modules() if path != own and marks.search(path.read_text())]
    assert left == []


def test_templates_carry_no_inline_script_or_style() -> None:
    """The content security policy blocks them, so that the page would quietly lose what they do."""
    inline = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|hx-on", re.IGNORECASE)
    found = [
        f"{relative(path)}:{number}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if inline.search(line)
    ]
    assert found == []
