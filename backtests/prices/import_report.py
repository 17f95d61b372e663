"""What an import did, as lines for a person and as CSV."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backtests.prices.findings import ACTIONS, KIND_OF, KINDS, Finding, Kind, time_text
from backtests.prices.store import BlockChanges

WIDTH = 118
ALIKE = 5  # more symbols than this with the same finding share a line
LINES_OF_KIND = 60
LINES_OF_SYMBOL = 8
TIMES_OF_SYMBOL = 30
NAMES_ON_LINE = 60


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The outcome of an import.

    Rows read are rows stored + dropped + merged; sorted ones are among those stored.

    Of a file that was refused, ``n_stored`` is the number of rows that could have been stored.
    """

    file: str
    universe: str
    interval: str
    n_symbols: int
    first_time: int | None
    last_time: int | None
    n_read: int
    n_stored: int
    n_dropped: int
    n_merged: int
    n_sorted: int
    changes: BlockChanges
    elapsed_s: float
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    is_refused: bool = False

    @property
    def is_clean(self) -> bool:
        """Return whether every row could be taken as it was."""
        return not (self.n_dropped or self.n_merged or self.n_sorted)


def summary_lines(report: ImportReport) -> Iterator[str]:
    """Yield the outcome in a few lines."""
    span = ""
    if report.first_time is not None and report.last_time is not None:
        span = f", {time_text(report.first_time)} to {time_text(report.last_time)}"
    plural = "symbol" if report.n_symbols == 1 else "symbols"
    yield f"{report.file} into {report.universe}: {report.n_symbols:,} {plural}, {report.interval}{span}"
    repaired = f"{report.n_merged:,} copies merged, {report.n_sorted:,} put in order"
    if report.is_refused:
        yield "  refused: nothing was stored"
    yield f"  rows read      {report.n_read:>12,}"
    yield f"  rows {'usable' if report.is_refused else 'stored'}    {report.n_stored:>12,}"
    yield f"  rows dropped   {report.n_dropped:>12,}"
    yield f"  rows repaired  {report.n_merged + report.n_sorted:>12,}  ({repaired})"
    blocks = report.changes
    yield f"  blocks         {blocks.added:,} added, {blocks.replaced:,} replaced, {blocks.unchanged:,} unchanged"
    yield f"  seconds        {report.elapsed_s:.2f}"
    counts = ", ".join(f"{count:,} {KIND_OF[kind].label}" for kind, count in kind_counts(report.findings).items())
    yield _wrapped(f"  found          {counts or 'nothing wrong'}", indent=17)
    for note in report.notes:
        yield _wrapped(f"  note           {note}", indent=17)


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield every kind of finding with its rule, and for each symbol when and what; long lists are cut."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    for action, title in ACTIONS.items():
        kinds = [kind for kind in KINDS if kind.action == action and kind.key in by_kind]
        if kinds:
            yield ""
            yield title
        for kind in kinds:
            yield from _kind_lines(kind, by_kind[kind.key])


def write_csv(findings: Iterable[Finding], path: Path) -> None:
    """Write every finding, one a line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["symbol", "time", "kind", "action", "detail"])
        for finding in findings:
            time = "" if finding.time is None else time_text(finding.time)
            writer.writerow([finding.symbol, time, finding.kind, finding.action, finding.detail])


def kind_counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return the number of rows of each kind of finding, in the order of the table of kinds."""
    counts = dict.fromkeys(KIND_OF, 0)
    for finding in findings:
        counts[finding.kind] += finding.n_rows
    return {kind: count for kind, count in counts.items() if count}


def _kind_lines(kind: Kind, findings: Sequence[Finding]) -> Iterator[str]:
    n_symbols = len({finding.symbol for finding in findings if finding.symbol})
    of_symbols = f" in {n_symbols:,} symbol{'s' if n_symbols > 1 else ''}" if n_symbols else ""
    yield f"  {kind.label}: {sum(finding.n_rows for finding in findings):,}{of_symbols}. {kind.help}"
    by_symbol: dict[str, list[Finding]] = {}
    for finding in findings:
        by_symbol.setdefault(finding.symbol, []).append(finding)
    alike: dict[tuple[tuple[int | None, str], ...], list[str]] = {}
    for symbol in sorted(by_symbol):
        alike.setdefault(tuple((finding.time, finding.detail) for finding in by_symbol[symbol]), []).append(symbol)
    groups = [[symbol] for same in alike.values() if len(same) <= ALIKE for symbol in same]
    groups += [same for same in alike.values() if len(same) > ALIKE]
    lines = [line for symbols in sorted(groups) for line in _symbol_lines(symbols, by_symbol[symbols[0]])]
    yield from lines[:LINES_OF_KIND]
    if len(lines) > LINES_OF_KIND:
        yield f"    ... and {len(lines) - LINES_OF_KIND:,} more lines; --report FILE has them all"


def _symbol_lines(symbols: Sequence[str], findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of one symbol, or of many that have the same findings."""
    if any(finding.detail for finding in findings):
        texts = [" ".join(filter(None, (_time(finding), finding.detail))) for finding in findings]
        if len(texts) > LINES_OF_SYMBOL:
            texts[LINES_OF_SYMBOL:] = [f"... and {len(texts) - LINES_OF_SYMBOL:,} more"]
    else:
        times = [_time(finding) for finding in findings]
        more = f" ... and {len(times) - TIMES_OF_SYMBOL:,} more" if len(times) > TIMES_OF_SYMBOL else ""
        texts = [(f"{len(times):,}: " if len(times) > 1 else "") + ", ".join(times[:TIMES_OF_SYMBOL]) + more]
    if len(symbols) > 1:
        more = f" and {len(symbols) - NAMES_ON_LINE:,} more" if len(symbols) > NAMES_ON_LINE else ""
        names = ", ".join(symbols[:NAMES_ON_LINE]) + more
        texts[0] = f"{texts[0]}, each of {len(symbols):,} symbols: {names}"
    symbol = symbols[0] if len(symbols) == 1 else ""
    for number, text in enumerate(texts):
        lead = f"    {symbol if number == 0 else '':<10} " if symbol else "    "
        yield _wrapped(lead + text, indent=15 if symbol else 6)


def _wrapped(text: str, *, indent: int) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False))


def _time(finding: Finding) -> str:
    return "" if finding.time is None else time_text(finding.time)
