"""Compute a program on bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from strategies.bars import BoolArray, FloatArray
from strategies.formula.errors import FormulaError
from strategies.formula.flat import BARS_AT_ONCE, Flat
from strategies.formula.indicated import indicated
from strategies.formula.operations import OPERATIONS, RANKINGS, Condition, Result
from strategies.formula.program import Part, Program, Scope, Step


class Evaluated:
    """What a program gives on bars: the results of the parts that were asked for."""

    def __init__(self, n_bars: int, results: Mapping[int, Result]) -> None:
        self._n_bars = n_bars
        self._results = results

    def matches(self, part: Part) -> BoolArray:
        """Return where a condition is known to be true; bool, shape (n,)."""
        result = self._results[part.step]
        assert isinstance(result, Condition)
        return result.true

    def fails(self, part: Part) -> BoolArray:
        """Return where a condition is known to be false; bool, shape (n,).

        Where it neither matches nor fails it is unknown.
        """
        result = self._results[part.step]
        assert isinstance(result, Condition)
        return result.false

    def numbers(self, part: Part) -> FloatArray:
        """Return the values of a number, NaN where it is unknown; float64, shape (n,)."""
        return np.broadcast_to(np.asarray(self._results[part.step], dtype=np.float64), self._n_bars)


def evaluate(
    program: Program,
    flat: Flat,
    others: Mapping[str, Flat] | None = None,
    *,
    parts: Iterable[Part] | None = None,
    ranks: Mapping[int, FloatArray] | None = None,
) -> Evaluated:
    """Return a program's results on every bar of every symbol.

    A program that does not compare symbols is computed on a few of them at a time, so that the results of its steps
    stay in the processor's cache; only those of the wanted parts are kept for all bars.

    Parameters
    ----------
    program : Program
    flat : Flat
        The symbols, with the fields that the program needs. If it compares symbols, all of them, but for ``ranks``.
    others : mapping of str to Flat, optional
        The bars of each symbol that the program names, by ticker in capitals.
    parts : iterable of Part, optional
        Those whose results are wanted; all of ``program.asked`` by default.
    ranks : mapping of int to float64, shape (n,), optional
        The results of steps that compare symbols, by their numbers, where these are some of the symbols only.

    Raises
    ------
    FormulaError
        If the bars of a symbol that it names are missing.
    """
    others = others or {}
    if missing := [ticker for ticker in program.tickers if ticker not in others]:
        raise FormulaError(f"the formula asks for the symbol {missing[0]}, and there are no prices of it here")
    wanted = {part.step for part in (program.asked if parts is None else parts)}
    ranks = ranks or {}
    needed = _needed(program.steps, wanted, ranks)
    is_whole = any(program.steps[number].operation in RANKINGS for number in needed if number not in ranks)
    pieces = [flat] if is_whole or len(flat) <= BARS_AT_ONCE else flat.pieces
    found, end = [], 0
    with np.errstate(all="ignore"):
        for piece in pieces:
            first, end = end, end + len(piece)
            own = {number: places[first:end] for number, places in ranks.items()}
            found.append(_results(_Evaluation(program.steps, piece, others, own), needed, wanted))
    results = {number: _joined([each.pop(number) for each in found]) for number in wanted}
    return Evaluated(len(flat), results)


def _joined(results: list[Result]) -> Result:
    """Return the results of pieces as one."""
    first = results[0]
    if len(results) == 1 or isinstance(first, float):
        return first
    if isinstance(first, Condition):
        return Condition(*(np.concatenate(flags) for flags in zip(*results, strict=True)))
    return np.concatenate(results)


def _results(evaluation: _Evaluation, needed: list[int], wanted: set[int]) -> dict[int, Result]:
    steps = evaluation.steps
    last_use = {each: number for number in needed for each in steps[number].inputs}
    # Several outputs of one indicator are computed together, with the first, and kept up to the last.
    last_output = {_call_of(steps[number]): number for number in needed}
    for number in needed:
        step = steps[number]
        evaluation.results[number] = evaluation.result_of(number)
        # What no later step takes is let go: of a whole market each result takes ten megabytes.
        for each in set(step.inputs) - wanted:
            if last_use[each] == number and each in evaluation.results:
                del evaluation.results[each]
        if last_output[_call_of(step)] == number:
            evaluation.outputs.pop(_call_of(step), None)
    return evaluation.results


def _call_of(step: Step) -> Step:
    """Return an indicator's step as it is for all of its outputs; other steps are as they are."""
    return step._replace(operation=step.operation.partition(":")[0])


def _needed(steps: tuple[Step, ...], wanted: set[int], ranks: Mapping[int, FloatArray]) -> list[int]:
    needed = set(wanted)
    for number in range(len(steps) - 1, -1, -1):
        if number in needed and number not in ranks:
            needed.update(steps[number].inputs)
    return sorted(needed)


@dataclass(slots=True)
class _Evaluation:
    """The steps of a program, the bars they are computed on, and what has been computed so far."""

    steps: tuple[Step, ...]
    flat: Flat
    others: Mapping[str, Flat]
    ranks: Mapping[int, FloatArray]
    results: dict[int, Result] = field(default_factory=dict)
    # Several outputs of one indicator are computed together.
    outputs: dict[Step, tuple[FloatArray, ...]] = field(default_factory=dict)

    def result_of(self, number: int) -> Result:
        if number in self.ranks:
            return self.ranks[number]
        step = self.steps[number]
        bars = self._bars_of(step.scope)
        inputs = [self.results[each] for each in step.inputs]
        if step.operation in {"from_outer", "from_symbol"}:
            return self._brought(step, bars, inputs[0])
        key, _, output = step.operation.partition(":")
        if not output:
            return OPERATIONS[key](bars, *inputs, *step.constants)
        call = _call_of(step)
        if call not in self.outputs:
            fields = [self.steps[each] for each in step.inputs]
            prices = [each.operation == "field" and each.constants != ("volume",) for each in fields]
            self.outputs[call] = indicated(bars, key, inputs, step.constants, prices=prices)  # type: ignore[arg-type]
        return self.outputs[call][int(output)]

    def _bars_of(self, scope: Scope) -> Flat:
        base = self.others[scope.ticker] if scope.ticker else self.flat
        return base.outer(scope.outer)[0] if scope.outer else base

    def _brought(self, step: Step, bars: Flat, value: Result) -> Result:
        """Return on these bars what was computed on outer ones or on those of another symbol."""
        origin = self.steps[step.inputs[0]].scope
        if step.operation == "from_outer":
            assert origin.outer
            index = bars.outer(origin.outer)[1]
        else:
            # By their ends: a longer bar that begins with this one ends later, and is not known yet.
            other = self._bars_of(origin)
            index = np.searchsorted(other.time + other.interval_s, bars.time + bars.interval_s, side="right") - 1
        is_there, taken = index >= 0, np.maximum(index, 0)
        if isinstance(value, Condition):
            return Condition(*(_taken(flags, taken) & is_there for flags in value))
        return np.where(is_there, _taken(value, taken), np.nan)


def _taken(values: Result, index: Result) -> Result:
    return values[index] if len(values) else np.zeros(len(index), dtype=values.dtype)
