"""Examine a strategy on stored bars: does it keep the contract of docs/strategies.md?

1. ``_chosen`` finds the strategy: by its key, or in a file that need not be in the users' folder; a formula may also
   stand as it is, and ``strategies.management.formulas`` makes a strategy of it.
2. ``backtests.runs.sample`` reads the bars, ``strategies.conformance.report`` examines.
3. ``strategies.management.verdicts`` prints. The status is 0 if it keeps the contract, 1 if not, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from strategies.base import Strategy
from strategies.conformance.report import PARTS, Finding, examine, is_kept
from strategies.errors import FileBroken, ParameterError, UnknownStrategy
from strategies.files import SUFFIX, declared_in, load_file
from strategies.formula import FormulaError, compile_formula
from strategies.formula.program import DAY_S
from strategies.management.formulas import examined_as, formula_named
from strategies.management.verdicts import Examined, as_json, print_examined, shown_progress
from strategies.registry import get_strategy, strategies
from strategies.user_strategies import NO_STRATEGY, broken

if TYPE_CHECKING:
    from backtests.runs.sample import Sample

BROKEN, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130


class Command(BaseCommand):
    help = "Check that a strategy keeps the contract: no look-ahead, warm-up, the same bars the same signals, speed."
    # What is broken elsewhere is not what is asked.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("strategy", metavar="KEY_OR_PATH", help="key, Python file, formula or file with one")
        parser.add_argument("--universe", default="", metavar="SLUG", help="whose bars (default: the largest)")
        parser.add_argument("--symbols", default="20", metavar="N", help="how many of its symbols (default 20)")
        parser.add_argument("--interval", default="", help="length of a bar (default: 1d, or what is stored)")
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
        parser.add_argument("--json", action="store_true", help="print exactly one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        from backtests.runs.errors import RequestRefused
        from backtests.runs.sample import sample_of

        try:
            formula = formula_named(options["strategy"])
            kinds = _chosen(options["strategy"]) if formula is None else [_made_of(formula)]
            values = _values(kinds, options["param"])
            sample = sample_of(
                universe=options["universe"], interval=options["interval"], n_symbols=_whole(options["symbols"])
            )
            if formula is not None:
                kinds = [_made_of(formula, sample)]
            with shown_progress(len(PARTS), len(sample.bars)) as progress:
                examined = [
                    Examined(
                        kind,
                        values,
                        _with_taken_key(kind, examine(kind, sample.bars, values=values, progress=progress)),
                    )
                    for kind in kinds
                ]
        except RequestRefused as error:
            raise CommandError(f"--{error.field}: {error.problem}", returncode=WRONG_ARGUMENTS) from error
        except FormulaError as error:
            raise CommandError(error.shown_in(str(formula)), returncode=BROKEN) from error
        except FileBroken as error:
            self._say_broken(options, error)
            raise CommandError(f"{options['strategy']} is broken: {error}", returncode=BROKEN) from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted", returncode=INTERRUPTED) from error
        if options["json"]:
            self.stdout.write(json.dumps(as_json(examined, sample), allow_nan=False))
        else:
            print_examined(Console(file=cast(IO[str], self.stdout), highlight=False), examined, sample)
        if failing := [item.name for item in examined if not is_kept(item.findings)]:
            raise CommandError(f"{', '.join(failing)}: the contract is not kept", returncode=BROKEN)

    def _say_broken(self, options: dict[str, Any], error: FileBroken) -> None:
        if options["json"]:
            said = {"verdict": "fail", "file": options["strategy"], "line": error.line, "reason": error.reason}
            self.stdout.write(json.dumps(said))


def _chosen(named: str) -> list[type[Strategy]]:
    """Return the strategies that are meant by a key or a path."""
    if not named.endswith(SUFFIX) and os.sep not in named:
        try:
            return [get_strategy(named)]
        except UnknownStrategy as error:
            raise CommandError(_unknown(named), returncode=WRONG_ARGUMENTS) from error
    path = Path(named)
    if path.suffix != SUFFIX or not path.is_file():
        raise CommandError(f"there is no Python file {named!r}", returncode=WRONG_ARGUMENTS)
    kinds = declared_in(load_file(path))
    if not kinds:
        raise FileBroken(NO_STRATEGY)
    return kinds


def _unknown(named: str) -> str:
    stems = {named, named.replace("-", "_")}
    left_out = "".join(f"; {problem}" for problem in broken() if Path(problem.source).stem in stems)
    known = ", ".join(strategies())
    return f"{named!r} is unknown{left_out}; known are: {known}; a file is named by its path, such as ./{named}{SUFFIX}"


def _made_of(formula: str, sample: Sample | None = None) -> type[Strategy]:
    """Return a formula as a strategy, with the bars of the symbols that it names once it is known which interval."""
    from backtests.prices.importers.rows import INTERVAL_S
    from backtests.runs.named import bars_of_tickers

    if sample is None:
        return examined_as(formula, {}, [], interval_s=DAY_S)
    tickers = compile_formula(formula).tickers
    others = bars_of_tickers(tickers, interval=sample.interval, market="", end_s=None)
    return examined_as(formula, others, list(sample.bars.values()), interval_s=INTERVAL_S[sample.interval])


def _values(kinds: list[type[Strategy]], given: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in given:
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name:
            raise CommandError(
                f"--param: must be NAME=VALUE, such as period=14; it is {item!r}", returncode=WRONG_ARGUMENTS
            )
        if name in values:
            raise CommandError(f"--param: {name} is given twice", returncode=WRONG_ARGUMENTS)
        values[name] = value
    if values and len(kinds) > 1:
        raise CommandError(
            "--param: the file has more than one strategy; name one by its key", returncode=WRONG_ARGUMENTS
        )
    try:
        return kinds[0](**values).values if values else {}
    except ParameterError as error:
        raise CommandError(f"--param {error.name}: {error.problem}", returncode=WRONG_ARGUMENTS) from error


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"--symbols: must be a whole number; it is {text!r}", returncode=WRONG_ARGUMENTS) from None


def _with_taken_key(kind: type[Strategy], findings: list[Finding]) -> list[Finding]:
    """Warn of a key that another strategy has: a copy beside it is fine, but cannot be offered."""
    holder = strategies().get(getattr(kind, "key", ""))
    first = findings[0]
    if holder in {None, kind} or first.verdict == "fail":
        return findings
    found = f"another strategy has the key {kind.key!r}, so that this one would be left out"
    return [Finding(first.part, "warn", found), *findings[1:]]
