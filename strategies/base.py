"""What a strategy is: declared parameters, and a rule that turns bars into signals."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

from strategies.bars import Bars, Signals
from strategies.errors import ParameterError
from strategies.params import Float, Int
from strategies.source import source_digest

AnyParameter = Int | Float


class Strategy:
    """A trading rule. Subclasses declare ``key``, ``label``, parameters and ``signals``; they know nothing of money.

    Parameters are given by name and checked at construction::

        Rsi(period=10).signals(bars)
    """

    key: ClassVar[str]
    label: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # It is not inherited: a subclass may change anything that a faster way of its parent takes for granted.
        if "signals_all" not in vars(cls):
            cls.signals_all = Strategy.signals_all  # type: ignore[method-assign]

    def __init__(self, **values: Any) -> None:
        declared = self.parameters()
        if unknown := sorted(set(values) - set(declared)):
            known = ", ".join(declared) or "none"
            raise ParameterError(unknown[0], f"is not a parameter of {self.key}; its parameters are: {known}")
        for key, value in values.items():
            setattr(self, key, value)
        self.check()

    def check(self) -> None:
        """Raise ParameterError if parameters, each within its bounds, do not fit together."""

    def signals(self, bars: Bars) -> Signals:
        """Return the entries and exits decided on the close of each bar, from this bar and earlier ones only."""
        raise NotImplementedError

    def signals_all(self, bars: Sequence[Bars]) -> list[Signals]:
        """Return the signals of several symbols, each as :meth:`signals` gives them.

        A strategy overrides this only to be faster (:mod:`strategies.together`).
        """
        return [self.signals(each) for each in bars]

    @property
    def warmup(self) -> int:
        """How many bars must have passed before the first signal is possible."""
        return 0

    @property
    def is_of_bars_alone(self) -> bool:
        """Whether signals are made of a symbol's own bars alone: then they are the same for the same bars."""
        return True

    @property
    def values(self) -> dict[str, int | float]:
        """The value of every parameter, in declared order."""
        return {key: getattr(self, key) for key in self.parameters()}

    @classmethod
    def parameters(cls) -> dict[str, AnyParameter]:
        """Return the declared parameters by key, in the order in which they stand in the class."""
        declared: dict[str, AnyParameter] = {}
        for base in reversed(cls.__mro__):
            declared.update({key: item for key, item in vars(base).items() if isinstance(item, Int | Float)})
        return declared

    @classmethod
    def help(cls) -> str:
        """Return the idea: the first paragraph of the class's own docstring on one line."""
        return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())

    @classmethod
    def code_version(cls) -> str:
        """Return a digest of the source that decides its signals: its module, what that builds on, the indicators."""
        return source_digest(cls, root=Strategy)
