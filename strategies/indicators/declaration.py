"""What the table says of one indicator."""

from __future__ import annotations

import ast
import importlib
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from strategies.errors import ParameterError
from strategies.params import Float, Int

Group = Literal["averages", "oscillators", "changes", "trend", "volatility", "volume", "statistics", "levels"]
Input = Literal["series", "other", "open", "high", "low", "close", "volume"]

GROUPS: tuple[Group, ...] = get_args(Group)

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
_FUNCTIONS: dict[str, Callable[..., int]] = {"max": max, "isqrt": math.isqrt}


@dataclass(frozen=True, slots=True)
class Output:
    """One array of a result, and its first valid bar: an expression of parameters with + - * // max and isqrt."""

    key: str
    first: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """One row of the table.

    Attributes
    ----------
    key : str
        The name of the function, in the module of the group.
    inputs : tuple of str
        The function's first arguments. ``series`` and ``other`` may be any series; the others are fields of bars.
    parameters : tuple of Int or Float
        The arguments after those, with default and bounds; the function itself has neither defaults nor upper bounds.
    outputs : tuple of Output
        The arrays that the function returns: one array for one output, else a tuple of them.
    formula, seed, undefined, source : str
        What is computed; what a recursion starts from; what stands where the formula has no value; who defined it.
    talib : str
        The function of TA-Lib that gives the same to 1e-9 and where it differs, or empty if TA-Lib has none.
    """

    key: str
    label: str
    group: Group
    inputs: tuple[Input, ...]
    parameters: tuple[Int | Float, ...]
    outputs: tuple[Output, ...]
    formula: str
    source: str
    seed: str = "none"
    undefined: str = "nowhere"
    talib: str = ""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that computes it: inputs and then parameters, by position or by name."""
        function: Callable[..., Any] = getattr(importlib.import_module(f"strategies.indicators.{self.group}"), self.key)
        return function

    @property
    def signature(self) -> str:
        """The call as one writes it, such as ``ema(series, period)``."""
        return f"{self.key}({', '.join([*self.inputs, *(item.key for item in self.parameters)])})"

    def values(self, **given: int | float) -> dict[str, int | float]:
        """Return the value of every parameter in declared order, the default where none is given.

        Raises ParameterError if one is unknown or outside its bounds.
        """
        declared = {item.key: item for item in self.parameters}
        if unknown := sorted(set(given) - set(declared)):
            known = ", ".join(declared) or "none"
            raise ParameterError(unknown[0], f"is not a parameter of {self.key}; its parameters are: {known}")
        return {key: item.clean(given.get(key, item.default)) for key, item in declared.items()}

    def first_valid(self, **given: int | float) -> tuple[int, ...]:
        """Return the index of the first bar with a value, for each output, if the inputs have no leading NaN."""
        values = self.values(**given)
        return tuple(_evaluated(ast.parse(output.first, mode="eval").body, values) for output in self.outputs)


def whole(key: str, default: int, help: str, *, low: int = 1, high: int = 1000) -> Int:  # noqa: A002
    """Return a declared whole number with its key."""
    item = Int(default, low=low, high=high, help=help)
    item.__set_name__(Indicator, key)
    return item


def decimal(key: str, default: float, help: str, *, low: float, high: float) -> Float:  # noqa: A002
    """Return a declared decimal number with its key."""
    item = Float(default, low=low, high=high, help=help)
    item.__set_name__(Indicator, key)
    return item


def _evaluated(node: ast.expr, values: Mapping[str, int | float]) -> int:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluated(node.left, values), _evaluated(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_evaluated(item, values) for item in node.args))
    if isinstance(node, ast.Name):
        return int(values[node.id])
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    raise ValueError(f"{ast.unparse(node)!r} is no expression of whole numbers and parameters")
