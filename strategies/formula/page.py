"""docs/formulas.md, written from the tables: ``python -m strategies.formula.page > docs/formulas.md``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from strategies.formula import limits
from strategies.formula.compile import compile_formula
from strategies.formula.errors import FormulaError
from strategies.formula.functions import ALIASES, FIELDS, OWN, SPECIAL, TEXTS, Function, find_function
from strategies.formula.functions import FUNCTIONS as ALL
from strategies.indicators.declaration import GROUPS
from strategies.indicators.page import TITLES

INTRODUCTION = """\
# Formulas

Written from the tables in `strategies/formula`; a test compares the two and compiles every example. A formula says
what to look for, as one would say it:

```formula
close > highest(high, 50)[1] and volume > 2 * sma(volume, 20)
```

It is asked of every bar of every symbol. The same formula is a screen (which symbols match now?), a strategy's entry
or exit, and a line on a chart. Nothing of it is ever executed as code.

## How to write one

* A formula is a condition, such as `close > open`, or a number, such as `rsi(close, 14)`. Capitals do not matter.
* One thing a line, or `;` between two. A line goes on where it cannot end: within brackets, after an operator, and
  where the next line begins with one. What stands after `#` is a comment.
* `name = ...` gives a value a name, for the lines below. A screen shows named numbers, and those that conditions are
  made of, as columns.
* `name = param(20, 5, 60)` makes a knob: 20 unless set otherwise, from 5 to 60. It gets a field in the form, and a
  sweep can try its values. Whole numbers make a whole one.

```formula
fast = param(20, 5, 60)
slow = param(50, 20, 200)
trend = sma(close, slow)     # a column of the screen
crossover(sma(close, fast), trend)
  and rising(trend, 5)
```

A strategy says what each condition is for. `enter:` or `short:` is needed; a position is left on `exit:` or `cover:`,
and at its `stop:` or `target:`. A fixed number or a parameter is how many percent of the entry price it may lose or
win, a rule of the run unless that is given another number:

```formula
loss = param(8, 2, 20)
enter: close > highest(high, 20)[1]
exit: close < lowest(low, 10)[1]
stop: loss
target: 25
```

Anything else is a price, as it is on the bar whose close gives the signal, and stays as long as the position is held.
A position that is entered beyond its stop is left at once; where the price is unknown, there is none. How a stop is
filled, say the rules of the run: by default at its price, or at the open of a bar that opens beyond it.

```formula
enter: crossover(close, sma(close, 50))
stop: lowest(low, 20) - 0.5 * atr(14)
target: close + 3 * atr(14)
```

## Fields

"""

RULES = """
## What is unknown

An average of 50 bars has no value on the first 49, and nothing can be divided by zero. Such a value is unknown, and
so is what is computed from it. A condition is then true, false or unknown: `not` of an unknown one is unknown, `and`
is false as soon as one side is, `or` is true as soon as one side is, and `if` with an unknown condition gives
nothing. An unknown condition never matches. A function with a window knows its value when all bars of the window are
known; `within` is true as soon as one of them is, `throughout` false as soon as one is not. `since` and `value_when`
take an unknown condition for not true. Numbers beyond what a computer holds are unknown, and those above 1e100 are to
indicators, which begin anew behind a bar without a value.

## Weeks and months

`weekly(...)` and `monthly(...)` compute what is within on weekly or monthly bars, whose `[1]` is a week or month ago.
Seen from a bar it is the value of the last week that is over by the end of the bar: a week that is still running
could turn. Coins trade on all days and their week ends with Sunday. Stocks trade from Monday to Friday, and a week is
over with the bar of Friday; without a bar on Friday it is known to be over when the next week begins, and so it is
for bars of less than a day, as the last one of Friday looks like any other. Bars of a weekend count to the Monday
after. Of a market that is neither no calendar is known, and a week is over when the next one begins.

```formula
weekly(close > sma(close, 10)) and weekly(rsi(close, 14))[5] < 50
```

Names can be used within, and are then computed on weekly bars:

```formula
average = sma(close, 10)
close > average and weekly(close > average) and monthly(rising(average))
```

## Other symbols

`symbol("SPY", ...)` computes what is within on the bars of another symbol, `[1]` being one of its bars ago. A bar of
this symbol sees the last of those that is over when it is over; before the first it is unknown. Weeks stand within:
`symbol("SPY", weekly(...))`.

```formula
close / close[63] > symbol("SPY", close / close[63]) and symbol("SPY", weekly(close > sma(close, 40)))
```

## Ranks

`rank(...)` and `percentile(...)` compare the symbols of the universe that have a bar at the same time and a known
value. Rank 1 is the largest; equal values share the better place. The percentile is the share of the others that are
below: 100 for the best, 0 for the worst, unknown for a symbol that is alone. They stand outside of `weekly(...)`,
`monthly(...)` and `symbol(...)`. A strategy is compared with the symbols of its run, on the bars between its dates.

```formula
rank(weekly(roc(close, 26))) <= 20 and percentile(turnover) > 50
```

## Sector, market and ticker

```formula
sector in ("Energy", "Materials") and market == "stocks" and ticker not in ("XOM", "CVX")
```

Capitals do not matter. A symbol without a sector is unknown to it: it matches neither `==` nor `!=`.

## No formula sees the future

Every step looks at its bar and earlier ones. That is so by construction, and tests cut the bars at many places and
compare: what was known then is what is computed later, for every example of this page.

"""

SIGNS: tuple[tuple[str, str, str], ...] = (
    ("`x[n]`", "The value n bars ago, n from 0 to 2,000", "close > close[5]"),
    ("`f(...).part`", "A part of what a function gives", "macd(close).histogram > 0"),
    ("`^`", "Power, from the right: 2 ^ 3 ^ 2 is 2 ^ 9", "(close / close[252]) ^ 0.5"),
    ("`-x` `+x`", "Sign; binds less than `^`: -2 ^ 2 is -4", "-close < -open"),
    ("`*` `/`", "Product and quotient", "volume / sma(volume, 20) * 100"),
    ("`+` `-`", "Sum and difference", "high - low"),
    ("`>` `<` `>=` `<=` `==` `!=`", "Comparison; several in a row all hold", "low < open < close <= high"),
    ("`between`", "From one value to another, both included", "rsi(close, 14) between 40 and 60"),
    ("`in` `not in`", "One of several texts, or none of them", 'sector in ("Energy", "Utilities")'),
    ("`not`", "The opposite", "not close > open"),
    ("`and`", "Both", "close > open and volume > volume[1]"),
    ("`or`", "One of them or both; binds less than `and`", "close > open or close > close[1] and volume > 0"),
    ("`if ... then ... else`", "One of two values; binds least", "if close > open then volume else -volume"),
    ("`true` `false`", "Conditions that always and never hold", "if close > open then true else rising(close)"),
)
WRONG = (
    "clse > sma(close, 50)",
    "close > sma(close, 50",
    "close and open",
    "close[-1] > close",
    "sma(close, 5000) > 1",
    "macd(close).sgnal > 0",
    "bollinger(close) > 1",
    "symbol(SPY, close) > 1",
    "close > open\n  and volme > 1000",
)
BOUNDS: tuple[tuple[str, float], ...] = (
    ("characters", limits.LONGEST_TEXT),
    ("words, numbers and signs", limits.MOST_WORDS),
    ("brackets within each other", limits.DEEPEST_NESTING),
    ("levels of anything within each other, names included", limits.DEEPEST_LEVELS),
    ("different computations; equal ones are done once and count once", limits.MOST_STEPS),
    (
        "parts of the text; those of a name count again for each week, month or symbol it is used on",
        limits.MOST_PARTS_READ,
    ),
    ("nanoseconds of all computations for a bar, as estimated", limits.MOST_COST),
    ("parameters", limits.MOST_PARAMETERS),
    ("arguments of a function", limits.MOST_ARGUMENTS),
    ("bars that `[n]` and windows look back; 1,000 for indicators", limits.FARTHEST_AGO),
    ("other symbols", limits.MOST_SYMBOLS),
    ("columns of a screen; more are left out", limits.MOST_COLUMNS),
    ("the largest number that can be written", limits.LARGEST_NUMBER),
)
IN_PYTHON = """
## In Python

```python
from strategies.formula import Facts, Flat, compile_formula, evaluate

program = compile_formula("n = param(3, 2, 9); close > sma(close, n)", {"n": 2})
flat = Flat.of([bars], [Facts("AAPL", "Technology", "stocks")])
matches = evaluate(program, flat).matches(program.answer)
```

`bars` is a `Bars`, as [strategies.md](strategies.md) has it. `evaluate(...)` also gives the columns (`numbers`) and
where a condition is known to be false (`fails`); `program.reach_on(86_400)` says how many daily bars before the last
one its values depend on.
"""


def formulas_page() -> str:
    """Return the page about formulas as Markdown."""
    fields = [(f"`{name}`", told) for name, told in (*FIELDS.items(), *TEXTS.items())]
    bounds = [(told, f"{bound:,.0f}") for told, bound in BOUNDS]
    signs = [(sign.replace("|", "\\|"), told, f"`{example}`") for sign, told, example in SIGNS]
    return "".join(
        [
            INTRODUCTION,
            *_table(("name", "meaning"), fields),
            "\n## Operators\n\nFrom those that bind most to those that bind least.\n\n",
            *_table(("operator", "meaning", "example"), signs),
            "\n## Functions\n\nArguments may be named: `sma(close, period=50)`. ",
            "Those with a value behind `=` may be left out.\n\n",
            *_table(("function", "gives", "meaning", "example"), [_own(function) for function in (*OWN, *SPECIAL)]),
            *_indicators(),
            RULES,
            "## Limits\n\n",
            *_table(("at most", ""), bounds),
            "\n## Errors\n\nA formula that means nothing is refused with line, column and what may have been meant.\n",
            *(f"\n```text\n{_told(text)}\n```\n" for text in WRONG),
            IN_PYTHON,
        ]
    )


def _own(function: Function) -> tuple[str, ...]:
    return f"`{function.signature}`", function.gives, function.help, f"`{function.example}`"


def _indicators() -> list[str]:
    parts = [
        "\n## Indicators\n\n"
        "What each computes stands in [indicators.md](indicators.md). Those that take high, low or volume take them\n"
        "of the bar by themselves. Of several parts the one called like the function need not be named.\n"
    ]
    for group in GROUPS:
        rows = [row for row in ALL.values() if row.indicator is not None and row.indicator.group == group]
        heading = f"\n### {TITLES[group]}\n\n"
        parts += [
            heading,
            *_table(("function", "also", "meaning", "parts", "example"), [_indicator(row) for row in rows]),
        ]
    return parts


def _indicator(function: Function) -> tuple[str, ...]:
    assert function.indicator is not None
    also = ", ".join(f"`{alias}`" for alias, key in ALIASES.items() if key == function.key)
    # Under the name that people look for, where there is one.
    alias = next((alias for alias, key in ALIASES.items() if key == function.key), function.key)
    shown = find_function(alias)
    assert shown is not None
    parts = ", ".join(f"`{name}`" for name in function.outputs) if len(function.outputs) > 1 else ""
    return f"`{function.signature}`", also, function.indicator.label, parts, f"`{shown.example}`"


def _told(text: str) -> str:
    try:
        compile_formula(text)
    except FormulaError as error:
        return error.shown_in(text)
    raise AssertionError(f"{text!r} is not wrong")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |\n" for cells in (head, ("---",) * len(head), *rows)]


if __name__ == "__main__":
    sys.stdout.write(formulas_page())
