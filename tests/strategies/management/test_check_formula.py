from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from backtests.models import Universe
from strategies.conformance.report import PARTS
from strategies.formula.operations import OPERATIONS
from strategies.formula_strategies import save_formula
from tests.builders import make_market, store_universe

TURTLE = "days = param(20, 5, 60)\nenter: close > highest(high, days)[1]\nexit: close < lowest(low, 10)[1]\n"


@pytest.fixture(autouse=True)
def _universe(db: None) -> Universe:
    return store_universe("Test", make_market(n_symbols=5, n_bars=260))


def check(*options: str) -> str:
    printed = StringIO()
    call_command("check_strategy", *options, stdout=printed)
    return printed.getvalue()


def verdicts(printed: str) -> dict[str, str]:
    found = {}
    for part in PARTS:
        (row,) = (line for line in printed.splitlines() if line.startswith(f"{part.label} "))
        found[part.key] = row.removeprefix(part.label).split()[0]
    return found


def failing(*options: str) -> str:
    printed = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("check_strategy", *options, stdout=printed)
    return f"{printed.getvalue()}{caught.value}"


@pytest.mark.parametrize(
    "formula",
    [
        TURTLE,
        "close > sma(close, 20) and weekly(rising(close))",
        "enter: rank(close) <= 2\nexit: percentile(roc(close, 5)) < 50",
        'symbol("S1", close > close[1])',
    ],
)
def test_a_formula_is_examined_as_it_stands(formula: str) -> None:
    found = verdicts(check(formula))
    assert set(found.values()) <= {"pass", "warn"}
    assert found["trades"] == found["truncated"] == "pass"


def test_a_formula_is_examined_in_a_file_or_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "turtle.formula"
    path.write_text(TURTLE)
    in_file, saved = check(str(path), "--param", "days=30"), check(save_formula(TURTLE, label="Turtle").key)
    assert "1 parameter" in in_file
    assert "1 parameter" in saved


@pytest.mark.parametrize("formula", ["close > close[3]", "enter: rank(close[3]) <= 2\nexit: rank(close) > 2"])
def test_one_that_saw_the_future_would_be_found(formula: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead(_flat: Any, values: Any, n_bars: int) -> Any:
        return np.concatenate((values[n_bars:], values[-n_bars:]))

    monkeypatch.setitem(OPERATIONS, "ago", ahead)
    assert verdicts(failing(formula))["truncated"] == "fail"


def test_what_is_wrong_is_told_with_its_place() -> None:
    assert "line 1, column 1: `clse` is not known; did you mean `close`?" in failing("clse > 3")
    assert "must end in a condition" in failing("close * 2")
    assert "QQQ, which is not stored" in failing('symbol("QQQ", close > 3)')
    assert "days" in failing(TURTLE, "--param", "days=500")
