"""The pages about engine, strategies and metrics say what the code declares, value by value, and their examples run."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

import strategies.indicators
from backtests.engine import EXIT_REASONS, METRICS, PRESETS, RULES, TRADE, EngineError, Rule, Rules, errors, simulate
from backtests.engine.periods import INTERVAL_MINUTES, SESSIONS_A_YEAR, bars_per_year
from backtests.engine.table import SHARPE, TERMS
from backtests.engine.trades import OPEN
from backtests.runs.sample import MOST_BARS
from backtests.runs.statistics import RunStatistics
from strategies.bars import Bars
from strategies.conformance.report import GUIDE_NS, PARTS
from strategies.registry import strategies as registered
from tests.backtests.engine.references import make_signals, ohlc, signals_on
from tests.builders import make_bars, make_market

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ["engine.md", "rules.md", "strategies.md", "metrics.md"]

FENCE = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head; code marks are dropped."""
    text = (DOCS / page).read_text()
    assert text.count(f"\n## {heading}\n") == 1
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return rows_of(section)


def rows_of(section: str, number: int = 0) -> list[list[str]]:
    """The cells of one table of a text, without its head; code marks are dropped."""
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in tables[number].splitlines()]
    assert all(len(row) == len(rows[0]) for row in rows)
    return rows[2:]


def rule_sections() -> dict[str, dict[str, str]]:
    """What docs/rules.md says of each rule, by its key, under the heading of each group."""
    found = {}
    for part in (DOCS / "rules.md").read_text().split("\n## ")[1:]:
        group, *sections = part.split("\n### ")
        if sections:
            texts = (section.partition("\n") for section in sections)
            found[group.split("\n")[0]] = {heading.strip("`"): text + "\n" for heading, _, text in texts}
    return found


def plain(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10_000 else f"{value:g}"


def default_of(rule: Rule) -> str:
    if rule.kind == "switch":
        return "on" if rule.default else "off"
    if rule.default is None:
        return "off"
    return str(rule.default) if isinstance(rule.default, str) else plain(rule.default)


def taken_by(rule: Rule) -> str:
    if rule.kind == "switch":
        return "on, off"
    if rule.kind == "choice":
        return ", ".join(rule.choices)
    off = " or off" if rule.may_be_off else ""
    unit = f" {rule.unit}" if rule.unit not in {"", "ratio", "money"} else ""
    return f"{plain(rule.low)} to {plain(rule.high)}{unit}{off}"


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_give_what_it_says(page: str) -> None:
    names: dict[str, Any] = {"__name__": page}
    runner = doctest.DocTestRunner(verbose=False)
    blocks = FENCE.findall((DOCS / page).read_text())
    assert blocks
    for kind, code in blocks:
        if kind == "python":
            exec(compile(code, page, "exec"), names)
            continue
        example = doctest.DocTestParser().get_doctest(code, names, page, page, 0)
        assert example.examples
        report: list[str] = []
        runner.run(example, out=report.append, clear_globs=False)
        assert not report, "".join(report)
        names.update(example.globs)


@pytest.mark.parametrize("page", PAGES)
def test_every_code_block_of_a_page_is_run(page: str) -> None:
    text = (DOCS / page).read_text()
    assert text.count("```") == 2 * len(FENCE.findall(text))


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    for name, anchor in re.findall(r"\]\(([\w.]+)(?:#([\w-]+))?\)", (DOCS / page).read_text()):
        target = (DOCS / name).read_text()
        headings = [line.lstrip("# ").lower() for line in target.splitlines() if line[:1] == "#"]
        assert not anchor or anchor in [re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings]


def test_the_rules_are_those_of_the_engine() -> None:
    assert table("rules.md", "All rules") == [
        [rule.key, rule.label, default_of(rule), taken_by(rule), rule.help] for rule in RULES
    ]


def test_every_rule_is_explained_in_the_order_of_the_table() -> None:
    groups: dict[str, list[str]] = {}
    for rule in RULES:
        groups.setdefault(rule.group, []).append(rule.key)
    assert {group: list(sections) for group, sections in rule_sections().items()} == groups
    assert all(len(text.split()) >= 3 for sections in rule_sections().values() for text in sections.values())


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.kind == "choice"], ids=lambda rule: rule.key)
def test_the_choices_of_a_rule_are_those_of_the_engine(rule: Rule) -> None:
    assert rows_of(rule_sections()[rule.group][rule.key]) == [list(item) for item in rule.choices.items()]


def levels(cell: str) -> tuple[float, ...]:
    return tuple(float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell))


def left(rows: list[tuple[float, ...]], **values: Any) -> tuple[float, str]:
    """Where and why the position is left that a signal on bar 0 enters at 100."""
    bars = ohlc((100, 100, 100, 100), *rows)  # type: ignore[arg-type]
    rules = Rules.of({"cash": 1000, "fee_pct": 0, "slippage_pct": 0, **values})
    trade = simulate(bars, signals_on(len(bars), entry=[0]), rules).trades[0]
    return float(trade["exit_price"]), EXIT_REASONS[trade["exit_reason"]]


def test_within_a_bar_that_comes_first_which_the_table_says() -> None:
    rows = rows_of(rule_sections()["Exits"]["bar_path"], 1)
    assert len(rows) == 4
    for cells in rows:
        for path, expected in zip(("stop_first", "stop_always", "nearer_extreme"), cells[1:], strict=True):
            bars = [(100.0,) * 4, levels(cells[0])]
            assert left(bars, stop_loss_pct=25, take_profit_pct=25, bar_path=path)[1] == expected


def test_through_a_gap_a_stop_or_target_fills_where_the_table_says() -> None:
    rows = rows_of(rule_sections()["Exits"]["gap_fill"], 1)
    assert len(rows) == 4
    for bar, what, *prices in rows:
        reason, level = what.split(" at ")
        key = {"stop": "stop_loss_pct", "target": "take_profit_pct"}[reason]
        for gap_fill, price in zip(("open", "inside"), prices, strict=True):
            values = {key: abs(float(level) - 100), "gap_fill": gap_fill}
            assert left([(100.0,) * 4, levels(bar)], **values) == (float(price), reason)


def test_what_a_signal_does_under_each_direction_is_as_the_table_says() -> None:
    rows = rows_of(rule_sections()["Fills"]["direction"], 1)
    assert len({(held, signal) for held, signal, *_ in rows}) == len(rows) == 9
    for held, signal, *happens in rows:
        for direction, expected in zip(("long", "short", "both"), happens, strict=True):
            assert bool(expected) == (held in {"nothing", direction} or direction == "both")
            if not expected:
                continue
            before = {"nothing": [0, 0], "long": [1, 0], "short": [0, 1]}[held]
            now = ["entry" in signal, "exit" in signal]
            signals = make_signals([before[0], 0, now[0], 0, 0], [before[1], 0, now[1], 0, 0])
            trades = simulate(make_bars([10.0] * 5), signals, Rules(direction=direction, borrow_pct=0)).trades  # type: ignore[arg-type]
            done = ["leave"] * sum(trade["exit_bar"] == 3 for trade in trades)
            done += [{1: "buy", -1: "sell short"}[trade["side"]] for trade in trades if trade["entry_bar"] == 3]
            assert (" and ".join(done) or "nothing") == expected


def test_the_exit_reasons_are_those_of_the_engine() -> None:
    rows = table("engine.md", "Why a position is left")
    assert [row[0] for row in rows] == list(EXIT_REASONS)
    assert all(text.endswith(".") for _, text in rows)


def test_the_presets_are_those_of_the_engine() -> None:
    assert table("engine.md", "Rule presets") == [[key, preset.label, preset.help] for key, preset in PRESETS.items()]


def test_the_rules_of_the_presets_are_those_of_the_engine() -> None:
    differing = [rule for rule in RULES if any(rule.key in preset.values for preset in PRESETS.values())]
    assert table("engine.md", "The rules of each preset") == [
        [rule.key, default_of(rule), *(told(rule, preset.values) for preset in PRESETS.values())] for rule in differing
    ]


def told(rule: Rule, values: Mapping[str, Any]) -> str:
    return default_of(replace(rule, default=values[rule.key])) if rule.key in values else ""


def test_a_signal_fills_as_the_table_says() -> None:
    rows = table("engine.md", "When a signal fills")
    assert len({tuple(row[:3]) for row in rows}) == 8
    bars = make_bars([10.0, 10.0, 10.0, 10.0])
    for held, entry, exit_, happens in rows:
        signals = make_signals([held == "yes", entry == "yes", 0, 0], [0, exit_ == "yes", 0, 0])
        before = simulate(bars, make_signals([held == "yes", 0, 0, 0], [0] * 4), Rules()).trades
        after = simulate(bars, signals, Rules()).trades
        n_open = [int((trades["exit_reason"] == OPEN).sum()) for trades in (before, after)]
        changed = len(after) - len(before), n_open[0] - n_open[1]
        assert {(0, 0): "nothing", (1, -1): "buy", (0, 1): "sell"}[changed] == happens
        assert happens != "buy" or after[-1]["entry_bar"] == 2
        assert happens != "sell" or after[-1]["exit_bar"] == 2


def test_the_fields_of_a_trade_are_those_of_the_engine() -> None:
    rows = table("engine.md", "Trades")
    assert [(name, kind) for name, kind, _ in rows] == [(name, str(TRADE[name])) for name in TRADE.names or ()]
    assert all(text.endswith(".") for _, _, text in rows)


def test_the_bars_of_a_year_are_those_of_the_engine() -> None:
    rows = table("engine.md", "Bars a year")
    assert [row[0] for row in rows] == [*INTERVAL_MINUTES, "1d", "1w"]
    assert [[float(cell) for cell in row[1:]] for row in rows] == [
        [bars_per_year(market, row[0]) for market in SESSIONS_A_YEAR] for row in rows
    ]


def test_the_errors_are_those_of_the_engine() -> None:
    declared = [name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, EngineError)]
    assert [row[0] for row in table("engine.md", "Errors")] == declared


def test_the_built_in_strategies_are_those_registered() -> None:
    assert table("strategies.md", "Built-in strategies") == [
        [key, strategy.label, strategy.help(), f"bar {strategy().warmup}"] for key, strategy in registered().items()
    ]


def test_the_parameters_are_those_declared() -> None:
    declared = [
        [key, name, item.label, item.kind, str(item.default), str(item.low), str(item.high), item.help]
        for key, strategy in registered().items()
        for name, item in strategy.parameters().items()
    ]
    assert table("strategies.md", "Parameters") == declared


def test_the_parts_of_the_contract_are_those_checked() -> None:
    assert table("strategies.md", "The contract") == [[part.label, part.help] for part in PARTS]
    text = (DOCS / "strategies.md").read_text()
    assert f"the guide's {GUIDE_NS:g} ns the signals of 500 symbols with 2,500 bars" in text
    assert f"take {500 * 2_500 * GUIDE_NS / 1e9:g} s" in text


def test_the_options_of_check_strategy_are_those_it_takes() -> None:
    parser = load_command_class("strategies", "check_strategy").create_parser("manage.py", "check_strategy")
    shared = {action.dest for action in BaseCommand().create_parser("manage.py", "shared")._actions}
    own = [action for action in parser._actions if action.dest not in shared]
    declared = [
        " ".join([*action.option_strings, *([str(action.metavar)] if action.metavar else [])]) for action in own
    ]
    assert [row[0] for row in table("strategies.md", "Check one")] == declared
    (symbols,) = [action for action in own if action.dest == "symbols"]
    wanted = f"each with its newest {MOST_BARS:,} bars; by default {symbols.default}."
    assert wanted in (DOCS / "strategies.md").read_text()


def test_the_fields_of_bars_are_those_declared() -> None:
    bars = make_bars([1.0])
    assert [(name, kind) for name, kind, _ in table("strategies.md", "Bars")] == [
        (item.name, str(getattr(bars, item.name).dtype)) for item in fields(Bars)
    ]


def test_the_crosses_are_those_offered() -> None:
    rows = table("strategies.md", "Indicators")
    declared = [
        f"{name}({', '.join(inspect.signature(getattr(strategies.indicators, name)).parameters)})"
        for name in strategies.indicators.__all__
        if name.startswith("crossed_")
    ]
    assert [row[0] for row in rows] == declared


def test_a_cross_first_stands_where_the_table_says() -> None:
    market = make_market(1, n_symbols=400, n_bars=60)
    for signature, _, first in table("strategies.md", "Indicators"):
        cross = getattr(strategies.indicators, signature.split("(")[0])
        crossed = [cross(bars.close, bars.open) for bars in market.values()]
        assert min(int(np.argmax(found)) for found in crossed if found.any()) == int(first)


def test_the_metrics_are_those_declared() -> None:
    assert table("metrics.md", "Of one symbol") == [
        [item.key, item.label, item.unit, item.better, item.formula, item.undefined] for item in METRICS
    ]


def test_the_words_of_the_formulas_are_those_declared() -> None:
    assert table("metrics.md", "Words") == [list(item) for item in TERMS.items()]


def test_the_sharpe_ratios_are_those_declared() -> None:
    assert table("metrics.md", "Definitions that differ elsewhere") == [[key, *item] for key, item in SHARPE.items()]


def test_the_market_wide_figures_are_those_of_a_run() -> None:
    rows = table("metrics.md", "Of the whole market")
    assert [row[0] for row in rows] == list(RunStatistics().market_wide())
    assert all(text.endswith(".") for _, text in rows)
