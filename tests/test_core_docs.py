"""The pages about engine, strategies and metrics say what the code declares, value by value, and their examples run."""

from __future__ import annotations

import doctest
import inspect
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strategies.indicators
from backtests.engine import METRICS, TRADE, EngineError, Rules, RulesError, errors, simulate
from backtests.engine.periods import INTERVAL_MINUTES, SESSIONS_A_YEAR, bars_per_year
from backtests.runs.statistics import RunStatistics
from strategies.bars import Bars
from strategies.registry import strategies as registered
from tests.backtests.engine.references import make_signals
from tests.builders import make_bars, make_market

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ["engine.md", "strategies.md", "metrics.md"]

FENCE = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head; code marks are dropped."""
    text = (DOCS / page).read_text()
    assert text.count(f"\n## {heading}\n") == 1
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines is not None
    rows = [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in lines[0].splitlines()]
    assert all(len(row) == len(rows[0]) for row in rows)
    return rows[2:]


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
        headings = [line.lstrip("# ").lower().replace(" ", "-") for line in target.splitlines() if line[:1] == "#"]
        assert not anchor or anchor in headings


def test_the_rules_are_those_of_the_engine() -> None:
    rows = table("engine.md", "Rules")
    assert [(name, float(default)) for name, default, _, _ in rows] == [
        (item.name, item.default) for item in fields(Rules)
    ]
    for name, _, allowed, _ in rows:
        low, high = (float(bound) for bound in allowed.split(" to "))
        assert allowed == f"{low:g} to {high:g}"
        for value in (math.nextafter(low, -1), math.nextafter(high, math.inf)):
            with pytest.raises(RulesError, match=f"^{name}: "):
                Rules(**{name: value})
        assert [getattr(Rules(**{name: value}), name) for value in (low, high)] == [low, high]


def test_a_signal_fills_as_the_table_says() -> None:
    rows = table("engine.md", "When a signal fills")
    assert len({tuple(row[:3]) for row in rows}) == 8
    bars = make_bars([10.0, 10.0, 10.0, 10.0])
    for held, entry, exit_, happens in rows:
        signals = make_signals([held == "yes", entry == "yes", 0, 0], [0, exit_ == "yes", 0, 0])
        before = simulate(bars, make_signals([held == "yes", 0, 0, 0], [0] * 4), Rules()).trades
        after = simulate(bars, signals, Rules()).trades
        changed = len(after) - len(before), int(sum(before["is_open"]) - sum(after["is_open"]))
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


def test_the_market_wide_figures_are_those_of_a_run() -> None:
    rows = table("metrics.md", "Of the whole market")
    assert [row[0] for row in rows] == list(RunStatistics().market_wide())
    assert all(text.endswith(".") for _, text in rows)
