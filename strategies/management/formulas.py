"""A formula as a strategy that can be examined: with the symbols that it names, and some to be ranked among."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.files import SUFFIX
from strategies.formula import Facts, Flat, compile_formula
from strategies.formula.strategy import FormulaStrategy, strategy_of
from strategies.formula_strategies import find_class, key_of

FORMULA_SUFFIXES = (".formula", ".txt")
# The bars of so many others are enough to be ranked among.
PEERS = 4


def formula_named(named: str) -> str | None:
    """Return the formula that is meant: by the key of a saved one, by a file, or as it stands; None if none is."""
    kind = find_class(named) if named.startswith("formula-") else None
    if kind is not None and issubclass(kind, FormulaStrategy):
        return kind.text
    # A text may be longer than any path.
    path = Path(named) if len(named) < 256 and "\n" not in named else None
    if path is not None and path.suffix in FORMULA_SUFFIXES and path.is_file():
        return path.read_text()
    is_file = path is not None and (path.suffix == SUFFIX or path.is_file())
    return named if not is_file and any(sign in named for sign in " (:<>") else None


def examined_as(text: str, others: Mapping[str, Flat], peers: Sequence[Bars], *, interval_s: int) -> type[Strategy]:
    """Return the strategy class of a formula: a condition alone enters where it holds, and leaves where it does not.

    Parameters
    ----------
    text : str
    others : mapping of str to Flat
        The bars of the symbols that it names.
    peers : sequence of Bars
        Whom it is ranked among, if it ranks.
    interval_s : int

    Raises
    ------
    FormulaError
        If it means nothing, or is a number.
    """
    from backtests.screens.backtest import Leaving, as_strategy

    strategy_text = text if compile_formula(text).is_strategy else as_strategy(text, Leaving("no-match"))
    label = " ".join(text.split())[:100].strip()
    kind = strategy_of(strategy_text, key=key_of(text), label=label)

    def signals(self: FormulaStrategy, bars: Bars) -> Signals:
        together = [bars, *peers[:PEERS]] if self.program.compares_symbols else [bars]
        return self.signals_knowing(together, [Facts()] * len(together), others, interval_s=interval_s)[0]

    def signals_all(self: FormulaStrategy, bars: Sequence[Bars]) -> list[Signals]:
        if self.program.compares_symbols:
            return [self.signals(each) for each in bars]
        return self.signals_knowing(bars, [Facts()] * len(bars), others, interval_s=interval_s)

    members: dict[str, Any] = {"signals": signals, "signals_all": signals_all, "__module__": kind.__module__}
    return type("FormulaStrategy", (kind,), members)
