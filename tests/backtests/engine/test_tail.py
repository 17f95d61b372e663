"""Value at risk and the mean beyond it are those of a plain sort, whatever the returns are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from backtests.engine.returns import NEAR, _tail
from strategies.bars import FloatArray
from tests.backtests.engine.metric_references import quantile

Random = np.random.Generator
Draw = Callable[[Random, int], FloatArray]


def worst_mean(values: list[float]) -> float:
    n_worst = (len(values) - 1) // 20 + 1
    return math.fsum(sorted(values)[:n_worst]) / n_worst


def assert_as_sorted(moved: FloatArray, n: int) -> None:
    """The tail of ``moved`` and zeros that make n of them is that of all of them in order."""
    before = moved.copy()
    losses = -math.fsum(value for value in moved.tolist() if value < 0.0)
    at_risk, beyond = _tail(moved, n, losses)
    assert moved.tobytes() == before.tobytes()
    every = [*moved.tolist(), *[0.0] * (n - len(moved))]
    ordered = sorted(every)
    lower = (n - 1) // 20
    # Between or of values of both signs, digits are lost of their sizes.
    sizes = [abs(value) for value in ordered] if ordered[min(lower + 1, n - 1)] > 0.0 else [0.0] * n
    assert at_risk == pytest.approx(quantile(every, 0.05), rel=1e-12, abs=1e-12 * max(sizes[lower : lower + 2]))
    assert beyond == pytest.approx(worst_mean(every), rel=1e-12, abs=1e-12 * max(sizes[: lower + 1]))


# Samples


def even(random: Random, n: int) -> FloatArray:
    return random.uniform(-0.05, 0.05, n)


def normal(random: Random, n: int) -> FloatArray:
    return 0.0003 + 0.01 * random.standard_normal(n)


def skewed(random: Random, n: int) -> FloatArray:
    return 0.01 - random.exponential(0.01, n)


def heavy(random: Random, n: int) -> FloatArray:
    return 0.001 * random.standard_cauchy(n)


def of_every_size(random: Random, n: int) -> FloatArray:
    return np.where(random.random(n) < 0.8, -1.0, 1.0) * 10.0 ** random.uniform(-300, 2, n)


def rounded(random: Random, n: int) -> FloatArray:
    return np.round(normal(random, n), int(random.integers(2, 4)))


def of_few_values(random: Random, n: int) -> FloatArray:
    return random.choice(np.array([-0.3, -0.02, -0.02 * (1 + 1e-15), -0.01, 0.0, 0.01]), n)


def of_two_sizes(random: Random, n: int) -> FloatArray:
    n_large = int(random.integers(0, n // 10 + 2))
    return np.where(random.permutation(n) < n_large, -0.5, -1e-9) * (1.0 + 1e-3 * random.random(n))


def next_to_each_other(random: Random, n: int) -> FloatArray:
    return -0.01 - 2.0**-59 * random.integers(0, 6, n).astype(np.float64)


def all_equal(random: Random, n: int) -> FloatArray:
    return np.full(n, random.choice([-0.25, -1e-9, -1e-300, 0.0, 1e-9, 0.25]))


def all_lost(random: Random, n: int) -> FloatArray:
    return -random.random(n) - 1e-6


def all_won(random: Random, n: int) -> FloatArray:
    return random.random(n) + 1e-6


def rising(random: Random, n: int) -> FloatArray:
    return np.sort(normal(random, n))


def falling(random: Random, n: int) -> FloatArray:
    return -np.sort(normal(random, n))


DRAWS: tuple[Draw, ...] = (
    *(even, normal, skewed, heavy, of_every_size, rounded, of_few_values, of_two_sizes, next_to_each_other),
    *(all_equal, all_lost, all_won, rising, falling),
)
ALL = pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)


def samples(draw: Draw, seed: int, sizes: Iterator[int]) -> Iterator[tuple[FloatArray, int]]:
    """Returns that move, and how many there are with those that do not: none, a few, or nearly all of them."""
    random = np.random.default_rng(seed)
    for n in sizes:
        for share in (0.0, random.random(), 0.97):
            n_zero = int(n * share)
            yield draw(random, n - n_zero), n


@ALL
def test_the_tail_of_few_returns_is_that_of_a_sort(draw: Draw) -> None:
    for seed in range(2):
        for moved, n in samples(draw, seed, iter(range(2, 130))):
            assert_as_sorted(moved, n)


@ALL
def test_the_tail_of_many_returns_is_that_of_a_sort(draw: Draw) -> None:
    sizes = np.random.default_rng(3).integers(130, 2000, 30).tolist()
    for moved, n in samples(draw, 7, iter([*sizes, 4999, 5000])):
        assert_as_sorted(moved, n)


@ALL
@pytest.mark.parametrize("n", [2, 20, 21, 22, 41, 100, 401, 1001, 3000])
def test_any_number_of_losses_has_the_tail_of_a_sort(draw: Draw, n: int) -> None:
    """Around the number of losses at which the quantile becomes one of them, with zeros and with gains beside them."""
    random = np.random.default_rng(n)
    lower = (n - 1) // 20
    near = {*range(lower - 2, lower + 4), lower + NEAR, lower + 2 * NEAR, n // 2}
    for n_losses in sorted(count for count in near if 0 <= count <= n):
        losses = -np.abs(draw(random, n_losses)) - 1e-5 if n_losses else np.empty(0)
        for n_gains in {0, min(1, n - n_losses), (n - n_losses) // 2, n - n_losses}:
            for n_zero in {0, (n - n_losses - n_gains) // 2}:
                moved = np.concatenate((losses, random.random(n_gains), np.zeros(n_zero)))
                assert_as_sorted(random.permutation(moved), n)


@pytest.mark.parametrize("n", [2, 3, 20, 21, 22, 41, 5000])
def test_returns_that_do_not_move_have_no_tail(n: int) -> None:
    for moved in (np.empty(0), np.zeros(1), np.zeros(n)):
        assert _tail(moved, n, 0.0) == (0.0, 0.0)


def test_ties_at_the_quantile_count_as_often_as_they_are_there() -> None:
    for n in (41, 101, 400, 1000):
        lower = (n - 1) // 20
        for n_below in range(lower + 2):
            for n_ties in (1, 2, lower + 2, n - n_below):
                moved = np.full(n, 0.001)
                moved[:n_below] = -0.04
                moved[n_below : n_below + n_ties] = -0.02
                assert_as_sorted(np.random.default_rng(n_below).permutation(moved), n)


@pytest.mark.parametrize("outlier", [-1e300, -1e6, -1.5, -1.0])
def test_a_loss_beyond_all_others_leaves_the_rest_to_be_told_apart(outlier: float) -> None:
    random = np.random.default_rng(2)
    for n in (30, 200, 1500):
        for n_outliers in (1, 2, n // 20, n // 20 + 1, n // 20 + 2):
            moved = normal(random, n)
            moved[:n_outliers] = outlier
            assert_as_sorted(random.permutation(moved), n)
