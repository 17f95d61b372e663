"""Ask a schedule: which symbols match now and did not the time before, or start its run."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

from backtests.models import ScreenRun
from backtests.prices.errors import PricesError
from backtests.runs.chunks import writing
from backtests.runs.engines.outage import AWAY
from backtests.runs.errors import RequestRefused, TooManyRuns
from backtests.runs.request import check_request, find_universe
from backtests.runs.start import start
from backtests.schedules.due import MOST_ATTEMPTS, finish, postpone
from backtests.schedules.making import Notice, run_request
from backtests.schedules.models import Outcome, Schedule
from backtests.screens.asking import compiled, store
from backtests.screens.screening import Match, Screened, ScreenRequest, screen
from strategies.errors import StrategyError

logger = logging.getLogger(__name__)


def ask(schedule: Schedule) -> Outcome | None:
    """Ask a schedule that was claimed and save the outcome, an error if that is what comes of it.

    None if its lease was taken away meanwhile. What stands in the way only for now is returned and not saved, and tried
    again soon. While the database is away its errors are raised: it is asked again when the lease is over.
    """
    try:
        if schedule.attempts > MOST_ATTEMPTS:
            raise RequestRefused("schedule", f"given up after {MOST_ATTEMPTS} attempts that broke off")
        outcome = _asked_screen(schedule) if schedule.is_screen else _started_run(schedule)
    except AWAY:
        raise
    except RequestRefused as error:
        outcome = _failed(schedule, f"{error.field}: {error.problem}")
    except TooManyRuns as error:
        return _failed(schedule, str(error)) if postpone(schedule, str(error)) else None
    except (PricesError, StrategyError) as error:
        outcome = _failed(schedule, str(error))
    except Exception as error:
        # A user's own strategy may raise anything; the other schedules are asked all the same.
        logger.exception("the schedule %s cannot be asked", schedule.pk)
        outcome = _failed(schedule, f"{type(error).__name__}: {error}")
    return outcome if finish(schedule, outcome) else None


def _failed(schedule: Schedule, error: str) -> Outcome:
    """Return an outcome without an answer, which is news the first time."""
    return Outcome(schedule=schedule, error=error, is_news=schedule.error != error)


def _asked_screen(schedule: Schedule) -> Outcome:
    request = ScreenRequest(
        program=compiled(schedule.asked["formula"], schedule.asked["values"]),
        universe=find_universe(schedule.universe),
        interval=schedule.interval,
        tickers=tuple(schedule.tickers),
    )
    screened = screen(request)
    found = _compared(schedule, screened)
    found.screen_run = _stored(schedule, request, found.bar_time)
    return found


def _compared(schedule: Schedule, screened: Screened) -> Outcome:
    """Return the outcome of a screen beside the one before; the first time nothing is new or gone."""
    before = schedule.outcomes.filter(error="").order_by("-pk").first()
    known = set(before.matches) if before else {match.ticker for match in screened.matches}
    tickers = [match.ticker for match in screened.matches]
    new = [_row(match) for match in screened.matches if match.ticker not in known]
    return Outcome(
        schedule=schedule,
        bar_time=datetime.fromtimestamp(screened.time_s, UTC) if screened.time_s is not None else None,
        since=(before.bar_time or before.asked_at) if before else None,
        n_tested=screened.n_tested,
        n_matches=len(tickers),
        matches=tickers,
        new=new,
        gone=sorted(known - set(tickers)),
        is_news=bool(new) or schedule.is_always_told,
    )


def _row(match: Match) -> dict[str, object]:
    return {"symbol": match.ticker, "name": match.name, "close": match.close, "change_pct": match.change_pct}


def _stored(schedule: Schedule, request: ScreenRequest, bar_time: datetime | None) -> ScreenRun:
    """Return the screen as of the day that it was asked of: its page shows the same later."""
    as_of = bar_time.date() if bar_time else None
    with writing():
        return store(replace(request, as_of=as_of), schedule.name[:80], schedule.owner)


def _started_run(schedule: Schedule) -> Outcome:
    notice = Notice(schedule.notify_email, schedule.notify_url)
    where = {"universe": schedule.universe, "interval": schedule.interval, "tickers": schedule.tickers}
    checked = check_request(run_request(schedule.asked, **where, notice=notice), schedule.owner)
    run = start(checked, owner=schedule.owner)
    return Outcome(schedule=schedule, n_tested=run.n_symbols, run=run)
