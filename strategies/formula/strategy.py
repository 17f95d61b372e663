"""Formulas as strategies: what a formula says of entries and exits, as signals that runs are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from strategies.bars import Bars, BoolArray, FloatArray, Signals
from strategies.base import Strategy
from strategies.errors import ParameterError
from strategies.formula.compile import compile_formula
from strategies.formula.errors import FormulaError
from strategies.formula.evaluate import Evaluated, evaluate
from strategies.formula.flat import Facts, Flat
from strategies.formula.program import DAY_S, Program
from strategies.source import source_digest


class FormulaStrategy(Strategy):
    """A strategy that is a formula. Each formula makes a class of its own: :func:`strategy_of`."""

    text: ClassVar[str] = ""
    idea: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.program: Program = compile_formula(self.text, self.values)

    def signals(self, bars: Bars) -> Signals:
        return self.signals_knowing([bars])[0]

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        # Without the others a symbol is the only one that it is compared with.
        return [self.signals(each) for each in bars] if self.program.compares_symbols else self.signals_knowing(bars)

    def signals_knowing(
        self,
        bars: Sequence[Bars],
        facts: Sequence[Facts] | None = None,
        others: Mapping[str, Flat] | None = None,
        *,
        interval_s: int = DAY_S,
        ranks: Mapping[int, FloatArray] | None = None,
    ) -> list[Signals]:
        """Return the signals of several symbols, with what is known of each, and of those that the formula names.

        Where the formula compares symbols, these are all that there are, or ``ranks`` has their places among all
        (:mod:`strategies.formula.ranked`).

        Raises
        ------
        FormulaError
            If the bars of a symbol that the formula names are missing.
        """
        flat = Flat.of(bars, facts, interval_s=interval_s)
        evaluated = evaluate(self.program, flat, others, parts=self.program.sections.values(), ranks=ranks)
        entry, leaving = self._flags(evaluated, "enter", flat), self._flags(evaluated, "exit", flat)
        short_entry, short_exit = self._flags(evaluated, "short", flat), self._flags(evaluated, "cover", flat)
        stop, target = self._prices(evaluated, "stop"), self._prices(evaluated, "target")
        together = Signals(entry, leaving, short_entry, short_exit, stop, target)
        return [together[first:end] for first, end in pairwise(flat.edges.tolist())]

    @property
    def is_of_bars_alone(self) -> bool:
        program = self.program
        return not (
            program.tickers or program.compares_symbols or any(step.operation == "fact" for step in program.steps)
        )

    def _flags(self, evaluated: Evaluated, name: str, flat: Flat) -> BoolArray:
        part = self.program.sections.get(name)
        return evaluated.matches(part) if part is not None else flat.nowhere

    def _prices(self, evaluated: Evaluated, name: str) -> FloatArray | None:
        part = self.program.sections.get(name)
        return evaluated.numbers(part) if part is not None else None

    @classmethod
    def help(cls) -> str:
        return cls.idea or " ".join(cls.text.split())

    @classmethod
    def code_version(cls) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for part in (cls.text, _language_digest(), source_digest(FormulaStrategy, root=Strategy)):
            digest.update(part.encode())
        return digest.hexdigest()


def strategy_of(text: str, *, key: str, label: str, idea: str = "") -> type[FormulaStrategy]:
    """Return the strategy class of a formula, with its parameters declared.

    Raises
    ------
    FormulaError
        If the formula is no strategy.
    """
    program = compile_formula(text)
    if not program.is_strategy:
        raise FormulaError("a strategy needs `enter:` or `short:`", hint="write enter: before the condition")
    namespace: dict[str, Any] = {
        "key": key,
        "label": label,
        "text": text,
        "idea": idea,
        "signals_all": FormulaStrategy.signals_all,
    }
    for item in program.parameters:
        if item.key in dir(FormulaStrategy):
            raise ParameterError(item.key, "is a name that a strategy has already; choose another one")
        namespace[item.key] = item
    return type("FormulaStrategy", (FormulaStrategy,), namespace)


@cache
def _language_digest() -> str:
    digest = hashlib.blake2b(digest_size=8)
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("*.lark")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
