"""Answers of screens, kept in this process for five minutes: asked again, the matches are there at once.

An answer is only given again while every price block that it was made of is still the same.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

from backtests.models import PriceBlock
from backtests.screens.charting import batches_of
from backtests.screens.screening import Match, Member, Screened, ScreenRequest, members_of, screen, sorted_matches

KEPT_S = 300.0
MOST_ANSWERS = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a screen has found. ``state`` stands for all price blocks that it was made of."""

    request: ScreenRequest
    screened: Screened
    made_at: float
    state: str
    is_repeated: bool = False

    @property
    def parts(self) -> list[list[Match]]:
        """The matches in batches of charts."""
        return [list(batch) for batch in batches_of(self.screened.matches)]


class Answers:
    """The newest answers by what was asked; safe between threads."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[object, ...], Answer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, request: ScreenRequest) -> Answer:
        """Return the answer of a request: the one of a moment ago, or a new one. Raises RequestRefused."""
        members = members_of(request.universe, request.interval, request.tickers)
        key, now, state = key_of(request), monotonic(), _state(request, members)
        with self._lock:
            known = self._answers.get(key)
            if known is not None and now - known.made_at < KEPT_S and known.state == state:
                self._answers.move_to_end(key)
                return replace(known, is_repeated=True)
        made = self._sorted(request) if request.sort else Answer(request, screen(request, members), now, state)
        with self._lock:
            self._answers[key] = made
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        return made

    def _sorted(self, request: ScreenRequest) -> Answer:
        """Return the answer in another order; nothing is computed again."""
        found = self.of(replace(request, sort=""))
        matches = sorted_matches(found.screened.matches, request)
        return replace(found, request=request, screened=replace(found.screened, matches=matches))

    def forget(self) -> None:
        """Drop all answers: prices have changed."""
        with self._lock:
            self._answers.clear()


def key_of(request: ScreenRequest) -> tuple[object, ...]:
    """Return everything that is asked, as a key."""
    program = request.program
    where = (request.universe.pk, request.interval, request.as_of, request.tickers, request.sort)
    return (program.text, tuple(program.values.items()), *where)


def _state(request: ScreenRequest, members: Sequence[Member]) -> str:
    """Return what changes with every bar of the symbols that are asked or named, and with what is shown of them."""
    digest = hashlib.blake2b(digest_size=8)
    for member in members:
        digest.update(f"\n{member.symbol_id} {member.ticker} {member.name} {member.sector} ".encode())
        digest.update("".join([block.checksum for block in member.blocks]).encode())
    if request.program.tickers:
        named = PriceBlock.objects.filter(symbol__ticker__in=request.program.tickers, interval=request.interval)
        checksums = named.order_by("symbol_id", "period").values_list("checksum", flat=True)
        digest.update("".join(checksums).encode())
    return digest.hexdigest()


ANSWERS = Answers()
