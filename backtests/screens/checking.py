"""What is said of a formula as it is typed: its parts and knobs, or what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategies.errors import ParameterError
from strategies.formula import FormulaError, compile_formula

PARAMETER_PREFIX = "value_"


def checked(text: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the template ``screens/_check.html``; ``sent`` has the values of the knobs so far."""
    text = text.replace("\r\n", "\n")
    try:
        program = compile_formula(text)
    except FormulaError as error:
        return {"problem": error.shown_in(text), "place": error.place}
    except ParameterError as error:
        return {"problem": str(error)}
    given = values_of(sent)
    knobs = [(item, given.get(item.key) or item.default) for item in program.parameters]
    return {"program": program, "knobs": knobs}


def values_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a formula's parameters that a form has."""
    return {
        name.removeprefix(PARAMETER_PREFIX): value
        for name, value in sent.items()
        if name.startswith(PARAMETER_PREFIX) and value != ""
    }


def sent_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of parameters as a form sends them."""
    return {f"{PARAMETER_PREFIX}{name}": value for name, value in values.items()}
