"""Run PyneCore, which runs Pine Script outside of TradingView, on our bars and signals."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from pynecore.core.script_runner import ScriptRunner
from pynecore.core.syminfo import SymInfo
from pynecore.types.ohlcv import OHLCV

from backtests.engine import Rules
from strategies.bars import Bars, FloatArray, Signals
from tests.peers.decisions import decisions_of
from tests.peers.trades import PeerTrade

SCRIPT = Path(__file__).with_name("tradingview_strategy.py")
# PyneCore would keep the settings of a script in a file beside it.
os.environ["PYNE_SAVE_SCRIPT_TOML"] = "0"
DIGITS = 13


class Unsupported(ValueError):
    """A rule that TradingView has nothing for."""


def trades_of(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[PeerTrade], FloatArray]:
    """Return what the script trades, and its equity at the close of every bar."""
    rows = list(_rows(bars, signals, rules))
    with _bytecode_kept():
        runner = ScriptRunner(
            SCRIPT,
            rows,
            _symbol(bars, rules),
            last_bar_index=len(rows) - 1,
            lossless_prices=True,
            lossless_volume=True,
            settings=_settings(rules),
        )
    trades, equity, position = [], [], runner.script.position
    for _, _, closed in runner.run_iter():
        trades += [_trade(trade, rules) for trade in closed]
        equity.append(float(position.equity))
    for trade in position.open_trades:
        trades.append(_open_trade(trade, rules, bars))
    return trades, np.array(equity)


@contextmanager
def _bytecode_kept() -> Iterator[None]:
    """Let the translated script be kept even if Python keeps nothing: to translate it takes ten times a run of it."""
    is_kept_nowhere, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        yield
    finally:
        sys.dont_write_bytecode = is_kept_nowhere


def _settings(rules: Rules) -> dict[str, Any]:
    # With a margin of 0 no order is refused for want of cash, and no position cut.
    margin_pct = {"value": 100.0, "off": 0.0}[rules.cash_check]
    if rules.slippage_pct:
        raise Unsupported("TradingView slips by a number of ticks, not by a percentage")
    if rules.fee_pct and rules.fixed_fee:
        raise Unsupported("TradingView takes either a percentage or a fixed fee")
    return {
        "initial_capital": rules.cash,
        "commission_type": "cash_per_order" if rules.fixed_fee else "percent",
        "commission_value": rules.fixed_fee or rules.fee_pct,
        "default_qty_value": rules.size_pct,
        "margin_long": margin_pct,
        "margin_short": margin_pct,
        "process_orders_on_close": rules.fill == "same_close",
    }


def _rows(bars: Bars, signals: Signals, rules: Rules) -> Iterator[OHLCV]:
    columns = [bars.time * 1000, bars.open, bars.high, bars.low, bars.close, bars.volume]
    said = decisions_of(signals, rules)
    flags = {field.name: getattr(said, field.name).tolist() for field in fields(said)}
    for number, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        yield OHLCV(*row, {"rules": rules, **{name: flag[number] for name, flag in flags.items()}})


def _symbol(bars: Bars, rules: Rules) -> SymInfo:
    # Prices and units lie on grids: fine ones, so that the rounding is far below what is compared.
    decimals = max(0, DIGITS - math.ceil(math.log10(bars.high.max())))
    unit = 10.0 ** (math.floor(math.log10(rules.cash / bars.high.max())) - DIGITS)
    return SymInfo(
        prefix="TEST",
        description="A symbol",
        ticker="AAA",
        currency="USD",
        basecurrency="AAA",
        period="1D",
        type="crypto",
        mintick=10.0**-decimals,
        pricescale=10**decimals,
        minmove=1,
        pointvalue=1.0,
        mincontract=1.0 if rules.whole_units else unit,
        opening_hours=[],
        session_starts=[],
        session_ends=[],
    )


def _trade(trade: Any, rules: Rules) -> PeerTrade:
    side = int(trade.sign)
    return PeerTrade(
        entry_bar=trade.entry_bar_index,
        exit_bar=trade.exit_bar_index,
        side=side,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        units=abs(trade.size),
        fees=trade.commission,
        pnl=trade.profit,
        exit_reason=_reason(trade, side, rules),
    )


def _reason(trade: Any, side: int, rules: Rules) -> str | None:
    if trade.exit_comment != "":
        return {"Margin call": None}.get(trade.exit_comment, str(trade.exit_comment))
    if rules.take_profit_pct is not None:
        target = trade.entry_price * (1 + side * rules.take_profit_pct / 100)
        beyond = side * (trade.exit_price - target) / target
        if beyond >= -1e-9:
            # Beyond both, at an open: it does not tell which of the two it took.
            return "target" if beyond <= 1e-9 or rules.trailing_stop_pct is None else None
    return "stop" if rules.trailing_stop_pct is None else "trail"


def _open_trade(trade: Any, rules: Rules, bars: Bars) -> PeerTrade:
    side, units, close = int(trade.sign), abs(trade.size), float(bars.close[-1])
    return PeerTrade(
        entry_bar=trade.entry_bar_index,
        exit_bar=len(bars) - 1,
        side=side,
        entry_price=trade.entry_price,
        exit_price=close,
        units=units,
        fees=trade.commission,
        pnl=side * units * (close - trade.entry_price) - trade.commission,
        exit_reason="open",
        is_open=True,
    )
