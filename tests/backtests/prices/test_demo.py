from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from backtests.prices.demo import SEED
from backtests.prices.demo.calendar import END_DATE, coin_days, coin_hours, stock_sessions
from backtests.prices.demo.cast import COIN_CATEGORIES, SECTORS, Member, coin_cast, stock_cast
from backtests.prices.demo.coins import CoinBars, coin_bars, coin_factors
from backtests.prices.demo.paths import Episode, extremes, fat_tails, persistent, pinned, stream
from backtests.prices.demo.stocks import EPISODES, stock_bars, stock_factors
from strategies.bars import Bars, FloatArray, IntArray

# Of every bar of the default seed. Another value means that everybody's demo market has changed.
DIGEST = "e115aa9e7d26ec6da9e57a487e1a979a"


DOCS = Path(__file__).parents[3] / "docs" / "demo-market.md"


@dataclass(frozen=True)
class Demo:
    """The whole market, made once."""

    stocks: list[tuple[Member, Bars]]
    coins: list[tuple[Member, CoinBars]]

    @property
    def whole_stocks(self) -> list[tuple[Member, Bars]]:
        return [(member, bars) for member, bars in self.stocks if len(bars) == 2_520]

    @property
    def whole_coins(self) -> list[tuple[Member, Bars]]:
        return [(member, bars.daily) for member, bars in self.coins if len(bars.daily) == 1_095]

    @property
    def all_bars(self) -> list[Bars]:
        hourly = [bars.hourly for _, bars in self.coins if bars.hourly is not None]
        return [*(bars for _, bars in self.stocks), *(bars.daily for _, bars in self.coins), *hourly]


def make_stocks(n_stocks: int, seed: int = SEED) -> list[Bars]:
    factors = stock_factors(seed)
    return [stock_bars(member, factors, seed) for member in stock_cast()[:n_stocks]]


def make_coins(n_coins: int, seed: int = SEED) -> list[CoinBars]:
    factors = coin_factors(seed)
    return [coin_bars(member, factors, seed) for member in coin_cast()[:n_coins]]


@pytest.fixture(scope="module")
def demo() -> Demo:
    return Demo(
        list(zip(stock_cast(), make_stocks(503), strict=True)), list(zip(coin_cast(), make_coins(243), strict=True))
    )


def digest_of(series: list[Bars]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for bars in series:
        for column in (bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume):
            digest.update(column.tobytes())
    return digest.hexdigest()


def returns_of(series: list[tuple[Member, Bars]]) -> FloatArray:
    return np.array([np.diff(np.log(bars.close)) for _, bars in series])


def kurtosis(returns: FloatArray) -> FloatArray:
    centred = returns - returns.mean(axis=1, keepdims=True)
    kurtoses: FloatArray = (centred**4).mean(axis=1) / centred.var(axis=1) ** 2
    return kurtoses


def mean_autocorrelation(rows: FloatArray, lag: int) -> float:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return float(np.mean((centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / (centred**2).sum(axis=1)))


def mean_variance_ratio(returns: FloatArray, n_bars: int) -> float:
    sums = np.diff(np.cumsum(returns, axis=1)[:, ::n_bars], axis=1)
    return float(np.mean(sums.var(axis=1) / (n_bars * returns.var(axis=1))))


def pair_correlations(series: list[tuple[Member, Bars]]) -> tuple[float, float]:
    """Return the average correlation of pairs of one sector and of pairs of two."""
    correlations: FloatArray = np.atleast_2d(np.corrcoef(returns_of(series)))
    labels = np.array([member.sector.label for member, _ in series])
    pairs = np.triu(np.ones(correlations.shape, bool), 1)
    same = labels[:, None] == labels[None, :]
    return float(correlations[pairs & same].mean()), float(correlations[pairs & ~same].mean())


def annual_volatilities(series: list[tuple[Member, Bars]], bars_per_year: int) -> FloatArray:
    volatilities: FloatArray = returns_of(series).std(axis=1) * np.sqrt(bars_per_year)
    return volatilities


def day_of(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")


# --- who and when


def test_there_are_503_stocks_and_243_coins_with_tickers_and_names_of_their_own() -> None:
    for cast, count in ((stock_cast(), 503), (coin_cast(), 243)):
        assert len(cast) == count
        assert len({member.ticker for member in cast}) == count
        assert len({member.name for member in cast}) == count


def test_stock_tickers_have_three_to_five_letters_and_coins_are_quoted_in_usdt() -> None:
    assert {len(member.ticker) for member in stock_cast()} == {3, 4, 5}
    assert all(member.ticker.isalpha() and member.ticker.isupper() for member in (*stock_cast(), *coin_cast()))
    assert all(member.ticker.endswith("USDT") for member in coin_cast())
    assert {len(member.ticker) - 4 for member in coin_cast()} == {3, 4, 5}


def test_no_invented_ticker_is_a_household_name() -> None:
    real = {
        "AAPL",
        "MSFT",
        "NVDA",
        "AMZN",
        "GOOG",
        "META",
        "TSLA",
        "ADV",
        "EVR",
        "GLD",
        "NVS",
        "RMD",
        "SLV",
        "TRV",
        "PLD",
    }
    real_coins = {f"{base}USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "XLM", "ARK", "LTC", "DOT")}
    assert not real & {member.ticker for member in stock_cast()}
    assert not real_coins & {member.ticker for member in coin_cast()}


def test_the_eleven_sectors_have_their_shares() -> None:
    counted = Counter(member.sector.label for member in stock_cast())
    assert counted == {sector.label: sector.n_symbols for sector in SECTORS}
    assert len(counted) == 11
    assert counted["Industrials"] > counted["Information Technology"] > counted["Energy"]
    assert {member.sector.label for member in coin_cast()} == {category.label for category in COIN_CATEGORIES}


def test_a_whole_history_has_2520_sessions_that_end_on_the_end_date(demo: Demo) -> None:
    sessions = stock_sessions()
    assert len(sessions) == 2_520
    assert day_of(int(sessions[-1])) == f"{END_DATE} 00:00"
    assert 9.9 < (sessions[-1] - sessions[0]) / (365.25 * 86_400) < 10.1
    assert len(demo.whole_stocks) == 503 - 35 - 6 - 3
    assert all(np.array_equal(bars.time, sessions) for _, bars in demo.whole_stocks)


@pytest.mark.parametrize("day", ["2025-11-27", "2025-12-25", "2021-07-05", "2020-07-03", "2024-05-27", "2025-12-27"])
def test_there_is_no_session_on_a_holiday_or_weekend(day: str) -> None:
    assert np.datetime64(day) not in stock_sessions().astype("datetime64[s]").astype("datetime64[D]")


@pytest.mark.parametrize("day", ["2025-12-24", "2025-11-28", "2021-07-06", "2024-02-29"])
def test_there_is_a_session_on_an_ordinary_day(day: str) -> None:
    assert np.datetime64(day) in stock_sessions().astype("datetime64[s]").astype("datetime64[D]")


def test_coins_trade_every_day_of_three_years_and_every_hour_of_the_last(demo: Demo) -> None:
    assert len(coin_days()) == 1_095
    assert len(coin_hours()) == 8_760
    assert day_of(int(coin_days()[-1])) == f"{END_DATE} 00:00"
    assert day_of(int(coin_hours()[-1])) == f"{END_DATE} 23:00"
    assert set(np.diff(coin_days())) == {86_400}
    assert set(np.diff(coin_hours())) == {3_600}
    hourly = [bars.hourly for _, bars in demo.coins if bars.hourly is not None]
    assert [len(bars) for bars in hourly] == [8_760] * 48


def test_some_symbols_are_listed_later_and_the_shortest_history_has_44_bars(demo: Demo) -> None:
    for members, last, whole in (
        (demo.stocks, stock_sessions()[-1], 2_520),
        ([(member, bars.daily) for member, bars in demo.coins], coin_days()[-1], 1_095),
    ):
        late = [len(bars) for member, bars in members if member.first > 0 and bars.time[-1] == last]
        assert len(late) == 35
        assert min(late) == 44
        assert max(late) < whole


def test_some_symbols_are_delisted_after_a_collapse_or_an_offer(demo: Demo) -> None:
    ended = [(member, bars) for member, bars in demo.stocks if bars.time[-1] < stock_sessions()[-1]]
    assert Counter(member.ending for member, _ in ended) == {"failed": 4, "taken over": 2}
    for member, bars in ended:
        fall = bars.close[-1] / bars.close[-250:].max()
        assert fall < 0.4 if member.ending == "failed" else fall > 0.85
    assert sum(bars.daily.time[-1] < coin_days()[-1] for _, bars in demo.coins) == 6


def test_a_few_stocks_miss_a_session_or_more(demo: Demo) -> None:
    halted = [len(bars) for member, bars in demo.stocks if member.halted]
    assert len(halted) == 3
    assert all(2_517 <= n_bars < 2_520 for n_bars in halted)


# --- the same everywhere


def test_the_same_seed_makes_the_same_bytes() -> None:
    assert digest_of(make_stocks(3)) == digest_of(make_stocks(3))
    assert digest_of([bars.daily for bars in make_coins(3)]) == digest_of([bars.daily for bars in make_coins(3)])


def test_the_market_is_the_one_that_it_always_was(demo: Demo) -> None:
    assert digest_of(demo.all_bars) == DIGEST


def test_a_symbols_bars_do_not_depend_on_the_symbols_beside_it(demo: Demo) -> None:
    assert digest_of(make_stocks(7)) == digest_of([bars for _, bars in demo.stocks[:7]])
    assert digest_of([bars.daily for bars in make_coins(7)]) == digest_of([bars.daily for _, bars in demo.coins[:7]])


def test_another_seed_moves_every_price_but_not_the_times(demo: Demo) -> None:
    for bars, (_, before) in zip(make_stocks(20, seed=SEED + 1), demo.stocks, strict=False):
        assert np.array_equal(bars.time, before.time)
        assert not np.array_equal(bars.close, before.close)


# --- bars


def test_prices_are_whole_ticks_and_volumes_whole_units(demo: Demo) -> None:
    for _, bars in demo.stocks:
        assert np.array_equal(np.round(bars.close, 2), bars.close)
    for bars in demo.all_bars:
        assert np.array_equal(np.round(bars.volume), bars.volume)
        assert bars.volume.min() >= 1


def test_a_cheap_coin_still_has_many_different_prices(demo: Demo) -> None:
    cheapest = min((bars.daily for _, bars in demo.coins if len(bars.daily) == 1_095), key=lambda bars: bars.close[0])
    assert cheapest.close[0] < 0.001
    assert len(np.unique(cheapest.close)) > 500


def test_a_days_bar_is_the_sum_of_its_hours(demo: Demo) -> None:
    for member, bars in demo.coins:
        assert (bars.hourly is not None) == (member.index < 48)
        if bars.hourly is None:
            continue
        assert np.array_equal(bars.hourly.time.reshape(365, 24)[:, 0], bars.daily.time[-365:])
        assert np.array_equal(bars.hourly.open.reshape(365, 24)[:, 0], bars.daily.open[-365:])
        assert np.array_equal(bars.hourly.high.reshape(365, 24).max(axis=1), bars.daily.high[-365:])
        assert np.array_equal(bars.hourly.low.reshape(365, 24).min(axis=1), bars.daily.low[-365:])
        assert np.array_equal(bars.hourly.close.reshape(365, 24)[:, -1], bars.daily.close[-365:])
        assert np.array_equal(bars.hourly.volume.reshape(365, 24).sum(axis=1), bars.daily.volume[-365:])


def test_coins_open_where_they_closed_and_stocks_jump_over_night(demo: Demo) -> None:
    for _, bars in demo.whole_coins[:20]:
        assert np.array_equal(bars.open[1:], bars.close[:-1])
    night_shares = [
        np.var(np.log(bars.open[1:] / bars.close[:-1])) / np.var(np.diff(np.log(bars.close)))
        for _, bars in demo.whole_stocks
    ]
    assert 0.2 < np.median(night_shares) < 0.5


# --- the shape of a market


def test_stocks_move_together_and_more_so_within_a_sector(demo: Demo) -> None:
    same, across = pair_correlations(demo.whole_stocks)
    assert 0.2 < across < 0.45
    assert across + 0.05 < same < 0.7


def test_coins_move_together_and_more_so_within_a_category(demo: Demo) -> None:
    same, across = pair_correlations(demo.whole_coins)
    assert 0.35 < across < 0.7
    assert across + 0.02 < same


def test_returns_have_fat_tails(demo: Demo) -> None:
    for series in (demo.whole_stocks, demo.whole_coins):
        kurtoses = kurtosis(returns_of(series))
        assert np.median(kurtoses) > 5
        assert np.mean(kurtoses > 4) > 0.95


def test_volatility_comes_in_clusters(demo: Demo) -> None:
    for series in (demo.whole_stocks, demo.whole_coins):
        sizes = np.abs(returns_of(series))
        assert mean_autocorrelation(sizes, 1) > 0.1
        assert mean_autocorrelation(sizes, 10) > 0.04


def test_the_direction_of_a_move_says_nothing_about_the_next(demo: Demo) -> None:
    for series in (demo.whole_stocks, demo.whole_coins):
        returns = returns_of(series)
        assert abs(mean_autocorrelation(returns, 1)) < 0.06
        assert 0.8 < mean_variance_ratio(returns, 20) < 1.25


def test_annual_volatility_is_that_of_stocks_and_of_coins(demo: Demo) -> None:
    assert 0.20 < np.median(annual_volatilities(demo.whole_stocks, 252)) < 0.40
    assert 0.60 < np.median(annual_volatilities(demo.whole_coins, 365)) < 1.20


def test_the_typical_stock_gained_modestly_and_the_range_is_wide(demo: Demo) -> None:
    gains = np.array([bars.close[-1] / bars.open[0] - 1 for _, bars in demo.whole_stocks])
    assert 0 < np.median(gains) < 2.5
    assert np.quantile(gains, 0.05) < 0
    assert np.quantile(gains, 0.95) > 4


def test_the_stock_market_has_a_crash_in_which_volatility_rises(demo: Demo) -> None:
    market = returns_of(demo.whole_stocks).mean(axis=0)
    crash = max(EPISODES, key=lambda episode: -episode.log_return)
    fall = float(market[crash.steps].sum())
    assert -0.6 < fall < -0.2
    assert market[crash.steps].std() > 2 * market.std()


def test_a_fall_of_the_market_raises_its_volatility(demo: Demo) -> None:
    after_falls = []
    for seed in range(20):
        market = stock_factors(seed).market
        moves = market.night + market.day
        scaled = moves / market.volatility
        after_falls.append(np.corrcoef(scaled[:-1], np.log(market.volatility[1:]))[0, 1])
    assert np.mean(after_falls) < -0.03


def test_a_bars_range_fits_its_volatility(demo: Demo) -> None:
    for series, low, high in ((demo.whole_stocks, 0.9, 1.5), (demo.whole_coins, 1.1, 1.7)):
        deviations = returns_of(series).std(axis=1)
        ranges = np.array([np.log(bars.high / bars.low).mean() for _, bars in series])
        assert low < np.median(ranges / deviations) < high


def test_volume_rises_with_the_size_of_a_move_and_with_the_size_of_a_symbol(demo: Demo) -> None:
    for series in (demo.whole_stocks, demo.whole_coins):
        linked = [np.corrcoef(np.abs(np.diff(np.log(b.close))), np.log(b.volume[1:]))[0, 1] for _, b in series]
        assert 0.25 < np.median(linked) < 0.7
        turnovers = [np.median(bars.close * bars.volume) for _, bars in series]
        assert np.median(turnovers[:20]) > 5 * np.median(turnovers[-20:])


# --- building blocks


def test_persistence_in_strides_is_the_recurrence() -> None:
    shocks = stream(1, 2).standard_normal(300)
    expected = [shocks[0]]
    for shock in shocks[1:]:
        expected.append(0.9 * expected[-1] + np.sqrt(1 - 0.81) * shock)
    np.testing.assert_allclose(persistent(shocks, 0.9), expected, rtol=0, atol=1e-10)


def test_pinned_moves_add_up_to_each_episode_and_to_the_whole() -> None:
    episodes = (Episode(3, 4, -0.2), Episode(10, 2, 0.1))
    moves = stream(3).standard_normal(20)
    fixed = pinned(moves, episodes, 0.5)
    assert fixed[3:7].sum() == pytest.approx(-0.2)
    assert fixed[10:12].sum() == pytest.approx(0.1)
    assert fixed.sum() == pytest.approx(0.5)
    assert len(set(np.round(fixed[3:7] - moves[3:7], 12))) == 1


def test_fat_tails_keep_the_variance_and_are_bounded() -> None:
    factors = fat_tails(stream(4), 100_000, 4)
    assert 0.85 < np.mean(factors**2) < 1.0
    assert factors.max() == 5
    moves = factors * stream(5).standard_normal(100_000)
    assert kurtosis(moves[None, :])[0] > 6


def test_extremes_are_those_of_a_brownian_path() -> None:
    move, volatility, level = 0.01, 0.02, 0.03
    count = 200_000
    high, low = extremes(stream(6), np.full(count, move), np.full(count, volatility))
    assert high.min() >= move
    assert low.max() <= 0
    exceeded = np.exp(-2 * level * (level - move) / volatility**2)
    assert np.mean(high > level) == pytest.approx(exceeded, abs=0.003)
    assert np.mean(low < move - level) == pytest.approx(exceeded, abs=0.003)


# --- docs


def table(heading: str) -> list[list[str]]:
    lines = DOCS.read_text().split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_documented_universes_are_those_that_there_are(demo: Demo) -> None:
    rows: list[tuple[str, int, str, IntArray]] = [
        ("Demo Stocks", len(demo.stocks), "1d", stock_sessions()),
        ("Demo Crypto", len(demo.coins), "1d", coin_days()),
        ("Demo Crypto Hourly", sum(bars.hourly is not None for _, bars in demo.coins), "1h", coin_hours()),
    ]
    assert table("universe") == [
        [name, str(count), interval, f"{len(time):,}", day_of(int(time[0]))[:10], day_of(int(time[-1]))[:10]]
        for name, count, interval, time in rows
    ]


def test_the_documented_figures_are_those_of_the_market(demo: Demo) -> None:
    def figures(series: list[tuple[Member, Bars]], bars_per_year: int) -> list[str]:
        returns = returns_of(series)
        same, across = pair_correlations(series)
        gain = np.median([bars.close[-1] / bars.close[0] - 1 for _, bars in series])
        return [
            f"{np.median(annual_volatilities(series, bars_per_year)):.0%}".replace("%", " %"),
            f"{np.median(kurtosis(returns)):.1f}",
            f"{across:.2f}",
            f"{same:.2f}",
            f"{mean_autocorrelation(np.abs(returns), 1):.2f}",
            f"{mean_autocorrelation(np.abs(returns), 10):.2f}",
            f"{gain:.0%}".replace("%", " %"),
        ]

    stocks, coins = figures(demo.whole_stocks, 252), figures(demo.whole_coins, 365)
    assert [row[1:] for row in table("figure")] == [list(pair) for pair in zip(stocks, coins, strict=True)]
