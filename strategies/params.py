"""Parameter descriptors: declared once on the strategy, used by the form, the checks, the docs and the tests."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from strategies.errors import ParameterError

Number = TypeVar("Number", int, float)


class Parameter(Generic[Number]):
    """A bounded number that a user may set.

    Parameters
    ----------
    default, low, high : number
        The value when none is given and the inclusive bounds.
    help : str
        One line for the form and the docs.
    label : str, optional
        What the form calls it; by default the attribute's name, capitalised.
    """

    kind: ClassVar[str]

    def __init__(self, default: Number, *, low: Number, high: Number, help: str, label: str = "") -> None:  # noqa: A002
        if not low <= default <= high:
            raise ValueError(f"the default {default} must lie between {low} and {high}")
        self.default: Number = default
        self.low: Number = low
        self.high: Number = high
        self.help = help
        self.label = label
        self.key = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = name
        self.label = self.label or name.replace("_", " ").capitalize()

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Number: ...
    def __get__(self, instance: object | None, owner: type) -> Self | Number:
        if instance is None:
            return self
        value: Number = instance.__dict__.get(self.key, self.default)
        return value

    def __set__(self, instance: object, value: Any) -> None:
        instance.__dict__[self.key] = self.clean(value)

    def clean(self, value: Any) -> Number:
        """Return ``value`` as this parameter's number, or raise ParameterError."""
        number = self._parse(value)
        if not self.low <= number <= self.high:
            raise ParameterError(self.key, f"must be from {self.low} to {self.high}; it is {value}")
        return number

    def _parse(self, value: Any) -> Number:
        raise NotImplementedError


class Int(Parameter[int]):
    """A bounded whole number."""

    kind = "int"

    def _parse(self, value: Any) -> int:
        number = _finite(self.key, value, "a whole number")
        if number != int(number):
            raise ParameterError(self.key, f"must be a whole number; it is {value}")
        return int(number)


class Float(Parameter[float]):
    """A bounded decimal number."""

    kind = "float"

    def _parse(self, value: Any) -> float:
        return _finite(self.key, value, "a number")


def _finite(key: str, value: Any, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ParameterError(key, f"must be {wanted}; it is {value!r}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ParameterError(key, f"must be {wanted}; it is {str(value)[:40]!r}") from None
    if not math.isfinite(number):
        raise ParameterError(key, f"must be {wanted}; it is {value}")
    return number
