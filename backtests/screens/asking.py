"""From what somebody typed to a screen that is stored, and from there to its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from backtests.models import Interval, ScreenRun, Universe
from backtests.runs.errors import RequestRefused
from backtests.runs.request import find_universe
from backtests.screens.screening import ScreenRequest, check_sort
from strategies.errors import ParameterError
from strategies.formula import FormulaError, Program, compile_formula
from strategies.models import Screen
from strategies.ready_screens import READY_SCREENS

# A screen that was asked so many days ago is forgotten when another one is asked.
KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """A screen as somebody asks for it. ``formula`` is its text, or the name of a screen that there is."""

    formula: str
    universe: str
    interval: str = "1d"
    as_of: date | None = None
    symbols: Sequence[str] = ()
    values: Mapping[str, Any] | None = None
    sort: str = ""


def screens_visible_to(user: Any) -> QuerySet[Screen]:
    """Return the saved screens that a user may read: their own, nobody's, and those that are shared."""
    own = Q(owner=user) if user is not None and user.is_authenticated else Q()
    return Screen.objects.filter(Q(owner=None) | Q(is_shared=True) | own)


def formula_of(text: str, user: Any) -> tuple[str, str]:
    """Return a formula and its name, from its text or from the name of a saved or ready screen.

    Of several with one name one's own comes before that of the library, and both before what others share.
    """
    # A browser sends the lines of a text with other ends than they are stored with.
    wanted = text.replace("\r\n", "\n").strip()
    visible, own = screens_visible_to(user), getattr(user, "pk", None)
    named = list(visible.filter(name__iexact=wanted).order_by("name")) if len(wanted) <= 80 else []
    named.sort(key=lambda screen: (screen.owner_id != own, screen.name != wanted))
    if named and named[0].owner_id == own:
        return named[0].formula, named[0].name
    for ready in READY_SCREENS:
        if wanted.lower() in {ready.key, ready.name.lower(), ready.formula.lower()}:
            return ready.formula, ready.name
    if named:
        return named[0].formula, named[0].name
    known = list(visible.filter(formula=wanted).order_by("name"))
    # One's own name for it comes before those of others.
    known.sort(key=lambda screen: screen.owner_id != own)
    return wanted, known[0].name if known else ""


def compiled(formula: str, values: Mapping[str, Any] | None = None) -> Program:
    """Return the program of a formula, or raise RequestRefused, which shows the place."""
    try:
        return compile_formula(formula, values)
    except FormulaError as error:
        raise RequestRefused("formula", error.shown_in(formula)) from error
    except ParameterError as error:
        raise RequestRefused(f"values.{error.name}", error.problem) from error


def checked_screen(asked: Asked, owner: Any = None) -> tuple[ScreenRequest, str]:
    """Return the request of a screen and its name, or raise RequestRefused, which names the field."""
    formula, name = formula_of(asked.formula, owner)
    universe = find_universe(asked.universe)
    if asked.interval not in Interval.values:
        raise RequestRefused("interval", f"must be one of {', '.join(Interval.values)}; it is {asked.interval!r}")
    request = ScreenRequest(
        program=_program(formula, asked.values, owner),
        universe=universe,
        interval=asked.interval,
        as_of=asked.as_of,
        tickers=_tickers(asked.symbols, universe),
        sort=asked.sort,
    )
    _ = request.condition
    check_sort(request)
    return request, name


def _program(formula: str, values: Mapping[str, Any] | None, owner: Any) -> Program:
    """Return the program; of a text that is nearly the name of a screen, the refusal names that screen."""
    try:
        return compiled(formula, values)
    except RequestRefused as error:
        names = [*(ready.name for ready in READY_SCREENS), *screens_visible_to(owner).values_list("name", flat=True)]
        by_text = {name.lower(): name for name in names}
        near = get_close_matches(formula.lower()[:80], list(by_text), n=1, cutoff=0.8)
        if error.field == "formula" and near:
            raise RequestRefused("formula", f"no screen has this name; did you mean {by_text[near[0]]!r}?") from error
        raise


def _tickers(symbols: Sequence[str], universe: Universe) -> tuple[str, ...]:
    if not symbols:
        return ()
    known = {ticker.upper(): ticker for ticker in universe.symbols.values_list("ticker", flat=True)}
    unknown = [symbol for symbol in symbols if symbol.strip().upper() not in known]
    if unknown:
        raise RequestRefused("symbols", f"not in the universe {universe.slug!r}: {', '.join(unknown[:5])}")
    return tuple(dict.fromkeys(known[symbol.strip().upper()] for symbol in symbols))


def store(request: ScreenRequest, name: str, owner: Any = None) -> ScreenRun:
    """Store a screen as it is asked, once for each owner, so that its answer has an address."""
    asked = {
        "formula": request.program.text,
        "values": request.program.values,
        "universe_id": request.universe.pk,
        "interval": request.interval,
        "as_of": request.as_of,
        "tickers": list(request.tickers),
    }
    told = json.dumps([getattr(owner, "pk", None), asked], default=str, sort_keys=True)
    run_id = hashlib.blake2b(told.encode(), digest_size=6).hexdigest()
    found, is_new = ScreenRun.objects.update_or_create(
        pk=run_id, defaults={**asked, "owner": owner, "name": name, "asked_at": timezone.now()}
    )
    if is_new:
        old = ScreenRun.objects.filter(asked_at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
        # What a schedule has found is kept as long as its outcome is.
        old.filter(outcomes=None).delete()
    return found


def screen_runs_visible_to(user: Any) -> QuerySet[ScreenRun]:
    """Return the screens that a user has asked, and those of nobody."""
    own = Q(owner=user) if user.is_authenticated else Q()
    return ScreenRun.objects.select_related("universe").filter(Q(owner=None) | own)


def request_of(run: ScreenRun, sort: str = "") -> ScreenRequest:
    """Return the request of a stored screen. Raises RequestRefused if its formula means nothing any more."""
    return ScreenRequest(
        program=compiled(run.formula, run.values),
        universe=run.universe,
        interval=run.interval,
        as_of=run.as_of,
        tickers=tuple(run.tickers),
        sort=sort,
    )
