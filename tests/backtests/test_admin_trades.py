"""The trades of a result as the admin shows them."""

from __future__ import annotations

import numpy as np

from backtests.admin.runs import SHOWN_TRADES, trades_table
from backtests.engine import EXIT_REASONS, TRADE


def test_only_the_first_of_many_trades_are_shown() -> None:
    table = trades_table(np.zeros(SHOWN_TRADES + 30, dtype=TRADE).tobytes())
    assert table.count("<tr>") == SHOWN_TRADES + 1
    assert f"The first {SHOWN_TRADES} of {SHOWN_TRADES + 30} trades." in table


def test_a_trade_shows_its_days_prices_profit_and_why_it_ended() -> None:
    trades = np.zeros(1, dtype=TRADE)
    trades["side"], trades["exit_reason"] = -1, EXIT_REASONS.index("target")
    trades["entry_time"], trades["exit_time"] = 1_704_067_200, 1_704_153_600 + 5400
    trades["entry_price"], trades["pnl"], trades["return_pct"] = 12.5, -1234.5, -3.25
    table = trades_table(trades.tobytes())
    for value in ("2024-01-01", "2024-01-02 01:30", "12.5", "−1,234.50", "−3.25 %", "short", "target"):
        assert f"<td>{value}</td>" in table


def test_an_open_trade_has_no_exit() -> None:
    trades = np.zeros(1, dtype=TRADE)
    trades["exit_reason"] = EXIT_REASONS.index("open")
    assert "still open" in trades_table(trades.tobytes())


def test_trades_in_another_layout_are_not_read_as_nonsense() -> None:
    assert "laid trades out differently" in trades_table(b"\x01" * (TRADE.itemsize + 1))
