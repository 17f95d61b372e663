"""Errors of the strategies package.

StrategyError
├── BarsError            arrays that are not a valid series of bars
├── ParameterError       a parameter that is unknown or outside its bounds
├── IndicatorError       an indicator asked for something that it cannot compute
├── SignalsError         a strategy returned something that is not Signals for these bars
├── ContractBroken       a strategy does not keep what every strategy must keep
├── FileBroken           a file or package that gives no strategy
└── UnknownStrategy      no strategy has this key
"""

from __future__ import annotations

from collections.abc import Iterable


class StrategyError(ValueError):
    """Base of everything that this package raises on purpose."""


class BarsError(StrategyError):
    """Arrays that are not a valid series of bars."""


class ParameterError(StrategyError):
    """A parameter that is unknown or has a value that it cannot take.

    ``name`` is the parameter's key, ``problem`` what is wrong with it, without the name.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class IndicatorError(StrategyError):
    """An argument of an indicator that it cannot compute with."""


class SignalsError(StrategyError):
    """A strategy returned something other than signals for the bars that it was given."""


class ContractBroken(StrategyError):
    """A strategy does not keep what every strategy must keep.

    ``problem`` says what was found, with ``{bar}`` where the bar is named; ``bar`` is its number in the bars, or None.
    ``symbol`` is whose bars they are, where several were looked at.
    """

    def __init__(self, problem: str, bar: int | None = None, symbol: str = "") -> None:
        super().__init__((f"on {symbol} " if symbol else "") + problem.replace("{bar}", f"bar {bar}"))
        self.problem = problem
        self.bar = bar
        self.symbol = symbol


class FileBroken(StrategyError):
    """A file or package that gives no strategy; ``line`` is the line of the file where the reason lies, if known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class UnknownStrategy(StrategyError):
    """No strategy has this key."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown strategy {key!r}; known are: {', '.join(sorted(known))}")
        self.key = key
