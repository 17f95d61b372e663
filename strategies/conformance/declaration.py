"""What a strategy must declare to be offered at all. It is checked when a file is loaded: quick, and without bars."""

from __future__ import annotations

import re

from strategies.base import AnyParameter, Strategy
from strategies.errors import ContractBroken, ParameterError

KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_KEY = 60
LONGEST_LABEL = 100

# Names that every strategy has already. A parameter of the same name would take their place, and break the form.
TAKEN = frozenset(name for name in (*vars(Strategy), *Strategy.__annotations__) if not name.startswith("__"))


def check_declaration(kind: type[Strategy]) -> None:
    """Key, label, parameters and signals are declared, and the strategy can be made without arguments."""
    _check_key(kind)
    _check_label(kind)
    if kind.signals is Strategy.signals:
        raise ContractBroken("it has no signals(self, bars)")
    for name, parameter in kind.parameters().items():
        _check_parameter(name, parameter)
    _check_defaults(kind)


def _check_key(kind: type[Strategy]) -> None:
    key = getattr(kind, "key", None)
    if key is None:
        hint = "a class that others only build on has a name that begins with an underscore"
        raise ContractBroken(f'it has no key, such as key = "pull-back"; {hint}')
    if not isinstance(key, str) or not KEY.fullmatch(key) or len(key) > LONGEST_KEY:
        wanted = f"small letters, digits and single hyphens between them, {LONGEST_KEY} at most"
        raise ContractBroken(f"its key must be {wanted}; it is {key!r}")


def _check_label(kind: type[Strategy]) -> None:
    label = getattr(kind, "label", None)
    if label is None:
        raise ContractBroken('it has no label, such as label = "Pull-back"')
    is_text = isinstance(label, str) and label.isprintable() and label == label.strip()
    if not is_text or not 0 < len(label) <= LONGEST_LABEL:
        raise ContractBroken(f"its label must be a line of text, 1 to {LONGEST_LABEL} characters; it is {label!r}")


def _check_parameter(name: str, parameter: AnyParameter) -> None:
    if name in TAKEN or name.startswith("_"):
        raise ContractBroken(f"no parameter can be called {name}: every strategy has something of that name")
    for end in ("default", "low", "high"):
        try:
            parameter.clean(getattr(parameter, end))
        except ParameterError as error:
            raise ContractBroken(f"the {end} of its parameter {name} {error.problem}") from error
    if not parameter.low < parameter.high:
        raise ContractBroken(f"low must be below high in its parameter {name}; both are {parameter.low}")
    if not isinstance(parameter.help, str) or not parameter.help.strip():
        raise ContractBroken(f"its parameter {name} has no help, the line that the form shows")


def _check_defaults(kind: type[Strategy]) -> None:
    try:
        warmup = kind().warmup
    except ParameterError as error:
        raise ContractBroken(f"its defaults are refused: {error}") from error
    except Exception as error:
        raise ContractBroken(f"with its defaults it raises {type(error).__name__}: {error}") from error
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
        raise ContractBroken(f"its warmup must be a whole number of bars, 0 or more; it is {warmup!r}")
