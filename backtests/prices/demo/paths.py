"""The random building blocks of prices: clusters of volatility, fat tails, a bar's range, volume.

Every symbol and factor draws from a stream of its own, so that a symbol's bars do not depend on which others are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies.bars import FloatArray


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of a market's history: its first step, its length, its whole log return, a factor of volatility."""

    first: int
    n_steps: int
    log_return: float
    turbulence: float = 1.0

    @property
    def steps(self) -> slice:
        return slice(self.first, self.first + self.n_steps)


def stream(*key: int) -> np.random.Generator:
    """Return the generator that belongs to a key of non-negative integers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def persistent(shocks: FloatArray, persistence: float) -> FloatArray:
    """Return the first-order autoregression of standard normal shocks, scaled to a variance of one.

    The recurrence ``level[t] = persistence * level[t - 1] + shock[t]`` is summed in strides of 1, 2, 4, ... bars, which
    needs no loop over the bars.
    """
    level: FloatArray = shocks * np.sqrt(1 - persistence**2)
    level[0] = shocks[0]
    stride, decay = 1, persistence
    while stride < len(level) and decay > 1e-12:
        level[stride:] += decay * level[:-stride]
        stride, decay = 2 * stride, decay * decay
    return level


def clusters(level: FloatArray, strength: float) -> FloatArray:
    """Return factors of volatility, whose mean square is one, from a level of variance one."""
    factors: FloatArray = np.exp(strength * level - strength**2)
    return factors


def turbulence(episodes: Sequence[Episode], count: int, *, calming: float) -> FloatArray:
    """Return factors of volatility: each episode's own, which fades after it over so many steps."""
    factors = np.ones(count)
    for episode in episodes:
        after = np.maximum(np.arange(count) - (episode.steps.stop - 1), 0)
        fading = 1 + (episode.turbulence - 1) * np.exp(-after / calming)
        factors[episode.first :] *= fading[episode.first :]
    return factors


def pinned(moves: FloatArray, episodes: Sequence[Episode], log_growth: float) -> FloatArray:
    """Return the moves shifted so that each episode, and the whole, has the return that is meant.

    Without it an unlucky seed would double a crash, and the market would end anywhere.
    """
    fixed = moves.copy()
    rest = np.ones(len(moves), bool)
    for episode in episodes:
        part = fixed[episode.steps]
        part += (episode.log_return - np.cumsum(part)[-1]) / episode.n_steps
        rest[episode.steps] = False
    left = log_growth - sum(episode.log_return for episode in episodes)
    fixed[rest] += (left - np.cumsum(fixed[rest])[-1]) / np.count_nonzero(rest)
    return fixed


def collapse(rng: np.random.Generator, count: int, end: int, n_steps: int) -> tuple[FloatArray, FloatArray]:
    """Return the moves and the factors of volatility of a symbol that loses most of its price before its last step.

    A third of the fall is steady, the rest comes in bad news on a few days.
    """
    moves, factors = np.zeros(count), np.ones(count)
    fall = -rng.uniform(1.6, 2.6)
    moves[end - n_steps : end] = fall / 3 / n_steps
    moves[end - n_steps + rng.permutation(n_steps)[:6]] += 2 * fall / 3 * rng.dirichlet(np.ones(6))
    factors[end - n_steps : end] = np.linspace(1.5, 4.0, n_steps)
    return moves, factors


def fat_tails(rng: np.random.Generator, count: int, degrees: float) -> FloatArray:
    """Return factors that turn normal moves into Student-t moves of variance one; at most 5, so that none is absurd."""
    factors: FloatArray = np.sqrt((degrees / 2 - 1) / rng.standard_gamma(degrees / 2, count))
    return np.minimum(factors, 5.0, out=factors)


def overnight_part(move: FloatArray, volatility: FloatArray, share: float, shocks: FloatArray) -> FloatArray:
    """Return the part of each move that happens before the open, on a Brownian path that ends in the whole move."""
    return share * move + float(np.sqrt(share * (1 - share))) * volatility * shocks


def extremes(rng: np.random.Generator, move: FloatArray, volatility: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far each bar's high and low lie from its open, in log price.

    Drawn from the distribution of the extremes of a Brownian path from 0 to ``move``: the maximum exceeds b with the
    probability ``exp(-2 b (b - move) / volatility**2)``. So the range fits the volatility, and the high is never below
    the open or the close, nor the low above them.
    """
    upper, lower = rng.standard_exponential((2, len(move)))
    square, spread = move * move, 2 * volatility * volatility
    return (move + np.sqrt(square + spread * upper)) / 2, (move - np.sqrt(square + spread * lower)) / 2


def price_columns(
    log_open: FloatArray, log_close: FloatArray, high: FloatArray, low: FloatArray, *, scale: float, digits: int
) -> dict[str, FloatArray]:
    """Return open, high, low and close, rounded to digits after the point and never below the smallest price.

    ``high`` and ``low`` are log distances from the open; log prices of 0 are a price of ``scale``.
    """
    logs = (log_open, log_close, log_open + high, log_open + low)
    opened, closed, upper, lower = (np.maximum(np.round(scale * np.exp(log), digits), 10.0**-digits) for log in logs)
    # The extremes are exact up to the last bit of a sum, which may fall on the other side of a rounding edge.
    return {
        "open": opened,
        "high": np.maximum(upper, np.maximum(opened, closed)),
        "low": np.minimum(lower, np.minimum(opened, closed)),
        "close": closed,
    }


def activity(
    rng: np.random.Generator, surprise: FloatArray, *, persistence: float, spread: float, response: float
) -> FloatArray:
    """Return factors of volume around one: persistent, and higher on bars that move more than usual.

    ``surprise`` is the size of each bar's move in multiples of the usual one, ``response`` how strongly volume follows.
    """
    wave = persistent(rng.standard_normal(len(surprise)), persistence)
    noise = rng.standard_normal(len(surprise))
    return np.exp(spread * (0.85 * wave + 0.5 * noise) + response * (np.log1p(surprise) - 0.55))
