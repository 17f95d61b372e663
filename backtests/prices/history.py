"""What only shows when bars are compared: gaps, jumps, short histories and unfinished last bars. All of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from backtests.models import Interval, Market
from backtests.prices.findings import Finding, found, number_text, time_text
from backtests.prices.quality import Rows
from strategies.bars import IntArray

JUMP = 1.4  # open ÷ close before, or its inverse; the smallest usual split, three for two, is 1.5
JUMP_BARS = 5  # bars by which it is judged whether the price stays or returns
THIN = 0.5  # last volume ÷ median of those before, over all symbols, below which last bars look unfinished
THIN_BARS = 24
LISTED_SESSIONS = 250  # above this, a symbol's missing sessions are told as one finding


def compare(*, rows: Rows, kept: Rows, market: str, interval: str, interval_s: int) -> list[Finding]:
    """Return what the rows of a file say about each other.

    Sessions are judged on all ``rows``, so that a row that was dropped is not missing a second time; prices and volumes
    on those that were ``kept``.
    """
    if not len(rows):
        return []
    around_the_clock = market == Market.CRYPTO and interval != Interval.WEEK_1
    findings: list[Finding] = []
    sessions = np.unique(rows.time)
    if around_the_clock:
        findings += _interval_gaps(sessions, interval_s)
    else:
        sessions = _common_sessions(rows, sessions)
    findings += _missing_sessions(rows, sessions)
    findings += _short_histories(rows)
    findings += _jumps(kept)
    findings += _unfinished(kept, interval_s)
    is_intraday = interval not in {Interval.DAY_1, Interval.WEEK_1}
    if is_intraday and (n_beside := int((kept.time % interval_s != 0).sum())):
        findings.append(found("off-interval", detail=f"{n_beside:,} bars begin between multiples of {interval}"))
    return findings


def _common_sessions(rows: Rows, times: IntArray) -> IntArray:
    """Return the times at which more than half of the symbols that have begun and not ended have a row."""
    place = np.searchsorted(times, rows.time)
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (np.diff(rows.code) != 0) | (np.diff(rows.time) != 0)
    present = np.bincount(place[is_first], minlength=len(times))
    edges = rows.edges()
    has_rows = np.diff(edges) > 0
    begun = np.bincount(place[edges[:-1][has_rows]], minlength=len(times) + 1)
    ended = np.bincount(place[edges[1:][has_rows] - 1] + 1, minlength=len(times) + 1)
    alive = np.cumsum(begun - ended)[: len(times)]
    return times[present * 2 > alive]


def _interval_gaps(times: IntArray, interval_s: int) -> list[Finding]:
    findings = []
    for before in np.flatnonzero(np.diff(times) > interval_s).tolist():
        first, last = int(times[before]) + interval_s, int(times[before + 1]) - interval_s
        n_bars = (last - first) // interval_s + 1
        until = f" to {time_text(last)} ({n_bars:,} bars)" if n_bars > 1 else ""
        findings.append(found("interval-gap", time=first, detail=f"no symbol has a bar{until}", n_rows=n_bars))
    return findings


def _missing_sessions(rows: Rows, sessions: IntArray) -> Iterator[Finding]:
    edges = rows.edges().tolist()
    for ticker, first, last in zip(rows.tickers, edges, edges[1:], strict=False):
        if first == last:
            continue
        own = rows.time[first:last]
        low, high = np.searchsorted(sessions, (own[0], own[-1] + 1))
        missing = np.setdiff1d(sessions[low:high], own)
        if len(missing) > LISTED_SESSIONS:
            detail = f"{len(missing):,} of {high - low:,} up to {time_text(int(missing[-1]))}"
            yield found("session-missing", symbol=ticker, time=int(missing[0]), detail=detail, n_rows=len(missing))
            continue
        for time in missing.tolist():
            yield found("session-missing", symbol=ticker, time=time)


def _short_histories(rows: Rows) -> Iterator[Finding]:
    edges = rows.edges().tolist()
    spans = [(t, first, last) for t, first, last in zip(rows.tickers, edges, edges[1:], strict=False) if first < last]
    lengths = [len(np.unique(rows.time[first:last])) for _, first, last in spans]
    usual = sorted(lengths)[len(lengths) // 2]
    for (ticker, first, last), length in zip(spans, lengths, strict=True):
        if length < usual:
            span = f"{time_text(int(rows.time[first]))} to {time_text(int(rows.time[last - 1]))}"
            yield found("history-short", symbol=ticker, detail=f"{length:,} bars instead of {usual:,}, {span}")


def _jumps(rows: Rows) -> list[Finding]:
    """Find opens far from the close before, and whether the closes that follow keep more than half of the distance."""
    close, open_ = rows.values["close"], rows.values["open"]
    if len(rows) < 2:
        return []
    gap = np.log(open_[1:] / close[:-1])
    is_far = (np.abs(gap) > np.log(JUMP)) & (rows.code[1:] == rows.code[:-1])
    at = np.flatnonzero(is_far) + 1
    last = rows.edges()[1:][rows.code[at]] - 1
    following = np.minimum(at[:, None] + np.arange(JUMP_BARS), last[:, None])
    after = np.median(np.log(close[following] / close[at - 1][:, None]), axis=1)
    stays = after * np.sign(gap[at - 1]) > np.abs(gap[at - 1]) / 2
    findings = []
    spike = -JUMP_BARS
    for row, is_lasting in zip(at.tolist(), stays.tolist(), strict=True):
        if row - spike < JUMP_BARS and gap[row - 1] * gap[spike - 1] < 0:
            continue  # the way back from a spike
        before, price = float(close[row - 1]), float(open_[row])
        detail = f"close {number_text(before)}, next open {number_text(price)} ({price / before - 1:+.0%})"
        kind = "price-jump" if is_lasting else "price-spike"
        spike = spike if is_lasting else row
        findings.append(found(kind, symbol=rows.ticker(row), time=int(rows.time[row]), detail=detail))
    return findings


def _unfinished(rows: Rows, interval_s: int) -> list[Finding]:
    now_s = datetime.now(UTC).timestamp()
    thin: list[Finding] = []
    running: list[Finding] = []
    shares = []
    edges = rows.edges().tolist()
    for ticker, first, last in zip(rows.tickers, edges, edges[1:], strict=False):
        if first == last:
            continue
        time = int(rows.time[last - 1])
        if time + interval_s > now_s:
            running.append(found("bar-unfinished", symbol=ticker, time=time, detail="ends in the future"))
        volume = rows.values["volume"][max(first, last - 1 - THIN_BARS) : last]
        usual = float(np.median(volume[:-1])) if len(volume) > THIN_BARS else 0.0
        if usual > 0:
            shares.append(float(volume[-1]) / usual)
            detail = f"volume is {shares[-1]:.0%} of the median of the {THIN_BARS} bars before"
            thin.append(found("bar-unfinished", symbol=ticker, time=time, detail=detail))
    # One thin last bar is a quiet hour; when most are thin, the file was written before the bars had ended.
    return running or (thin if shares and np.median(shares) < THIN else [])
