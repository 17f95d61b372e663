"""The pages of one symbol: of a screen, and of any symbol, with a formula drawn over its candles."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from backtests.accounts.access import runs_visible_to
from backtests.engine.trades import OPEN
from backtests.models import Run, Universe
from backtests.prices.errors import BlockDamaged
from backtests.prices.importers.rows import INTERVAL_S
from backtests.runs.errors import RequestRefused
from backtests.runs.plan import stored_intervals
from backtests.screens.asking import compiled, request_of, screen_runs_visible_to
from backtests.screens.charting import BARS_COUNT, Trades
from backtests.screens.checking import checked, sent_of, values_of
from backtests.screens.forms import DrawForm
from backtests.screens.history import charts_of_symbol, history_of, market_history
from backtests.screens.pictures import figures_of, large_figure, legend_of
from backtests.screens.screening import Member, ScreenRequest, members_of
from backtests.screens.table import MOST_LAST_ROWS, last_rows_of, later_of, stretches_of
from backtests.screens.trades import trade_rows, trades_of
from backtests.views import HtmxHttpRequest
from strategies.errors import StrategyError
from strategies.formula import Program, compile_formula

DETAIL_BARS = 500
# A number that candles have already: nothing is drawn over them.
NOTHING = "close"


@require_safe
@never_cache
def symbol(request: HtmxHttpRequest, run_id: str, ticker: str) -> HttpResponse:
    """Draw one symbol large, and when it matched; for the table, its charts alone."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    try:
        asked = request_of(found)
        member = _member(asked, ticker)
        if request.htmx:
            figures = figures_of(charts_of_symbol(asked, member, BARS_COUNT), run_id=found.pk)
            return render(request, "screens/_charts_row.html", {"figures": figures})
    except RequestRefused as error:
        raise Http404(error.problem) from error
    return _page(request, asked, member, {"run": found})


@require_safe
@never_cache
def chart(request: HttpRequest, slug: str, ticker: str) -> HttpResponse:
    """Draw any symbol of a universe large, with a formula over it if one is given in the address."""
    universe = get_object_or_404(Universe, slug=slug)
    stored = stored_intervals(universe)
    interval = request.GET.get("interval", "")
    if interval not in stored:
        interval = stored[0] if stored else "1d"
    try:
        asked = ScreenRequest(compile_formula(NOTHING), universe, interval, _day(request.GET.get("as_of", "")))
        member = _member(asked, ticker)
    except RequestRefused as error:
        raise Http404(error.problem) from error
    return _page(request, asked, member, {"intervals": stored if len(stored) > 1 else []})


@require_safe
@never_cache
def run_symbol(request: HttpRequest, run_id: str, ticker: str) -> HttpResponse:
    """Draw a symbol of a run large with its trades, and a formula over it if one is given in the address."""
    run = get_object_or_404(runs_visible_to(request.user), pk=run_id)
    result = get_object_or_404(run.results, symbol__ticker=ticker)
    asked = ScreenRequest(_program_of(run), run.universe, run.interval, run.end_date)
    trades = trades_of(result)
    content: dict[str, Any] = {"backtest": run, "result": result, "n_trades": len(trades)}
    content["trades"] = trade_rows(trades, INTERVAL_S[run.interval])
    times = Trades(trades["entry_time"], trades["exit_time"][trades["exit_reason"] != OPEN])
    try:
        return _page(request, asked, _member(asked, ticker), content, times)
    except RequestRefused as error:
        raise Http404(error.problem) from error


def _program_of(run: Run) -> Program:
    """Return what a run's strategy says, if it is a formula that still means something."""
    try:
        return compile_formula(run.strategy.formula or NOTHING, run.parameters if run.strategy.formula else {})
    except StrategyError:
        return compile_formula(NOTHING)


def _member(asked: ScreenRequest, ticker: str) -> Member:
    return members_of(asked.universe, asked.interval, [ticker])[0]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _page(
    request: HttpRequest, asked: ScreenRequest, member: Member, content: dict[str, Any], trades: Trades | None = None
) -> HttpResponse:
    """Draw a symbol with the formula of the address over it, or that of the screen or the strategy."""
    own = "" if asked.program.text == NOTHING else asked.program.text
    text = request.GET.get("formula", own).replace("\r\n", "\n").strip()
    sent = {**sent_of(asked.program.values), **request.GET.dict()}
    problem = ""
    try:
        drawn = replace(asked, program=compiled(text or NOTHING, _given(text, sent)))
        # What another formula says is drawn instead of the trades.
        parts = _drawn(drawn, member, trades if text == own else None)
    except (RequestRefused, BlockDamaged) as error:
        problem = getattr(error, "problem", str(error))
        drawn = replace(asked, program=compile_formula(NOTHING))
        parts = _drawn_or_reason(drawn, member)
    content |= {
        "member": member,
        "asked": drawn,
        "form": DrawForm(initial={"formula": text}),
        "check": {"problem": problem} if problem else checked(text, sent) if text else {},
        "is_changed": text != own,
        **parts,
    }
    return render(request, "screens/symbol.html", content, status=422 if problem else 200)


def _given(text: str, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the knobs that the formula has; an address may still have those of another one."""
    known = checked(text, {}).get("program") if text else None
    return {name: value for name, value in values_of(sent).items() if known is not None and name in known.values}


def _drawn(asked: ScreenRequest, member: Member, trades: Trades | None) -> dict[str, Any]:
    history = history_of(asked, member) if trades is None else None
    return {
        "figure": large_figure(charts_of_symbol(asked, member, DETAIL_BARS, trades), asked.program),
        "legend": legend_of(asked.program),
        "marks": trades is None and asked.has_condition and not asked.program.compares_symbols,
        "has_trades": trades is not None,
        "history": history,
        "stretches": stretches_of(history, asked.interval) if history else [],
        "compares": asked.program.compares_symbols,
    }


def _drawn_or_reason(asked: ScreenRequest, member: Member) -> dict[str, Any]:
    """Return the bars alone; the charts themselves tell of bad data."""
    return {"figure": large_figure(charts_of_symbol(asked, member, DETAIL_BARS), asked.program)}


@require_safe
@never_cache
def last_matches(request: HttpRequest, run_id: str) -> HttpResponse:
    """Say of every symbol when it matched last, and what prices did after a match."""
    found = get_object_or_404(screen_runs_visible_to(request.user), pk=run_id)
    try:
        asked = request_of(found)
        members = members_of(asked.universe, asked.interval, asked.tickers)
        history = market_history(asked, members)
    except RequestRefused as error:
        return render(request, "screens/refused.html", {"run": found, "problem": error.problem}, status=422)
    content = {
        "run": found,
        "history": history,
        "rows": last_rows_of(history, found.interval),
        "later": later_of(history),
        "n_more": max(0, len(history.rows) - MOST_LAST_ROWS),
    }
    return render(request, "screens/last_matches.html", content)
