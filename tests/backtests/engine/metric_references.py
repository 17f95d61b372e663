"""Every metric once more, slowly and in plain Python, from the text of its formula in the table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

from backtests.engine import EXIT_REASONS, Outcome, Rules
from strategies.bars import Bars

NONE = math.nan
ROUNDING = 1e-12


@dataclass(frozen=True)
class Account:
    """What the metrics are taken of, and the words of TERMS."""

    bars: Bars
    outcome: Outcome
    rules: Rules
    bars_a_year: float

    @cached_property
    def equity(self) -> list[float]:
        return [float(value) for value in self.outcome.equity]

    @cached_property
    def returns(self) -> list[float]:
        return [0.0 if new == old else new / old - 1.0 for old, new in pairwise(self.equity)]

    @cached_property
    def mean(self) -> float:
        return math.fsum(self.returns) / len(self.returns)

    @cached_property
    def peaks(self) -> list[float]:
        return [max(self.rules.cash, *self.equity[: t + 1]) for t in range(len(self.equity))]

    @cached_property
    def below(self) -> list[float]:
        """Equity ÷ peak − 1, of every bar; zero where that is rounding."""
        # Subtracted first: the quotient of two near numbers has lost what is subtracted.
        depths = ((value - peak) / peak for value, peak in zip(self.equity, self.peaks, strict=True))
        return [depth if depth < -ROUNDING else 0.0 for depth in depths]

    @cached_property
    def drawdowns(self) -> list[list[float]]:
        """The depths of each drawdown."""
        found: list[list[float]] = []
        for before, depth in pairwise([0.0, *self.below]):
            if depth < 0.0:
                found = [*found, []] if before == 0.0 else found
                found[-1].append(depth)
        return found

    @cached_property
    def trades(self) -> list[dict[str, Any]]:
        names = self.outcome.trades.dtype.names or ()
        return [dict(zip(names, trade.item(), strict=True)) for trade in self.outcome.trades]

    @cached_property
    def closed(self) -> list[dict[str, Any]]:
        return [trade for trade in self.trades if EXIT_REASONS[trade["exit_reason"]] != "open"]

    @cached_property
    def profits(self) -> list[float]:
        return [trade["pnl"] for trade in self.closed]

    @cached_property
    def signs(self) -> list[int]:
        """1 for each closed trade with a profit, -1 for one with a loss, 0 for one that returns what it took."""
        earned = (trade["return_pct"] / 100.0 for trade in self.closed)
        return [0 if abs(share) <= ROUNDING else int(math.copysign(1, share)) for share in earned]

    def of_sign(self, sign: int) -> list[float]:
        return [profit for profit, other in zip(self.profits, self.signs, strict=True) if other == sign]


def deviation(values: Sequence[float], *, sample: bool = True) -> float:
    """The standard deviation; no value where there are too few, or where it is rounding."""
    if len(values) < 2:
        return NONE
    found = statistics.stdev(values) if sample else statistics.pstdev(values)
    return found if found > ROUNDING else NONE


def finite(value: Callable[[], float]) -> float:
    """The value, if it is a number that a float can be."""
    try:
        found = value()
    except (OverflowError, ZeroDivisionError):
        return NONE
    return found if math.isfinite(found) else NONE


def n_held(account: Account) -> int:
    """The bars on whose close a position is held."""
    return len(
        {
            bar
            for trade in account.trades
            for bar in range(
                trade["entry_bar"],
                trade["exit_bar"] + (EXIT_REASONS[trade["exit_reason"]] == "open"),
            )
        }
    )


def cagr(account: Account) -> float:
    growth = account.equity[-1] / account.rules.cash
    years = (len(account.bars) - 1) / account.bars_a_year
    return finite(lambda: 100.0 * (growth ** (1.0 / years) - 1.0)) if growth > 0.0 else NONE


def volatility(account: Account) -> float:
    if len(account.returns) < 2:
        return NONE
    return 100.0 * statistics.stdev(account.returns) * math.sqrt(account.bars_a_year)


def sharpe_of_bars(account: Account, returns: Sequence[float]) -> float:
    rate = account.rules.risk_free_pct / 100.0
    excess: float = math.fsum(returns) / len(returns) - ((1.0 + rate) ** (1.0 / account.bars_a_year) - 1.0)
    return excess / deviation(returns) * math.sqrt(account.bars_a_year)


def sharpe_bar(account: Account) -> float:
    return sharpe_of_bars(account, account.returns)


def sharpe_bar_from_cash(account: Account) -> float:
    return sharpe_of_bars(account, [account.equity[0] / account.rules.cash - 1.0, *account.returns])


def sharpe_geometric(account: Account) -> float:
    first, last, years = account.equity[0], account.equity[-1], account.bars_a_year
    n_returns = len(account.returns)
    if last / first <= 0.0:
        return NONE
    growth = (last / first) ** (1.0 / n_returns)
    spread = deviation(account.returns)

    def ratio() -> float:
        # growth^years − 1, and the root of the formula, without the digits that subtracting loses.
        gained = math.expm1(years / n_returns * math.log(last / first))
        root = (1.0 + gained) * math.sqrt(math.expm1(years * math.log1p((spread / growth) ** 2)))
        return (gained - account.rules.risk_free_pct / 100.0) / root if root < math.inf else NONE

    return finite(ratio)


def sharpe_of_calendar(account: Account, period: Callable[[datetime], Any], rate_pct: float) -> float:
    closing: dict[Any, float] = {}
    for seconds, value in zip(account.bars.time.tolist(), account.equity, strict=True):
        closing[period(datetime.fromtimestamp(seconds, UTC))] = value
    worth = [account.rules.cash, *closing.values()]
    returns = [new / old - 1.0 for old, new in pairwise(worth) if old > 0.0]
    spread = deviation(returns, sample=False)
    return (math.fsum(returns) / len(returns) - rate_pct / 100.0) / spread if returns else NONE


def sharpe_monthly(account: Account) -> float:
    return sharpe_of_calendar(account, lambda day: (day.year, day.month), account.rules.risk_free_pct / 12.0)


def sharpe_yearly(account: Account) -> float:
    return sharpe_of_calendar(account, lambda day: day.year, account.rules.risk_free_pct)


SHARPES = {
    "bar": sharpe_bar,
    "bar_from_cash": sharpe_bar_from_cash,
    "geometric": sharpe_geometric,
    "monthly": sharpe_monthly,
    "yearly": sharpe_yearly,
}


def downside(account: Account) -> float:
    """The root of the mean square of negative returns; no value where that is rounding."""
    squares = math.fsum(value * value for value in account.returns if value < 0.0)
    found = math.sqrt(squares / len(account.returns))
    return found if found > ROUNDING else NONE


def omega(account: Account) -> float:
    if math.isnan(downside(account)):
        return NONE
    return math.fsum(r for r in account.returns if r > 0.0) / -math.fsum(r for r in account.returns if r < 0.0)


def quantile(values: Sequence[float], share: float) -> float:
    """The value at a share of the way through them in order, interpolated."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    before = math.floor(place)
    after = min(before + 1, len(ordered) - 1)
    return ordered[before] + (place - before) * (ordered[after] - ordered[before])


def value_at_risk(account: Account) -> float:
    return 100.0 * quantile(account.returns, 0.05) if len(account.returns) > 1 else NONE


def beyond_value_at_risk(account: Account) -> float:
    if len(account.returns) < 2:
        return NONE
    n_worst = (len(account.returns) - 1) // 20 + 1
    return 100.0 * statistics.fmean(sorted(account.returns)[:n_worst])


def moment(account: Account, power: int) -> float:
    return math.fsum((value - account.mean) ** power for value in account.returns) / len(account.returns)


def skew(account: Account) -> float:
    return moment(account, 3) / moment(account, 2) ** 1.5 if deviation(account.returns) > 0.0 else NONE


def kurtosis(account: Account) -> float:
    return moment(account, 4) / moment(account, 2) ** 2 - 3.0 if deviation(account.returns) > 0.0 else NONE


def probabilistic_sharpe(account: Account) -> float:
    ratio = account.mean / deviation(account.returns)
    spread = 1.0 - skew(account) * ratio + (kurtosis(account) + 2.0) / 4.0 * ratio**2
    if not spread > ROUNDING:
        return NONE
    return 100.0 * statistics.NormalDist().cdf(ratio * math.sqrt(len(account.returns) - 1) / math.sqrt(spread))


def mean_of(field: str) -> Callable[[Account], float]:
    return lambda account: statistics.fmean(trade[field] for trade in account.closed) if account.closed else NONE


def sum_of(field: str) -> Callable[[Account], float]:
    return lambda account: math.fsum(trade[field] for trade in account.trades)


def profit_factor(account: Account) -> float:
    losses = account.of_sign(-1)
    return math.fsum(account.of_sign(1)) / -math.fsum(losses) if losses else NONE


def payoff_ratio(account: Account) -> float:
    wins, losses = account.of_sign(1), account.of_sign(-1)
    return statistics.fmean(wins) / -statistics.fmean(losses) if wins and losses else NONE


def kelly(account: Account) -> float:
    won = account.signs.count(1) / len(account.signs) if account.signs else NONE
    return 100.0 * (won - (1.0 - won) / payoff_ratio(account))


def sqn(account: Account) -> float:
    if len(account.profits) < 2:
        return NONE
    spread = statistics.stdev(account.profits)
    bought = statistics.fmean(trade["units"] * trade["entry_price"] for trade in account.closed)
    if spread <= ROUNDING * bought:
        return NONE
    return math.sqrt(len(account.profits)) * statistics.fmean(account.profits) / spread


def turnover(account: Account) -> float:
    entries = math.fsum(trade["units"] * trade["entry_price"] for trade in account.trades)
    exits = math.fsum(trade["units"] * trade["exit_price"] for trade in account.closed)
    mean = statistics.fmean(account.equity)
    years = len(account.bars) / account.bars_a_year
    return (entries + exits) / 2.0 / mean / years if mean > 0.0 else NONE


def longest_streak(account: Account, sign: int) -> int:
    text = "".join("x" if other == sign else " " for other in account.signs)
    return max((len(run) for run in text.split()), default=0)


def deepest(account: Account) -> float:
    return 100.0 * min(account.below)


def calmar(account: Account) -> float:
    return finite(lambda: cagr(account) / -deepest(account)) if account.drawdowns else NONE


def of_drawdowns(value: Callable[[list[list[float]]], float]) -> Callable[[Account], float]:
    return lambda account: value(account.drawdowns) if account.drawdowns else NONE


def of_returns(value: Callable[[list[float]], float]) -> Callable[[Account], float]:
    return lambda account: value([trade["return_pct"] for trade in account.closed]) if account.closed else NONE


def of_durations(value: Callable[[list[int]], float]) -> Callable[[Account], float]:
    return lambda account: (
        value([trade["exit_bar"] - trade["entry_bar"] for trade in account.closed]) if account.closed else NONE
    )


def return_pct(account: Account) -> float:
    return 100.0 * (account.equity[-1] - account.rules.cash) / account.rules.cash


def hold_pct(account: Account) -> float:
    return 100.0 * float(account.bars.close[-1] / account.bars.close[0] - 1.0)


REFERENCES: dict[str, Callable[[Account], float]] = {
    "start": lambda account: int(account.bars.time[0]),
    "end": lambda account: int(account.bars.time[-1]),
    "bars": lambda account: len(account.bars),
    "exposure_pct": lambda account: 100.0 * n_held(account) / len(account.bars),
    "final_equity": lambda account: account.equity[-1],
    "peak_equity": lambda account: account.peaks[-1],
    "net_profit": lambda account: account.equity[-1] - account.rules.cash,
    "return_pct": return_pct,
    "buy_hold_return_pct": hold_pct,
    "excess_return_pct": lambda account: return_pct(account) - hold_pct(account),
    "cagr_pct": cagr,
    "volatility_pct": volatility,
    "sharpe": lambda account: SHARPES[account.rules.sharpe](account),
    "sortino": lambda account: account.mean / downside(account) * math.sqrt(account.bars_a_year),
    "calmar": calmar,
    "omega": omega,
    "max_drawdown_pct": deepest,
    "average_drawdown_pct": of_drawdowns(lambda found: 100.0 * statistics.fmean(min(depths) for depths in found)),
    "longest_drawdown_bars": lambda account: max((len(depths) for depths in account.drawdowns), default=0),
    "average_drawdown_bars": of_drawdowns(lambda found: statistics.fmean(len(depths) for depths in found)),
    "trades": lambda account: len(account.closed),
    "open_trades": lambda account: len(account.trades) - len(account.closed),
    "win_rate_pct": lambda account: 100.0 * account.signs.count(1) / len(account.signs) if account.signs else NONE,
    "best_trade_pct": of_returns(max),
    "worst_trade_pct": of_returns(min),
    "average_trade_pct": of_returns(statistics.fmean),
    "longest_trade_bars": of_durations(max),
    "average_trade_bars": of_durations(statistics.fmean),
    "profit_factor": profit_factor,
    "expectancy": mean_of("pnl"),
    "sqn": sqn,
    "kelly_pct": kelly,
    "payoff_ratio": payoff_ratio,
    "fees_paid": sum_of("fees"),
    "slippage_paid": sum_of("slippage"),
    "borrow_paid": sum_of("borrow"),
    "turnover": turnover,
    "longest_win_streak": lambda account: longest_streak(account, 1),
    "longest_loss_streak": lambda account: longest_streak(account, -1),
    "var_95_pct": value_at_risk,
    "cvar_95_pct": beyond_value_at_risk,
    "skew": skew,
    "kurtosis": kurtosis,
    "ulcer_index": lambda account: 100.0 * math.sqrt(statistics.fmean(depth**2 for depth in account.below)),
    "average_mae_pct": mean_of("mae_pct"),
    "average_mfe_pct": mean_of("mfe_pct"),
    "probabilistic_sharpe_pct": probabilistic_sharpe,
}


def referenced(account: Account) -> dict[str, float]:
    """Every metric of the account."""
    return {key: float(reference(account)) for key, reference in REFERENCES.items()}
