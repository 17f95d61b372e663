"""Files with strategies, as a user writes them."""

from __future__ import annotations

from pathlib import Path

NOTHING_TO_SEE = "# nothing"

_FILE = '''\
{before}
from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.indicators import crossed_above, crossed_below, sma
from strategies.params import Int


class {class_name}({base}):
    """Hold above the average.

    Source: a test.
    """

    key = "{key}"
    label = "{label}"

    period = Int(10, low=2, high=100, help="Bars in the average")

    @property
    def warmup(self) -> int:
        return self.period

    def signals(self, bars: Bars) -> Signals:
        average = sma(bars.close, self.period)
        return Signals(entry=crossed_above(bars.close, average), exit=crossed_below(bars.close, average))
'''


def write_strategy(
    folder: Path,
    name: str,
    *,
    key: str = "",
    label: str = "",
    class_name: str = "",
    base: str = "Strategy",
    before: str = NOTHING_TO_SEE,
) -> Path:
    """Write a strategy that works to ``name``.py and return its path."""
    class_name = class_name or "".join(word.capitalize() for word in name.split("_"))
    content = _FILE.format(
        key=key or name.replace("_", "-"), label=label or f"Own {name}", class_name=class_name, base=base, before=before
    )
    path = folder / f"{name}.py"
    path.write_text(content)
    return path
