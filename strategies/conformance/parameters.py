"""What a strategy must keep about its parameters, whatever the bars are."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

from strategies.base import AnyParameter, Strategy
from strategies.errors import ContractBroken, ParameterError
from strategies.params import Int


def variants(kind: type[Strategy]) -> list[Strategy]:
    """Return the strategy with its defaults and, where they fit together, with each parameter at its bounds."""
    changes: list[dict[str, float]] = [{}]
    for key, parameter in kind.parameters().items():
        changes += [{key: parameter.low}, {key: parameter.high}]
    changes += [{key: getattr(item, end) for key, item in kind.parameters().items()} for end in ("low", "high")]
    fitting: list[Strategy] = []
    for values in changes:
        # Without a check of its own a strategy has no reason to refuse what lies within the bounds.
        with suppress(*([ParameterError] if kind.check is not Strategy.check else [])):
            fitting.append(kind(**values))
    return fitting


def no_number_of(parameter: AnyParameter) -> list[Any]:
    """Return values that this parameter must refuse."""
    step = 1 if isinstance(parameter, Int) else 1e-9
    bad: list[Any] = [parameter.low - step, parameter.high + step, -math.inf, math.inf, math.nan, 10**400]
    bad += ["", "ten", "nan", None, True, False, [parameter.default], {}, object()]
    return [*bad, parameter.low + 0.5] if isinstance(parameter, Int) else bad


def check_bad_values_refused(kind: type[Strategy]) -> None:
    """Each value that a parameter cannot take is refused by the parameter's name."""
    for key, parameter in kind.parameters().items():
        for value in no_number_of(parameter):
            _check_refused(kind, key, value)


def check_unknown_refused(kind: type[Strategy]) -> None:
    """A name that is no parameter is refused, and the refusal says what the parameters are."""
    error = _check_refused(kind, "no_such_parameter", 1)
    if unnamed := [key for key in kind.parameters() if key not in error.problem]:
        raise ContractBroken(f"the refusal of an unknown parameter does not name {unnamed[0]}: {error}")


def _check_refused(kind: type[Strategy], key: str, value: object) -> ParameterError:
    shown = f"{key}={str(value)[:20]!r}"
    try:
        kind(**{key: value})
    except ParameterError as error:
        if error.name != key:
            raise ContractBroken(f"{shown} is refused as {error}, which is not its name") from error
        return error
    except Exception as error:
        raise ContractBroken(f"{shown} raises {type(error).__name__} and not ParameterError: {error}") from error
    raise ContractBroken(f"{shown} is not refused")
