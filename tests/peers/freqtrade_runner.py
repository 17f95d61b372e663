"""Run freqtrade's backtesting on our bars and signals, under settings that correspond to our rules."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.data.btanalysis.historic_precision import get_tick_size_over_time
from freqtrade.enums import CandleType, RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade

from backtests.engine import Rules
from strategies.bars import Bars, FloatArray, Signals
from tests.peers.trades import PeerTrade

HERE = Path(__file__).parent
PAIR = {False: "AAA/USDT", True: "AAA/USDT:USDT"}
REASONS = {
    "exit_signal": "signal",
    "stop_loss": "stop",
    "trailing_stop_loss": "trail",
    "roi": "target",
    "force_exit": "end",
}
# A stop that no price can reach, because freqtrade does not do without one.
FAR = -1e6


class Unsupported(ValueError):
    """A rule that freqtrade has nothing for."""


class StaticExchange(Exchange):  # type: ignore[misc]
    """An exchange that answers from memory: one market, no ticks, no lots, no funding, no liquidation."""

    def __init__(self, config: dict[str, Any], *, lot: float | None) -> None:
        super().__init__(config, validate=False)
        limits = {name: {"min": None, "max": None} for name in ("amount", "price", "cost", "leverage")}
        market = {"base": "AAA", "quote": "USDT", "active": True, "limits": limits, "contractSize": None}
        is_swap = ":" in config["pair"]
        kind = {"type": "swap" if is_swap else "spot", "spot": not is_swap, "swap": is_swap, "linear": True}
        precision = {"precision": {"price": None, "amount": lot}}
        self._markets = {config["pair"]: {"symbol": config["pair"], "id": "AAAUSDT", **market, **kind, **precision}}

        # Nothing is fetched, so what it would fetch with is closed right away, and not whenever it is collected.
        super().close()

    def close(self) -> None:
        pass

    def get_liquidation_price(self, *args: Any, **kwargs: Any) -> None:
        return None

    def validate_required_startup_candles(self, startup_candles: int, timeframe: str) -> int:
        return 1


def trades_of(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[PeerTrade], FloatArray]:
    """Return what freqtrade trades on an exchange that takes any price; it tells no equity at the close of a bar."""
    return _trades(bars, signals, rules, in_ticks=False), np.full(len(bars), np.nan)


def trades_in_ticks(bars: Bars, signals: Signals, rules: Rules) -> tuple[list[PeerTrade], FloatArray]:
    """Return what freqtrade trades on files of prices, whose decimals it takes for the tick of its orders' prices."""
    return _trades(bars, signals, rules, in_ticks=True), np.full(len(bars), np.nan)


def _trades(bars: Bars, signals: Signals, rules: Rules, *, in_ticks: bool) -> list[PeerTrade]:
    tester = _tester(rules)
    pair, prices = PAIR[rules.direction != "long"], _prices(bars, signals, rules)
    tester.price_pair_prec = {pair: get_tick_size_over_time(prices.copy())} if in_ticks else {}
    tester.futures_data = {pair: pd.DataFrame()}
    tester.backtest_one_strategy(tester.strategylist[0], {pair: prices}, TimeRange())
    times = pd.to_datetime(bars.time, unit="s", utc=True)
    trades = []
    for trade in LocalTrade.bt_trades:
        opened, closed = trade.amount * trade.open_rate, trade.amount * trade.close_rate
        trades.append(
            PeerTrade(
                entry_bar=int(times.searchsorted(trade.open_date_utc)),
                exit_bar=int(times.searchsorted(trade.close_date_utc)),
                side=-1 if trade.is_short else 1,
                entry_price=trade.open_rate,
                exit_price=trade.close_rate,
                units=trade.amount,
                fees=opened * trade.fee_open + closed * trade.fee_close,
                pnl=trade.close_profit_abs,
                exit_reason=_reason(trade.exit_reason, rules),
            )
        )
    return trades


def _reason(reason: str, rules: Rules) -> str:
    # Its trailing stop is a stop-loss until the price has moved it.
    return "trail" if reason == "stop_loss" and rules.trailing_stop_pct is not None else REASONS[reason]


def _prices(bars: Bars, signals: Signals, rules: Rules) -> pd.DataFrame:
    columns = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")}
    prices = pd.DataFrame({"date": pd.to_datetime(bars.time, unit="s", utc=True), **columns})
    # Sold short, a position is entered where a long one would be left, unless the signals say otherwise.
    short_entry = signals.exit if signals.short_entry is None else signals.short_entry
    short_exit = signals.entry if signals.short_exit is None else signals.short_exit
    if rules.direction != "short":
        prices["enter_long"], prices["exit_long"] = signals.entry.astype(int), signals.exit.astype(int)
    if rules.direction != "long":
        prices["enter_short"], prices["exit_short"] = short_entry.astype(int), short_exit.astype(int)
    return prices


@lru_cache(maxsize=1)
def _tester(rules: Rules) -> Backtesting:
    if rules.fixed_fee or rules.slippage_pct:
        raise Unsupported("freqtrade knows neither fixed fees nor slippage")
    if rules.stop_loss_pct is not None and rules.trailing_stop_pct is not None:
        raise Unsupported("freqtrade's stop is where it starts to trail from")
    logging.getLogger("freqtrade").setLevel(logging.ERROR)
    config = _configuration(rules)
    exchange = StaticExchange(config, lot=1.0 if rules.whole_units else None)
    tester = Backtesting(config, exchange=exchange)
    tester.funding_fee_timeframe_secs = 8 * 3600
    return tester


def _configuration(rules: Rules) -> dict[str, Any]:
    is_spot = rules.direction == "long"
    pair = PAIR[not is_spot]
    stop = rules.trailing_stop_pct if rules.trailing_stop_pct is not None else rules.stop_loss_pct
    return {
        "pair": pair,
        "runmode": RunMode.BACKTEST,
        "dry_run": True,
        "dry_run_wallet": rules.cash,
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "tradable_balance_ratio": rules.size_pct / 100,
        "amend_last_stake_amount": False,
        "last_stake_amount_min_ratio": 0.5,
        "max_open_trades": 1,
        "fee": rules.fee_pct / 100,
        "timeframe": "1d",
        "trading_mode": "spot" if is_spot else "futures",
        "margin_mode": "" if is_spot else "isolated",
        "candle_type_def": CandleType.SPOT if is_spot else CandleType.FUTURES,
        "exchange": {"name": "binance", "pair_whitelist": [pair], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "entry_pricing": {},
        "exit_pricing": {},
        "strategy": "Follow" if is_spot else "FollowBoth",
        "strategy_path": str(HERE / "freqtrade_strategy"),
        "user_data_dir": HERE,
        "datadir": HERE,
        "stoploss": FAR if stop is None else -stop / 100,
        "trailing_stop": rules.trailing_stop_pct is not None,
        "minimal_roi": {} if rules.take_profit_pct is None else {"0": rules.take_profit_pct / 100},
        "use_exit_signal": True,
    }
