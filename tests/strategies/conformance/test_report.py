"""An examination says of each part whether it is kept, and where it is not names symbol, day and value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.conformance import report
from strategies.conformance.parameters import variants
from strategies.conformance.report import PARTS, Finding, examine, is_kept
from strategies.errors import ParameterError
from strategies.files import declared_in, load_file
from strategies.indicators import crossed_above, crossed_below, ema
from strategies.registry import strategies
from tests.builders import make_market
from tests.strategies.conformance import cheats
from tests.strategies.conformance.cheats import Honest
from tests.strategies.own import write_strategy

MARKET = make_market(5, n_symbols=3, n_bars=500)


def of(key: str, findings: list[Finding]) -> Finding:
    (finding,) = [finding for finding in findings if finding.part.key == key]
    return finding


def failed(kind: type[Strategy]) -> dict[str, str]:
    return {item.part.key: item.found for item in examine(kind, MARKET) if item.verdict == "fail"}


class Exponential(Honest):
    """Trade the crosses of the close and its exponential average."""

    def signals(self, bars: Bars) -> Signals:
        average = ema(bars.close, self.length)
        return Signals(entry=crossed_above(bars.close, average), exit=crossed_below(bars.close, average))


class EverySeventh(Honest):
    """Enter on each seventh bar of whatever data there is."""

    def signals(self, bars: Bars) -> Signals:
        number = np.arange(len(bars))
        late = number >= self.warmup
        return Signals(entry=late & (number % 7 == 0), exit=late & (number % 7 == 3))


class EverySeventhShort(Honest):
    """Sell short on each seventh bar of whatever data there is."""

    def signals(self, bars: Bars) -> Signals:
        number = np.arange(len(bars))
        late = number >= self.warmup
        never = np.zeros(len(bars), bool)
        return Signals(never, never, short_entry=late & (number % 7 == 0), short_exit=late & (number % 7 == 3))


class RecordHigh(Honest):
    """Enter at a record since the data begins."""

    def signals(self, bars: Bars) -> Signals:
        record = np.maximum.accumulate(bars.close) if len(bars) else bars.close
        late = np.arange(len(bars)) >= self.warmup
        return Signals(entry=late & (bars.close >= record), exit=late & (bars.close < 0.9 * record))


class Silent(Honest):
    """Never trade."""

    def signals(self, bars: Bars) -> Signals:
        return Signals(entry=np.zeros(len(bars), bool), exit=np.zeros(len(bars), bool))


class Slow(Honest):
    """Take its time."""

    def signals(self, bars: Bars) -> Signals:
        sleep(len(bars) * 200e-9)
        return super().signals(bars)


class Late(Honest):
    """Divide by zero with long averages only."""

    def signals(self, bars: Bars) -> Signals:
        if self.length == 20:
            raise ZeroDivisionError("long")
        return super().signals(bars)


class Picky(Honest):
    """Refuse under another name."""

    def __init__(self, **values: float) -> None:
        try:
            super().__init__(**values)
        except ParameterError as error:
            raise ParameterError("something", error.problem) from error


class Lenient(Honest):
    """Take whatever comes for what it does not know."""

    def __init__(self, **values: float) -> None:
        super().__init__(**{key: value for key, value in values.items() if key in self.parameters()})


class Unwritten(Honest):
    __doc__ = None


def test_who_keeps_the_contract_passes_every_part() -> None:
    findings = examine(Honest, MARKET)
    assert [finding.part for finding in findings] == list(PARTS)
    assert {finding.part.key: finding.verdict for finding in findings} == {part.key: "pass" for part in PARTS}
    assert is_kept(findings)
    assert of("truncated", findings).found == "3 symbols, 1,500 bars"
    assert of("starts", findings).found == "the same from the end of the warm-up of 10 bars on"


@pytest.mark.parametrize("kind", strategies().values(), ids=strategies())
def test_every_strategy_of_the_library_keeps_the_contract(kind: type[Strategy]) -> None:
    assert [f"{item.part.label}: {item.found}" for item in examine(kind, MARKET) if item.verdict == "fail"] == []


@pytest.mark.parametrize(
    ("cheat", "parts"),
    [
        (cheats.TomorrowsClose, {"truncated", "changed"}),
        (cheats.CenteredAverage, {"truncated", "changed"}),
        (cheats.AverageOfAll, {"truncated", "changed", "starts"}),
        (cheats.FirstAndNext, {"truncated", "changed"}),
        (cheats.RecursiveGlance, {"truncated", "changed"}),
        (cheats.RememberedStart, {"truncated"}),
        (cheats.RememberedForever, {"truncated"}),
        (cheats.ShortGlance, {"truncated", "changed"}),
        (cheats.Hasty, {"warmup", "bounds"}),
        (cheats.HastyShort, {"warmup", "bounds"}),
        (cheats.NoNumber, {"declaration"}),
        (cheats.Forgetful, {"repeatable"}),
        (cheats.Shared, {"repeatable"}),
        (cheats.Remembering, {"repeatable"}),
        (cheats.Careless, {"inputs"}),
        (cheats.WrongShape, {"signals"}),
        (cheats.Numbers, {"signals"}),
        (cheats.Nothing, {"signals"}),
        (cheats.NeedsThree, {"signals"}),
        (EverySeventh, {"starts"}),
        (EverySeventhShort, {"starts"}),
        (Late, {"bounds"}),
        (Picky, {"values"}),
        (Lenient, {"values"}),
        (Honest, set()),
        (Exponential, set()),
        (RecordHigh, set()),
    ],
)
def test_a_cheat_fails_in_its_part_and_in_no_other(cheat: type[Strategy], parts: set[str]) -> None:
    assert set(failed(cheat)) == parts


def test_a_breach_names_symbol_day_and_value() -> None:
    finding = of("truncated", examine(cheats.TomorrowsClose, {"AAPL": MARKET["S0"]}))
    assert finding.bar is not None
    time = datetime.fromtimestamp(int(MARKET["S0"].time[finding.bar]), UTC)
    assert (finding.symbol, finding.time) == ("AAPL", time)
    name = finding.found.split()[3]
    wanted = f"on AAPL the {name} of {time:%Y-%m-%d} is true, and false when the bars after it are removed"
    assert finding.found == wanted


def test_a_breach_within_a_day_names_the_time_too() -> None:
    hours = {"BTC": Bars(MARKET["S0"].time // 24, *(getattr(MARKET["S0"], name) for name in FIELDS))}
    finding = of("truncated", examine(cheats.TomorrowsClose, hours))
    assert finding.time is not None
    assert f" of {finding.time:%Y-%m-%d %H:%M} is " in finding.found


FIELDS = ("open", "high", "low", "close", "volume")


def test_after_a_breach_of_a_gate_the_rest_is_not_looked_at() -> None:
    findings = examine(cheats.WrongShape, MARKET)
    assert [item.verdict for item in findings] == ["pass", "pass", "pass", "fail", *["skip"] * 9]
    assert of("speed", findings).found == 'not looked at: "Signals fit" must pass first'
    assert not is_kept(findings)


def test_an_error_of_the_strategy_is_named_with_its_line(tmp_path: Path) -> None:
    path = write_strategy(tmp_path, "raises")
    path.write_text(path.read_text().replace("        average = ", "        1 / (500 - len(bars))\n        average = "))
    (kind,) = declared_in(load_file(path))
    line = 1 + path.read_text().splitlines().index("        1 / (500 - len(bars))")
    findings = examine(kind, MARKET)
    found = f"it raises ZeroDivisionError: division by zero on S0, in line {line} of its file"
    assert of("signals", findings).found == found
    assert of("inputs", findings).verdict == "skip"
    assert of("speed", findings).found == "not looked at: it raises an error"


def test_a_recursion_is_measured_and_warned_of() -> None:
    finding = of("starts", examine(Exponential, make_market(6, n_symbols=20, n_bars=600)))
    assert finding.verdict == "warn"
    assert finding.found.startswith("the signals are the same ")
    assert "and warmup says 10: right for a recursive average" in finding.found


def test_a_warning_of_the_first_bar_excuses_no_glance_at_the_next_one() -> None:
    findings = examine(cheats.RecursiveGlance, make_market(6, n_symbols=20, n_bars=600))
    assert "right for a recursive average" in of("starts", findings).found
    assert (of("starts", findings).verdict, of("truncated", findings).verdict) == ("warn", "fail")
    assert not is_kept(findings)


def test_a_start_that_is_not_forgotten_everywhere_is_a_warning() -> None:
    assert of("starts", examine(RecordHigh, make_market(6, n_symbols=8, n_bars=600, shape="rising"))).verdict == "warn"


def test_a_start_that_decides_everything_is_a_failure() -> None:
    found = failed(EverySeventh)["starts"]
    assert "when the first 250 bars are left out" in found
    assert "they depend on the bar with which the data happens to begin" in found


def test_a_warm_up_that_leaves_too_few_bars_is_not_judged() -> None:
    short = {name: bars[:15] for name, bars in MARKET.items()}
    assert of("starts", examine(Honest, short)).verdict == "skip"


@pytest.mark.parametrize(
    ("kind", "part", "found"),
    [
        (Silent, "trades", "0 entries, 0 exits; 3 symbols of 3 without an entry"),
        (Unwritten, "declaration", "it has no docstring"),
        (Slow, "speed", "slow: "),
    ],
)
def test_what_its_author_should_judge_is_a_warning(kind: type[Strategy], part: str, found: str) -> None:
    findings = examine(kind, MARKET)
    assert of(part, findings).verdict == "warn"
    assert of(part, findings).found.startswith(found)
    assert is_kept(findings)


def test_parameters_are_those_that_were_given() -> None:
    findings = examine(Honest, MARKET, values={"length": 20})
    assert of("starts", findings).found.endswith("warm-up of 20 bars on")


def test_progress_is_told_symbol_by_symbol() -> None:
    told: list[tuple[str, int]] = []
    examine(Honest, MARKET, progress=lambda label, n_done: told.append((label, n_done)))
    assert list(dict.fromkeys(label for label, _ in told)) == [part.label for part in PARTS]
    assert [n_done for label, n_done in told if label == "Warm-up"] == [0, 1, 2, 3]


def test_a_part_that_takes_too_long_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[int] = iter(range(0, 100_000, 25))
    monkeypatch.setattr(report, "monotonic", lambda: next(clock))
    finding = of("truncated", examine(Honest, MARKET))
    assert finding.found == "1 of 3 symbols, 500 bars; the rest would take too long"


def test_the_variants_are_the_bounds_that_fit_together() -> None:
    values = [tuple(strategy.values.values()) for strategy in variants(Honest)]
    assert values == [(10, 1.5), (2, 1.5), (20, 1.5), (10, 0.5), (10, 2.5), (2, 0.5), (20, 2.5)]
    with pytest.raises(ParameterError):
        variants(Refusing)


class Refusing(Honest):
    """Refuse what lies within the bounds without a check that says so."""

    def __init__(self, **values: float) -> None:
        super().__init__(**values)
        if self.length == 2:
            raise ParameterError("length", "must not be 2")
