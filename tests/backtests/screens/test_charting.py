from __future__ import annotations

import re

import numpy as np
import pytest

from backtests.models import PriceBlock, Universe
from backtests.screens.candles import Candles, draw, draw_pane, pane_range
from backtests.screens.charting import SYMBOLS_A_BATCH, batches_of, chart_data, charts_of, resolutions_of, title_of
from backtests.screens.overlays import lines_of
from backtests.screens.screening import Match, ScreenRequest, screen
from strategies.formula import compile_formula
from tests.backtests.screens.conftest import N_BARS
from tests.builders import make_bars, store_universe


def request(formula: str, universe: Universe) -> ScreenRequest:
    return ScreenRequest(compile_formula(formula), universe)


def match(ticker: str) -> Match:
    return Match(0, ticker, "", "", 0, 0.0, None, ())


@pytest.mark.parametrize(
    ("formula", "drawn"),
    [
        ("close > sma(close, 20)", ["sma(close, 20)"]),
        ("close > highest(high, 50)[1] and volume > 2 * sma(volume, 20)", ["highest(high, 50)[1]"]),
        ("level = close - 2 * atr(14)\nlow < level", ["level"]),
        ("half = close / 2\nhalf > low", ["half"]),
        ("range = high - low\nrange > 3", []),
        ("rsi(close, 14) > 50", []),
        ("close > bollinger(close, 20, 2).upper", ["bollinger(close, 20, 2).upper"]),
        ("supertrend(10, 3).direction > 0 and close > supertrend(10, 3).line", ["supertrend(10, 3).line"]),
        ('close > symbol("SPY", sma(close, 20))', []),
        ("close > weekly(sma(close, 10))", ["weekly(sma(close, 10))"]),
        ("ratio = close / sma(close, 20)\nratio > 1", []),
        ("rank(sma(close, 5)) < 3 and close > sma(close, 20)", ["sma(close, 20)"]),
        ("level = close - rank(close)\nlow < level and close > level[1]", []),
    ],
)
def test_prices_are_drawn_over_the_candles_and_nothing_else(formula: str, drawn: list[str]) -> None:
    assert [part.label for part in lines_of(compile_formula(formula)).prices] == drawn


@pytest.mark.parametrize(
    ("formula", "below"),
    [
        ("rsi(close, 14)", ["rsi(close, 14)"]),
        ("sma(close, 20)", []),
        ("close > sma(close, 20) and volume > 2 * sma(volume, 20) and open > 5", ["2 * sma(volume, 20)"]),
        ('spy = symbol("SPY", close)\nclose > spy', ["spy"]),
        ("place = rank(close)\nplace < 3 and rsi(close, 14) > 50", ["rsi(close, 14)"]),
        (";".join(f"r{n} = rsi(close, {n})" for n in range(2, 9)) + ";r2 > 3", ["r2", "r3", "r4", "r5"]),
    ],
)
def test_other_numbers_have_a_scale_of_their_own(formula: str, below: list[str]) -> None:
    assert [part.label for part in lines_of(compile_formula(formula)).others] == below


def test_charts_of_hours_are_made_into_days_and_weeks(db: None) -> None:
    hours = make_bars([100.0 + hour for hour in range(24 * 9)], step_s=3600)
    asked = ScreenRequest(
        compile_formula("close > sma(close, 24)"), store_universe("Hourly", {"BTC": hours}, interval="1h"), "1h"
    )
    assert resolutions_of("1h") == ("1D", "1h")
    charts = charts_of(asked, screen(asked).matches)
    assert [(chart.resolution, title_of(chart.resolution)) for chart in charts] == [("1D", "daily"), ("1h", "hourly")]
    daily, hourly = (chart.candles for chart in charts)
    assert daily is not None
    assert hourly is not None
    assert (len(daily), len(hourly)) == (9, 24 * 9)
    assert (daily.open[1], daily.close[1], daily.high[1]) == (
        hourly.open[24],
        hourly.close[47],
        hourly.high[24:48].max(),
    )
    assert daily.overlays[0][1] == hourly.overlays[0][47]
    assert daily.marks is not None
    assert list(daily.marks) == [True] * 9
    (weekly,) = charts_of(asked, screen(asked).matches, resolutions=("1W",))
    assert weekly.candles is not None
    assert len(weekly.candles) == 2


def test_bars_longer_than_a_day_have_no_daily_candles(db: None) -> None:
    weeks = make_bars([100.0 + week for week in range(9)], step_s=7 * 86_400)
    asked = ScreenRequest(compile_formula("close > 0"), store_universe("Weekly", {"AAA": weeks}, interval="1w"), "1w")
    (weekly,) = charts_of(asked, screen(asked).matches)
    assert weekly.candles is not None
    assert (weekly.resolution, len(weekly.candles)) == ("1W", 9)
    (daily,) = charts_of(asked, screen(asked).matches, resolutions=("1D",))
    assert daily.reason == "its bars are longer than a day"


def test_every_match_has_weekly_and_daily_candles(universe: Universe) -> None:
    asked = request("close > sma(close, 5)", universe)
    charts = charts_of(asked, screen(asked).matches)
    assert [(chart.ticker, chart.resolution) for chart in charts] == [("UP", "1W"), ("UP", "1D")]
    weekly, daily = (chart.candles for chart in charts)
    assert weekly is not None
    assert daily is not None
    # 60 days from a Monday on, of which those of a weekend count to the Monday after.
    assert len(daily) == N_BARS
    assert len(weekly) == 9
    assert weekly.open[1] == daily.open[5]
    assert weekly.volume.sum() == daily.volume.sum()
    assert (weekly.high[0], weekly.low[0]) == (daily.high[:5].max(), daily.low[:5].min())
    assert daily.marks is not None
    assert list(np.flatnonzero(~daily.marks)) == [0, 1, 2, 3]
    assert len(daily.overlays[0]) == N_BARS


def test_of_a_ranking_the_bar_that_matched_is_marked_and_what_is_the_symbols_own_is_drawn(universe: Universe) -> None:
    asked = request("rank(close) <= 2 and close > sma(close, 5)", universe)
    charts = charts_of(asked, screen(asked).matches)
    assert {chart.ticker for chart in charts} == {"UP"}
    for candles in (chart.candles for chart in charts):
        assert candles is not None
        assert candles.marks is not None
        assert list(np.flatnonzero(candles.marks)) == [len(candles) - 1]
        assert len(candles.overlays) == 1
    # Of a symbol that is looked at by itself nothing is known of how it compared.
    (alone,) = charts_of(asked, [match("UP")], resolutions=("1D",))
    assert alone.candles is not None
    assert alone.candles.marks is not None
    assert not alone.candles.marks.any()


def test_a_chart_has_no_more_bars_than_asked_for(universe: Universe) -> None:
    (chart,) = charts_of(request("close > 0", universe), [match("UP")], resolutions=("1D",), bars_count=7)
    data = chart_data(chart)
    assert (data["symbol"], data["resolution"], len(data["bars"])) == ("UP", "1D", 7)
    assert data["bars"][-1][1:] == [158.0, 159.0, 158.0, 159.0, 5000.0]


def test_who_fails_has_the_reason_in_the_place_of_the_charts(universe: Universe) -> None:
    PriceBlock.objects.filter(symbol__ticker="DOWN").update(high=b"")
    charts = charts_of(request("close > 0", universe), [match("UP"), match("DOWN"), match("NONE")])
    reasons = {chart.ticker: chart.reason for chart in charts}
    assert reasons["UP"] == ""
    assert reasons["DOWN"].startswith("bad data")
    assert reasons["NONE"] == "its prices are gone"
    assert chart_data(charts[2])["error"] == reasons["DOWN"]


def test_batches_have_eighteen_symbols() -> None:
    parts = batches_of([match(f"S{number}") for number in range(88)])
    assert [len(part) for part in parts] == [SYMBOLS_A_BATCH] * 4 + [16]


def candles(n_bars: int, **changed: object) -> Candles:
    close = np.arange(n_bars, dtype=np.float64) + 10
    columns = {"open": close - 0.5, "high": close + 1, "low": close - 1, "close": close, "volume": close * 100}
    return Candles(time=np.arange(n_bars) * 86_400, **{**columns, **changed})  # type: ignore[arg-type]


def test_a_candle_is_a_wick_a_body_and_its_volume() -> None:
    svg = draw(candles(3), label="UP, daily candles")
    assert 'aria-label="UP, daily candles"' in svg
    for kind in ("wick up", "body up", "volume up"):
        (path,) = re.findall(f'class="{kind}"[^>]* d="([^"]*)"', svg)
        assert path.count("M") == 3
    assert re.search('class="body down"[^>]* d=""', svg)


def test_an_overlay_is_broken_where_it_is_unknown() -> None:
    line = np.array([np.nan, 10.0, 11.0, np.nan, 12.0])
    (path,) = re.findall('class="line line-0" d="([^"]*)"', draw(candles(5, overlays=(line,)), label="x"))
    assert (path.count("M"), path.count("L")) == (2, 1)


def test_a_mark_stands_under_each_bar_that_matches() -> None:
    marks = np.array([False, True, False, True, True])
    (path,) = re.findall('class="mark" d="([^"]*)"', draw(candles(5, marks=marks), label="x"))
    assert path.count("z") == 3


@pytest.mark.parametrize("n_bars", [1, 2, 300])
def test_charts_of_any_length_stay_within_the_picture(n_bars: int) -> None:
    svg = draw(candles(n_bars), label="x")
    numbers = [(float(x), int(top), int(bottom)) for x, top, bottom in re.findall(r"M([\d.]+) (-?\d+)V(-?\d+)", svg)]
    assert numbers
    assert all(0 <= x <= 600 and 0 <= top < bottom <= 200 for x, top, bottom in numbers)


def test_prices_that_do_not_move_are_drawn() -> None:
    flat = np.full(4, 7.0)
    assert "NaN" not in draw(candles(4, open=flat, high=flat, low=flat, close=flat, volume=flat * 0), label="x")


def test_no_bars_are_told() -> None:
    assert draw(candles(0), label="UP") == '<p class="no-chart">No bars for UP.</p>'


def test_a_pane_shows_what_is_known_of_a_number() -> None:
    values = np.array([np.nan, 20.0, 30.0, np.inf, 70.0])
    assert pane_range(values) == (20.0, 70.0)
    svg = draw_pane(values, label="RSI")
    (path,) = re.findall(' d="([^"]*)"', svg)
    assert (path.count("M"), path.count("L")) == (2, 1)
    assert "nan" not in draw_pane(np.full(3, np.nan), label="x").lower()
