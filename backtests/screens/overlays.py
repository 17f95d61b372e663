"""Which parts of a formula are prices, and can be drawn over the candles, and which need a scale of their own."""

from __future__ import annotations

from typing import NamedTuple

from strategies.formula import Part, Program
from strategies.formula.program import Step

PRICES = {"open", "high", "low", "close"}

# Indicators whose outputs are prices if what they are computed of is one.
_SMOOTH = {
    "sma", "ema", "rma", "wma", "dema", "tema", "hma", "kama", "vwma", "rolling_vwap", "rolling_min", "rolling_max",
    "rolling_median", "rolling_quantile", "bollinger", "keltner", "donchian", "ichimoku", "pivots", "heikin_ashi",
    "parabolic_sar",
}  # fmt: skip
_FIRST_OUTPUT = {"supertrend", "linear_regression"}
_KEEPS = {"ago", "min", "max", "choose", "value_when", "from_outer"}
MOST_OVERLAYS = 4
MOST_PANES = 4


class Lines(NamedTuple):
    """The numbers of a formula that are drawn: those that are prices, and the others, the first few of each."""

    prices: tuple[Part, ...]
    others: tuple[Part, ...]


def lines_of(program: Program) -> Lines:
    """Return the columns that can be lines; those of the bar itself are there already.

    Of what compares symbols there are none: a chart is made of one symbol alone.
    """
    is_price, is_compared = _prices(program.steps), _compared(program.steps)
    answer = (program.answer,) if program.answer is not None and program.answer.kind == "number" else ()
    parts = {part.step: part for part in (*answer, *program.columns)}.values()
    own = [part for part in parts if not is_compared[part.step]]
    drawn = [part for part in own if program.steps[part.step].operation not in {"field", "constant"}]
    over = [part for part in drawn if is_price[part.step] and not program.steps[part.step].scope.ticker]
    others = [part for part in drawn if part.kind == "number" and part not in over]
    return Lines(tuple(over[:MOST_OVERLAYS]), tuple(others[:MOST_PANES]))


def _compared(steps: tuple[Step, ...]) -> list[bool]:
    """Return of each step whether its values depend on those of all other symbols."""
    known: list[bool] = []
    for step in steps:
        known.append(step.operation in {"rank", "percentile"} or any(known[number] for number in step.inputs))
    return known


def _prices(steps: tuple[Step, ...]) -> list[bool]:
    known: list[bool] = []
    for step in steps:
        known.append(_is_price(step, [known[number] for number in step.inputs], steps))
    return known


def _is_price(step: Step, inputs: list[bool], steps: tuple[Step, ...]) -> bool:
    key, _, output = step.operation.partition(":")
    if step.kind != "number" or step.scope.ticker:
        return False
    if key == "field":
        return step.constants[0] in PRICES
    if key in _SMOOTH or (key in _FIRST_OUTPUT and output == "0"):
        return inputs[0]
    operands = [steps[number] for number in step.inputs]
    if key in _KEEPS:
        numbers = [is_price for operand, is_price in zip(operands, inputs, strict=True) if operand.kind == "number"]
        return bool(numbers) and all(numbers)
    return _is_price_of_two(key, inputs, [operand.operation == "constant" for operand in operands])


def _is_price_of_two(key: str, inputs: list[bool], are_constant: list[bool]) -> bool:
    """A price times or over a fixed number is still one, and so is one with a distance added or taken away."""
    if key == "divide":
        return inputs[0] and are_constant[1]
    if key == "multiply":
        return inputs[0] != inputs[1] and any(are_constant)
    return key in {"add", "subtract"} and inputs[0] and not inputs[1]
