"""A finished run as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backtests.engine import PRESETS, RULES, RULES_BY_KEY, Rule
from backtests.engine.rule_text import allowed, written
from backtests.models import Run
from backtests.runs.statistics import ResultRow, RunStatistics, sorted_rows
from backtests.streams import figures
from backtests.streams.assumptions import rule_facts_of
from backtests.streams.fragments import elapsed_of, facts_of

STYLES = {"up": "green", "down": "red", "flat": ""}


def print_scan(console: Console, run: Run, rows: Sequence[ResultRow], *, top: int) -> None:
    """Print the best and the worst symbols, the failed ones and the market-wide figures."""
    statistics = RunStatistics().add(rows)
    synthetic = " (synthetic prices)" if run.universe.is_synthetic else ""
    # Names and reasons are Text everywhere: in a plain string, rich takes what stands in brackets for its markup.
    strategy, universe = Text(run.strategy.label, "bold"), Text(run.universe.name, "bold")
    console.print(Text.assemble(strategy, " on ", universe, f"{synthetic}, run {run.pk}"))
    if rule_facts := rule_facts_of(run):
        console.print(Text("; ".join(fact.text for fact in rule_facts), "dim"))
    console.print(Text(f"{', '.join(facts_of(run))}; {figures.duration(elapsed_of(run))}\n", "dim"))
    tested = [row for row in sorted_rows(list(rows), "-return_pct") if row.return_pct is not None]
    if tested:
        console.print(_ranking(f"Best {min(top, len(tested))}", tested[:top]))
    if len(tested) > top:
        console.print(_ranking(f"Worst {min(top, len(tested) - top)}", tested[max(top, len(tested) - top) :][::-1]))
    if failed := [row for row in rows if row.return_pct is None]:
        console.print(_failures(failed, top))
    console.print(_market_wide(statistics))


def print_rules(console: Console) -> None:
    """Print every rule with what it takes, and every preset with what it sets."""
    rules = _table("Rules")
    for heading in ("Rule", "Default", "Takes", "Meaning"):
        rules.add_column(heading, overflow="fold", style="bold" if heading == "Rule" else "")
    for rule in RULES:
        unit = f" ({rule.unit})" if rule.unit else ""
        rules.add_row(rule.key, written(rule, rule.default) or "off", allowed(rule) + unit, Text(_meaning(rule)))
    presets = _table("Presets")
    for heading in ("Preset", "What it is", "Sets"):
        presets.add_column(heading, overflow="fold", style="bold" if heading == "Preset" else "")
    for preset in PRESETS.values():
        values = [f"{key}={written(RULES_BY_KEY[key], value)}" for key, value in preset.values.items()]
        presets.add_row(preset.key, Text(preset.help), Text("\n".join(values)))
    console.print(rules)
    console.print(presets)


def _meaning(rule: Rule) -> str:
    return "\n".join([rule.help, *(f"{value}: {text}" for value, text in rule.choices.items())])


def _ranking(title: str, rows: Sequence[ResultRow]) -> Table:
    table = _table(title)
    table.add_column("Symbol", style="bold")
    for heading in ("Return", "Buy and hold", "Trades", "Win rate", "Max drawdown", "Sharpe"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            Text(row.ticker),
            Text(figures.signed_pct(row.return_pct), style=STYLES[figures.tone(row.return_pct)]),
            figures.signed_pct(row.buy_hold_return_pct),
            figures.count(row.trades),
            figures.pct(row.win_rate_pct),
            figures.signed_pct(row.max_drawdown_pct),
            figures.ratio(row.sharpe),
        )
    return table


def _failures(rows: Sequence[ResultRow], top: int) -> Table:
    shown = f", first {top}" if len(rows) > top else ""
    table = _table(f"Failed: {len(rows)}{shown}")
    table.add_column("Symbol", style="bold")
    table.add_column("Reason")
    for row in rows[:top]:
        table.add_row(Text(row.ticker), Text(row.reason))
    return table


def _market_wide(statistics: RunStatistics) -> Table:
    wide: dict[str, Any] = statistics.market_wide()
    percentiles = wide["return_percentiles"]
    spread = " / ".join(figures.signed_pct(percentiles[key]) for key in ("p5", "p25", "p75", "p95"))
    p_value = wide["beats_buy_hold_p_value"]
    lines = (
        ("Symbols tested", f"{wide['tested']:,} ({wide['failed']:,} failed)"),
        ("Average return", figures.signed_pct(wide["mean_return_pct"])),
        ("Median return", figures.signed_pct(wide["median_return_pct"])),
        ("5 / 25 / 75 / 95 % of symbols below", spread),
        ("Positive", figures.pct(wide["positive_pct"], 1)),
        ("Beats buy and hold", f"{figures.pct(wide['beats_buy_hold_pct'], 1)} (p {figures.ratio(p_value, 3)})"),
        ("Trades", figures.count(wide["trades"])),
        ("Total profit", f"{wide['total_pnl']:,.2f}"),
    )
    table = _table("The market")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    for label, value in lines:
        table.add_row(label, value)
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
