"""Whether ``signals_all``, which a strategy may override to be faster, gives what ``signals`` gives for each symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

from strategies.bars import Bars, Signals
from strategies.base import Strategy
from strategies.conformance.checks import HARDLY_ANY, first_difference, word
from strategies.errors import ContractBroken, SignalsError
from strategies.together import TOGETHER

FEWEST_SERIES = 2 * TOGETHER + 1  # two groups that are full and one that is not


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of a symbol from its bar ``first`` on."""

    symbol: str
    first: int
    bars: Bars


def check_together(strategy: Strategy, market: Mapping[str, Bars]) -> int:
    """Return how many series were compared, or raise ContractBroken: whatever stands beside a symbol changes nothing.

    They are asked for together, in the other order, in one group that is full, and one alone, as runs do.
    """
    series = series_of(market, strategy.warmup)
    expected = [strategy.signals(each.bars) for each in series]
    everything = list(range(len(series)))
    for chosen in (everything, everything[::-1], everything[:TOGETHER], everything[-1:], []):
        given = strategy.signals_all([series[number].bars for number in chosen])
        if not isinstance(given, list) or len(given) != len(chosen):
            returned = f"{len(given)}" if isinstance(given, list) else f"a {type(given).__name__}"
            raise ContractBroken(f"signals_all must return a list of {len(chosen)} signals; it returned {returned}")
        for place, number in enumerate(chosen):
            _compare(series[number], expected[number], given[place], place=place + 1, n_series=len(chosen))
    return len(series)


def series_of(market: Mapping[str, Bars], warmup: int) -> list[Series]:
    """Return each symbol's bars, and parts of any length between them: of no bars, about as long as the warm-up, long.

    Neighbours differ in length and where they begin, so that who takes the one for the other shows.
    """
    symbols = list(market)
    short = [*range(HARDLY_ANY), *range(max(0, warmup - 1), warmup + 3)]
    parts: list[Series] = []
    for number in range(max(len(short), FEWEST_SERIES - len(symbols))):
        symbol = symbols[number % len(symbols)]
        first = len(market[symbol]) * (number % 5) // 10
        left = market[symbol][first:]
        length = short[number] if number < len(short) else len(left) * (1 + number % 7) // 8
        parts.append(Series(symbol, first, left[:length]))
    whole = [Series(symbol, 0, bars) for symbol, bars in market.items()]
    return [each for pair in zip_longest(parts, whole) for each in pair if each is not None]


def _compare(series: Series, expected: Signals, given: object, *, place: int, n_series: int) -> None:
    where = f"signals_all, as number {place} of {n_series} series and with {len(series.bars):,} bars"
    if not isinstance(given, Signals):
        raise ContractBroken(f"a {type(given).__name__} and no Signals comes from {where}", symbol=series.symbol)
    try:
        given.checked(series.bars)
    except SignalsError as error:
        raise ContractBroken(f"{error}, from {where}", symbol=series.symbol) from error
    if (found := first_difference(given, expected)) is not None:
        name, bar = found
        was, became = (word(signals, name, bar) for signals in (expected, given))
        problem = f"the {name} of {{bar}} is {was} from signals, and {became} from {where}"
        raise ContractBroken(problem, series.first + bar, series.symbol)
