"""What an examination of strategies found, as a table, as JSON, and its progress on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from strategies.base import Strategy
from strategies.conformance.report import Finding, is_kept
from strategies.conformance.report import Progress as Tell

if TYPE_CHECKING:
    from backtests.runs.sample import Sample

STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Examined:
    """A strategy, the parameters that it was examined with, and what was found."""

    kind: type[Strategy]
    values: Mapping[str, Any]
    findings: list[Finding]

    @property
    def name(self) -> str:
        return str(getattr(self.kind, "key", self.kind.__name__))


def print_examined(console: Console, examined: Sequence[Examined], sample: Sample) -> None:
    """Print a table for each strategy, and a line that says how it stands."""
    for item in examined:
        label = str(getattr(item.kind, "label", item.kind.__name__))
        with_values = "".join(f", {key} = {value}" for key, value in item.values.items())
        console.print(Text.assemble((f"{label} ({item.name}{with_values})", "bold"), f" on {_market(sample)}"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("Check", no_wrap=True)
        table.add_column("Verdict", no_wrap=True)
        table.add_column("What was found")
        for finding in item.findings:
            style = STYLES[finding.verdict]
            # Text, because rich takes what stands in brackets in a plain string for its markup.
            words = Text(finding.found, "dim" if finding.verdict == "skip" else "")
            table.add_row(Text(finding.part.label), Text(finding.verdict, style), words)
        console.print(table)
        console.print(Text(_summary(item), STYLES["pass" if is_kept(item.findings) else "fail"]))


def as_json(examined: Sequence[Examined], sample: Sample) -> dict[str, Any]:
    """Return everything that was found as one object for json.dumps."""
    return {
        "verdict": "pass" if all(is_kept(item.findings) for item in examined) else "fail",
        "bars": {
            "universe": sample.slug,
            "name": sample.label,
            "interval": sample.interval,
            "is_synthetic": sample.is_synthetic,
            "symbols": list(sample.bars),
            "n_bars": sample.n_bars,
        },
        "strategies": [
            {
                "key": item.name,
                "parameters": dict(item.values),
                "verdict": "pass" if is_kept(item.findings) else "fail",
                "checks": [_finding(finding) for finding in item.findings],
            }
            for item in examined
        ],
    }


@contextmanager
def shown_progress(n_parts: int, n_symbols: int) -> Iterator[Tell]:
    """Show a bar on the terminal's error stream once it takes longer than a second; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    task = bar.add_task("", total=n_parts * n_symbols)
    began, labels = monotonic(), list[str]()

    def tell(label: str, n_done: int) -> None:
        if label not in labels:
            labels.append(label)
        if monotonic() - began > PATIENCE_S:
            bar.start()
        bar.update(task, description=label, completed=(len(labels) - 1) * n_symbols + n_done)

    try:
        yield tell
    finally:
        bar.stop()


def _market(sample: Sample) -> str:
    n_symbols = len(sample.bars)
    first = min(int(bars.time[0]) for bars in sample.bars.values())
    last = max(int(bars.time[-1]) for bars in sample.bars.values())
    days = " to ".join(f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in (first, last))
    synthetic = ", synthetic prices" if sample.is_synthetic else ""
    counted = f"{n_symbols} symbol{'' if n_symbols == 1 else 's'}"
    return f"{counted} of {sample.label}{synthetic}, {sample.n_bars:,} bars of {sample.interval}, {days}"


def _summary(item: Examined) -> str:
    verdicts = [finding.verdict for finding in item.findings]
    warnings = verdicts.count("warn")
    also = f", with {warnings} warning{'' if warnings == 1 else 's'}" if warnings else ""
    if is_kept(item.findings):
        return f"{item.name} keeps the contract{also}."
    return f"{item.name} does not keep the contract: {verdicts.count('fail')} of {len(verdicts)} checks fail{also}."


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.part.key,
        "label": finding.part.label,
        "verdict": finding.verdict,
        "found": finding.found,
        "symbol": finding.symbol or None,
        "bar": finding.bar,
        "time": finding.time.isoformat() if finding.time else None,
    }
