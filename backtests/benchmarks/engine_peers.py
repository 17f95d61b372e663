"""Other backtesters on the same bars, where they are installed, each on the fastest way that it offers.

Every one starts from prices and has to give the same outputs: return, maximum drawdown, Sharpe ratio, win rate and
number of trades of every symbol, and the trades. Before anything is timed they are compared with Trawl's. vectorbt
makes its signals itself; the others, which have no indicators of their own or slow ones, get those of Trawl's strategy.
All but one way of vectorbt compute further figures beside these, as Trawl does.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from backtests.benchmarks.figures import Figure
from backtests.benchmarks.markets import Market
from backtests.benchmarks.scans import chunks_of, on_two_threads, scan
from backtests.engine import METRICS_BY_KEY, PRESETS, Rules
from strategies.bars import Bars, FloatArray, Signals
from strategies.base import Strategy
from strategies.registry import get_strategy

COMPARED = ("return_pct", "max_drawdown_pct", "sharpe", "win_rate_pct", "trades")
TOLERANCE = 1e-6
BARS_PER_YEAR = 252

# Defaults, with a Sharpe ratio that counts the first bar, as vectorbt and raptorbt have it.
NEXT_OPEN = Rules(sharpe="bar_from_cash")

# The figures of COMPARED in this order, one array each, and the trades in whatever form the peer has them.
Outputs = tuple[Sequence[FloatArray], object]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another backtester: the rules under which both do the same, and how it is run.

    ``prepare`` makes of bars, once and untimed, what it likes them to be; ``signals`` takes that and makes of it what
    the strategy says; ``run`` takes both.
    """

    package: str
    way: str
    rules: Rules
    least_ratio: float | None
    prepare: Callable[[list[Bars], Rules], Any]
    run: Callable[[Any, Any, Rules], Outputs]
    most_runs: int
    most_symbols: int | None = None
    signals: Callable[[Any, Strategy], Any] | None = None

    @property
    def is_installed(self) -> bool:
        return find_spec(self.package) is not None


def measure_peers(
    market_bars: list[Bars], market: Market, keys: Sequence[str], n_runs: int, say: Callable[[str], None]
) -> list[Figure]:
    """Return the time of every installed peer, with its ratio to Trawl's under the same rules."""
    if missing := sorted({peer.package for peer in PEERS if not peer.is_installed}):
        say(f"Not installed here, and left out: {', '.join(missing)}. make benchmark-peers measures them too.")
    figures = []
    for peer in PEERS:
        if peer.is_installed:
            say(f"{peer.package} on {market} daily bars: comparing its outputs, then measuring.")
            for key in keys:
                figures += _peer_figures(peer, get_strategy(key)(), market_bars, n_runs)
    return figures


def _peer_figures(peer: Peer, strategy: Strategy, market_bars: list[Bars], n_runs: int) -> list[Figure]:
    sample = market_bars[: peer.most_symbols]
    prepared = peer.prepare(sample, peer.rules)
    work = partial(scan, strategy, rules=peer.rules, bars_per_year=BARS_PER_YEAR)

    def theirs() -> Outputs:
        made = peer.signals(prepared, strategy) if peer.signals else _ready_signals(strategy, sample)
        return peer.run(prepared, made, peer.rules)

    check_alike(peer, strategy, theirs()[0], work(chunks_of(sample)))
    # In turn: what slows the machine for a while slows all of them.
    scale = len(market_bars) / len(sample)
    chunks = chunks_of(market_bars)
    with ThreadPoolExecutor(1) as helper:
        ways = (lambda: work(chunks), lambda: on_two_threads(helper, work, chunks), theirs)
        times = [[_ms(way) for way in ways] for _ in range(min(n_runs, peer.most_runs))]
    one_ms, two_ms, once_ms = (list(each) for each in zip(*times, strict=True))
    their_ms = [scale * ms for ms in once_ms]
    scaled = f", {len(sample)} symbols scaled" if scale > 1 else ""
    name, ours = f"{peer.package} {version(peer.package)}", f"{strategy.key}, Trawl beside {peer.package}: {peer.way}"
    return [
        Figure(f"{strategy.key}, {name}: {peer.way}{scaled}", their_ms),
        Figure(f"{ours}, one thread", one_ms, ratio=median(their_ms) / median(one_ms), least_ratio=peer.least_ratio),
        Figure(f"{ours}, two threads", two_ms, ratio=median(their_ms) / median(two_ms), least_ratio=peer.least_ratio),
    ]


def _ready_signals(strategy: Strategy, market_bars: list[Bars]) -> list[Signals]:
    return [each for chunk in chunks_of(market_bars) for each in strategy.signals_all(chunk)]


def check_alike(peer: Peer, strategy: Strategy, theirs: Sequence[FloatArray], ours: Sequence[FloatArray]) -> None:
    """Raise RuntimeError if a peer gives a symbol another figure than Trawl; what has no value here may have one."""
    for key, found in zip(COMPARED, theirs, strict=True):
        place = list(METRICS_BY_KEY).index(key)
        wanted = np.array([values[place] for values in ours])
        differs = ~np.isclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE) & ~np.isnan(wanted)
        if differs.any():
            symbol = int(np.argmax(differs))
            raise RuntimeError(
                f"{peer.package} does other work than Trawl: under {strategy.key} its {key} of symbol {symbol} is "
                f"{found[symbol]}, not {wanted[symbol]}"
            )


def _ms(work: Callable[[], object]) -> float:
    gc.collect()
    began = perf_counter()
    work()
    return (perf_counter() - began) * 1000


def _vectorbt_frames(market_bars: list[Bars], rules: Rules) -> Any:
    """Return the opens and closes of all symbols, a column each."""
    import pandas as pd

    index = pd.to_datetime(market_bars[0].time, unit="s")
    return [
        pd.DataFrame(np.column_stack([getattr(bars, name) for bars in market_bars]), index=index)
        for name in ("open", "close")
    ]


def _vectorbt_signals(frames: Any, strategy: Strategy) -> Any:
    """Make entries and exits with its own indicators, for all symbols in one call; Wilder's RSI it has from TA-Lib."""
    import vectorbt

    close, values = frames[1], strategy.values
    if strategy.key == "rsi":
        strength = vectorbt.talib("RSI").run(close, values["period"])
        return strength.real_crossed_below(values["low"]), strength.real_crossed_above(values["high"])
    if strategy.key == "sma-cross":
        fast, slow = (vectorbt.MA.run(close, values[key]) for key in ("fast", "slow"))
        return fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
    bands = vectorbt.BBANDS.run(close, values["period"], alpha=values["width"])
    return bands.close_crossed_below(bands.lower), bands.close_crossed_above(bands.middle)


def _vectorbt_portfolio(frames: Any, signals: Any, rules: Rules) -> Any:
    """Trade all symbols in one call."""
    import vectorbt

    opened, close = frames
    # It fills on the bar of the signal: the next open is a signal one bar later, at that bar's open.
    entries, exits = np.zeros(close.shape, np.bool_), np.zeros(close.shape, np.bool_)
    for late, made in zip((entries, exits), signals, strict=True):
        late[1:] = made.to_numpy()[:-1]
    return vectorbt.Portfolio.from_signals(
        close,
        entries,
        exits,
        price=opened,
        init_cash=rules.cash,
        fees=rules.fee_pct / 100,
        slippage=rules.slippage_pct / 100,
        freq="1D",
    )


def _run_vectorbt(frames: Any, signals: Any, rules: Rules) -> Outputs:
    """Compute nothing but what is compared, in one call a figure."""
    portfolio = _vectorbt_portfolio(frames, signals, rules)
    closed = portfolio.trades.closed
    figures = (
        100 * portfolio.total_return(),
        100 * portfolio.max_drawdown(),
        portfolio.sharpe_ratio(year_freq=f"{BARS_PER_YEAR} days"),
        100 * closed.win_rate(),
        closed.count(),
    )
    return [figure.to_numpy(dtype=float) for figure in figures], portfolio.trades.values


def _run_vectorbt_alike(frames: Any, signals: Any, rules: Rules) -> Outputs:
    """Compute every figure of Trawl's that it has, each for all symbols in one call; returns and trades once."""
    portfolio = _vectorbt_portfolio(frames, signals, rules)
    returns, value = portfolio.returns(), portfolio.value()
    rates = portfolio.get_returns_acc(year_freq=f"{BARS_PER_YEAR} days")
    trades, drawdowns = portfolio.trades, portfolio.drawdowns
    closed = trades.closed
    compared = (
        100 * portfolio.total_return(),
        100 * rates.max_drawdown(),
        rates.sharpe_ratio(),
        100 * closed.win_rate(),
        closed.count(),
    )
    others = (
        *(portfolio.position_coverage(), portfolio.final_value(), value.max(), portfolio.total_profit()),
        *(portfolio.total_benchmark_return(), rates.annualized(), rates.annualized_volatility()),
        *(rates.sortino_ratio(), rates.calmar_ratio(), rates.omega_ratio()),
        *(drawdowns.avg_drawdown(), drawdowns.max_duration(), drawdowns.avg_duration()),
        *(trades.open.count(), closed.returns.max(), closed.returns.min(), closed.returns.mean()),
        *(closed.max_duration(), closed.avg_duration(), closed.profit_factor(), closed.expectancy(), closed.sqn()),
        *(trades.entry_fees.sum() + trades.exit_fees.sum(), closed.winning_streak.max(), closed.losing_streak.max()),
        *(rates.value_at_risk(), rates.cond_value_at_risk(), returns.skew(), returns.kurtosis()),
    )
    return [figure.to_numpy(dtype=float) for figure in compared], (others, trades.values)


def _raptorbt_bars(market_bars: list[Bars], rules: Rules) -> Any:
    os.environ.setdefault("RAPTORBT_NO_VERSION_CHECK", "1")  # a benchmark asks no server
    import raptorbt

    config = raptorbt.BacktestConfig(
        initial_capital=rules.cash,
        fees=rules.fee_pct / 100,
        slippage=rules.slippage_pct / 100,
        fill_timing="next_bar_open",
        periods_per_year=float(BARS_PER_YEAR),
    )
    columns = [
        (bars.time * 1_000_000_000, bars.open, bars.high, bars.low, bars.close, bars.volume) for bars in market_bars
    ]
    return config, columns


def _run_raptorbt(prepared: Any, signals: list[Signals], rules: Rules) -> Outputs:
    """Trade symbol by symbol: its batches are of many signals on one symbol."""
    import raptorbt

    config, columns = prepared
    figures, trades = [], []
    for bars, each in zip(columns, signals, strict=True):
        result = raptorbt.run_single_backtest(*bars, each.entry, each.exit, 1, 1.0, "", config)
        told = result.metrics
        trades.append(result.trades())
        figures.append(
            (
                told.total_return_pct,
                -told.max_drawdown_pct,
                told.sharpe_ratio,
                told.win_rate_pct,
                told.total_closed_trades,
            )
        )
    return list(np.array(figures, dtype=float).T), trades


def _backtesting_frames(market_bars: list[Bars], rules: Rules) -> Any:
    import backtesting.backtesting
    import pandas as pd

    # A bar of progress for every symbol would drown what the benchmark says.
    backtesting.backtesting._tqdm = lambda steps, **_: steps
    names = ("open", "high", "low", "close", "volume")
    return [
        pd.DataFrame(
            {name.title(): np.array(getattr(bars, name)) for name in names}, index=pd.to_datetime(bars.time, unit="s")
        )
        for bars in market_bars
    ]


def _run_backtesting(frames: Any, signals: list[Signals], rules: Rules) -> Outputs:
    """Trade symbol by symbol, with a strategy that reads ready signals."""
    from backtesting import Backtest

    keys = ("Return [%]", "Max. Drawdown [%]", "Sharpe Ratio", "Win Rate [%]", "# Trades")
    figures, trades = [], []
    with warnings.catch_warnings():
        # Of prices above the cash, and of trades that stay open.
        warnings.simplefilter("ignore")
        for frame, each in zip(frames, signals, strict=True):
            stats = Backtest(
                frame,
                _signals_strategy(each),
                cash=rules.cash,
                commission=rules.fee_pct / 100,
                spread=rules.slippage_pct / 100,
            ).run()
            figures.append([stats[key] for key in keys])
            trades.append(stats["_trades"])
    return list(np.array(figures, dtype=float).T), trades


def _signals_strategy(signals: Signals) -> Any:
    """Return a strategy of backtesting.py that does what the signals say."""
    from backtesting import Strategy as TheirStrategy

    entry, leave = signals.entry.tolist(), signals.exit.tolist()

    def trade(strategy: Any) -> None:
        now = len(strategy.data) - 1
        if strategy.position:
            if leave[now]:
                strategy.position.close()
        elif entry[now] and not leave[now]:
            strategy.buy()

    return type("Ready", (TheirStrategy,), {"init": lambda strategy: None, "next": trade})


PEERS = (
    Peer(
        package="vectorbt",
        way="all symbols in one call, the 34 of Trawl's figures that it has",
        rules=NEXT_OPEN,
        least_ratio=30,
        prepare=_vectorbt_frames,
        signals=_vectorbt_signals,
        run=_run_vectorbt_alike,
        most_runs=11,
    ),
    Peer(
        package="vectorbt",
        way="all symbols in one call, five figures",
        rules=NEXT_OPEN,
        least_ratio=None,
        prepare=_vectorbt_frames,
        signals=_vectorbt_signals,
        run=_run_vectorbt,
        most_runs=11,
    ),
    Peer(
        package="raptorbt",
        way="symbol by symbol",
        rules=NEXT_OPEN,
        least_ratio=4,
        prepare=_raptorbt_bars,
        run=_run_raptorbt,
        most_runs=11,
    ),
    Peer(
        package="backtesting",
        way="symbol by symbol",
        rules=PRESETS["backtesting.py"].rules,
        least_ratio=700,
        prepare=_backtesting_frames,
        run=_run_backtesting,
        most_runs=3,
        most_symbols=8,
    ),
)
