"""What one formula may ask for: no text takes long to understand, and no program long to compute."""

from __future__ import annotations

import contextlib
import inspect
import sys

import pytest

from strategies.formula import FormulaError, compile_formula, evaluate
from strategies.formula.costs import cost_of
from strategies.formula.limits import LONGEST_TEXT, MOST_COLUMNS, MOST_COST, MOST_STEPS
from tests.strategies.formula.markets import coins, flat_of

# All have about the longest text that is read.
HOSTILE = {
    "a long sum": "1+" * 1999 + "1",
    "long ors": " or ".join(["a>1"] * 570),
    "nots": "not " * 999 + "1>2",
    "signs": "-" * 3990 + "close",
    "plus and minus": "+-" * 1990 + "close",
    "brackets": "(" * 2000 + "close" + ")" * 1990,
    "indices": "close" + "[1]" * 1300,
    "powers": "2^" * 1990 + "2",
    "ifs": "if close>1 then 1 else " * 170 + "2",
    "choices in choices": "if " * 1300 + "close",
    "a name of 4,000 characters": "a" * 4000,
    "a long name before a slip": "a" * 3990 + " + = 3",
    "a long name before another": "a" * 3990 + " => 3",
    "a number of 4,000 digits": "9" * 4000,
    "an exponent": "1e" + "9" * 3990,
    "unknown names": " + ".join(f"xq{number}" for number in range(480)),
    "unknown functions": "q(" * 1990,
    "empty statements": ";" * 4000,
    "empty lines": "\n" * 4000,
    "comments": "#" * 4000,
    "quotes": "'" * 3999,
    "blanks": " " * 3995 + "close",
    "windows in windows": "within(2000," * 39 + "close>1" + ")" * 39,
    "sums of sums": "sum(" * 39 + "close" + ",2000)" * 39,
    "averages of averages": "tema(" * 39 + "close" + ",1000)" * 39,
    "many statements": ";".join(f"a{number}=close" for number in range(340)),
    "names in names": "a0=close\n" + "\n".join(f"a{n}=a{n - 1}+a{n - 1}" for n in range(1, 150)) + "\na149>1",
    "names on many bars": "a=" + "1+" * 600 + "close\n" + "+".join(
        f'symbol("{ticker}",{outer}(a))' for ticker in "ABCDEFGH" for outer in ("weekly", "monthly")
    ),
    "names in names in weeks": "a0=close\n" + "\n".join(f"a{n}=a{n - 1}+1" for n in range(1, 200)) + "\nweekly(a199)",
    "arguments": "max(" + "1," * 1990 + "1)",
    "texts": "sector in (" + "'a'," * 990 + ")",
}  # fmt: skip


MOST_CALLS = 1_000_000


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_longest_text_is_understood_or_refused_at_once(text: str) -> None:
    assert len(text) <= LONGEST_TEXT
    n_calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += event in {"call", "c_call"}

    # The grammar is read once, whoever comes first.
    compile_formula("close > 1")
    sys.setprofile(count)
    try:
        with contextlib.suppress(FormulaError):
            compile_formula(text)
    finally:
        sys.setprofile(None)
    # As many calls as a tenth of a second has room for, on any machine; a text that is read in squares needs millions.
    assert n_calls < MOST_CALLS


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_it_needs_half_of_the_stack_that_there_is(text: str) -> None:
    limit = sys.getrecursionlimit()
    depth = len(inspect.stack(0))
    sys.setrecursionlimit(depth + 650)
    try:
        with contextlib.suppress(FormulaError):
            compile_formula(text)
    finally:
        sys.setrecursionlimit(limit)


def test_names_on_many_bars_are_read_so_often_and_no_more() -> None:
    with pytest.raises(FormulaError, match="too long once its names are put in"):
        compile_formula(HOSTILE["names on many bars"])


FLAT = flat_of(coins(1, n_symbols=4, n_bars=2500), "crypto")


@pytest.mark.parametrize(
    "text", ["cci(1000)", "median(close, 1000)", "quantile(close, 1000)", "percent_rank(close, 1000)"]
)
def test_the_longest_windows_cost_by_their_length(text: str) -> None:
    costs = [sum(map(cost_of, compile_formula(text.replace("1000", str(n))).steps)) for n in (100, 1000)]
    assert costs[1] > 3 * costs[0]
    with pytest.raises(FormulaError, match="too many or too long to be computed in time"):
        compile_formula(" + ".join(text.replace("1000", str(n)) for n in range(980, 1001)))


def test_a_program_has_a_bounded_number_of_steps_and_columns() -> None:
    text = " or ".join(f"close+{number}>1" for number in range(58))
    program = compile_formula(text)
    assert len(program.columns) == MOST_COLUMNS
    assert len(program.steps) <= MOST_STEPS
    assert sum(map(cost_of, program.steps)) <= MOST_COST
    with pytest.raises(FormulaError, match="at most 250 different parts"):
        compile_formula(" or ".join(f"close+{number}>1" for number in range(100)))


def test_results_are_let_go_when_nothing_needs_them() -> None:
    import tracemalloc

    text = "close" + "".join(f" + ema(close, {n})" for n in range(2, 60)) + " > 1"
    program = compile_formula(text)
    assert program.answer is not None
    size = 8 * len(FLAT)
    # What the first computation loads stays in memory, and is no result.
    evaluate(program, FLAT, parts=[program.answer])
    tracemalloc.start()
    evaluate(program, FLAT, parts=[program.answer])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * size
