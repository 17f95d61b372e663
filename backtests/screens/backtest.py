"""From a screen to a run over the market: enter on a match, leave as chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backtests.models import Run, ScreenRun
from backtests.runs.errors import RequestRefused
from backtests.runs.request import RunRequest, check_request
from backtests.runs.start import start
from strategies.errors import StrategyError
from strategies.formula import FormulaError, Place, Program, compile_formula
from strategies.formula.limits import LONGEST_TEXT
from strategies.formula_strategies import save_formula


@dataclass(frozen=True, slots=True)
class Exit:
    """One way to leave what a match has entered: a formula, or a rule."""

    key: str
    label: str
    formula: str = ""
    bars: int | None = None


EXITS = (
    Exit("20-bars", "after 20 bars", bars=20),
    Exit("5-bars", "after 5 bars", bars=5),
    Exit("60-bars", "after 60 bars", bars=60),
    Exit("no-match", "when it no longer matches", formula="not {match}"),
    Exit("average", "when it closes below its average of 50 bars", formula="close < sma(close, 50)"),
    Exit("own", "only as written below"),
)
EXITS_BY_KEY = {each.key: each for each in EXITS}

# Fields of the form, and the rules that they are.
LEVELS = {"stop_loss_pct": "stop", "take_profit_pct": "target"}


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a position is left: one of the exits, and whichever of these comes first.

    ``condition`` is a formula of one's own, that may use the names of the screen's; ``levels`` are stop and target in
    percent of the entry price, by the key of their rule.
    """

    exit_key: str
    condition: str = ""
    levels: Mapping[str, float] = field(default_factory=dict)

    @property
    def chosen(self) -> Exit:
        """The exit that is meant. Raises RequestRefused."""
        if self.exit_key not in EXITS_BY_KEY:
            raise RequestRefused("exit", f"{self.exit_key[:40]!r} is none; there are: {', '.join(EXITS_BY_KEY)}")
        if self.exit_key == "own" and not self.condition and not self.levels:
            raise RequestRefused("exit", "needs a condition, a stop or a target: nothing else would leave")
        return EXITS_BY_KEY[self.exit_key]

    @property
    def rules(self) -> dict[str, Any]:
        """What of it is a rule of the run."""
        after = {"time_stop_bars": self.chosen.bars} if self.chosen.bars is not None else {}
        return {**after, **self.levels}

    @property
    def label(self) -> str:
        """How the strategy is called behind the name of its screen."""
        named = [] if self.chosen.key == "own" else [self.chosen.label]
        if self.condition:
            named.append(f"on {shortened(self.condition, 40)}")
        return " or ".join(named) or "by stop or target"


def shortened(formula: str, length: int) -> str:
    """Return a formula as a name, on one line and no longer than this."""
    line = " ".join(formula.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def backtest(run: ScreenRun, leaving: Leaving, *, owner: Any = None) -> Run:
    """Start a run that enters on every match of a screen over its universe, and return it.

    A formula that is a strategy says itself when it leaves. The strategy belongs to the ``owner``. Raises
    RequestRefused, and TooManyRuns.
    """
    name = run.name or shortened(run.formula, 60)
    try:
        program = compile_formula(run.formula, run.values)
        if program.is_strategy:
            row, rules = save_formula(run.formula, label=name, owner=owner), _rules_of(program.levels)
        else:
            text = as_strategy(run.formula, leaving)
            row, rules = save_formula(text, label=f"{name}, {leaving.label}", owner=owner), leaving.rules
    except StrategyError as error:
        raise RequestRefused("formula", str(error)) from error
    asked = RunRequest(
        strategy=row.key,
        parameters=run.values,
        universe=run.universe.slug,
        interval=run.interval,
        end_date=run.as_of,
        symbols=tuple(run.tickers),
        rules=rules,
    )
    return start(check_request(asked, owner), owner=owner)


def as_strategy(formula: str, leaving: Leaving) -> str:
    """Return a screen's formula as one of a strategy: its condition gets a name, enters, and what was chosen leaves.

    Raises
    ------
    FormulaError
        If the screen's formula means nothing.
    RequestRefused
        If it is no condition, or ``exit_formula`` is none.
    """
    text, match = _with_a_name(formula, compile_formula(formula), ("match", "matches", "it_matches", "screen_matches"))
    left = [leaving.chosen.formula.format(match=match)] if leaving.chosen.formula else []
    if leaving.condition:
        text = f"{text}\n{leaving.condition}"
        program = _compiled_below(text, formula)
        text, leave = _with_a_name(text, program, ("leave", "leaves", "it_leaves", "own_exit"), field="exit_formula")
        left.append(leave)
    leaves = [f"exit: {' or '.join(left)}"] if left else []
    return "\n".join([text, f"enter: {match}", *leaves])


def _compiled_below(text: str, formula: str) -> Program:
    """Return the program of a screen's formula with a condition below; what is wrong is told by the latter's lines."""
    n_lines = formula.count("\n") + 1
    try:
        return compile_formula(text)
    except FormulaError as error:
        place, written = error.place, text.split("\n", n_lines)[-1]
        if place is not None:
            # Only together they may be too much, which shows where the screen's stands.
            place = Place(place.line - n_lines, place.column, place.length) if place.line > n_lines else None
        told = FormulaError(error.problem, place, hint=error.hint)
        raise ConditionRefused(told, written) from error


class ConditionRefused(RequestRefused):
    """An own exit condition that means nothing; ``error`` has the place in it."""

    def __init__(self, error: FormulaError, written: str) -> None:
        super().__init__("exit_formula", error.shown_in(written))
        self.error = error


def _with_a_name(text: str, program: Program, names: tuple[str, ...], field: str = "formula") -> tuple[str, str]:
    """Return a formula whose answer has got a name, and which of the names, the first that is free."""
    if program.answer is None or program.answer.kind != "condition":
        raise RequestRefused(field, "must end in a condition, such as close > sma(close, 50)")
    taken = {part.label for part in program.named} | set(program.values)
    name = next(each for each in names if each not in taken)
    place, lines = program.answer.place, text.split("\n")
    first = lines[place.line - 1]
    lines[place.line - 1] = f"{first[: place.column - 1]}{name} = {first[place.column - 1 :]}"
    return "\n".join(lines), name


def check_condition(run: ScreenRun, condition: str) -> None:
    """Raise RequestRefused if this is no exit condition for a screen; ConditionRefused knows the place."""
    if len(condition) > LONGEST_TEXT:
        raise RequestRefused("exit_formula", f"is longer than {LONGEST_TEXT:,} characters")
    try:
        compile_formula(as_strategy(run.formula, Leaving("own", condition)))
    except StrategyError as error:
        raise RequestRefused("exit_formula", str(error)) from error


def _rules_of(levels: dict[str, float]) -> dict[str, Any]:
    names = {name: key for key, name in LEVELS.items()}
    return {names[name]: value for name, value in levels.items()}
