"""docs/indicators.md, written from the table: ``python -m strategies.indicators.page > docs/indicators.md``."""

from __future__ import annotations

import sys

from strategies.indicators.declaration import GROUPS, Indicator
from strategies.indicators.table import INDICATORS

INTRODUCTION = """\
# Indicators

Written from the table in `strategies/indicators/table.py`; a test compares the two. `strategies.indicators` offers
every function below:

```python
import numpy as np

from strategies.indicators import ema, macd

close = np.array([10.0, 11.0, 12.0, 11.0, 13.0])
average = ema(close, 3)
line, signal, histogram = macd(close, 2, 3, 2)
```

```pycon
>>> average
array([nan, nan, 11., 11., 12.])
```

## What holds for all

* Inputs are arrays of float64, oldest bar first; they are left as they are. `series` and `other` may be any series,
  also another indicator; the other inputs are fields of bars. Every output has the length of the inputs.
* A value depends on its bar and earlier ones alone. NaN stands before the first valid bar, counted from 0, and nowhere
  after it. A period longer than the series gives NaN alone.
* An input may start with NaN, as an indicator does: the first valid bar moves by as many bars. NaN after that, infinite
  values and those beyond 1e100 in size, inputs of different lengths, a low above its high, a negative volume, and a
  parameter that is no number or too small raise `IndicatorError`, which names the argument. Where a formula needs
  prices above zero, so does a price that is not.
* Windows are summed without subtracting what leaves them, or afresh every 512 bars and after a spike; running totals
  carry what they round off. So rounding does not grow with the length of the series, and a spike leaves no trace once
  it has left the window.
* Where TA-Lib has the indicator, the values are TA-Lib's to 1e-9 of their size, but for what the last column says.
* Where nothing moves, an oscillator from 0 to 100 stands at 50: a dead market is neither overbought nor oversold.
* `crossed_above` and `crossed_below` turn two series into conditions: [strategies.md](strategies.md#indicators).
"""

TITLES = {
    "averages": "Averages",
    "oscillators": "Oscillators",
    "changes": "Changes",
    "trend": "Trend",
    "volatility": "Volatility",
    "volume": "Volume",
    "statistics": "Statistics",
    "levels": "Levels and candles",
}


def indicators_page() -> str:
    """Return the page about all indicators as Markdown."""
    parts = [INTRODUCTION]
    for group in GROUPS:
        rows = [indicator for indicator in INDICATORS if indicator.group == group]
        parts += [f"\n## {TITLES[group]}\n\n", *_table(DEFINED, [_definition(row) for row in rows])]
        parts += ["\n", *_table(STARTED, [_start(row) for row in rows])]
        declared = [_parameter(row, index) for row in rows for index in range(len(row.parameters))]
        parts += ["\n", *_table(CHOSEN, declared)]
    return "".join(parts)


DEFINED = ("indicator", "label", "formula", "source")
STARTED = ("indicator", "output: first valid bar", "seed", "without a value", "TA-Lib")
CHOSEN = ("indicator", "parameter", "kind", "default", "from", "to", "help")


def _definition(row: Indicator) -> tuple[str, ...]:
    return f"`{row.signature}`", row.label, row.formula, row.source


def _start(row: Indicator) -> tuple[str, ...]:
    outputs = ", ".join(f"{output.key}: `{output.first}`" for output in row.outputs)
    return f"`{row.key}`", outputs, row.seed, row.undefined, row.talib or "has none"


def _parameter(row: Indicator, index: int) -> tuple[str, ...]:
    item = row.parameters[index]
    return f"`{row.key}`", f"`{item.key}`", item.kind, str(item.default), str(item.low), str(item.high), item.help


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |\n" for cells in (head, ("---",) * len(head), *rows)]


if __name__ == "__main__":
    sys.stdout.write(indicators_page())
